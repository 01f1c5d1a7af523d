"""What a flax msgpack file holds: its leaves, by name, and where their values lie.

The extension types, the layout of an array and that of one in chunks: flax/serialization.py,
https://github.com/google/flax/blob/main/flax/serialization.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from migspec import dtypes
from migspec.formats.flax.elements import Bytes, Element, element_at
from migspec.formats.input import check_shape, damaged, unsupported
from migspec.variables import Variable

ARRAY, COMPLEX, SCALAR = 1, 2, 3
"""The extension types: an array, a complex number of Python, an array without axes."""

CHUNKED = "__msgpack_chunked_array__"
"""The first key of a map that stands for an array in pieces."""

Form = Literal["array", "integer", "unsigned", "double", "single", "boolean", "complex", "text", "bytes", "opaque"]
"""How a leaf is encoded: as an array, as what Python has of its own, or in a way that migspec only lists."""

_NATIVE: dict[Form, str] = {
    "integer": "int64", "unsigned": "uint64", "double": "float64", "single": "float32", "boolean": "bool",
    "complex": "complex128", "text": "string", "bytes": "string",
}  # fmt: skip
_COMPLEX_LENGTH = 19  # an array of two doubles
_MOST_LEAVES = 1_000_000  # a leaf can take a single byte of the file, and some hundred of memory
_DEEPEST = 200
_MOVED = frozenset(dtypes.NAMES) - {"string"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A variable and its `parts`: first byte and length of each. For an array these are its values, in several parts if it is
    stored in chunks; else the one part is the whole element, header included."""

    variable: Variable
    form: Form
    parts: tuple[tuple[int, int], ...]


def leaves(source: Bytes) -> list[Leaf]:
    """Every leaf in the order of the file; `None` and empty containers are none. Reads headers alone.

    Names are keys and indices joined with `/`. Raises `SpecError`: MIG503 if the file is damaged, MIG505 if it holds what no
    variable can stand for.
    """
    root = element_at(source, 0)
    if root.kind not in ("map", "array"):
        raise unsupported(source.path, "it holds one value without a name", "save a dictionary of arrays")
    walk = _Walk(source)
    end = walk.element(root, ())
    if end != source.size:
        raise damaged(source.path, f"{source.size - end} bytes follow its end")
    return walk.leaves


class _Walk:
    def __init__(self, source: Bytes) -> None:
        self._source = source
        self._names: set[str] = set()
        self.leaves: list[Leaf] = []

    def element(self, element: Element, path: tuple[str, ...]) -> int:
        """Collect the leaves of an element; gives the place behind it."""
        if len(path) > _DEEPEST:
            raise unsupported(self._source.path, f"its maps are nested more than {_DEEPEST} deep")
        match element.kind:
            case "map":
                return self._map(element, path)
            case "array":
                place = element.place
                for index in range(element.length):
                    place = self.element(element_at(self._source, place), (*path, str(index)))
                return place
            case "nil":
                return element.end
            case "extension":
                self._extension(element, path)
            case "integer":
                self._native("unsigned" if element.number >= 1 << 63 else "integer", element, path)
            case "float":
                self._native("double" if element.end - element.start == 9 else "single", element, path)
            case "boolean" | "text" | "bytes":
                self._native(element.kind, element, path)
        return element.end

    def _map(self, element: Element, path: tuple[str, ...]) -> int:
        place = element.place
        for number in range(element.length):
            key, place = self._key(place)
            value = element_at(self._source, place)
            if key != CHUNKED:
                place = self.element(value, (*path, key))
            elif number == 0 and path:
                return self._chunked(element.length, value.end, path)
            else:
                raise unsupported(self._source.path, f"`{CHUNKED}` stands in it where flax does not write it")
        return place

    def _key(self, place: int) -> tuple[str, int]:
        key = element_at(self._source, place)
        if key.kind == "integer":
            return str(key.number), key.end
        if key.kind != "text":
            raise unsupported(
                self._source.path,
                f"at byte {place} it has a key of the kind {key.kind}; only texts and integers name variables",
            )
        return _text(self._source, key), key.end

    def _extension(self, element: Element, path: tuple[str, ...]) -> None:
        if element.code in (ARRAY, SCALAR):
            shape, dtype, part = _array(self._source, element)
            self._add(Leaf(self._variable(path, shape, dtype, part[1]), "array" if dtype in _MOVED else "opaque", (part,)))
        elif element.code == COMPLEX:
            content = self._source.at(element.place, element.length) if element.length == _COMPLEX_LENGTH else b""
            if content[:2] != b"\x92\xcb" or content[10:11] != b"\xcb":
                raise damaged(self._source.path, f"`{'/'.join(path)}` is said to be a complex number, and is none")
            self._native("complex", element, path)
        else:
            part = (element.start, element.end - element.start)
            self._add(Leaf(Variable("/".join(path), (), f"extension{element.code}"), "opaque", (part,)))

    def _native(self, form: Form, element: Element, path: tuple[str, ...]) -> None:
        part = (element.start, element.end - element.start)
        self._add(Leaf(Variable("/".join(path), (), _NATIVE[form]), form, (part,)))

    def _chunked(self, pairs: int, place: int, path: tuple[str, ...]) -> int:
        """An array in chunks: `shape` and `chunks` are maps from indices, as texts, to lengths and to arrays with one axis."""
        name = "/".join(path)
        lengths: list[int] = []
        chunks: list[tuple[str, int, tuple[int, int]]] = []
        for _ in range(pairs - 1):
            key, place = self._key(place)
            content = element_at(self._source, place)
            if key not in ("shape", "chunks") or content.kind != "map":
                raise damaged(self._source.path, f"`{name}` is an array in chunks with the strange part `{key}`")
            place = content.place
            for value in self._numbered(name, content):
                place = value.end
                if key == "shape":
                    if value.kind != "integer" or value.number < 0:
                        raise damaged(self._source.path, f"`{name}` is an array in chunks without a shape")
                    lengths.append(int(value.number))
                else:
                    shape, dtype, part = _array(self._source, value)
                    if len(shape) != 1:
                        raise damaged(self._source.path, f"`{name}` has a chunk of the shape {list(shape)}")
                    chunks.append((dtype, shape[0], part))
        kinds = {dtype for dtype, _, _ in chunks}
        if len(kinds) != 1:
            raise damaged(self._source.path, f"`{name}` is an array in chunks of {len(kinds)} dtypes")
        [dtype] = kinds
        parts = tuple(part for _, _, part in chunks)
        variable = self._variable(path, tuple(lengths), dtype, sum(length for _, length in parts))
        if sum(size for _, size, _ in chunks) != variable.size:
            raise damaged(self._source.path, f"the chunks of `{name}` do not make its shape {lengths}")
        self._add(Leaf(variable, "array" if dtype in _MOVED else "opaque", parts))
        return place

    def _numbered(self, name: str, content: Element) -> Iterator[Element]:
        """The values of a map whose keys are 0, 1, 2, ... in this order."""
        place = content.place
        for number in range(content.length):
            key, place = self._key(place)
            if key != str(number):
                raise damaged(self._source.path, f"`{name}` is an array in chunks with `{key}` in place of `{number}`")
            value = element_at(self._source, place)
            yield value
            place = value.end

    def _variable(self, path: tuple[str, ...], shape: tuple[int, ...], dtype: str, length: int) -> Variable:
        variable = Variable("/".join(path), shape, dtype)
        check_shape(self._source.path, variable)
        if dtype in _MOVED and variable.nbytes != length:
            raise damaged(self._source.path, f"`{variable.name}` is said to be {dtype} {list(shape)}, but has {length} bytes")
        return variable

    def _add(self, leaf: Leaf) -> None:
        name = leaf.variable.name
        if name in self._names:
            raise unsupported(self._source.path, f"two of its values are called `{name}`")
        if len(self.leaves) == _MOST_LEAVES:
            raise unsupported(self._source.path, f"it has more than {_MOST_LEAVES:,} values")
        self._names.add(name)
        self.leaves.append(leaf)


def _array(source: Bytes, element: Element) -> tuple[tuple[int, ...], str, tuple[int, int]]:
    """Shape, dtype and place of an array: the payload is a msgpack array of shape, name of the dtype and values."""
    if element.kind == "extension" and element.code in (ARRAY, SCALAR):
        outer = element_at(source, element.place)
        shape = element_at(source, outer.place)
        if (outer.kind, outer.length, shape.kind) == ("array", 3, "array"):
            place, lengths = shape.place, list[int]()
            for _ in range(shape.length):
                length = element_at(source, place)
                if length.kind != "integer" or length.number < 0:
                    raise damaged(source.path, f"the array at byte {element.start} has no shape")
                lengths.append(int(length.number))
                place = length.end
            dtype = element_at(source, place)
            values = element_at(source, dtype.end)
            if dtype.kind in ("text", "bytes") and values.kind in ("text", "bytes") and values.end == element.end:
                return tuple(lengths), _text(source, dtype), (values.place, values.length)
    raise damaged(source.path, f"at byte {element.start} there is no array as flax writes it")


def _text(source: Bytes, element: Element) -> str:
    try:
        return source.at(element.place, element.length).decode()
    except UnicodeDecodeError as error:
        raise damaged(source.path, f"the text at byte {element.start} is no UTF-8") from error
