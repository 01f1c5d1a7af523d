"""The ops of a rule turned around: from the last to the first, each replaced by what undoes it.

An exact op and what undoes it say the same with the same arguments (`split rows [2, 3]`, `concat rows [2, 3]`), so that turning a rule
around twice gives it back as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from migspec import dtypes
from migspec.ops import Lost, Word
from migspec.patterns import capture_names
from migspec.rules import Operation
from migspec.syntax import tree
from migspec.text import Span

_BY_BLOCKS = ("pad", "crop")
_JOINING = ("concat", "sum", "mean")
_PARTING = ("split", "unstack")
_SHORT_FORMS = ("split_gates", "concat_gates")
_GATES = ("gates", *_SHORT_FORMS)
_VALUES = ("add", "scale", "cast")
_MOVABLE = (*_VALUES, *_BY_BLOCKS, "as_is", "transpose", "permute", "squeeze", "expand")
"""What may stand between `gates` and a `pad` that grows the blocks: `crop` cuts the same elements before it is undone and after that."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """An op that its inverse undoes up to rounding, and how close that comes."""

    span: Span
    headline: str
    bound: str


class NoInverse(Exception):
    """What is lost, in words that begin with the op, or why no rule of the language says it."""

    def __init__(self, reason: str, span: Span | None, *helps: str, lost: bool = False) -> None:
        super().__init__(reason)
        self.lost = lost
        self.reason = reason
        self.span = span
        self.helps = helps


@dataclass(frozen=True, slots=True)
class Sides:
    """The patterns that a rule reads and writes: what makes its bundles."""

    sources: tuple[tree.Pattern, ...]
    targets: tuple[tree.Pattern, ...]

    def bundled(self) -> list[str]:
        """The captures of the sources alone, the slowest first."""
        return _alone(self.sources, self.targets)


def turned_around(
    operations: Sequence[Operation], ops: Sequence[tree.Op], sides: Sides
) -> tuple[list[tree.Op], list[Rounding]]:
    """The ops that undo these, and what of them comes back rounded. Raises `NoInverse`."""
    result: list[tree.Op] = []
    rounding: list[Rounding] = []
    waiting: list[tree.Op] = []  # what names a gate, until the inverse of the `gates` before it has named them
    _refuse_groups(ops, sides)
    for place in range(len(ops) - 1, -1, -1):
        op, word = ops[place], operations[place].word
        needs_blocks = (op.word == "add" and op.argument("gate") is not None) or (
            op.word in _BY_BLOCKS and _is_by_blocks(ops, place)
        )
        # What changes values changes them in its own turn: `scale` behind `add` is undone before it, so it waits as well.
        (waiting if needs_blocks or (waiting and op.word in _VALUES) else result).extend(_undone(op, word))
        if op.word in _GATES:
            result.extend(waiting)
            waiting = []
        rounding.extend(_rounding(op, word))
    return [*result, *waiting], rounding


def _is_by_blocks(ops: Sequence[tree.Op], place: int) -> bool:
    """Whether the `pad` at a place grows the blocks of the `gates` before it; raises `NoInverse` where `crop` would cut other elements
    than it has added."""
    words = [op.word for op in ops]
    gates = [one for one, word in enumerate(words) if word in _GATES]
    behind = [one for one in gates if one > place]
    if len(behind) == len(gates):
        if behind and not _hides_blocks(ops[place : behind[0]]):
            help_ = "write `pad` behind `gates`, if it grows another axis"
            raise NoInverse("`pad` before `gates` does not know the blocks that `crop` would cut", ops[place].span, help_)
        return False
    last = max(one for one in gates if one < place)
    if words[last] in _SHORT_FORMS:
        form = words[last].replace("_", " ")
        help_ = (
            "write the short form out: `gates` with both orders, and `split rows` or `concat rows` where it deals with the rows"
        )
        raise NoInverse(f"`pad` behind `{form}` grows what the short form has split or joined", ops[place].span, help_)
    between = words[last + 1 : place]
    odd = next((word for word in between if word not in _MOVABLE), None)
    if odd is not None:
        help_ = f"write `pad` directly behind `gates`, or `{odd}` before it"
        raise NoInverse(f"`pad` behind `gates` and `{odd}` may have grown blocks or not", ops[place].span, help_)
    return True


def _hides_blocks(ops: Sequence[tree.Op]) -> bool:
    """Whether a `reshape` behind the `pad` that these ops begin with makes other axes of those that it has grown: turned around, it
    lets go of the blocks before `crop`."""
    grown = ops[0].argument("dims")
    shapes = [op.argument("dims") for op in ops[1:] if op.word == "reshape"]
    return isinstance(grown, tuple) and any(isinstance(one, tuple) and not set(one) & set(grown) for one in shapes)


def _refuse_groups(ops: Sequence[tree.Op], sides: Sides) -> None:
    """Raise `NoInverse` where an op takes several tensors apart: what joins their parts again joins those of all of them into one.

    The variables that a capture gathers may be one alone (Keras' numbering, `{_b}`, often is). So it is taken for one, as long as nothing
    has joined some of them: if it is more, the inverse ends in one tensor for several targets, which is an error wherever it is used.
    """
    bundled = sides.bundled()
    several = len(sides.sources) > 1
    stacked = 0
    for op in ops:
        if op.word in _PARTING:
            if several and op.argument("capture") is None:  # `stack {e}` joins the parts of each group again
                raise NoInverse(
                    f"`{op.word}` of several tensors leaves parts that no op joins again group by group",
                    op.span,
                    "write one rule for each of the tensors"
                    if op.word == "split"
                    else "name the capture of the targets that it takes apart, as in `unstack {e} 0`, or write one rule for each tensor",
                )
            several = True
        elif op.word in _JOINING or (op.word == "stack" and op.argument("capture") is None):
            several = False
        elif op.word == "stack":
            stacked += 1
            several = stacked < len(bundled) or len(sides.sources) > 1
        elif op.word in _SHORT_FORMS and len(sides.sources) + len(sides.targets) == 3:  # the rows of two, in one
            several = op.word == "split_gates" and not any(one.word == "split" for one in ops)


def _undone(op: tree.Op, word: Word) -> list[tree.Op]:
    if op.word == "rearrange":
        left, _, right = str(op.argument("pattern")).partition("->")
        return [tree.Op("rearrange", (("pattern", f"{right.strip()} -> {left.strip()}"),), op.span)]
    inverse = word.inverse()
    dtype = op.argument("dtype")
    if op.word == "cast" and dtype is not None and dtypes.itemsize(str(dtype)) < dtypes.itemsize("float32"):
        inverse = Lost(f"`cast {dtype}` rounds")
    if isinstance(inverse, Lost):
        ways = (
            "write the rule of the other direction by hand",
            "or keep what a file has for it: `migspec invert SPEC --given FILE`",
        )
        if op.word == "sum":
            ways = ("by hand: `rename` into the first of its tensors, and `fill` the others with zeros", ways[1])
        raise NoInverse(inverse.reason, op.span, *ways, lost=True)
    if op.word == "remap":
        back = {"old": "new", "new": "old", "old_oov": "new_oov", "new_oov": "old_oov"}
        exchanged = tuple((name, op.argument(back.get(name, name))) for name, _ in op.arguments if name != "content")
        return [tree.Op("remap", exchanged, op.span)]
    return [_written(one, word, op) for one in inverse]


def _written(inverse: Word, word: Word, op: tree.Op) -> tree.Op:
    """An op as it is written; an axis that was left out, and is the same, is left out again."""
    arguments: list[tuple[str, tree.Argument]] = []
    for one in fields(inverse):  # type: ignore[arg-type]  # every word is a dataclass
        value = getattr(inverse, one.name)
        if one.name == "axis" and value == getattr(word, "axis", None):
            value = op.argument("axis")
        arguments.append((one.name, value))
    return tree.Op(inverse.word, tuple(arguments), op.span)


def _rounding(op: tree.Op, word: Word) -> list[Rounding]:
    if op.word == "add":
        bound = "a value comes back within (2 |value| + |what is added|) * 2**-24 in float32, 2**-53 in float64"
        return [Rounding(op.span, "what `add` adds is taken off again, up to rounding", bound)]
    if op.word == "scale":
        bound = "a value comes back within 3 |value| * 2**-24 in float32, 2**-53 in float64; by a power of two exactly"
        return [Rounding(op.span, "what `scale` multiplies is divided again, up to rounding", bound)]
    if op.word == "cast":
        bound = "`migspec check` with both sides says which: MIG410 where precision was lost"
        return [Rounding(op.span, "`cast` comes back bit for bit where it widens, and not where it rounds", bound)]
    del word
    return []


def _alone(these: Sequence[tree.Pattern], others: Sequence[tree.Pattern]) -> list[str]:
    elsewhere = {name for pattern in others for name in capture_names(pattern)}
    return list(dict.fromkeys(name for pattern in these for name in capture_names(pattern) if name not in elsewhere))
