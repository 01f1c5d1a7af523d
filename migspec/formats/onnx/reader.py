"""Reading the tensors of an ONNX model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy

from migspec.dtypes import itemsize, kind
from migspec.formats.base import Extent
from migspec.formats.input import InputFile, check_shape, damaged, unsupported
from migspec.formats.onnx.external import ExternalPlace, check_file, check_sum, external_place
from migspec.formats.onnx.graph import Found, find_tensors
from migspec.formats.onnx.tensor import Tensor, little_endian, parse_tensor, read_tensor, sparse_values
from migspec.formats.protobuf_wire import FileBytes
from migspec.variables import Variable, VariableMap

FORMAT = "onnx"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One variable: its tensor, None if it is sparse; and its place if that is in another file."""

    variable: Variable
    tensor: Tensor | None
    external: ExternalPlace | None


@dataclass(frozen=True, slots=True)
class _Described:
    """What a message says of its tensor; `tensor` is None if it is sparse."""

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    tensor: Tensor | None

    @property
    def full_name(self) -> str:
        return self.path + self.name


class OnnxReader:
    """An open model. A variable is an initializer, by its name, or the value of a `Constant` node, by the name of its output;
    one inside a node's graph has the node and the attribute in front: `loop_1/body/weight`. They come in the order of the
    file. Files with external data are opened when their values are read."""

    def __init__(self, path: str) -> None:
        """SpecError: MIG501, MIG503, MIG505 for external data outside of the model's folder."""
        self._file = InputFile(path)
        try:
            entries = self._entries_of(path)
        except ValueError as error:
            self._file.close()
            raise damaged(path, str(error)) from None
        except BaseException:
            self._file.close()
            raise
        self._entries = {entry.variable.name: entry for entry in entries}
        self._map = VariableMap.of(path, [entry.variable for entry in entries])
        self._summed: set[str] = set()
        outside = dict.fromkeys(entry.external.path for entry in entries if entry.external is not None)
        self._files = (path, *outside)

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def files(self) -> tuple[str, ...]:
        return self._files

    @property
    def variables(self) -> VariableMap:
        return self._map

    def extent(self, name: str) -> Extent | None:
        entry = self._entries[name]
        if entry.external is not None:
            self._check(name, entry.external)
            return Extent(entry.external.path, entry.external.offset, entry.external.length)
        place = entry.tensor.place if entry.tensor is not None else None
        return None if place is None else Extent(self.path, place[0], place[1] - place[0])

    def read(self, name: str) -> numpy.ndarray:
        entry = self._entries[name]
        variable = entry.variable
        if entry.tensor is None or kind(variable.dtype) == "opaque":
            raise unsupported(self.path, f"`{name}` is {variable.dtype}, which migspec can list but not read")
        if entry.external is not None:
            self._check(name, entry.external)
            file = InputFile(entry.external.path)
            try:
                data = file.exactly(entry.external.length, entry.external.offset)
            finally:
                file.close()
            return little_endian(data, variable.dtype).reshape(variable.shape)
        try:
            return read_tensor(FileBytes(self._file), entry.tensor)
        except ValueError as error:
            raise damaged(self.path, f"the values of `{name}`: {error}") from None

    def close(self) -> None:
        self._file.close()

    def _entries_of(self, path: str) -> list[_Entry]:
        source = FileBytes(self._file)
        described = [_describe(source, found) for found in find_tensors(source)]
        full_names = Counter(one.full_name for one in described)
        names = Counter(one.name for one in described)
        entries = []
        for one in described:
            if full_names[one.full_name] > 1:
                raise ValueError(f"two tensors are called `{one.full_name}`")
            aliases = (one.name,) if one.path and names[one.name] == 1 and one.name not in full_names else ()
            variable = Variable(one.full_name, one.shape, one.dtype, aliases)
            check_shape(path, variable)
            entries.append(_Entry(variable, one.tensor, _external(path, variable, one.tensor)))
        return entries

    def _check(self, name: str, place: ExternalPlace) -> None:
        check_file(self.path, name, place)
        if place.checksum is not None and place.path not in self._summed:
            check_sum(place)
            self._summed.add(place.path)


def _describe(source: FileBytes, found: Found) -> _Described:
    if found.sparse:
        name, shape, dtype = sparse_values(source, found.start, found.end)
        tensor = None
    else:
        tensor = parse_tensor(source, found.start, found.end)
        name, shape, dtype = tensor.name, tensor.shape, tensor.dtype
    if not (found.name or name):
        raise ValueError(f"the tensor at byte {found.start} has no name")
    return _Described(found.path, found.name or name, shape, dtype, tensor)


def _external(path: str, variable: Variable, tensor: Tensor | None) -> ExternalPlace | None:
    """The place of a tensor outside of the model's file. What cannot be read has none."""
    if tensor is None or tensor.external is None or kind(variable.dtype) == "opaque":
        return None
    if not itemsize(variable.dtype):
        raise damaged(path, f"the strings of `{variable.name}` lie in another file, where only numbers may lie")
    return external_place(path, variable.name, tensor.external, variable.nbytes)
