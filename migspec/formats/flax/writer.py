"""Writing flax msgpack files, so that `flax.serialization.msgpack_restore` and `from_bytes` read them."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.flax.elements import array_header, bytes_header, extension_header, integer, map_header, text
from migspec.formats.flax.reader import FlaxReader
from migspec.formats.flax.tree import ARRAY, CHUNKED, COMPLEX, Form
from migspec.formats.output import Destination, OutputFile
from migspec.variables import Variable, VariableMap

CHUNK_BYTES = 1 << 30
"""An array of more bytes is stored in chunks of as many: `MAX_CHUNK_SIZE` of flax/serialization.py."""

_COPY_BYTES = 1 << 20

# the bytes before the value, and its layout; a complex number is an array of two doubles
_NUMBERS: dict[Form, tuple[bytes, str, str]] = {
    "integer": (b"\xd3", "<q", ">q"),
    "unsigned": (b"\xcf", "<Q", ">Q"),
    "double": (b"\xcb", "<d", ">d"),
    "single": (b"\xca", "<f", ">f"),
    "boolean": (b"", "<B", ">B"),
    "complex": (extension_header(COMPLEX, 19) + b"\x92\xcb", "<dd", ">d1sd"),
}


@dataclass(frozen=True, slots=True)
class _Literal:
    data: bytes


@dataclass(frozen=True, slots=True)
class _Copied:
    """Bytes of the template."""

    place: int
    length: int


@dataclass(frozen=True, slots=True)
class _Values:
    """Bytes `begin` to `end` of the values of an array."""

    name: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class _Native:
    """A value in an element of its own; how long that of a text is only the value tells."""

    name: str
    form: Form


_Piece: TypeAlias = _Literal | _Copied | _Values | _Native


class FlaxWriter:
    """A flax msgpack file in the making. After a template it is that file, byte for byte, with other values: what is a number of
    Python there is one again. Without one, names are cut at `/` into nested maps of arrays.
    """

    def __init__(self, destination: Destination, variables: VariableMap, template: FlaxReader | None = None) -> None:
        """Raises `SpecError`: MIG508 if a name or dtype does not fit, else as `OutputFile`."""
        forms = {} if template is None else {leaf.variable.name: leaf.form for leaf in template.leaves}
        for variable in variables:
            cause = _refusal(variable, forms.get(variable.name))
            if cause is not None:
                raise file_error(
                    "MIG508", destination.path, f"flax msgpack cannot hold {cause}", helps=["change the spec so that it fits"]
                )
        self._template = template
        pieces = _after(template, variables) if template is not None else _pieces(_nested(destination.path, variables))
        self._pending = deque(_joined(pieces))
        self._places: dict[str, list[tuple[int, int, int]]] = {}  # of an array: first byte, the one behind, place in the file
        self._natives: dict[str, tuple[Form, int]] = {}
        self._end = 0
        self._output = OutputFile(destination)
        try:
            self._lay_out()
        except SpecError:
            self._output.abort()
            raise
        self._concurrent = not self._pending

    @property
    def concurrent(self) -> bool:
        return self._concurrent

    def write(self, name: str, offset: int, data: memoryview) -> None:
        if name in self._natives:
            self._write_number(*self._natives[name], bytes(data))
            return
        stop = offset + len(data)
        for begin, end, place in self._places[name]:
            first, last = max(begin, offset), min(end, stop)
            if first < last:
                self._output.pwrite(data[first - offset : last - offset], place + first - begin)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        piece = self._pending.popleft() if self._pending else None
        if not isinstance(piece, _Native) or piece.name != name:
            raise ValueError(f"`{name}` is written out of its order")
        value = bytes(values[()])
        encoded = text(value) if piece.form == "text" and _is_utf8(value) else bytes_header(len(value)) + value
        self._output.pwrite(encoded, self._end)
        self._end += len(encoded)
        self._lay_out()

    def commit(self) -> None:
        if self._pending:
            raise ValueError("a text is missing")
        self._output.commit()

    def abort(self) -> None:
        self._output.abort()

    def _lay_out(self) -> None:
        """Give each piece its place and write what is known of it, up to the first text."""
        while self._pending:
            match self._pending[0]:
                case _Literal(data):
                    self._output.pwrite(data, self._end)
                    self._end += len(data)
                case _Copied(place, length):
                    self._copy(place, length)
                case _Values(name, begin, end):
                    self._places.setdefault(name, []).append((begin, end, self._end))
                    self._end += end - begin
                case _Native(name, form):
                    if form not in _NUMBERS:
                        break
                    self._natives[name] = (form, self._end)
                    before, _, layout = _NUMBERS[form]
                    self._end += len(before) + struct.calcsize(layout)
            self._pending.popleft()
        self._output.truncate(self._end)

    def _copy(self, place: int, length: int) -> None:
        assert self._template is not None
        while length:
            data = self._template.file.exactly(min(length, _COPY_BYTES), place)
            self._output.pwrite(data, self._end)
            self._end += len(data)
            place += len(data)
            length -= len(data)

    def _write_number(self, form: Form, place: int, data: bytes) -> None:
        before, stored, layout = _NUMBERS[form]
        values = struct.unpack(stored, data)
        if form == "boolean":
            values = (0xC3 if values[0] else 0xC2,)
        elif form == "complex":
            values = (values[0], b"\xcb", values[1])
        self._output.pwrite(before + struct.pack(layout, *values), place)


def _refusal(variable: Variable, form: Form | None) -> str | None:
    if form == "opaque" or dtypes.kind(variable.dtype) == "opaque":
        return f"`{variable.name}`: migspec does not write the dtype {variable.dtype} to it"
    if variable.dtype == "string" and form is None:
        return f"`{variable.name}`: a text is written only in place of one that the target has, and no array of texts"
    if not _is_unicode(variable.name):
        return f"a variable called {variable.name!r}"
    return None


def _after(template: FlaxReader, variables: VariableMap) -> Iterator[_Piece]:
    """The pieces of a template, with the values of `variables` to come; all others stay as they are."""
    copied = 0
    for leaf in template.leaves:
        if leaf.variable.name not in variables:
            continue
        begin = 0
        for place, length in leaf.parts:
            yield _Copied(copied, place - copied)
            copied = place + length
            if leaf.form == "array":
                yield _Values(leaf.variable.name, begin, begin + length)
                begin += length
            else:
                yield _Native(leaf.variable.name, leaf.form)
    yield _Copied(copied, template.file.size - copied)


_Tree: TypeAlias = "dict[str, Variable | _Tree]"


def _nested(path: str, variables: Iterable[Variable]) -> _Tree:
    """Names cut at `/`. MIG508 where one variable is called as others begin."""
    root: _Tree = {}
    for variable in variables:
        *above, last = variable.name.split("/")
        node = root
        for key in above:
            inner = node.setdefault(key, {})
            if isinstance(inner, Variable):
                raise _is_no_folder(path, inner, variable)
            node = inner
        other = node.setdefault(last, variable)
        if other is not variable:
            raise _is_no_folder(path, variable, _first(other))
    return root


def _first(node: Variable | _Tree) -> Variable:
    while not isinstance(node, Variable):
        node = next(iter(node.values()))
    return node


def _is_no_folder(path: str, short: Variable, long: Variable) -> SpecError:
    return file_error(
        "MIG508",
        path,
        f"flax msgpack cannot hold both `{short.name}` and `{long.name}`: a name is either a value or a map",
        helps=["rename one of them in the spec"],
    )


def _pieces(node: Variable | _Tree) -> Iterator[_Piece]:
    if isinstance(node, Variable):
        yield from _leaf(node)
        return
    yield _Literal(map_header(len(node)))
    for key, value in node.items():
        yield _Literal(text(key.encode()))
        yield from _pieces(value)


def _leaf(variable: Variable) -> Iterator[_Piece]:
    if variable.nbytes <= CHUNK_BYTES:
        yield from _array(variable, variable.shape, 0, variable.nbytes)
    else:
        itemsize = dtypes.itemsize(variable.dtype)
        step = max(1, CHUNK_BYTES // itemsize) * itemsize
        begins = range(0, variable.nbytes, step)
        lengths = b"".join(text(str(axis).encode()) + integer(length) for axis, length in enumerate(variable.shape))
        shape = text(b"shape") + map_header(len(variable.shape)) + lengths
        yield _Literal(map_header(3) + text(CHUNKED.encode()) + b"\xc3" + shape + text(b"chunks") + map_header(len(begins)))
        for number, begin in enumerate(begins):
            end = min(begin + step, variable.nbytes)
            yield _Literal(text(str(number).encode()))
            yield from _array(variable, ((end - begin) // itemsize,), begin, end)


def _array(variable: Variable, shape: tuple[int, ...], begin: int, end: int) -> Iterator[_Piece]:
    lengths = b"".join(integer(length) for length in shape)
    inner = array_header(3) + array_header(len(shape)) + lengths + text(variable.dtype.encode()) + bytes_header(end - begin)
    yield _Literal(extension_header(ARRAY, len(inner) + end - begin) + inner)
    yield _Values(variable.name, begin, end)


def _joined(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """The same with literals that follow one another as one."""
    data = bytearray()
    for piece in pieces:
        if isinstance(piece, _Literal):
            data += piece.data
        else:
            if data:
                yield _Literal(bytes(data))
                data.clear()
            yield piece
    if data:
        yield _Literal(bytes(data))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
