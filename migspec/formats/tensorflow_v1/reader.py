"""Reading the variables of a V1 checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migspec.diagnostics.model import file_error
from migspec.dtypes import kind, numpy_dtype
from migspec.formats.base import Extent, Reader
from migspec.formats.input import check_shape, damaged, unsupported
from migspec.formats.tensorflow_v1.location import find_shards
from migspec.formats.tensorflow_v1.metadata import Tensor, gather
from migspec.formats.tensorflow_v1.values import Shard
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy

FORMAT = "tensorflow-v1"


def open_v1(path: str) -> Reader:
    """Open a V1 checkpoint, named as `find_shards` says. Only the lists of variables are read. SpecError with MIG501 to MIG505
    (MIG502 if the path holds no such checkpoint)."""
    files = find_shards(path)
    if not files:
        raise file_error("MIG502", path, "no TensorFlow V1 checkpoint")
    return _V1Reader(path, files)


class _V1Reader:
    """The `Reader` of one checkpoint; all its files are open."""

    format = FORMAT

    def __init__(self, path: str, files: tuple[str, ...]) -> None:
        self.path = path
        self.files = files
        self._shards: list[Shard] = []
        self._tensors: dict[str, Tensor] = {}
        try:
            for file in files:
                self._shards.append(Shard(file))
            self._gather()
        except BaseException:
            self.close()
            raise
        variables = [Variable(name, tensor.shape, tensor.dtype) for name, tensor in self._tensors.items()]
        for variable in variables:
            check_shape(path, variable)
        self.variables = VariableMap.of(path, variables)

    def extent(self, name: str) -> Extent | None:
        tensor = self._tensors[name]
        if len(tensor.parts) != 1 or kind(tensor.dtype) in ("string", "opaque"):
            return None
        [part] = tensor.parts
        return self._shards[part.shard].extent(part)

    def read(self, name: str) -> numpy.ndarray:
        tensor = self._tensors[name]
        if kind(tensor.dtype) == "opaque":
            raise unsupported(self.path, f"`{name}` is {tensor.dtype}, which migspec can list but not read")
        if len(tensor.parts) == 1:
            [part] = tensor.parts
            return self._shards[part.shard].read(part)
        result = self._empty(name, tensor)
        for part in tensor.parts:
            result[part.box.region] = self._shards[part.shard].read(part)
        return result

    def close(self) -> None:
        for shard in self._shards:
            shard.close()

    def _gather(self) -> None:
        try:
            self._tensors = dict(gather([shard.variables for shard in self._shards]))
        except ValueError as error:
            raise damaged(self.path, str(error)) from None
        for number, shard in enumerate(self._shards):
            shard.want(part for tensor in self._tensors.values() for part in tensor.parts if part.shard == number)

    def _empty(self, name: str, tensor: Tensor) -> numpy.ndarray:
        import numpy

        try:
            return numpy.empty(tensor.shape, numpy_dtype(tensor.dtype))
        except (ValueError, MemoryError) as error:  # more axes than numpy has, or more bytes than the machine has
            raise unsupported(self.path, f"`{name}` is {tensor.dtype} {list(tensor.shape)}: {error}") from None
