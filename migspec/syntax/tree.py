"""The syntax tree of a spec: what was written, with spans and comments, and nothing of what it means.

Spans and comments' places do not take part in comparison: two trees are equal if they say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from migspec.text import Span, Text

# --- patterns ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plain:
    """Plain text inside a segment, unescaped."""

    text: str


@dataclass(frozen=True, slots=True)
class Star:
    """`*`: any text inside one segment, also none."""


@dataclass(frozen=True, slots=True)
class DoubleStar:
    """`**`: zero or more whole segments; always alone in its segment."""


@dataclass(frozen=True, slots=True)
class Hole:
    """`@`: where the inner name goes, in the patterns of a `use`."""


@dataclass(frozen=True, slots=True)
class NumberRange:
    """`{0..11}`: a number in the range, both ends included, unnamed."""

    low: int
    high: int


CaptureKind: TypeAlias = Literal["text", "int", "range", "choice", "segments", "numbering", "underscored"]


@dataclass(frozen=True, slots=True)
class Capture:
    """A named capture.

    kind: `{i}` text, `{i:int}` int, `{i:1..5}` range (low, high), `{p:query|key}` choice (choices), `{s:**}` segments (alone in its
    segment), `{_i}` numbering, `{weight:_}` underscored. `{2*i+1}` is kind text with scale 2 and offset 1; `{i-1}` has offset -1.
    """

    name: str
    kind: CaptureKind = "text"
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    scale: int = 1
    offset: int = 0


Part: TypeAlias = Plain | Star | DoubleStar | Hole | NumberRange | Capture
Segment: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name or pattern: segments, and the separators (`/` or `.`) between them: one fewer than segments.

    `quoted` says that it was written in quotes (not compared: it is a matter of writing).
    """

    segments: tuple[Segment, ...]
    separators: tuple[str, ...]
    quoted: bool = field(default=False, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)


# --- numbers and dimensions -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A literal: an int where it was written without point or exponent, else a float."""

    value: int | float
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of a `size` or `number`."""

    name: str
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """Minus its operand."""

    operand: Arithmetic
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """Two expressions joined by an operator."""

    operator: Literal["+", "-", "*", "/"]
    left: Arithmetic
    right: Arithmetic
    span: Span | None = field(default=None, compare=False, repr=False)


Arithmetic: TypeAlias = Number | Reference | Negative | Binary
Dims: TypeAlias = tuple[Arithmetic, ...]


# --- ops --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Op:
    """One op: its word, and its arguments as the grammar names them, in the order written.

    The arguments of each word (None or absent where left out):
      transpose        axes: tuple[int, ...] | None
      permute          old: str, new: str                      (`permute OIHW -> HWIO`)
      rearrange        pattern: str                            (the text inside the quotes)
      reshape          dims: Dims | None, old: Dims | None     (-1 is Negative(Number(1)); `old` is that of `reshape from [..]`)
      squeeze, expand, flip, stack, unstack
                       axis: int; stack and unstack also capture: str | None (`stack {e} 0`)
      gates            old: str, new: str, axis: int | None
      rope             old: str, new: str, axis: int, heads: Arithmetic
      split, concat    axis: int, sizes: Dims | None, count: Arithmetic | None
      split_gates      old: str | None, new: str               (`split gates ifco`, `split gates icfo -> ifco`)
      concat_gates     old: str, new: str | None               (`concat gates ifco`, `concat gates ifco -> icfo`)
      slice            axis: int, start: Arithmetic | None, stop: Arithmetic | None
      crop             dims: Dims | None
      pad              content: Content, dims: Dims | None
      repeat           axis: int, count: Arithmetic
      remap            axis: int, old: str, old_oov: Arithmetic | None, new: str, new_oov: Arithmetic | None,
                       content: Content | None                 (`from "old" oov 2 to "new" oov 2 else zeros`)
      add              value: Arithmetic, gate: str | None
      scale            value: Arithmetic
      cast             dtype: str | None, old: str | None      (`old` is that of `cast from float16`)
      sum, mean, as_is (none)
    An axis written `rows` or `columns` is stored as 0 or -1.
    """

    word: str
    arguments: tuple[tuple[str, Argument], ...]
    span: Span = field(compare=False, repr=False)

    def argument(self, name: str) -> Argument:
        for key, value in self.arguments:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Content:
    """What to fill with: `zeros`, `ones`, a number, `normal 0.02 seed 7`, `uniform -0.1 0.1 seed 7`.

    kind "constant": `value`. kind "normal": `value` is the standard deviation. kind "uniform": from `low` to `value`.
    `zeros` and `ones` are constants 0 and 1 (as int Numbers).
    """

    kind: Literal["constant", "normal", "uniform"]
    value: Arithmetic
    low: Arithmetic | None = None
    seed: int = 0


Argument: TypeAlias = int | str | tuple[int, ...] | Dims | Arithmetic | Content | None


# --- statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PatternList:
    """Patterns with commas, narrowed by `except` patterns."""

    patterns: tuple[Pattern, ...]
    exceptions: tuple[Pattern, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Version:
    """`mig 1`: the version of the language."""

    number: int


@dataclass(frozen=True, slots=True)
class Definition:
    """One name of a `size` or `number` statement; `value` is None for a size that is solved from the shapes."""

    name: str
    value: Arithmetic | None
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sizes:
    """`size inputs, heads = 12`."""

    definitions: tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """`number forget_bias = 1.0`."""

    definitions: tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class Interface:
    """`source NAME or NAME [DIMS] DTYPE? (for i < n)? (if present)?`, or the same with `target`."""

    side: Literal["source", "target"]
    names: tuple[Pattern, ...]
    dims: Dims
    dtype: str | None = None
    family: tuple[str, Arithmetic] | None = None  # (capture, count): `for i < layers`
    if_present: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """`use (inverse)? SPEC A -> B (with X = 1, ...)?`; the patterns are None where left out."""

    spec: str
    source: Pattern | None
    target: Pattern | None
    bindings: tuple[Definition, ...] = ()
    inverse: bool = False
    if_present: bool = False
    spec_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Move:
    """`rename A, ... -> B, ... OPS` or `copy ...`."""

    word: Literal["rename", "copy"]
    sources: PatternList
    targets: PatternList
    ops: tuple[Op, ...] = ()
    if_present: bool = False


@dataclass(frozen=True, slots=True)
class Same:
    """`same LIST OPS`."""

    names: PatternList
    ops: tuple[Op, ...] = ()
    if_present: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """`drop LIST because "..."`."""

    names: PatternList
    because: str | None = None
    if_present: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """`keep LIST because "..."`."""

    names: PatternList
    because: str | None = None
    if_present: bool = False


@dataclass(frozen=True, slots=True)
class FillWith:
    """`fill LIST with CONTENT`."""

    names: PatternList
    content: Content
    if_present: bool = False


@dataclass(frozen=True, slots=True)
class Slots:
    """`slots A -> B OPS`."""

    source: Pattern
    target: Pattern
    ops: tuple[Op, ...] = ()
    if_present: bool = False


@dataclass(frozen=True, slots=True)
class CastAll:
    """`cast` alone on a line."""


Body: TypeAlias = Version | Sizes | Numbers | Interface | Use | Move | Same | Drop | Keep | FillWith | Slots | CastAll


@dataclass(frozen=True, slots=True)
class Statement:
    """One logical statement with the comments that belong to it.

    `leading` are the comment lines directly above, each without `#` and one following space, "" for a bare `#`, None for a blank
    line between (runs of blank lines are one); `trailing` is the comment at the end of its last line. Comments between its
    continuation lines are moved above it, so none is lost.
    """

    body: Body
    leading: tuple[str | None, ...] = ()
    trailing: str | None = None
    span: Span = field(default=None, compare=False, repr=False)  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole spec: its statements in order, and the comments and blank lines after the last one."""

    text: Text = field(compare=False, repr=False)
    statements: tuple[Statement, ...]
    closing: tuple[str | None, ...] = ()
