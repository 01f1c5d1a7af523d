"""Patterns compiled: what a pattern matches, what it captures, and what a pattern pastes.

A pattern becomes two regular expressions over normal names, one greedy and one lazy. The greedy one finds the match whose captures
are longest, from left to right, the lazy one that whose captures are shortest: they agree exactly if there is one match. Where one of
these two has a number or a repeated capture that is not allowed, a match between them may be the right one: then all are tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

from migspec.every_match import every_match
from migspec.names import ANY_SEGMENTS, SegmentQuery
from migspec.pattern_parts import part_expressions, takes_segments, value_of
from migspec.syntax.spelling import pattern_text
from migspec.syntax.tree import Capture, DoubleStar, NumberRange, Part, Pattern, Plain, Segment, Star

Captures: TypeAlias = dict[str, str]
"""Capture -> text. Unnamed wildcards are the captures `*1`, `*2`, ... from left to right. Several segments are joined by `/`."""


class AmbiguousMatch(Exception):
    """A pattern fits one name in two ways."""

    def __init__(self, name: str, first: Captures, second: Captures) -> None:
        super().__init__(name)
        self.name, self.first, self.second = name, first, second


def capture_names(pattern: Pattern) -> tuple[str, ...]:
    """The captures of a pattern in the order written, each once, unnamed wildcards included."""
    names: dict[str, None] = {}
    count = 0
    for segment in pattern.segments:
        for part in segment:
            if isinstance(part, Capture):
                names[part.name] = None
            elif isinstance(part, Star | DoubleStar | NumberRange):
                count += 1
                names[f"*{count}"] = None
    return tuple(names)


def unnamed_count(pattern: Pattern) -> int:
    """How many unnamed wildcards a pattern has."""
    return sum(name.startswith("*") for name in capture_names(pattern))


def is_rest(pattern: Pattern) -> bool:
    """Whether the pattern is a lone `**`."""
    return pattern.segments == ((DoubleStar(),),)


def is_exact(pattern: Pattern) -> bool:
    """Whether the pattern is a plain name."""
    return all(isinstance(part, Plain) for segment in pattern.segments for part in segment)


def text_of(pattern: Pattern) -> str:
    """A plain name as it was written, without quotes; any other pattern as one would write it."""
    if not is_exact(pattern):
        return pattern_text(pattern)
    segments = ["".join(part.text for part in segment if isinstance(part, Plain)) for segment in pattern.segments]
    return "".join(text for pair in zip(("", *pattern.separators), segments, strict=True) for text in pair)


def numeric_captures(*patterns: Pattern) -> frozenset[str]:
    """The captures that stand in arithmetic somewhere, and so are whole numbers everywhere."""
    return frozenset(
        part.name
        for pattern in patterns
        for segment in pattern.segments
        for part in segment
        if isinstance(part, Capture) and (part.kind == "numbering" or (part.scale, part.offset) != (1, 0))
    )


def constrained(pattern: Pattern, constraints: Mapping[str, Capture], numeric: frozenset[str]) -> Pattern:
    """The pattern with each plain `{i}` narrowed to what another occurrence of `i` in its statement says."""

    def narrow(part: Part) -> Part:
        if not isinstance(part, Capture) or part.kind != "text":
            return part
        if part.name in constraints:
            return replace(constraints[part.name], scale=part.scale, offset=part.offset)
        return replace(part, kind="int") if part.name in numeric else part

    return replace(pattern, segments=tuple(tuple(narrow(part) for part in segment) for segment in pattern.segments))


def constraints_of(*patterns: Pattern) -> dict[str, Capture]:
    """The first constraint (`{i:int}`, `{p:query|key}`, ...) written for each capture."""
    found: dict[str, Capture] = {}
    for pattern in patterns:
        for segment in pattern.segments:
            for part in segment:
                if isinstance(part, Capture) and part.kind in ("int", "range", "choice"):
                    found.setdefault(part.name, replace(part, scale=1, offset=0))
    return found


def conflicting_constraints(patterns: Sequence[Pattern]) -> tuple[Pattern, Capture, Pattern, Capture] | None:
    """The first two occurrences of one capture that constrain it differently, each with its pattern; None if all agree.

    Unnamed ranges are captures too, paired by their places.
    """
    first: dict[str, tuple[Pattern, Capture]] = {}
    for pattern in patterns:
        for name, capture in (constraints_of(pattern) | unnamed_ranges(pattern)).items():
            known = first.setdefault(name, (pattern, capture))
            if known[1] != capture:
                return *known, pattern, capture
    return None


def unnamed_ranges(pattern: Pattern) -> dict[str, Capture]:
    """The ranges `{0..11}` of a pattern as captures, by their places among its unnamed wildcards: `*1`, `*2`, ..."""
    parts = [part for segment in pattern.segments for part in segment if isinstance(part, Star | DoubleStar | NumberRange)]
    return {
        f"*{place}": Capture(f"*{place}", "range", part.low, part.high)
        for place, part in enumerate(parts, 1)
        if isinstance(part, NumberRange)
    }


@dataclass(frozen=True, slots=True)
class _Group:
    """One group of the regular expression: what it captures, and how its text becomes the capture's value."""

    capture: str
    part: Part


class Matcher:
    """One compiled pattern."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.query = tuple(_query(segment) for segment in pattern.segments)
        self.exact = "/".join(text for text, _ in self.query if text is not None) if is_exact(pattern) else None  # type: ignore[misc]
        self._groups, greedy, lazy = _expressions(pattern)
        self._greedy = re.compile(greedy, re.DOTALL)
        self._lazy = re.compile(lazy, re.DOTALL) if len(self._groups) > 1 else None
        self._checked = any(not isinstance(group.part, Star | DoubleStar) for group in self._groups)
        whole = [any(takes_segments(part) for part in segment) for segment in pattern.segments]
        self._irregular = any(one and next_one for one, next_one in pairwise(whole))  # no expression is written for `**/**`

    def fits(self, name: str) -> bool:
        """Whether the pattern fits a normal name, in whichever way."""
        if self._irregular:
            return any(True for _ in self._every(name))
        match = self._greedy.fullmatch(name)
        if match is None:
            return False
        if not self._checked or self._values(match) is not None:
            return True
        return self._lazy is not None and any(True for _ in self._every(name))

    def match(self, name: str) -> Captures | None:
        """The captures on a normal name, None if it does not fit; raises AmbiguousMatch if it fits in two ways."""
        if self._irregular:
            return self._only(name)
        match = self._greedy.fullmatch(name)
        if match is None:
            return None
        first = self._values(match)
        if self._lazy is None:
            return first
        other = self._lazy.fullmatch(name)
        if other is None or other.groups() == match.groups():
            return first
        second = self._values(other)
        if first is None or second is None or first == second:
            return self._only(name)
        raise AmbiguousMatch(name, first, second)

    def _only(self, name: str) -> Captures | None:
        found: Captures | None = None
        for captures in self._every(name):
            if found is not None and found != captures:
                raise AmbiguousMatch(name, captures, found)
            found = captures
        return found

    def _every(self, name: str) -> Iterator[Captures]:
        return every_match(self.pattern, name)

    def _values(self, match: re.Match[str]) -> Captures | None:
        values: Captures = {}
        for text, group in zip(match.groups(), self._groups, strict=True):
            value = value_of(text, group.part)
            if value is None:
                return None
            known = values.get(group.capture)
            if known is not None and known != value:
                return None
            values[group.capture] = value
        return values


def paste(pattern: Pattern, captures: Mapping[str, str]) -> Pattern:
    """The pattern with every known capture replaced by its text; unknown ones stay, with unnamed wildcards numbered on."""
    segments: list[Segment] = []
    separators: list[str] = []
    count = 0
    for index, segment in enumerate(pattern.segments):
        separator = pattern.separators[index - 1] if index else "/"
        parts: list[Part] = []
        several: list[str] | None = None
        for part in segment:
            name = None
            if isinstance(part, Capture):
                name = part.name
            elif isinstance(part, Star | DoubleStar | NumberRange):
                count += 1
                name = f"*{count}"
            if name is None or name not in captures:
                parts.append(part)
            elif takes_segments(part):
                several = captures[name].split("/") if captures[name] else []
            else:
                parts.append(Plain(pasted_text(part, captures[name])))
        new: list[Segment] = [_joined(parts)] if several is None else [(Plain(text),) for text in several]
        for place, one in enumerate(new):
            if segments:
                # The text of several segments is held with `/`; pasted, it takes the separator used around it.
                around = separator if place == 0 or index else (pattern.separators[0] if pattern.separators else "/")
                separators.append(around)
            segments.append(one)
    return Pattern(tuple(segments), tuple(separators), pattern.quoted, pattern.span)


def pasted_text(part: Part, value: str) -> str:
    """What a capture's value becomes where `part` stands."""
    if isinstance(part, Capture):
        if part.kind == "numbering":
            return "" if int(value) == 0 else f"_{int(value)}"
        if (part.scale, part.offset) != (1, 0):
            return str(int(value) * part.scale + part.offset)
        if part.kind == "underscored":
            return value.replace("/", "_")
    return value.replace("/", "_") if isinstance(part, Star) else value


def pasted_name(pattern: Pattern) -> str:
    """The normal name of a pattern that is a plain name."""
    return "/".join("".join(part.text for part in segment if isinstance(part, Plain)) for segment in pattern.segments)


class Template:
    """The right side of a rule, prepared for pasting many times: `render` gives the normal name."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.captures = capture_names(pattern)
        self._segments: list[tuple[bool, list[str | tuple[str, Part | None]]]] = []  # with whether it stands for several
        count = 0
        for segment in pattern.segments:
            pieces: list[str | tuple[str, Part | None]] = []
            for part in segment:
                if isinstance(part, Plain):
                    pieces.append(part.text)
                elif isinstance(part, Capture):
                    verbatim = part.kind in ("text", "int", "range", "choice", "segments") and (part.scale, part.offset) == (
                        1,
                        0,
                    )
                    pieces.append((part.name, None if verbatim else part))
                else:
                    count += 1
                    pieces.append((f"*{count}", None if isinstance(part, DoubleStar) else part))
            self._segments.append((any(map(takes_segments, segment)), pieces))

    def render(self, captures: Mapping[str, str]) -> str:
        """The normal name for these captures, all of which must be known."""
        texts: list[str] = []
        for several, pieces in self._segments:
            text = ""
            for piece in pieces:
                if isinstance(piece, str):
                    text += piece
                else:
                    name, part = piece
                    text += captures[name] if part is None else pasted_text(part, captures[name])
            if text or not several:
                texts.append(text)
        return "/".join(texts)


def _joined(parts: list[Part]) -> Segment:
    """Neighbouring plain texts as one."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, Plain) and joined and isinstance(joined[-1], Plain):
            joined[-1] = Plain(joined[-1].text + part.text)
        else:
            joined.append(part)
    return tuple(joined)


def _query(segment: Segment) -> SegmentQuery:
    if any(takes_segments(part) for part in segment):
        return ANY_SEGMENTS
    prefix = ""
    for part in segment:
        if not isinstance(part, Plain):
            return prefix, True
        prefix += part.text
    return prefix, False


def _expressions(pattern: Pattern) -> tuple[tuple[_Group, ...], str, str]:
    groups: list[_Group] = []
    greedy: list[str] = []
    lazy: list[str] = []
    numbers: dict[str, int] = {}
    joined = True  # whether the next segment needs no separator before it
    count = 0
    for index, segment in enumerate(pattern.segments):
        several = next((part for part in segment if takes_segments(part)), None)
        if several is not None:
            if isinstance(several, DoubleStar):
                count += 1
                groups.append(_Group(f"*{count}", several))
            else:
                assert isinstance(several, Capture)
                groups.append(_Group(several.name, several))
            if len(pattern.segments) == 1:
                one = "(.*"
            elif index == 0:
                one = "((?:[^/]*/)*"
            else:
                one = "((?:/[^/]*)*"
            greedy.append(one + ")")
            lazy.append(one + "?)")
            joined = index == 0
            continue
        if not joined:
            greedy.append("/")
            lazy.append("/")
        joined = False
        for part in segment:
            if isinstance(part, Plain):
                greedy.append(re.escape(part.text))
                lazy.append(re.escape(part.text))
                continue
            if isinstance(part, Star | NumberRange):
                count += 1
            name = part.name if isinstance(part, Capture) else f"*{count}"
            plain_again = isinstance(part, Capture) and part.kind == "text" and (part.scale, part.offset) == (1, 0)
            if plain_again and name in numbers:
                greedy.append(f"(?:\\{numbers[name]})")
                lazy.append(f"(?:\\{numbers[name]})")
                continue
            groups.append(_Group(name, part))
            if plain_again:
                numbers[name] = len(groups)
            longest, shortest = part_expressions(part)
            greedy.append(longest)
            lazy.append(shortest)
    return tuple(groups), "".join(greedy), "".join(lazy)
