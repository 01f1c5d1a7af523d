"""The ops of a rule turned around: from the last to the first, each replaced by what undoes it.

Arguments that the shapes settle are left out (`concat rows` is undone by `split rows`): the targets of the inverse have the shapes
that the sources had.
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
    dims: tree.Dims | None = None
    """The shape of the one source, where the interface of the spec declares it."""

    def bundled(self) -> list[str]:
        """The captures of the sources alone, the slowest first."""
        return _alone(self.sources, self.targets)

    def spread(self) -> list[str]:
        """The captures of the targets alone, the slowest first."""
        return _alone(self.targets, self.sources)


def turned_around(
    operations: Sequence[Operation], ops: Sequence[tree.Op], sides: Sides
) -> tuple[list[tree.Op], list[Rounding]]:
    """The ops that undo these, and what of them comes back rounded. Raises `NoInverse`."""
    bundled, spread = sides.bundled(), sides.spread()
    single = len(sides.sources) == 1 and not bundled
    result: list[tree.Op] = []
    rounding: list[Rounding] = []
    waiting: list[tree.Op] = []  # what names a gate, until the inverse of the `gates` before it has named them
    place = len(ops) - 1
    before = _singles(ops, single, bundled)
    _refuse_hidden_order(ops, bundled)
    named = 1 < len(spread) == sum(op.word == "unstack" for op in ops)  # each `unstack` is of one capture, in their order
    shapes = _shapes_before(ops, sides.dims)
    while place >= 0:
        op, word = ops[place], operations[place].word
        if op.word in ("split", "unstack") and not before[place] and not (op.word == "unstack" and named):
            raise NoInverse(f"`{op.word}` of several tensors leaves parts that no op joins again group by group", op.span)
        if op.word == "stack" and op.argument("capture") is not None:
            first = place
            while first and ops[first - 1].word == "stack" and ops[first - 1].argument("capture") is not None:
                first -= 1
            result.extend(_unstacked(ops[first : place + 1], bundled))
            place = first - 1
            continue
        if op.word == "unstack" and named:
            result.append(tree.Op("stack", (("axis", op.argument("axis")), ("capture", spread.pop())), op.span))
        else:
            undone = _settled(_undone(op, word), ops[:place], shapes[place])
            needs_blocks = (op.word == "add" and op.argument("gate") is not None) or (
                op.word in _BY_BLOCKS and _is_by_blocks(ops, place)
            )
            # What changes values changes them in its own turn: `scale` behind `add` is undone before it, so it waits as well.
            (waiting if needs_blocks or (waiting and op.word in _VALUES) else result).extend(undone)
            if op.word == "gates":
                result.extend(waiting)
                waiting = []
        rounding.extend(_rounding(op, word))
        place -= 1
    return [*result, *waiting], rounding


def _is_by_blocks(ops: Sequence[tree.Op], place: int) -> bool:
    """Whether the `pad` at a place grows the blocks of the `gates` before it; raises `NoInverse` where `crop` would cut other elements
    than it has added."""
    words = [op.word for op in ops]
    if "gates" not in words[:place]:
        if "gates" in words[place:] and not _hides_blocks(ops[place : words.index("gates", place)]):
            help_ = "write `pad` behind `gates`, if it grows another axis"
            raise NoInverse("`pad` before `gates` does not know the blocks that `crop` would cut", ops[place].span, help_)
        return False
    between = words[place - words[:place][::-1].index("gates") : place]
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


def _refuse_hidden_order(ops: Sequence[tree.Op], bundled: Sequence[str]) -> None:
    """Raise `NoInverse` where `stack {capture}` leaves a bundle in which a faster capture remains: taken apart again, its tensors
    would come in another order than their names."""
    left, run = list(bundled), set[str]()
    for place, op in enumerate(ops):
        if op.word != "stack" or op.argument("capture") is None:
            continue
        run.add(str(op.argument("capture")))
        following = ops[place + 1] if place + 1 < len(ops) else None
        if following is not None and following.word == "stack" and following.argument("capture") is not None:
            continue
        if not run.issuperset(left[len(left) - len(run) :]):
            raise NoInverse(
                f"`stack {{{op.argument('capture')}}}` leaves tensors that no op takes apart in the order of their names",
                op.span,
                "stack along the captures one directly after the other, the one written last in the names first",
            )
        del left[len(left) - len(run) :]
        run.clear()


def _shapes_before(ops: Sequence[tree.Op], dims: tree.Dims | None) -> list[tree.Dims | None]:
    """The shape that each op takes, as far as it can be told without numbers."""
    found = []
    for op in ops:
        found.append(dims)
        dims = None if dims is None else _shape_after(op, dims)
    return found


def _shape_after(op: tree.Op, dims: tree.Dims) -> tree.Dims | None:
    match op.word:
        case "gates" | "add" | "scale" | "cast" | "as_is" | "flip" | "rope":
            return dims
        case "transpose":
            axes = op.argument("axes")
            return tuple(reversed(dims)) if axes is None else tuple(dims[axis] for axis in axes if isinstance(axis, int))  # type: ignore[union-attr]
        case "split":
            axis, count = op.argument("axis"), op.argument("count")
            if not isinstance(axis, int) or not isinstance(count, tree.Number) or not -len(dims) <= axis < len(dims):
                return None
            return (*dims[: axis % len(dims)], _divided(dims[axis], count), *dims[axis % len(dims) + 1 :])
        case _:
            return None


def _divided(dim: tree.Arithmetic, count: tree.Number) -> tree.Arithmetic:
    if isinstance(dim, tree.Binary) and dim.operator == "*" and dim.left == count:
        return dim.right
    return tree.Binary("/", dim, count)


def _settled(undone: list[tree.Op], before: Sequence[tree.Op], dims: tree.Dims | None) -> list[tree.Op]:
    """The inverse of an op behind a `split`, whose parts will be joined: what then settles no argument that is left out."""
    split = next((op for op in reversed(before) if op.word in ("split", "unstack", *_JOINING, "stack")), None)
    if split is None or split.word != "split":
        return undone
    (inverse,) = undone
    if inverse.word == "split" and split.argument("count") is not None:
        count = ("count", split.argument("count"))
        return [tree.Op("split", (("axis", inverse.argument("axis")), ("sizes", None), count), inverse.span)]
    if inverse.word == "reshape" and dims is not None:
        return [tree.Op("reshape", (("dims", dims),), inverse.span)]
    return undone


def _singles(ops: Sequence[tree.Op], single: bool, bundled: Sequence[str]) -> list[bool]:
    """Whether each op takes one tensor alone."""
    stacked = 0
    found = []
    for op in ops:
        found.append(single)
        if op.word in ("split", "unstack"):
            single = False
        elif op.word in _JOINING:
            single = True
        elif op.word == "stack":
            stacked += op.argument("capture") is not None
            single = op.argument("capture") is None or stacked == len(bundled)
    return found


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


def _unstacked(ops: Sequence[tree.Op], bundled: Sequence[str]) -> list[tree.Op]:
    """What undoes a run of `stack {capture} AXIS`: the capture that varies slowest is taken apart first."""
    captures = [str(op.argument("capture")) for op in ops]
    axes = [op.argument("axis") for op in ops]
    if captures == list(reversed([name for name in bundled if name in captures])):
        return [tree.Op("unstack", (("axis", axis),), op.span) for op, axis in zip(reversed(ops), reversed(axes), strict=True)]
    places: dict[str, int] = {}
    for op, capture, axis in zip(ops, captures, axes, strict=True):
        assert isinstance(axis, int)
        if axis < 0:
            raise NoInverse(
                f"`stack {{{capture}}} {axis}` counts its axis from the end, and what is stacked first varies slowest",
                op.span,
                "count the axes of these `stack`s from the front",
            )
        places = {name: place + (place >= axis) for name, place in places.items()}
        places[capture] = axis
    result = []
    for capture in (name for name in bundled if name in places):
        place = places.pop(capture)
        result.append(tree.Op("unstack", (("axis", place),), ops[0].span))
        places = {name: other - (other > place) for name, other in places.items()}
    return result


def _alone(these: Sequence[tree.Pattern], others: Sequence[tree.Pattern]) -> list[str]:
    elsewhere = {name for pattern in others for name in capture_names(pattern)}
    return list(dict.fromkeys(name for pattern in these for name in capture_names(pattern) if name not in elsewhere))
