"""The parts of a syntax tree as text: patterns, expressions, ops. The layout of statements is the business of `format.py`."""

from __future__ import annotations

import re
from typing import assert_never

from migspec.syntax.tree import (
    Argument,
    Arithmetic,
    Binary,
    Capture,
    Content,
    Dims,
    DoubleStar,
    Hole,
    Negative,
    Number,
    NumberRange,
    Op,
    Part,
    Pattern,
    Plain,
    Reference,
    Star,
)
from migspec.syntax.typography import has_typography

# The terminal PATTERN of the grammar, which a test compares with it.
BARE = re.compile(r"""(?!->)(?:[^\s,"'`()\[\]<>=|;{}\\]|\{[^{}"<>]*\})+""")

_LITERAL = str.maketrans(
    {"\\": r"\\", '"': r"\"", "*": r"\*", "{": r"\{", "}": r"\}", "\n": r"\n", "\r": r"\r"},
)
# The arguments that an op may have, in the order in which they are written.
_ORDER = (
    *("capture", "axis", "axes", "old", "old_oov", "new", "new_oov", "pattern", "content", "dims", "sizes", "count", "value"),
    *("gate", "dtype"),
)
_CONTENT_WORDS = frozenset({"zeros", "ones", "normal", "uniform"})
_SUM, _PRODUCT, _ATOM = range(3)  # how tightly an expression binds


def pattern_text(pattern: Pattern, mounted: bool = False) -> str:
    """A name or pattern, in quotes exactly if it needs them. `mounted`: in a `use`, where a plain `@` has to be escaped."""
    pieces: list[str] = []
    for index, segment in enumerate(pattern.segments):
        if index:
            pieces.append(pattern.separators[index - 1])
        pieces.extend(_part(part, mounted) for part in segment)
    return _bare_or_quoted("".join(pieces))


def spec_text(name: str) -> str:
    """The name of a used spec, in quotes exactly if it needs them."""
    bare = BARE.fullmatch(name) and not name.startswith("#") and not has_typography(name)
    return name if bare and name != "inverse" else quoted(name)


def quoted(text: str) -> str:
    """A text in quotes. It stays on one line: line ends become spaces."""
    one_line = re.sub(r"\s*[\r\n]\s*", " ", text)
    return '"' + one_line.replace("\\", "\\\\").replace('"', '\\"') + '"'


def arithmetic_text(value: Arithmetic) -> str:
    """An expression with the parentheses that it needs to be read back as it is."""
    return _expression(value, _SUM)


def dims_text(dims: Dims) -> str:
    return f"[{', '.join(map(arithmetic_text, dims))}]"


def content_text(content: Content) -> str:
    """What to fill with."""
    match content.kind:
        case "normal":
            return f"normal {_signed(content.value)} seed {content.seed}"
        case "uniform":
            assert content.low is not None
            return f"uniform {_signed(content.low)} {_signed(content.value)} seed {content.seed}"
        case "constant":
            match content.value:
                case Number(int() as value) if value in (0, 1):
                    return "ones" if value else "zeros"
            text = arithmetic_text(content.value)
            word = re.match(r"\w*", text)
            return f"({text})" if word and word.group() in _CONTENT_WORDS else text
        case _:
            assert_never(content.kind)


def op_text(op: Op) -> str:
    """One op. Axes 0 and -1 stay `rows` and `columns` where the op's own text says so, else they are numbers."""
    arguments = dict(op.arguments)
    match op.word:
        case "as_is":
            return "as is"
        case "permute":
            return f"permute {arguments['old']} -> {arguments['new']}"
        case "gates":
            axis = arguments.get("axis")
            return f"gates {arguments['old']} -> {arguments['new']}" + ("" if axis is None else f" on {_axis(op)}")
        case "split_gates" | "concat_gates":
            orders = (arguments.get("old"), arguments.get("new"))
            return f"{op.word.removesuffix('_gates')} gates {' -> '.join(str(one) for one in orders if one is not None)}"
        case "rope":
            return f"rope {arguments['old']} -> {arguments['new']} on {_axis(op)} heads {_argument(arguments['heads'])}"
        case "slice":
            start, stop = (_argument(arguments.get(name)) for name in ("start", "stop"))
            return f"slice {_axis(op)} [{start}:{stop}]"
        case _:
            words = [op.word, *(_worded(op, name, arguments.get(name)) for name in _ORDER)]
            return " ".join(word for word in words if word)


def _worded(op: Op, name: str, value: Argument) -> str:
    """An argument with the word before it; empty if it is left out."""
    if value is None:
        return ""
    match name:
        case "axis":
            return _axis(op)
        case "capture":
            return f"{{{value}}}"
        case "axes":
            assert isinstance(value, tuple)
            return " ".join(map(str, value))
        case "pattern":
            return quoted(str(value))
        case "dims" if op.word in ("crop", "pad"):
            return f"to {_argument(value)}"
        case "count" if op.word in ("split", "concat"):
            return f"in {_argument(value)}"
        case "old" if op.word in ("reshape", "cast"):
            return f"from {_argument(value)}"
        case "old" if op.word == "remap":
            return f"from {quoted(str(value))}"
        case "new" if op.word == "remap":
            return f"to {quoted(str(value))}"
        case "old_oov" | "new_oov":
            return f"oov {_argument(value)}"
        case "content" if op.word == "remap":
            return f"else {_argument(value)}"
        case "gate":
            return f"to {value}"
        case _:
            return _argument(value)


def _argument(value: Argument) -> str:
    match value:
        case None:
            return ""
        case int() | str():
            return str(value)
        case Content():
            return content_text(value)
        case tuple():
            return f"[{', '.join(_argument(one) for one in value)}]"
        case Number() | Reference() | Negative() | Binary():
            return arithmetic_text(value)
        case _:
            assert_never(value)


def _axis(op: Op) -> str:
    axis = op.argument("axis")
    word = {0: "rows", -1: "columns"}.get(axis) if isinstance(axis, int) else None
    return word if word is not None and word in op.span.content.split() else str(axis)


def _bare_or_quoted(content: str) -> str:
    bare = BARE.fullmatch(content) and not content.startswith("#") and not has_typography(content)
    return content if bare else f'"{content}"'


def _part(part: Part, mounted: bool) -> str:
    match part:
        case Plain(text):
            literal = text.translate(_LITERAL)
            return literal.replace("@", r"\@") if mounted else literal
        case Star():
            return "*"
        case DoubleStar():
            return "**"
        case Hole():
            return "@"
        case NumberRange(low, high):
            return f"{{{low}..{high}}}"
        case Capture():
            return f"{{{_capture(part)}}}"
        case _:
            assert_never(part)


def _capture(capture: Capture) -> str:
    match capture.kind:
        case "text":
            scaled = capture.name if capture.scale == 1 else f"{capture.scale}*{capture.name}"
            return f"{scaled}{capture.offset:+d}" if capture.offset else scaled
        case "int":
            return f"{capture.name}:int"
        case "range":
            return f"{capture.name}:{capture.low}..{capture.high}"
        case "choice":
            return f"{capture.name}:{'|'.join(capture.choices)}"
        case "segments":
            return f"{capture.name}:**"
        case "numbering":
            return f"_{capture.name}"
        case "underscored":
            return f"{capture.name}:_"
        case _:
            assert_never(capture.kind)


def _expression(value: Arithmetic, least: int) -> str:
    """An expression that stands where it must bind at least so tightly."""
    match value:
        case Number():
            return repr(value.value)
        case Reference():
            return value.name
        case Negative():
            # Binds like a product's factor; what it negates is a factor itself.
            text, binds = f"-{_expression(value.operand, _ATOM)}", _ATOM
        case Binary("+" | "-"):
            text = f"{_expression(value.left, _SUM)} {value.operator} {_expression(value.right, _PRODUCT)}"
            binds = _SUM
        case Binary():
            text = f"{_expression(value.left, _PRODUCT)} {value.operator} {_expression(value.right, _ATOM)}"
            binds = _PRODUCT
        case _:
            assert_never(value)
    return text if binds >= least else f"({text})"


def _signed(value: Arithmetic) -> str:
    """One value of `normal` or `uniform`: a number or a name, with an optional minus, or anything in parentheses."""
    match value:
        case Number() | Reference():
            return arithmetic_text(value)
        case Negative(Number() | Reference() as operand):
            return f"-{arithmetic_text(operand)}"
        case _:
            return f"({arithmetic_text(value)})"
