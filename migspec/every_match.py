"""Every way in which a pattern fits a name, by trying them all.

Slow and plain: for the few names on which the regular expressions of a pattern cannot tell, because what is allowed in one place
depends on a number's value or on what another place took.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migspec.pattern_parts import captured, takes_segments
from migspec.syntax.tree import Capture, DoubleStar, NumberRange, Part, Pattern, Plain, Star

Captured = dict[str, str]
_Item = tuple[Part, str]
"""A part, and the name of its capture ("" for plain text)."""


def every_match(pattern: Pattern, name: str) -> Iterator[Captured]:
    """The captures of each way in which `pattern` fits a normal name. Unnamed wildcards are `*1`, `*2`, ... from left to right."""
    count = 0
    segments: list[list[_Item]] = []
    for segment in pattern.segments:
        items: list[_Item] = []
        for part in segment:
            if isinstance(part, Star | DoubleStar | NumberRange):
                count += 1
                items.append((part, f"*{count}"))
            else:
                items.append((part, part.name if isinstance(part, Capture) else ""))
        segments.append(items)
    yield from _along(segments, name.split("/"), {})


def _along(segments: Sequence[Sequence[_Item]], texts: Sequence[str], taken: Captured) -> Iterator[Captured]:
    if not segments:
        if not texts:
            yield taken
        return
    if any(takes_segments(part) for part, _ in segments[0]):
        ((_, capture),) = segments[0]
        for count in range(len(texts) + 1):
            value = "/".join(texts[:count])
            if taken.get(capture, value) == value:
                yield from _along(segments[1:], texts[count:], {**taken, capture: value})
    elif texts:
        for within in _within(segments[0], texts[0], taken):
            yield from _along(segments[1:], texts[1:], within)


def _within(items: Sequence[_Item], text: str, taken: Captured) -> Iterator[Captured]:
    if not items:
        if not text:
            yield taken
        return
    part, capture = items[0]
    if isinstance(part, Plain):
        if text.startswith(part.text):
            yield from _within(items[1:], text[len(part.text) :], taken)
        return
    for stop in range(len(text) + 1):
        value = captured(part, text[:stop])
        if value is not None and taken.get(capture, value) == value:
            yield from _within(items[1:], text[stop:], {**taken, capture: value})
