"""npz: a zip of `.npy` arrays, as `numpy.savez` writes it."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import IO, Literal

import numpy

from migspec import dtypes
from migspec.diagnostics.model import file_error
from migspec.formats.base import Extent
from migspec.formats.input import InputFile, check_shape, damaged, unsupported
from migspec.formats.npy_header import NpyHeader, dtype_name, is_moved, read_npy_header
from migspec.formats.output import Destination, OutputFile
from migspec.formats.pickled.array_reader import NamedArray, variable_of
from migspec.formats.pickled.object_array import object_arrays
from migspec.formats.pickled.place import member_place
from migspec.formats.pickled.stored_array import AnyArray, extent_of, read_array
from migspec.formats.zip_members import ZipMembers
from migspec.variables import Variable, VariableMap

FORMAT = "npz"


@dataclass(frozen=True, slots=True)
class _Array:
    """One member: the numpy dtype as the header has it, the order of its axes, and where its values begin in the member."""

    member: str
    dtype: numpy.dtype
    fortran: bool
    start: int


class NpzReader:
    """An open npz file. The names are its keys: members without `.npy`. Members of another kind are no variables.

    A member of pickled objects gives a variable for each array in them, called by the key and the way to it: `key/conv1/weights`.
    """

    def __init__(self, path: str) -> None:
        self._file = InputFile(path)
        try:
            self._zip = ZipMembers(self._file)
            try:
                self._arrays: dict[str, _Array] = {}
                self._pickled: dict[str, AnyArray] = {}
                members = [member for member in self._zip.infos if member.endswith(".npy")]
                variables = [variable for member in members for variable in self._open(member)]
                _check_names(path, variables)
            except BaseException:
                self._zip.close()
                raise
        except BaseException:
            self._file.close()
            raise
        self._map = VariableMap.of(path, variables)

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def files(self) -> tuple[str, ...]:
        return (self._file.path,)

    @property
    def variables(self) -> VariableMap:
        return self._map

    def extent(self, name: str) -> Extent | None:
        if name in self._pickled:
            return extent_of(self._pickled[name])
        variable, array = self._map[name], self._arrays[name]
        info = self._zip.infos[array.member]
        in_c_order = not array.fortran or len(variable.shape) < 2
        if info.compress_type != zipfile.ZIP_STORED or not in_c_order or not is_moved(variable.dtype):
            return None
        order: Literal["big", "little"] = "big" if array.dtype.newbyteorder("=") != array.dtype else "little"
        before = zlib.crc32(self._zip.start(array.member, array.start))
        place = self._zip.offset(info) + array.start
        return Extent(self.path, place, variable.nbytes, order, crc32=info.CRC, crc32_before=before)

    def read(self, name: str) -> numpy.ndarray:
        if name in self._pickled:
            return read_array(self.path, name, self._pickled[name])
        variable, array = self._map[name], self._arrays[name]
        if not is_moved(variable.dtype):
            raise unsupported(
                self.path,
                f"`{name}` has the dtype {variable.dtype}, which migspec lists but does not read",
                "convert it with numpy first",
            )
        values = numpy.empty(variable.nbytes, numpy.uint8)
        filled = -array.start
        for chunk in self._zip.chunks(array.member):
            skipped = max(0, min(len(chunk), -filled))
            part = numpy.frombuffer(chunk, numpy.uint8)[skipped:]
            at = max(filled, 0)
            values[at : at + part.size] = part
            filled += len(chunk)
        shaped = values.view(array.dtype).reshape(variable.shape, order="F" if array.fortran else "C")
        return numpy.ascontiguousarray(shaped, dtypes.numpy_dtype(variable.dtype)).reshape(variable.shape)

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def _open(self, member: str) -> list[Variable]:
        info = self._zip.check(member)
        what = f"the member `{member}`"
        header = read_npy_header(self.path, what, info.file_size, lambda length: self._zip.start(member, length))
        name = member.removesuffix(".npy")
        variable = Variable(name, header.shape, dtype_name(header.dtype))
        check_shape(self.path, variable, header.dtype.itemsize)
        if header.dtype.kind == "O":
            pickled = self._open_pickle(member, header)
            if pickled:
                return pickled
        size = info.file_size - header.length
        if not header.dtype.hasobject and variable.size * header.dtype.itemsize != size:
            raise damaged(self.path, f"`{name}` is said to be {header.dtype} {list(header.shape)}, but has {size} bytes")
        self._arrays[name] = _Array(member, header.dtype, header.fortran, header.length)
        return [variable]

    def _open_pickle(self, member: str, header: NpyHeader) -> list[Variable]:
        """The arrays in a member of objects, under the keys that lead to them; the values of objects are behind the header."""
        variables = []
        for found in object_arrays(member_place(self._zip, member, header.length)):
            named = NamedArray("/".join((member.removesuffix(".npy"), *found.keys)), found.array)
            self._pickled[named.name] = named.array
            variables.append(variable_of(self.path, named))
        return variables


class NpzWriter:
    """An npz in the making: stored members in the order of `variables`, each as `numpy.save` writes it (version 1.0)."""

    def __init__(self, destination: Destination, variables: VariableMap) -> None:
        """Raises `SpecError`: MIG508 if a name or dtype does not fit, else as `OutputFile`."""
        for variable in variables:
            _check(destination.path, variable)
        self._pending = list(reversed(variables.variables))
        self._output = OutputFile(destination)
        self._stream = self._output.stream()
        self._zip = zipfile.ZipFile(self._stream, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._current: str | None = None
        self._size = self._missing = 0  # bytes of the current variable
        self._member: IO[bytes] | None = None

    @property
    def concurrent(self) -> bool:
        return False

    def write(self, name: str, offset: int, data: memoryview) -> None:
        while self._current != name:
            self._next()
        if self._member is None or offset != self._size - self._missing or len(data) > self._missing:
            raise ValueError(f"`{name}` does not get its bytes in order")
        self._member.write(data)
        self._missing -= len(data)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:  # noqa: ARG002
        raise ValueError(f"`{name}`: npz holds no strings")  # refused when the writer was made

    def commit(self) -> None:
        while self._pending:
            self._next()
        self._finish()
        self._zip.close()
        self._output.commit()

    def abort(self) -> None:
        self._stream.discard()
        if self._member is not None:
            self._member.close()
        self._zip.close()
        self._output.abort()

    def _next(self) -> None:
        self._finish()
        if not self._pending:
            raise ValueError("a variable is written out of its order")
        variable = self._pending.pop()
        info = zipfile.ZipInfo(f"{variable.name}.npy")  # dated 1980: equal inputs give equal files
        # Kept before its header is written: if that fails, `abort` closes it.
        self._member = member = self._zip.open(info, "w", force_zip64=True)
        header = {
            "descr": dtypes.numpy_dtype(variable.dtype).newbyteorder("<").str,
            "fortran_order": False,
            "shape": variable.shape,
        }
        numpy.lib.format.write_array_header_1_0(member, header)
        self._current = variable.name
        self._size = self._missing = variable.nbytes

    def _finish(self) -> None:
        if self._missing:
            raise ValueError(f"`{self._current}` lacks {self._missing} bytes")
        if self._member is not None:
            self._member.close()
            self._member = None


def _check_names(path: str, variables: list[Variable]) -> None:
    [(name, count)] = Counter(variable.name for variable in variables).most_common(1) or [("", 1)]
    if count > 1:
        raise unsupported(path, f"two arrays in it are called `{name}`", "save them under different keys")


def _check(path: str, variable: Variable) -> None:
    cause = None
    if not is_moved(variable.dtype):
        cause = f"npz cannot hold `{variable.name}`: numpy's files have no dtype {variable.dtype}"
    elif not _is_member_name(variable.name):
        cause = f"npz cannot hold a variable called {variable.name!r}"
    if cause is not None:
        raise file_error("MIG508", path, cause, helps=["write safetensors, or change the spec so that the dtype or name fits"])


def _is_member_name(name: str) -> bool:
    try:
        encoded = f"{name}.npy".encode()
    except UnicodeEncodeError:
        return False
    return bool(name) and "\0" not in name and len(encoded) < 1 << 16
