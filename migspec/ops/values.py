"""Ops that change values, or say that nothing changes: `add`, `scale`, `cast`, `sum`, `mean`, `as is`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from migspec import dtypes
from migspec.expression import Affine, Cast, Concat, Expression, Slice, Sum
from migspec.ops import arguments
from migspec.ops.base import (
    Bundle,
    Context,
    Exactness,
    GateAxis,
    Lost,
    OpError,
    Tensor,
    Unsettled,
    Wanted,
    Wants,
    Word,
    each,
    each_wanted,
    word,
)
from migspec.ops.gates import canonical_gates
from migspec.ops.parts import one_gate_axis, same_dtype
from migspec.ops.remarks import shapes_note
from migspec.syntax import tree
from migspec.syntax.spelling import arithmetic_text


@word
@dataclass(frozen=True, slots=True)
class Add:
    """`add 1.0` everywhere; `add forget_bias to f` in the block of one gate, gates named as on the right of `gates`."""

    word: ClassVar[str] = "add"
    exactness: ClassVar[Exactness] = "rounding"
    settles_layout: ClassVar[bool] = False
    value: tree.Arithmetic
    gate: str | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.expression(op, "value"), arguments.optional_text(op, "gate"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        value = float(context.number(self.value, "what `add` adds"))
        return each(bundle, lambda tensor: self._apply(tensor, value))

    def _apply(self, tensor: Tensor, value: float) -> Tensor:
        _floats_only(tensor, self.word)
        _in_range(tensor, value, self.word)
        if self.gate is None:
            return tensor if value == 0.0 else tensor.with_(Affine(tensor.expression, offset=value), tensor.gates)
        gates = tensor.gates
        if gates is None:
            raise OpError(
                "MIG408",
                f"no gate `{self.gate}` here: no `gates` before this has cut an axis",
                helps=("name the blocks before it, as in `gates icfo -> ifco  add 1.0 to f`",),
            )
        order = canonical_gates(gates.order)
        gate = canonical_gates(self.gate + order)[0]
        if len(self.gate) != 1 or gate not in order:
            raise OpError(
                "MIG408",
                f"`gates` before this names no gate `{self.gate}`",
                helps=(f"name one of its blocks: {', '.join(f'`{one}`' for one in gates.order)}",),
            )
        if value == 0.0:
            return tensor
        blocks = list(_blocks(tensor, gates))
        place = order.index(gate)
        blocks[place] = Affine(blocks[place], offset=value)
        return tensor.with_(Concat(tuple(blocks), gates.axis), gates)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        opposite = self.value.operand if isinstance(self.value, tree.Negative) else tree.Negative(self.value)
        return (Add(opposite, self.gate),)


@word
@dataclass(frozen=True, slots=True)
class Scale:
    """`scale 0.5`, `scale 1/s`: every element times this."""

    word: ClassVar[str] = "scale"
    exactness: ClassVar[Exactness] = "rounding"
    settles_layout: ClassVar[bool] = False
    value: tree.Arithmetic

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.expression(op, "value"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        value = float(context.number(self.value, "what `scale` multiplies by"))
        if value == 0.0:
            raise OpError(
                "MIG409",
                f"`scale {arithmetic_text(self.value)}` is zero: it would erase the weights",
                helps=("`fill ... with zeros` says it openly",),
            )
        for tensor in bundle:
            _floats_only(tensor, self.word)
            if dtypes.vanishes(tensor.dtype, value):
                raise OpError(
                    "MIG409",
                    f"`scale {arithmetic_text(self.value)}` is zero in {tensor.dtype}: it would erase the weights",
                    helps=("put `cast float32` before it, and `cast` behind it",),
                )
            _in_range(tensor, value, self.word)
        return (
            bundle
            if value == 1.0
            else each(bundle, lambda tensor: tensor.with_(Affine(tensor.expression, scale=value), tensor.gates))
        )

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        if isinstance(self.value, tree.Binary) and self.value.operator == "/" and self.value.left == tree.Number(1):
            return (Scale(self.value.right),)
        return (Scale(tree.Binary("/", tree.Number(1), self.value)),)


@word
@dataclass(frozen=True, slots=True)
class CastTo:
    """`cast float16`: in this dtype, rounded to nearest even; `cast` alone: in the dtype that what follows needs (at the end, the
    target's); `cast from float32`: the same, of a tensor of this dtype."""

    word: ClassVar[str] = "cast"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    dtype: str | None = None
    old: str | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        dtype, old = arguments.optional_text(op, "dtype"), arguments.optional_text(op, "old")
        written = dtype or old
        if written is not None and dtypes.kind(written) in ("opaque", "string"):
            raise OpError(
                "MIG107",
                f"`cast` knows no dtype `{written}`",
                notes=("dtypes: " + ", ".join(name for name in dtypes.NAMES if name != "string"),),
            )
        return cls(dtype, old)

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        wanted = [one.dtype for one in context.wanted(len(bundle))]
        wants = context.wants()
        if not isinstance(wants, Wanted) and len({one.dtype for one in wants}) == 1:
            wanted = [wants[0].dtype] * len(bundle)  # whatever their number, which may be another error
        return tuple(self._apply(tensor, one) for tensor, one in zip(bundle, wanted, strict=True))

    def _apply(self, tensor: Tensor, wanted: str | None) -> Tensor:
        if self.old not in (None, tensor.dtype):
            raise OpError(
                "MIG401",
                f"`cast from {self.old}` is given {tensor.dtype}",
                helps=(f"write `cast from {tensor.dtype}`, or `cast` alone if any dtype may come",),
            )
        dtype = self.dtype or wanted
        if dtype is None:
            raise Unsettled("MIG304", "what follows does not settle the dtype of `cast`", helps=("write it: `cast float32`",))
        if dtype == tensor.dtype:
            return tensor
        reason = refused_cast(tensor.dtype, dtype)
        if reason:
            raise OpError(
                "MIG402",
                f"{tensor.dtype} does not cast to {dtype}: {reason}",
                helps=("leave it behind: `drop` the source, and `keep` or `fill` the target",),
            )
        return tensor.with_(Cast(tensor.expression, dtype), tensor.gates)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return each_wanted(wants, lambda wanted: Wanted(wanted.shape, self.old))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        if inputs is None:
            return (CastTo(self.old, self.dtype),)
        old = {tensor.dtype for tensor in inputs}
        if len(old) != 1 or self.dtype is None:
            return Lost("`cast` may round, which its dtypes tell")
        before = old.pop()
        if dtypes.is_lossy(before, self.dtype) or refused_cast(self.dtype, before) is not None:
            return Lost(f"`cast` rounds {before} to {self.dtype}")
        return (CastTo(before),)


@word
@dataclass(frozen=True, slots=True)
class SumOf:
    """`sum`: the tensors of the bundle added element by element."""

    word: ClassVar[str] = "sum"
    exactness: ClassVar[Exactness] = "lossy"
    settles_layout: ClassVar[bool] = False

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        del op
        return cls()

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        return (summed(bundle, self.word),)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants if isinstance(wants, Wanted) else wants[0]

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return Lost("`sum` keeps the total of its tensors, not the tensors")


@word
@dataclass(frozen=True, slots=True)
class MeanOf:
    """`mean`: the mean of the tensors of the bundle, element by element."""

    word: ClassVar[str] = "mean"
    exactness: ClassVar[Exactness] = "lossy"
    settles_layout: ClassVar[bool] = False

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        del op
        return cls()

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        for tensor in bundle:
            _floats_only(tensor, self.word)
        total = summed(bundle, self.word)
        return (total.with_(Affine(total.expression, scale=1.0 / len(bundle)), total.gates),)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants if isinstance(wants, Wanted) else wants[0]

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return Lost("`mean` keeps the mean of its tensors, not the tensors")


@word
@dataclass(frozen=True, slots=True)
class AsIs:
    """`as is`: nothing; it says "I looked, the layout is right"."""

    word: ClassVar[str] = "as_is"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = True

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        del op
        return cls()

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        return bundle

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (self,)


def refused_cast(old: str, new: str) -> str | None:
    """Why values of one dtype are not cast to another; None if they are."""
    old_kind, new_kind = dtypes.kind(old), dtypes.kind(new)
    if "string" in (old_kind, new_kind) or "opaque" in (old_kind, new_kind):
        return "only numbers can be cast"
    if old_kind in ("float", "complex") and new_kind in ("integer", "boolean"):
        return "it would cut the fractions off"
    if old_kind == "complex" and new_kind != "complex":
        return "it would lose the imaginary parts"
    if old_kind == "integer" and new_kind == "boolean":
        return "it would lose every value but 0 and 1"
    return None


def refused_fill(content: tree.Content, dtype: str, context: Context) -> str | None:
    """Why a tensor of this dtype cannot be filled so, in words that follow "it is int32"; None if it can."""
    kind = dtypes.kind(dtype)
    if kind in ("string", "opaque"):
        return ": only numbers can be filled in"
    whole = kind in ("integer", "boolean")
    if content.kind != "constant":
        return ", and the values to fill it with are no whole numbers" if whole else None
    value = context.number(content.value, "the value to fill with")
    if whole and value != int(value):
        return ", and the values to fill it with are no whole numbers"
    if not dtypes.holds(dtype, value) or (whole and int(float(value)) != value):
        return f", which cannot hold {value}"
    return None


def summed(bundle: Bundle, what: str) -> Tensor:
    """The elementwise sum of a bundle."""
    if len({tensor.shape for tensor in bundle}) > 1:
        raise OpError(
            "MIG302",
            f"`{what}` needs tensors of one shape",
            notes=(shapes_note(bundle),),
            helps=("name tensors that belong together, or make them alike first with `pad`, `crop` or `reshape`",),
        )
    same_dtype(bundle, f"`{what}`")
    for tensor in bundle:
        if dtypes.kind(tensor.dtype) not in ("float", "complex"):
            raise OpError(
                "MIG409",
                f"`{what}` is for floats, and the tensors are {tensor.dtype}",
                helps=("put `cast float32` before it",),
            )
    return Tensor(Sum(tuple(tensor.expression for tensor in bundle)), (), one_gate_axis(bundle))


def _blocks(tensor: Tensor, gates: GateAxis) -> tuple[Expression, ...]:
    """The block of each gate: those that `gates` has just put together, or else cut anew."""
    whole, count = tensor.expression, len(gates.order)
    length = tensor.shape[gates.axis] // count
    together = isinstance(whole, Concat) and whole.axis == gates.axis and len(whole.inputs) == count
    if isinstance(whole, Concat) and together and all(part.shape[gates.axis] == length for part in whole.inputs):
        return whole.inputs
    return tuple(Slice(whole, gates.axis, place * length, length) for place in range(count))


def _floats_only(tensor: Tensor, what: str) -> None:
    if dtypes.kind(tensor.dtype) != "float":
        castable = refused_cast(tensor.dtype, "float32") is None
        raise OpError(
            "MIG409",
            f"`{what}` is for floats, and the tensor is {tensor.dtype}",
            helps=("put `cast float32` before it",) if castable else ("take it out: its values are no real numbers",),
        )


def _in_range(tensor: Tensor, value: float, what: str) -> None:
    """`add` and `scale` compute in the dtype at their place, so their value must be one that it has."""
    if not dtypes.holds(tensor.dtype, value):
        wider = tensor.dtype != "float32" and dtypes.holds("float32", value)
        raise OpError(
            "MIG409",
            f"{value} is beyond what {tensor.dtype} holds: `{what}` would make infinities",
            helps=(
                "put `cast float32` before it, and `cast` behind it" if wider else f"give it a value that {tensor.dtype} has",
            ),
        )
