"""The inside of one name or pattern -> `tree.Pattern`."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token, UnexpectedInput

from migspec.syntax.arithmetic import Branch, Node, Place, arithmetic, node, token, whole
from migspec.syntax.grammar import parser
from migspec.syntax.problem import Malformed, malformed
from migspec.syntax.tree import (
    Arithmetic,
    Binary,
    Capture,
    DoubleStar,
    Hole,
    Negative,
    Number,
    NumberRange,
    Part,
    Pattern,
    Plain,
    Reference,
    Segment,
    Star,
)
from migspec.text import Span

_ESCAPED = {"n": "\n", "r": "\r"}


def pattern(written: Token, place: Place, mounted: bool = False) -> Pattern:
    """The pattern that a PATTERN or QUOTED token stands for.

    In a `use` (`mounted`) an `@` is the place of the inner name, elsewhere it is a character like any other. A trailing `:0` is
    dropped. Malformed (MIG106) where the pattern cannot be read.
    """
    span = place.span(written)
    quoted = written.startswith('"')
    content = str(written)[1:-1] if quoted else str(written)
    inside = Place(place.text, span.start + quoted, "MIG106")
    while content.endswith(":0"):
        content = content[:-2]
    if not content:
        raise malformed("MIG106", "an empty name", span, helps=("write the name of a variable, or `**` for all of them",))
    try:
        parsed = parser().parse(content, start="pattern")
    except UnexpectedInput as error:
        raise _unreadable(content, error.pos_in_stream or 0, inside) from None
    segments, separators = _segments(parsed.children, inside, mounted)
    return Pattern(segments, separators, quoted, span)


def _segments(pieces: list[Token | Node], place: Place, mounted: bool) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Cut the pieces at the separators. A `.` at the start, or right after `/`, belongs to its segment."""
    segments: list[Segment] = []
    separators: list[str] = []
    current: list[tuple[Part, Span]] = []
    for piece in pieces:
        kind = piece.type if isinstance(piece, Token) else piece.data
        if kind == "SLASH" or (kind == "DOT" and (current or (separators and separators[-1] == "."))):
            segments.append(_segment(current))
            separators.append(str(piece))
            current = []
        else:
            current.append((_part(piece, place, mounted), place.span(piece)))
    segments.append(_segment(current))
    return tuple(segments), tuple(separators)


def _segment(pieces: list[tuple[Part, Span]]) -> Segment:
    """Join neighbouring plain texts, and see that what stands for whole segments stands alone."""
    parts: list[Part] = []
    for part, span in pieces:
        alone = isinstance(part, DoubleStar) or (isinstance(part, Capture) and part.kind == "segments")
        if alone and len(pieces) > 1:
            raise malformed(
                "MIG106",
                f"`{span.content}` stands for whole segments and must be alone between separators",
                span,
                "it touches other text",
                helps=(f"write `/{span.content}/`, or `*` for some text inside one segment",),
            )
        last = parts[-1] if parts else None
        if isinstance(part, Plain) and isinstance(last, Plain):
            parts[-1] = Plain(last.text + part.text)
        else:
            parts.append(part)
    return tuple(parts)


def _part(piece: Token | Node, place: Place, mounted: bool) -> Part:
    if not isinstance(piece, Token):
        return _capture(piece, place)
    match piece.type:
        case "STAR":
            return Star()
        case "DOUBLE_STAR":
            return DoubleStar()
        case "AT" if mounted:
            return Hole()
        case "ESCAPE":
            return Plain(_ESCAPED.get(piece[1], piece[1]))
        case _:
            return Plain(str(piece))


def _capture(piece: Node, place: Place) -> Part:
    first, *rest = piece.children
    match piece.data:
        case "number_range":
            return NumberRange(*_range(token(first), place))
        case "text_capture":
            return _linear(arithmetic(node(first), place), place.span(piece))
        case "numbering":
            return Capture(str(first).removeprefix("_"), "numbering")
        case "int_capture":
            return Capture(str(first), "int")
        case "range_capture":
            low, high = _range(token(rest[0]), place)
            return Capture(str(first), "range", low, high)
        case "segments_capture":
            return Capture(str(first), "segments")
        case "underscored_capture":
            return Capture(str(first), "underscored")
        case "choice_capture":
            return Capture(str(first), "choice", choices=_choices(rest, place))
        case other:
            raise AssertionError(other)


def _range(written: Token, place: Place) -> tuple[int, int]:
    """Both ends of `0..11`."""
    low_text, _, high_text = written.partition("..")
    low, high = (whole(written, place, digits.strip()) for digits in (low_text, high_text))
    if low > high:
        span = place.span(written)
        raise malformed("MIG106", f"the range {low}..{high} is upside down", span, helps=(f"write `{high}..{low}`",))
    return low, high


def _choices(branches: Sequence[Branch], place: Place) -> tuple[str, ...]:
    chosen: list[str] = []
    for branch in branches:
        if str(branch) in chosen:
            raise malformed("MIG106", f"`{branch}` stands twice among the choices", place.span(token(branch)))
        chosen.append(str(branch))
    return tuple(chosen)


def _linear(inside: Arithmetic, span: Span) -> Capture:
    """`{i}` or `{2*i+1}`: one capture, times a whole number, plus a whole number."""
    name, scale, offset = _terms(inside, span)
    if name is None:
        raise malformed("MIG106", "a capture without a name", span, helps=("a capture is written `{i}`, a range `{0..11}`",))
    if scale == 0:
        raise malformed("MIG106", f"`{name}` does not count in this capture", span)
    return Capture(name, scale=scale, offset=offset)


def _terms(inside: Arithmetic, span: Span) -> tuple[str | None, int, int]:
    """The name in an expression (None: it has none), its factor, and the constant."""
    match inside:
        case Reference(name):
            return name, 1, 0
        case Number(int() as value):
            return None, 0, value
        case Negative(operand):
            operand_name, scale, offset = _terms(operand, span)
            return operand_name, -scale, -offset
        case Binary("+" | "-" as operator, left, right):
            sign = 1 if operator == "+" else -1
            left_name, left_scale, left_offset = _terms(left, span)
            right_name, right_scale, right_offset = _terms(right, span)
            if left_name is None or right_name is None or left_name == right_name:
                return left_name or right_name, left_scale + sign * right_scale, left_offset + sign * right_offset
        case Binary("*", left, right):
            left_name, left_scale, left_offset = _terms(left, span)
            right_name, right_scale, right_offset = _terms(right, span)
            if left_name is None or right_name is None:
                scale = left_scale * right_offset + left_offset * right_scale
                return left_name or right_name, scale, left_offset * right_offset
    raise _not_linear(span)


def _not_linear(span: Span) -> Malformed:
    helps = ("a capture takes one name, times a whole number, plus or minus a whole number: `{2*i+1}`",)
    return malformed("MIG106", f"`{span.content}` is no arithmetic that a name can be matched against", span, helps=helps)


def _unreadable(content: str, position: int, place: Place) -> Malformed:
    """What is wrong with a pattern that the grammar refuses at `position`."""
    text, offset = place.text, place.offset
    before = content[:position]
    opening = before.rfind("{") if before.rfind("{") > before.rfind("}") else -1
    if content[position : position + 1] == "}" and opening < 0:
        span = Span(text, offset + position, offset + position + 1)
        return malformed("MIG106", "`}` without its `{`", span, helps=(r"in quotes, `\}` is the character itself",))
    if content[position : position + 1] == "\\" and opening < 0:
        span = Span(text, offset + position, offset + min(position + 2, len(content)))
        helps = (r"`\*`, `\{`, `\}`, `\@`, `\"` and `\\` stand for the character itself, `\n` and `\r` for line ends",)
        return malformed("MIG106", f"`{span.content}` is no escape", span, helps=helps)
    if opening < 0:
        opening = content.rfind("{")
    closing = content.find("}", opening)
    span = Span(text, offset + opening, offset + (len(content) if closing < 0 else closing + 1))
    if closing < 0:
        place_of_brace = Span(text, span.start, span.start + 1)
        helps = (r"close it with `}`; in quotes, `\{` is the character itself",)
        return malformed("MIG106", "a capture is never closed", place_of_brace, "no `}` follows", helps=helps)
    if not content[opening + 1 : closing].strip():
        return malformed("MIG106", "an empty capture", span, helps=("give it a name: `{i}`; `*` matches without one",))
    helps = ("captures are `{i}`, `{i:int}`, `{i:1..5}`, `{p:query|key}`, `{s:**}`, `{2*i+1}`, `{_i}`; a range is `{0..11}`",)
    return malformed("MIG106", f"`{span.content}` is no capture", span, helps=helps)
