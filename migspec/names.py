"""Names as paths: one normal form whichever separator is written, and an index that finds names by pattern.

`/` and `.` both separate segments; a `.` at the start, or right after `/`, belongs to its segment (`a/.ATTRIBUTES`). The
normal form joins the segments by `/` and leaves a trailing `:0` out, so that two names are the same path exactly if their normal
forms are equal.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from migspec.variables import Variable, VariableMap

_SEPARATING_DOT = re.compile(r"(?<!^)(?<!/)\.")

ANY_SEGMENTS: Final = None
"""In a query of `Trie.find`: any number of segments, also none."""

SegmentQuery = tuple[str, bool] | None
"""A segment's literal text, or its literal prefix (then True: something more may follow); None is `ANY_SEGMENTS`."""


@lru_cache(maxsize=1 << 18)  # asked for each name by every check
def normal_name(name: str) -> str:
    """The normal form of a variable's name: segments joined by `/`, without a trailing `:0`."""
    name = name.removesuffix(":0")
    return _SEPARATING_DOT.sub("/", name) if "." in name else name


@dataclass(slots=True)
class _Node:
    """One segment, and what lies below it."""

    children: dict[str, _Node] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    ordered: list[str] | None = None

    def starting_with(self, prefix: str) -> Iterator[_Node]:
        if not prefix:
            yield from self.children.values()
            return
        if self.ordered is None:
            self.ordered = sorted(self.children)
        index = bisect_left(self.ordered, prefix)
        while index < len(self.ordered) and self.ordered[index].startswith(prefix):
            yield self.children[self.ordered[index]]
            index += 1

    def below(self) -> Iterator[str]:
        stack = [self]
        while stack:
            node = stack.pop()
            yield from node.names
            stack.extend(node.children.values())


class Trie:
    """Normal names by segment, read from the front or (`reverse`) from the back.

    `find` costs about as much as it yields: literal segments are looked up, a segment with a literal prefix by bisection.
    """

    def __init__(self, names: Iterable[str], *, reverse: bool = False) -> None:
        self._reverse = reverse
        self._root = _Node()
        for name in names:
            segments = name.split("/")
            node = self._root
            for segment in reversed(segments) if reverse else segments:
                child = node.children.get(segment)
                if child is None:
                    child = node.children[segment] = _Node()
                node = child
            node.names.append(name)

    def find(self, query: tuple[SegmentQuery, ...]) -> Iterator[str]:
        """Every name that the query may fit; after the first `ANY_SEGMENTS` all names below are given, to be filtered."""
        nodes = [self._root]
        for segment in reversed(query) if self._reverse else query:
            if segment is ANY_SEGMENTS:
                for node in nodes:
                    yield from node.below()
                return
            text, open_ended = segment
            if open_ended:
                nodes = [child for node in nodes for child in node.starting_with(text)]
            else:
                nodes = [node.children[text] for node in nodes if text in node.children]
        for node in nodes:
            yield from node.names


@dataclass(frozen=True, slots=True)
class Found:
    """A variable that a name stands for; `alias` is 0 for the variable's own name, else the alias' place (from 1)."""

    variable: Variable
    alias: int


class NameIndex:
    """The variables of one side under all their names.

    `renamed` gives the variables other names than their own (a mounted spec sees the names of its interface; `mounted` says so).
    """

    def __init__(self, variables: VariableMap, renamed: Iterable[tuple[str, Variable]] | None = None) -> None:
        self.map = variables
        self.mounted = renamed is not None
        self._found: dict[str, list[Found]] = defaultdict(list)
        if renamed is None:
            for variable in variables:
                self._found[normal_name(variable.name)].append(Found(variable, 0))
                for place, alias in enumerate(variable.aliases, 1):
                    self._found[normal_name(alias)].append(Found(variable, place))
        else:
            for name, variable in renamed:
                self._found[normal_name(name)].append(Found(variable, 0))
        self._forget()

    def _forget(self) -> None:
        self._forward: Trie | None = None
        self._backward: Trie | None = None
        self._containing: dict[str, list[str]] | None = None

    def also_called(self, name: str, variable: Variable) -> None:
        """Let a variable be found under a further name, after all its own, unless something else is called so."""
        found = self._found[normal_name(name)]
        if not found:
            found.append(Found(variable, len(variable.aliases) + 1))
            self._forget()

    def __len__(self) -> int:
        return len(self._found)

    @property
    def seen(self) -> set[str]:
        """The own names of the variables that stand in the index."""
        return {found.variable.name for several in self._found.values() for found in several}

    @property
    def names(self) -> Iterable[str]:
        """Every normal name, aliases included."""
        return self._found.keys()

    def lookup(self, name: str) -> tuple[Found, ...]:
        """The variables called by this normal name: those whose own name it is, or else those with it as an alias.

        More than one means that the name fits several variables.
        """
        found = self._found.get(name)
        if not found:
            return ()
        if len(found) == 1:
            return (found[0],)
        own = [one for one in found if one.alias == 0]
        unique: dict[str, Found] = {}
        for one in own or found:
            unique.setdefault(one.variable.name, one)
        return tuple(unique.values())

    def candidates(self, query: tuple[SegmentQuery, ...]) -> Iterator[tuple[str, Found]]:
        """Every normal name that the query may fit, with each variable that it stands for."""
        for name in self._names_for(query):
            for found in self._found[name]:
                yield name, found

    def _names_for(self, query: tuple[SegmentQuery, ...]) -> Iterable[str]:
        if query[0] is not ANY_SEGMENTS:
            if self._forward is None:
                self._forward = Trie(self._found)
            return self._forward.find(query)
        if query[-1] is not ANY_SEGMENTS:
            if self._backward is None:
                self._backward = Trie(self._found, reverse=True)
            return self._backward.find(query)
        # `**/attention/**` has no end to start from: the rarest of the segments that it spells out tells where to look.
        spelled = [segment[0] for segment in query if segment is not ANY_SEGMENTS and not segment[1]]
        if not spelled:
            return list(self._found)
        if self._containing is None:
            self._containing = defaultdict(list)
            for name in self._found:
                for text in dict.fromkeys(name.split("/")):
                    self._containing[text].append(name)
        containing = self._containing
        return min((containing.get(text, []) for text in spelled), key=len)
