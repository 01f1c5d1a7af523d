"""npz: a zip of `.npy` arrays, as `numpy.savez` writes it. The `.npy` header: numpy.lib.format, versions 1.0 to 3.0."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, Literal

import numpy

from migspec import dtypes
from migspec.diagnostics.model import file_error
from migspec.formats.base import Extent
from migspec.formats.input import InputFile, check_shape, damaged, unsupported
from migspec.formats.output import Destination, OutputFile
from migspec.formats.zip_members import ZipMembers
from migspec.variables import Variable, VariableMap

FORMAT = "npz"

_HEADER_GUESS = 512  # most headers fit; a longer one is read in a second go
_HEADER_LIMIT = 12 + 10_000  # numpy's own limit on the text of a header
_SAVED = frozenset(dtypes.NAMES) - {"string", "bfloat16", "float8_e4m3fn", "float8_e5m2"}


@dataclass(frozen=True, slots=True)
class _Array:
    """One member: the numpy dtype as the header has it, the order of its axes, and where its values begin in the member."""

    member: str
    dtype: numpy.dtype
    fortran: bool
    start: int


class NpzReader:
    """An open npz file. The names are its keys: members without `.npy`. Members of another kind are no variables."""

    def __init__(self, path: str) -> None:
        self._file = InputFile(path)
        try:
            self._zip = ZipMembers(self._file)
            try:
                self._arrays: dict[str, _Array] = {}
                variables = [self._open(member) for member in self._zip.infos if member.endswith(".npy")]
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
        variable, array = self._map[name], self._arrays[name]
        info = self._zip.infos[array.member]
        in_c_order = not array.fortran or len(variable.shape) < 2
        if info.compress_type != zipfile.ZIP_STORED or not in_c_order or variable.dtype not in _SAVED:
            return None
        order: Literal["big", "little"] = "big" if array.dtype.newbyteorder("=") != array.dtype else "little"
        before = zlib.crc32(self._zip.start(array.member, array.start))
        place = self._zip.offset(info) + array.start
        return Extent(self.path, place, variable.nbytes, order, crc32=info.CRC, crc32_before=before)

    def read(self, name: str) -> numpy.ndarray:
        variable, array = self._map[name], self._arrays[name]
        if variable.dtype not in _SAVED:
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

    def _open(self, member: str) -> Variable:
        info = self._zip.check(member)
        start = self._zip.start(member, _HEADER_GUESS)
        length = _header_length(start)
        if length is None or length > min(_HEADER_LIMIT, info.file_size):
            raise damaged(self.path, f"the member `{member}` does not begin with a numpy header")
        if length > len(start):
            start = self._zip.start(member, length)
        shape, fortran, dtype = self._parse(member, start)
        name = member.removesuffix(".npy")
        variable = Variable(name, shape, _dtype_name(dtype))
        check_shape(self.path, variable, dtype.itemsize)
        if not dtype.hasobject and variable.size * dtype.itemsize != info.file_size - length:
            raise damaged(self.path, f"`{name}` is said to be {dtype} {list(shape)}, but has {info.file_size - length} bytes")
        self._arrays[name] = _Array(member, dtype, fortran, length)
        return variable

    def _parse(self, member: str, start: bytes) -> tuple[tuple[int, ...], bool, numpy.dtype]:
        stream = io.BytesIO(start)
        try:
            version = numpy.lib.format.read_magic(stream)
            parse = numpy.lib.format.read_array_header_1_0 if version[0] == 1 else numpy.lib.format.read_array_header_2_0
            shape, fortran, dtype = parse(stream)
        except Exception as error:  # numpy evaluates the header's text: a damaged one fails in ways that are not listed
            raise damaged(self.path, f"the numpy header of `{member}` cannot be parsed") from error
        if any(type(length) is not int or length < 0 for length in shape):
            raise damaged(self.path, f"the numpy header of `{member}` has the shape {list(shape)}")
        return shape, fortran, dtype


def _header_length(start: bytes) -> int | None:
    """The bytes before the values, from the first ones of a member; None if that is no header."""
    if start[:6] != b"\x93NUMPY" or len(start) < 12:
        return None
    return 10 + int.from_bytes(start[8:10], "little") if start[6] == 1 else 12 + int.from_bytes(start[8:12], "little")


def _dtype_name(dtype: numpy.dtype) -> str:
    """The name of a dtype in migspec; one that only numpy has keeps numpy's (`<U5`, `datetime64[ns]`), so it is opaque."""
    return dtype.name if dtype.name in _SAVED else dtype.str if dtype.names is None else str(dtype)


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
        member = self._zip.open(info, "w", force_zip64=True)
        header = {
            "descr": dtypes.numpy_dtype(variable.dtype).newbyteorder("<").str,
            "fortran_order": False,
            "shape": variable.shape,
        }
        numpy.lib.format.write_array_header_1_0(member, header)
        self._current, self._member = variable.name, member
        self._size = self._missing = variable.nbytes

    def _finish(self) -> None:
        if self._missing:
            raise ValueError(f"`{self._current}` lacks {self._missing} bytes")
        if self._member is not None:
            self._member.close()
            self._member = None


def _check(path: str, variable: Variable) -> None:
    cause = None
    if variable.dtype not in _SAVED:
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
