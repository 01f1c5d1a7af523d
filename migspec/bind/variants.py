"""Patterns that may have been meant by one that does not fit: with another numbering, or wider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from migspec.names import NameIndex
from migspec.patterns import Captures, Matcher, Template, unnamed_count
from migspec.syntax.tree import Capture, DoubleStar, NumberRange, Part, Pattern, Plain, Segment, Star

_CHOICES = 5000  # instances for which another numbering is tried; a rule in error is no reason to be slow


def renumbered(pattern: Pattern, choices: Sequence[Captures], index: NameIndex) -> Pattern | None:
    """The pattern with Keras' own numbering, or counted a little lower or higher, if it then names a variable for every choice."""
    for other in (numbered_from_nothing(pattern), *(shifted(pattern, offset) for offset in (-1, 1, -2, 2))):
        if other is not None and len(choices) <= _CHOICES and _names_all(other, choices, index):
            return other
    return None


def numbered_from_nothing(pattern: Pattern) -> Pattern | None:
    """The pattern with its first `_{i}` at the end of a segment as `{_i}`; None if it has none."""
    place = _numbered_place(pattern)
    if place is None:
        return None
    before, last = _ending(pattern.segments[place])
    name = last.name
    return _with_segment(pattern, place, (*pattern.segments[place][:-2], Plain(before.text[:-1]), Capture(name, "numbering")))


def without_number(pattern: Pattern) -> Pattern | None:
    """The pattern with that `_{i}` taken out: what Keras calls the first of its layers."""
    place = _numbered_place(pattern)
    if place is None:
        return None
    before, _ = _ending(pattern.segments[place])
    return _with_segment(pattern, place, (*pattern.segments[place][:-2], Plain(before.text[:-1])))


def shifted(pattern: Pattern, offset: int) -> Pattern | None:
    """The pattern with its first numeric capture counted that much higher; None if it has none."""
    for place, segment in enumerate(pattern.segments):
        for index, part in enumerate(segment):
            if isinstance(part, Capture) and part.kind in ("text", "int", "range"):
                moved = Capture(part.name, scale=part.scale, offset=part.offset + offset)
                return _with_segment(pattern, place, (*segment[:index], moved, *segment[index + 1 :]))
    return None


def freed(pattern: Pattern) -> Pattern | None:
    """The pattern with every capture that stands twice in it free to be another text each time; None if there is none."""
    seen: dict[str, int] = {}

    def free(part: Part) -> Part:
        if not isinstance(part, Capture):
            return part
        seen[part.name] = seen.get(part.name, 0) + 1
        return part if seen[part.name] == 1 else replace(part, name=f"{part.name}#{seen[part.name]}")

    segments = tuple(tuple(free(part) for part in segment) for segment in pattern.segments)
    return replace(pattern, segments=segments) if max(seen.values(), default=1) > 1 else None


def across_segments(pattern: Pattern) -> Pattern | None:
    """The pattern with each `*` that is a whole segment as `**`; None if it has none."""
    if not any(segment == (Star(),) for segment in pattern.segments):
        return None
    segments = tuple((DoubleStar(),) if segment == (Star(),) else segment for segment in pattern.segments)
    return replace(pattern, segments=segments)


def widened(pattern: Pattern) -> Pattern:
    """The pattern with all its captures and wildcards as wide as can be: what it may have been meant to fit."""

    def wide(part: Part) -> Part:
        return Star() if isinstance(part, Capture | NumberRange) else part

    def wider(segment: Segment) -> Segment:
        alone = len(segment) == 1 and isinstance(segment[0], Capture | Star)
        return (DoubleStar(),) if alone else tuple(wide(part) for part in segment)

    segments: list[Segment] = []
    separators: list[str] = []
    for place, segment in enumerate(pattern.segments):
        one = wider(segment)
        if segments and one == segments[-1] == (DoubleStar(),):
            continue
        if segments:
            separators.append(pattern.separators[place - 1])
        segments.append(one)
    return Pattern(tuple(segments), tuple(separators), pattern.quoted, pattern.span)


def is_wild(pattern: Pattern) -> bool:
    """Whether a pattern has a capture or a wildcard."""
    return unnamed_count(pattern) > 0 or any(isinstance(part, Capture) for segment in pattern.segments for part in segment)


def fits_number(pattern: Pattern, name: str) -> bool:
    """Whether only a range `{i:0..10}` of the pattern, which ends too early, keeps it from fitting a normal name."""

    def open_range(part: Part) -> Part:
        if isinstance(part, Capture) and part.kind == "range":
            return replace(part, kind="int")
        return part

    segments = tuple(tuple(open_range(part) for part in segment) for segment in pattern.segments)
    return segments != pattern.segments and Matcher(replace(pattern, segments=segments)).fits(name)


def _names_all(pattern: Pattern, choices: Sequence[Captures], index: NameIndex) -> bool:
    template = Template(pattern)
    numeric = {part.name for part in _captures(pattern) if part.kind == "numbering" or (part.scale, part.offset) != (1, 0)}
    return all(
        all(captures.get(name, "").isdecimal() for name in numeric)
        and all(name in captures for name in template.captures)
        and len(index.lookup(template.render(captures))) == 1
        for captures in choices
    )


def _captures(pattern: Pattern) -> Iterator[Capture]:
    for segment in pattern.segments:
        for part in segment:
            if isinstance(part, Capture):
                yield part


def _numbered_place(pattern: Pattern) -> int | None:
    """The first segment that ends in `_{i}`."""
    for place, segment in enumerate(pattern.segments):
        if len(segment) < 2:
            continue
        before, last = segment[-2], segment[-1]
        if isinstance(before, Plain) and before.text.endswith("_") and isinstance(last, Capture) and _plain_number(last):
            return place
    return None


def _plain_number(capture: Capture) -> bool:
    return capture.kind in ("text", "int", "range") and (capture.scale, capture.offset) == (1, 0)


def _ending(segment: Segment) -> tuple[Plain, Capture]:
    before, last = segment[-2], segment[-1]
    assert isinstance(before, Plain)
    assert isinstance(last, Capture)
    return before, last


def _with_segment(pattern: Pattern, place: int, segment: Segment) -> Pattern:
    kept = tuple(part for part in segment if part != Plain(""))
    return replace(pattern, segments=(*pattern.segments[:place], kept, *pattern.segments[place + 1 :]))
