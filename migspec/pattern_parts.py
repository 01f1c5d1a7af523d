"""What a single part of a pattern takes of a name, and what it captures of that."""

from __future__ import annotations

import re
from typing import assert_never

from migspec.syntax.tree import Capture, DoubleStar, Hole, NumberRange, Part, Plain, Star

_DIGITS = "[0-9]{1,1000}"  # no index is longer, and int() refuses text of more than some thousand digits


def takes_segments(part: Part) -> bool:
    """Whether a part stands for any number of whole segments."""
    return isinstance(part, DoubleStar) or (isinstance(part, Capture) and part.kind == "segments")


def is_number(text: str | None) -> bool:
    """Whether a text is a whole number >= 0 in digits."""
    return text is not None and re.fullmatch(_DIGITS, text) is not None


def value_of(text: str | None, part: Part) -> str | None:
    """What a capture is, given the text that its place matched; None if that text is not allowed."""
    match part:
        case Capture(kind="numbering"):
            return text or "0"
        case Capture(kind="segments") | DoubleStar():
            return (text or "").strip("/")
        case Capture(scale=scale, offset=offset) if (scale, offset) != (1, 0):
            if not is_number(text):
                return None
            value, rest = divmod(int(text or "0") - offset, scale)
            if rest or value < 0:
                return None
            if part.kind == "range" and not part.low <= value <= part.high:
                return None
            if part.kind == "choice" and str(value) not in part.choices:
                return None
            return str(value)
        case Capture(kind="range", low=low, high=high) | NumberRange(low=low, high=high):
            return text if text is not None and low <= int(text) <= high else None
        case _:
            return text


def captured(part: Part, text: str) -> str | None:
    """What a part captures of a text; None if it does not take it."""
    match = re.fullmatch(part_expressions(part)[0], text, re.DOTALL)
    return None if match is None else value_of(match.group(1), part)


def part_expressions(part: Part) -> tuple[str, str]:
    """A group for one part, taking as much as it can and as little."""
    match part:
        case Star():
            return "([^/]*)", "([^/]*?)"
        case NumberRange() | Capture(kind="int") | Capture(kind="range"):
            return f"({_DIGITS})", f"({_DIGITS}?)"
        case Capture(scale=scale, offset=offset) if (scale, offset) != (1, 0):
            return f"({_DIGITS})", f"({_DIGITS}?)"
        case Capture(kind="choice", choices=choices):
            longest_first = sorted(choices, key=len, reverse=True)
            return (
                "(" + "|".join(re.escape(choice) for choice in longest_first) + ")",
                "(" + "|".join(re.escape(choice) for choice in reversed(longest_first)) + ")",
            )
        case Capture(kind="numbering"):
            return "(?:_([1-9][0-9]{0,999}))?", "(?:_([1-9][0-9]{0,999}?))??"
        case Capture():
            return "([^/]+)", "([^/]+?)"
        case Hole():
            return "(@)", "(@)"
        case Plain() | DoubleStar():
            raise AssertionError(part)
        case _:
            assert_never(part)
