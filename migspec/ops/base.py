"""What every op is: a word of the language that turns a bundle of tensors into a bundle of tensors.

A word is one class in one place, holding all that the tool knows of it: what it takes (`read`), its shape rule and its expansion
into primitives (`apply`, one thing, since each primitive knows its shape), how shapes flow backward through it (`pull_back`), its
inverse, and its documentation (the class docstring).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Protocol, Self, TypeAlias

from migspec import arithmetic
from migspec.expression import Constant, Distribution, Expression, Normal, Shape, Uniform
from migspec.syntax import tree

Exactness: TypeAlias = Literal["exact", "rounding", "lossy"]


@dataclass(frozen=True, slots=True)
class GateAxis:
    """An axis that `gates` has cut into equal blocks, and their order (one letter a gate)."""

    axis: int
    order: str


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a bundle. `coordinates` are the values of the captures that made the bundle, slowest first."""

    expression: Expression
    coordinates: tuple[tuple[str, str], ...] = ()
    gates: GateAxis | None = None

    @property
    def shape(self) -> Shape:
        return self.expression.shape

    @property
    def dtype(self) -> str:
        return self.expression.dtype

    def with_(self, expression: Expression, gates: GateAxis | None = None) -> Tensor:
        return Tensor(expression, self.coordinates, gates)


Bundle: TypeAlias = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the rest of the pipeline must be given to end in its target: None where that is open."""

    shape: tuple[int | None, ...] | None = None
    dtype: str | None = None

    @property
    def full_shape(self) -> Shape | None:
        if self.shape is None or any(length is None for length in self.shape):
            return None
        return tuple(length for length in self.shape if length is not None)


Wants: TypeAlias = tuple[Wanted, ...] | Wanted
"""One for each tensor, or a single one that holds for each of however many."""


class OpError(Exception):
    """Why an op cannot apply: data for a diagnostic at the op's place."""

    def __init__(self, code: str, message: str, notes: Sequence[str] = (), helps: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code, self.message, self.notes, self.helps = code, message, tuple(notes), tuple(helps)


class Unsettled(OpError):
    """An argument or size that the shapes known so far do not settle; another rule may."""


@dataclass(slots=True)
class Context:
    """What an op may know beside its tensors.

    `values` are the sizes and numbers of the spec; `wants` tells what is wanted of the op's result; `equations` collects what the op
    knows of sizes (expression, value, origin in words); `streams` are the names of the targets, after which random
    fills are named; `fills` counts them; `targets` are the values of the captures that make a bundle of the targets, for each.
    """

    values: arithmetic.Values
    wants: Callable[[], Wants]
    streams: tuple[str, ...]
    equations: list[tuple[tree.Arithmetic, int]] = field(default_factory=list)
    fills: dict[str, int] = field(default_factory=dict)
    targets: Sequence[tuple[tuple[str, str], ...]] = ()

    def whole(self, expression: tree.Arithmetic, what: str) -> int:
        """The value of a size expression, a whole number >= 0."""
        value = self.number(expression, what)
        if isinstance(value, float):
            if not value.is_integer():
                raise OpError("MIG114", f"{what} is {value}, no whole number", helps=("write a whole number, or a `size`",))
            value = int(value)
        if value < 0:
            raise OpError("MIG114", f"{what} is {value}, less than 0", helps=("write a whole number, 0 or more",))
        return value

    def known(self, expression: tree.Arithmetic) -> int | None:
        """The value of a size expression; None where it is not known yet, or is none."""
        try:
            return self.whole(expression, "a size")
        except OpError:
            return None

    def number(self, expression: tree.Arithmetic, what: str) -> int | float:
        """The value of an expression of sizes and numbers."""
        try:
            value = arithmetic.value_of(expression, self.values)
            float(value)
        except OverflowError:
            raise OpError("MIG114", f"{what} is too large", helps=("write a number that a float can hold",)) from None
        except arithmetic.NotYetKnown as unknown:
            raise Unsettled(
                "MIG305",
                f"the size `{unknown.name}` is not determined",
                helps=(f"give it a value: `size {unknown.name} = ...`, or `--set {unknown.name}=...`",),
            ) from None
        except ZeroDivisionError:
            raise OpError(
                "MIG114", f"{what} divides by zero", helps=("give the number under the fraction another value",)
            ) from None
        return value

    def wanted(self, count: int) -> tuple[Wanted, ...]:
        """What is wanted of each of the op's `count` results; all open where the counts do not fit."""
        wants = self.wants()
        if isinstance(wants, Wanted):
            return (wants,) * count
        return wants if len(wants) == count else (Wanted(),) * count

    def distribution(self, content: tree.Content, place: int = 0, count: int = 1) -> Distribution:
        """The distribution that `zeros`, `0.5`, `normal 0.02 seed 7` ... stand for, in tensor `place` of `count`.

        Each call makes a stream of its own. It is named after the target of the tensor, so that it does not depend on the order
        in which a rule names several; where tensors and targets are not as many, after the first target.
        """
        value = float(self.number(content.value, "the value to fill with"))
        name = self.streams[place] if count == len(self.streams) else self.streams[0]
        self.fills[name] = self.fills.get(name, 0) + 1
        stream = name if self.fills[name] == 1 else f"{name}#{self.fills[name]}"
        match content.kind:
            case "constant":
                return Constant(value)
            case "normal":
                if value < 0:
                    raise OpError(
                        "MIG114", f"the standard deviation {value} is less than 0", helps=("write it without the minus",)
                    )
                return Normal(value, content.seed, stream)
            case "uniform":
                assert content.low is not None
                low = float(self.number(content.low, "the lower bound"))
                if low > value:
                    raise OpError(
                        "MIG114", f"`uniform` goes from {low} down to {value}", helps=("write the lower bound first",)
                    )
                return Uniform(low, value, content.seed, stream)


@dataclass(frozen=True, slots=True)
class Lost:
    """Why an op has no inverse, in words that begin a sentence with the op: "`sum` keeps ..."."""

    reason: str


class Word(Protocol):
    """One op of a rule."""

    word: ClassVar[str]
    exactness: ClassVar[Exactness]
    settles_layout: ClassVar[bool]
    """Whether writing it shows that the author looked at the order of the axes."""

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        """The op from its syntax; raises OpError for arguments that no tensor could satisfy."""

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        """The bundle after the op; raises OpError where it cannot apply, Unsettled where an argument is not known yet."""

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        """What is wanted of the op's inputs, given what is wanted of its results."""

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        """The ops that undo it on a bundle like `inputs`, or what is lost. Without inputs, arguments that follow from the shapes are
        left out of them: those of the targets then settle these."""


WORDS: dict[str, type[Word]] = {}
"""Every op by its word, in the order of the language reference."""


def word(cls: type[Word]) -> type[Word]:
    """Enter a class as the op of its word."""
    WORDS[cls.word] = cls
    return cls


# --- what several ops need --------------------------------------------------------------------------------------------


def shape_text(shape: Sequence[int | None]) -> str:
    """A shape as an error shows it: `[20, 400]`; an open length is `?`."""
    return "[" + ", ".join("?" if length is None else str(length) for length in shape) + "]"


def axis_of(axis: int, rank: int, what: str) -> int:
    """The axis counted from the front; raises OpError if there is none."""
    if not -rank <= axis < rank:
        raise OpError(
            "MIG302",
            f"{what} needs an axis {axis}, and the tensor has {rank} {'axis' if rank == 1 else 'axes'}",
            notes=("it is a single number",) if rank == 0 else (),
            helps=(_axes_help(rank),),
        )
    return axis % rank


def _axes_help(rank: int) -> str:
    if rank == 0:
        return "give it an axis first: `expand 0`"
    if rank == 1:
        return "its only axis is 0"
    return f"axes count from 0 to {rank - 1}, or from -{rank} to -1 (`rows` is 0, `columns` is -1)"


def each(bundle: Bundle, change: Callable[[Tensor], Tensor]) -> Bundle:
    return tuple(change(tensor) for tensor in bundle)


def each_wanted(wants: Wants, change: Callable[[Wanted], Wanted]) -> Wants:
    return change(wants) if isinstance(wants, Wanted) else tuple(change(wanted) for wanted in wants)


def reshaped_wanted(wanted: Wanted, change: Callable[[list[int | None]], None]) -> Wanted:
    """`wanted` with its list of lengths changed in place; open where it was open or the change does not fit."""
    if wanted.shape is None:
        return wanted
    lengths = list(wanted.shape)
    try:
        change(lengths)
    except IndexError:
        return Wanted(None, wanted.dtype)
    return replace(wanted, shape=tuple(lengths))


def moved_gates(gates: GateAxis | None, new_axis: Callable[[int], int | None]) -> GateAxis | None:
    """The gate axis at its new place; None where it is gone."""
    if gates is None:
        return None
    axis = new_axis(gates.axis)
    return None if axis is None else GateAxis(axis, gates.order)
