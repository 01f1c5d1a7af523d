"""Ops on the blocks of an axis: `gates` of recurrent cells, `rope` of rotary embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from migspec.expression import Concat, Expression, Permute, Reshape, Slice
from migspec.ops import arguments
from migspec.ops.base import (
    Bundle,
    Context,
    Exactness,
    GateAxis,
    Lost,
    OpError,
    Tensor,
    Wants,
    Word,
    axis_of,
    each,
    shape_text,
    word,
)
from migspec.ops.remarks import axis_name
from migspec.syntax import tree

# The letters that papers and frameworks use for one gate, as LANGUAGE.md lists them: LSTM c, g, j; GRU z, u and h, c, n.
_LSTM_LETTERS = {"g": "c", "j": "c"}
_GRU_LETTERS = {"u": "z", "c": "h", "n": "h"}


def canonical_gates(order: str) -> str:
    """A gate order in one letter a gate whichever was written: `ijfo` is `icfo`, `urn` is `zrh`."""
    letters = _LSTM_LETTERS if set(order) & set("ifo") else _GRU_LETTERS
    return "".join(letters.get(letter, letter) for letter in order)


@word
@dataclass(frozen=True, slots=True)
class Gates:
    """`gates icfo -> ifco` (`on AXIS`, else the columns): the axis is cut into equal blocks, one a gate, that are put in the new order.
    `gates ifco -> ifco` names the blocks and moves nothing."""

    word: ClassVar[str] = "gates"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    old: str
    new: str
    axis: int = -1

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        axis = arguments.optional_integer(op, "axis")
        return cls.checked(arguments.text(op, "old"), arguments.text(op, "new"), -1 if axis is None else axis)

    @classmethod
    def checked(cls, old: str, new: str, axis: int = -1) -> Self:
        """The op, if both orders name the same gates; the letters of one gate (c, g, j) are one."""
        if len(set(canonical_gates(old))) != len(old) or sorted(canonical_gates(old)) != sorted(canonical_gates(new)):
            raise OpError(
                "MIG404",
                f"the gate order `{new}` is no permutation of `{old}`",
                helps=("name each gate once on both sides: LSTM i f c o (c is also g or j), GRU z r h (also u, and c or n)",),
            )
        return cls(old, new, axis)

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        return each(bundle, self._apply)

    def _apply(self, tensor: Tensor) -> Tensor:
        axis = axis_of(self.axis, len(tensor.shape), "`gates`")
        count, length = len(self.old), tensor.shape[axis]
        if length % count:
            raise OpError(
                "MIG302",
                f"{axis_name(self.axis, len(tensor.shape))} of {shape_text(tensor.shape)} does not cut into {count} gates",
                notes=(f"{length} is no multiple of {count}",),
                helps=(f"name the axis that holds the {count} gates: `gates {self.old} -> {self.new} on AXIS`",),
            )
        old, block = canonical_gates(self.old), length // count
        order = [old.index(gate) for gate in canonical_gates(self.new)]
        expression = tensor.expression
        if order != list(range(count)) and block:
            expression = Concat(tuple(Slice(expression, axis, place * block, block) for place in order), axis)
        return tensor.with_(expression, GateAxis(axis, self.new))

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (Gates(self.new, self.old, self.axis),)


_TF1_LSTM_ORDER = "icfo"


class _ShortForm:
    """What binding replaces by the ops that it stands for, before they are applied."""

    __slots__ = ()

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        raise AssertionError(f"binding replaces this op before it is applied to {bundle} in {context}")

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants


@word
@dataclass(frozen=True, slots=True)
class SplitGates(_ShortForm):
    """`split gates ifco`: the rows of TF1's fused LSTM kernel split over kernel and recurrent kernel, and its gates (i c f o) put in the
    order of the target; `split gates icfo -> ifco` says both orders and works for any source.

    Binding replaces it by `split rows` (where the target needs it) and `gates`: it knows the source and the target's sibling.
    """

    word: ClassVar[str] = "split_gates"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    old: str | None
    new: str

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        old, new = arguments.optional_text(op, "old"), arguments.text(op, "new")
        _check_orders(old, new, "split gates")
        return cls(old, new)

    @property
    def gates(self) -> Gates:
        """What it does to the gates; with one order, those of a TF1 LSTM cell."""
        return Gates(self.old or _TF1_LSTM_ORDER, self.new)

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (ConcatGates(self.new, self.old),)


@word
@dataclass(frozen=True, slots=True)
class ConcatGates(_ShortForm):
    """`concat gates ifco`: the gates of a kernel, in this order, put in that of TF1's fused LSTM kernel (i c f o), and the rows of its
    recurrent kernel joined to its own; `concat gates ifco -> icfo` says both orders and works for any target. It undoes `split gates`.

    Binding replaces it by `gates` and `concat rows` (where the target needs it): it knows the source's sibling.
    """

    word: ClassVar[str] = "concat_gates"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    old: str
    new: str | None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        old, new = arguments.text(op, "old"), arguments.optional_text(op, "new")
        _check_orders(new, old, "concat gates")
        return cls(old, new)

    @property
    def gates(self) -> Gates:
        """What it does to the gates; with one order, into those of a TF1 LSTM cell."""
        return Gates(self.old, self.new or _TF1_LSTM_ORDER)

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (SplitGates(self.new, self.old),)


def _check_orders(fused: str | None, other: str, what: str) -> None:
    """Raise OpError unless the order of the fused kernel, TF1's own if it is left out, and the other one name the same gates."""
    try:
        Gates.checked(fused or _TF1_LSTM_ORDER, other)
    except OpError as error:
        if fused is not None:
            raise
        notes = (f"with one order, `{what}` is for TF1's LSTM cells, whose own order is i c f o",)
        helps = (*error.helps, f"for another cell write both orders: `{what} OLD -> NEW`")
        raise OpError(error.code, error.message, notes, helps) from None


@word
@dataclass(frozen=True, slots=True)
class Rope:
    """`rope interleaved -> half on AXIS heads 32`: the pairs of a rotary embedding, side by side (x0 y0 x1 y1 ...) or in two halves
    (x0 x1 ... y0 y1 ...), within each of the heads that the axis holds."""

    word: ClassVar[str] = "rope"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    old: str
    new: str
    axis: int
    heads: tree.Arithmetic

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        old, new = arguments.text(op, "old"), arguments.text(op, "new")
        if {old, new} - {"interleaved", "half"}:
            raise OpError(
                "MIG107",
                f"`rope` knows no layout `{({old, new} - {'interleaved', 'half'}).pop()}`",
                helps=("write `interleaved` or `half`",),
            )
        return cls(old, new, arguments.integer(op, "axis"), arguments.expression(op, "heads"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        return each(bundle, lambda tensor: self._apply(tensor, context))

    def _apply(self, tensor: Tensor, context: Context) -> Tensor:
        axis = axis_of(self.axis, len(tensor.shape), "`rope`")
        heads, length = context.whole(self.heads, "the number of heads"), tensor.shape[axis]
        if heads < 1 or length % (2 * heads):
            raise OpError(
                "MIG302",
                f"{axis_name(self.axis, len(tensor.shape))} of {shape_text(tensor.shape)} does not hold pairs for {heads} heads",
                notes=(f"{length} is no multiple of 2 * {heads}",),
                helps=("say on which axis the heads lie, and how many they are (keys may have fewer than queries)",),
            )
        if self.old == self.new:
            return tensor
        pairs = (length // heads // 2, 2) if self.old == "interleaved" else (2, length // heads // 2)
        cut: Expression = Reshape(tensor.expression, (*tensor.shape[:axis], heads, *pairs, *tensor.shape[axis + 1 :]))
        axes = list(range(len(cut.shape)))
        axes[axis + 1], axes[axis + 2] = axes[axis + 2], axes[axis + 1]
        return tensor.with_(Reshape(Permute(cut, tuple(axes)), tensor.shape), tensor.gates)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (Rope(self.new, self.old, self.axis, self.heads),)
