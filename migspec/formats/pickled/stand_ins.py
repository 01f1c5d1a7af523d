"""What a pickle becomes when nothing of it is run: plain Python values, and records of what it would have made.

Numbers, texts, lists and tuples are themselves. Everything else is one of the classes here. They compare by identity: a
pickle is a graph, and may hold one object in many places, or in itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

Coding = Literal["bytes", "utf-8", "escape_decode", "raw_unicode_escape"]
"""How bytes are written down in the pickle: as they are, as a text whose code points they are (UTF-8, or protocol 0's way to write a
text), or as the escaped literal of protocol 0."""


_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg", "commands": "subprocess", "cPickle": "pickle"}


@dataclass(frozen=True, slots=True)
class Global:
    """Something that the pickle names, a class or a function. The name is all there is: it is not imported."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """The dotted name, the same for every generation of numpy (`numpy._core` is `numpy.core`) and Python (`__builtin__`).

        Up to protocol 2 Python 3 writes the names of Python 2, as Lib/_compat_pickle.py lists them.
        """
        module = _PYTHON_2.get(self.module, self.module)
        if module == "numpy._core" or module.startswith("numpy._core."):
            module = "numpy.core" + module[len("numpy._core") :]
        return f"{module}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class PickledBytes:
    """A run of bytes (or a Python 2 string, or a text too long to be a name), and where it lies in the pickle.

    `content` is what it decodes to, if it is short. `length` counts bytes in the pickle, before decoding.
    """

    offset: int
    length: int
    coding: Coding
    content: bytes | None


Entries: TypeAlias = list[tuple[object, object]] | tuple[()]
"""Keys and values. The empty tuple stands for none: most objects have none, and a list for each would be most of their size."""

_Item = TypeVar("_Item")


@dataclass(slots=True, eq=False)
class PickledDict:
    """A dict as the pickle fills it. It is no dict, so that no key is hashed or compared."""

    pairs: Entries = ()

    def add_pairs(self, pairs: list[tuple[object, object]]) -> None:
        self.pairs = _extended(self.pairs, pairs)


@dataclass(slots=True, eq=False)
class PickledObject:
    """What a call of `function` with `arguments` would have made, and what would then have been done to it.

    `state` is what it would have been built from, `pairs` the entries of a kind of dict, `elements` those of a kind of list.
    """

    function: object
    arguments: tuple[object, ...]
    state: object = None
    pairs: Entries = ()
    elements: list[object] | tuple[()] = ()

    def add_pairs(self, pairs: list[tuple[object, object]]) -> None:
        self.pairs = _extended(self.pairs, pairs)

    def add_elements(self, elements: list[object]) -> None:
        self.elements = _extended(self.elements, elements)

    @property
    def path(self) -> str:
        """The dotted name of the function; empty if it is itself something that a call would have made."""
        return self.function.path if isinstance(self.function, Global) else ""


def _extended(before: list[_Item] | tuple[()], more: list[_Item]) -> list[_Item]:
    if isinstance(before, tuple):
        return more
    before.extend(more)
    return before


def text_of(value: object) -> str | None:
    """A text, or short bytes or a Python 2 string as one; None for anything else. Bytes are UTF-8, or, if not that, latin-1."""
    if isinstance(value, str):
        return value
    if isinstance(value, PickledObject) and value.path == "_codecs.encode" and value.arguments:
        return value.arguments[0] if isinstance(value.arguments[0], str) else None
    if not isinstance(value, PickledBytes) or value.content is None:
        return None
    try:
        return value.content.decode()
    except UnicodeDecodeError:
        return value.content.decode("latin-1")


def is_sizes(value: object) -> bool:
    """Whether a value is a tuple or list of at most 64 whole numbers, each from 0 to 2^63 - 1: no array has more axes."""
    if not isinstance(value, tuple | list) or len(value) > 64:
        return False
    return all(type(length) is int and 0 <= length < 1 << 63 for length in value)


def mapping_pairs(value: object) -> Sequence[tuple[object, object]] | None:
    """The entries of a dict or of a kind of dict; None if it is neither.

    Python 2 pickles an OrderedDict with its entries as the argument of the call, Python 3 sets them afterwards.
    """
    match value:
        case PickledDict(pairs):
            return pairs
        case PickledObject(path="collections.OrderedDict", arguments=(list(first), *_)):
            return [*_pairs_in(first), *value.pairs]
        case PickledObject(path="collections.OrderedDict" | "collections.defaultdict" | "builtins.dict"):
            return value.pairs
        case PickledObject(path="collections.Counter", arguments=(PickledDict(pairs), *_)):
            return pairs
    return None


def attributes(value: PickledObject) -> Iterator[tuple[object, object]]:
    """The attributes that the state of an object holds: those of its `__dict__`, then those of its slots."""
    parts = value.state if isinstance(value.state, tuple) and len(value.state) == 2 else (value.state,)
    for part in parts:
        if isinstance(part, PickledDict):
            yield from part.pairs


def _pairs_in(entries: list[object]) -> Iterator[tuple[object, object]]:
    for entry in entries:
        match entry:
            case (key, value) | [key, value]:
                yield key, value
