"""Finding the arrays in what a pickle holds, and the way to each: keys, indices and attributes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from migspec.diagnostics.model import SpecError
from migspec.formats.input import unsupported
from migspec.formats.pickled.numpy_objects import ObjectArray, array_of
from migspec.formats.pickled.place import Place
from migspec.formats.pickled.stand_ins import (
    PickledDict,
    PickledObject,
    attributes,
    mapping_pairs,
    text_of,
)  # fmt: skip
from migspec.formats.pickled.stored_array import AnyArray, StoredArray, UnreadableArray

Pairs: TypeAlias = Sequence[tuple[object, object]]
Interpretation: TypeAlias = AnyArray | Pairs | None
Interpret: TypeAlias = Callable[[object], Interpretation]
"""What an object is: an array, something that holds others (each with its key), or nothing of interest."""

_DEEPEST = 100  # dicts and lists within each other
_TEXT_FREE, _TEXT_PER_OPERATION = 1 << 20, 64  # characters of all names together
_PARTS_FREE, _PARTS_PER_OPERATION = 1 << 16, 4  # of all objects together, those that they share counted each time

_ATOMS = (str, int, float, type(None))  # bool is an int


@dataclass(frozen=True, slots=True)
class FoundArray:
    """An array, and the keys that lead to it from the outermost value."""

    keys: tuple[str, ...]
    array: AnyArray


def find_arrays(root: object, interpret: Interpret, path: str, operations: int) -> list[FoundArray]:
    """Every array in `root`, in the order of the pickle, once for each way that leads to it.

    `operations` is what reading the pickle took: names that are out of proportion to it (one dict put into itself again and again)
    are MIG505, and so is what lies too deep. What contains itself is not entered a second time.
    """
    graph = _Graph(root, interpret, path, _PARTS_FREE + _PARTS_PER_OPERATION * operations)
    found: list[FoundArray] = []
    text_left = _TEXT_FREE + _TEXT_PER_OPERATION * operations
    array = graph.array(root)
    if array is not None:
        return [FoundArray((), array)]
    frames: list[tuple[object, Iterator[tuple[str, object]]]] = [(root, graph.children(root))]
    keys: list[str] = []
    inside = {id(root)}
    while frames:
        for key, child in frames[-1][1]:
            array = graph.array(child)
            text_left -= len(key) + 1
            if array is not None:
                text_left -= sum(map(len, keys)) + 16
                found.append(FoundArray((*keys, key), array))
            elif id(child) not in inside:
                inside.add(id(child))
                frames.append((child, graph.children(child)))
                keys.append(key)
            if text_left < 0:
                raise _too_many_names(path)
            if len(frames) > _DEEPEST:
                raise unsupported(path, f"its arrays lie more than {_DEEPEST} dicts deep", "save them in one flat dict")
            if array is None:
                break
        else:
            inside.discard(id(frames.pop()[0]))
            if keys:
                keys.pop()
    return found


class _Graph:
    """What holds what, without what holds no array."""

    def __init__(self, root: object, interpret: Interpret, path: str, most_parts: int) -> None:
        self._interpret = interpret
        self._path = path
        self._parts_left = most_parts
        self._children: dict[int, list[tuple[str, object]]] = {}
        self._known: dict[int, Interpretation] = {}
        self._values: list[object] = []  # keeps alive what is known by its identity
        self._holding = self._explore(root)

    def array(self, value: object) -> AnyArray | None:
        found = self._known.get(id(value))
        return found if isinstance(found, StoredArray | UnreadableArray) else None

    def children(self, value: object) -> Iterator[tuple[str, object]]:
        """What holds arrays, or is one, with its key as text."""
        found = self._children.get(id(value))
        if found is None:
            found = self._children[id(value)] = [
                (_key_text(key, number), child)
                for number, (key, child) in enumerate(self._pairs(value))
                if id(child) in self._holding and not isinstance(child, _ATOMS)
            ]
        return iter(found)

    def _pairs(self, value: object) -> Iterable[tuple[object, object]]:
        if isinstance(value, list | tuple):
            return enumerate(value)
        if isinstance(value, PickledDict):
            return value.pairs
        known = self._known.get(id(value))
        return known if isinstance(known, Sequence) else ()

    def _explore(self, root: object) -> set[int]:
        """The identities of all values that are arrays, or that lead to one."""
        parents: defaultdict[int, list[int]] = defaultdict(list)
        seen, arrays, waiting = set[int](), list[int](), [root]
        while waiting:
            value = waiting.pop()
            if id(value) in seen or isinstance(value, _ATOMS):
                continue
            seen.add(id(value))
            self._values.append(value)
            if isinstance(value, PickledObject):
                self._parts_left -= _parts_of(value)
                if self._parts_left < 0:
                    raise _too_many_names(self._path)
            if not isinstance(value, list | tuple | PickledDict):
                known = self._known[id(value)] = self._interpret(value)
                if isinstance(known, StoredArray | UnreadableArray):
                    arrays.append(id(value))
            for _, child in self._pairs(value):
                if not isinstance(child, _ATOMS):
                    parents[id(child)].append(id(value))
                    waiting.append(child)
        holding: set[int] = set()
        while arrays:
            one = arrays.pop()
            if one not in holding:
                holding.add(one)
                arrays.extend(parents[one])
        return holding


def _parts_of(value: PickledObject) -> int:
    """What it costs to look through an object: many may share one state or list."""
    count = len(value.pairs) + len(value.elements) + len(value.arguments)
    state = value.state if isinstance(value.state, tuple) else (value.state,)
    for part in (*value.arguments[:8], *state[:8]):
        if isinstance(part, list | tuple):
            count += len(part)
        elif isinstance(part, PickledDict):
            count += len(part.pairs)
    return count


def numpy_interpretation(place: Place) -> Interpret:
    """What an object is for a reader that knows numpy: an array, a container, or an unknown object with what it holds."""

    def interpret(value: object) -> Interpretation:
        return interpret_object(value, place) if isinstance(value, PickledObject) else None

    return interpret


def interpret_object(value: PickledObject, place: Place) -> Interpretation:
    """The same for one object. An object of an unknown class is opened, never made: its attributes, entries, elements and the
    arguments of its call are looked through for arrays."""
    array = array_of(value, place)
    if isinstance(array, ObjectArray):
        return [("/".join(map(str, index)) if index else 0, element) for index, element in array.elements]
    if array is not None:
        return array
    pairs = mapping_pairs(value)
    if pairs is not None:
        return pairs
    state = list(attributes(value))
    if not state and value.state is not None:
        state = [("state", value.state)]
    return [*value.pairs, *enumerate(value.elements), *state, *enumerate(value.arguments)]


def _key_text(key: object, number: int) -> str:
    """A key as a part of a name. One that is neither text nor number is told by its place."""
    text = text_of(key)
    if text is not None:
        return text.encode("utf-8", "backslashreplace").decode()
    if isinstance(key, int | float | None):
        return str(key)
    if isinstance(key, tuple) and key and all(isinstance(part, int | str) for part in key):
        return "_".join(str(part) for part in key)
    return f"#{number}"


def _too_many_names(path: str) -> SpecError:
    return unsupported(
        path,
        "its pickle puts the same arrays under more names than it could list",
        "it was made to fill memory: where does it come from?",
    )
