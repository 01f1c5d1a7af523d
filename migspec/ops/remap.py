"""The op that knows what the places of an axis stand for: `remap`, an embedding's rows or a classifier's columns by token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from migspec.expression import Concat, Expression, Fill, Take
from migspec.indices import Indices
from migspec.ops import arguments
from migspec.ops.base import (
    Bundle,
    Context,
    Exactness,
    Lost,
    OpError,
    Tensor,
    Wanted,
    Wants,
    Word,
    axis_of,
    each_wanted,
    moved_gates,
    reshaped_wanted,
    shape_text,
    word,
)
from migspec.ops.remarks import axis_name
from migspec.ops.values import refused_fill
from migspec.syntax import tree

if TYPE_CHECKING:
    from migspec.vocabulary import Correspondence

_NAMED = 3  # so many new tokens are named


@word
@dataclass(frozen=True, slots=True)
class Remap:
    """`remap AXIS from "old.txt" to "new.txt" else zeros`: the places of the axis are those of the tokens of one file, and become those of the
    tokens of the other; what a new token has is said by `else`.

    `oov 2` behind a file says that the axis has two places more, behind those of the tokens, for what is out of the vocabulary. They are
    carried over in their order, as far as both sides have them.

    Resolving reads the files, and gives the op what they say.
    """

    word: ClassVar[str] = "remap"
    exactness: ClassVar[Exactness] = "lossy"
    settles_layout: ClassVar[bool] = False
    axis: int
    old_file: str
    new_file: str
    old_oov: tree.Arithmetic | None = None
    new_oov: tree.Arithmetic | None = None
    content: tree.Content | None = None
    correspondence: Correspondence | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(
            arguments.integer(op, "axis"),
            arguments.text(op, "old"),
            arguments.text(op, "new"),
            arguments.optional_expression(op, "old_oov"),
            arguments.optional_expression(op, "new_oov"),
            None if op.argument("content") is None else arguments.content(op, "content"),
        )

    @property
    def between(self) -> Correspondence:
        assert self.correspondence is not None, "resolving reads the files"
        return self.correspondence

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        wanted = context.wanted(len(bundle))
        return tuple(self._apply(tensor, wanted[place], context, place, len(bundle)) for place, tensor in enumerate(bundle))

    def _apply(self, tensor: Tensor, wanted: Wanted, context: Context, place: int, count: int) -> Tensor:
        axis = axis_of(self.axis, len(tensor.shape), "`remap`")
        old, new, length = self.between.old, self.between.new, tensor.shape[axis]
        old_oov = self._oov(self.old_oov, len(old.tokens), length, context)
        if len(old.tokens) + old_oov != length:
            raise self._misfit(tensor, axis, old_oov)
        goal = wanted.shape[axis] if wanted.shape is not None and len(wanted.shape) == len(tensor.shape) else None
        new_oov = self._oov(self.new_oov, len(new.tokens), goal, context)
        indices, missing = self._indices(length, old_oov, new_oov)
        expression = tensor.expression
        if missing:
            expression = Concat((expression, self._made_anew(tensor, axis, missing, context, place, count)), axis)
        if len(indices) != expression.shape[axis] or any(index != own for own, index in enumerate(indices)):
            expression = Take(expression, axis, indices)
        return tensor.with_(expression, moved_gates(tensor.gates, lambda old: None if old == axis else old))

    def _indices(self, length: int, old_oov: int, new_oov: int) -> tuple[Indices, int]:
        """The place that each new one is taken from, and how many places behind the axis, to be made anew, there are among them."""
        places = list(self.between.places)
        first_oov = length - old_oov
        places += [first_oov + number if number < old_oov else -1 for number in range(new_oov)]
        missing = 0
        if -1 in places:
            for number, place in enumerate(places):
                if place < 0:
                    places[number] = length + missing
                    missing += 1
        return Indices.of(places), missing

    def _oov(self, written: tree.Arithmetic | None, tokens: int, length: int | None, context: Context) -> int:
        if written is None:
            return 0
        if length is not None:
            context.equations.append((tree.Binary("+", tree.Number(tokens), written), length))
        return context.whole(written, "the number of places behind `oov`")

    def _made_anew(self, tensor: Tensor, axis: int, missing: int, context: Context, place: int, count: int) -> Expression:
        if self.content is None:
            raise self._nothing_said(missing)
        reason = refused_fill(self.content, tensor.dtype, context)
        if reason:
            raise OpError(
                "MIG402", f"the tensor is {tensor.dtype}{reason}", helps=("give new tokens a value that it can hold",)
            )
        shape = (*tensor.shape[:axis], missing, *tensor.shape[axis + 1 :])
        return Fill(context.distribution(self.content, place, count), shape, tensor.dtype)

    def _misfit(self, tensor: Tensor, axis: int, old_oov: int) -> OpError:
        count, length = len(self.between.old.tokens), tensor.shape[axis]
        more = length - count
        helps = ["name the file that the old model was trained with"]
        if more > 0:
            last = "its last place is" if more == 1 else f"its last {more} places are"
            helps.insert(0, f'if {last} for what is out of the vocabulary: `from "{self.old_file}" oov {more}`')
        elif self.old_oov is None:
            helps.append(f"if only the first {length} of its tokens were in use, cut the file after them")
        oov = f" and {old_oov} places for others" if old_oov else ""
        return OpError(
            "MIG302",
            f"{axis_name(self.axis, len(tensor.shape))} of {shape_text(tensor.shape)} does not have the tokens of `{self.old_file}`",
            notes=(f"the axis has {length} places, the file {count} tokens{oov}",),
            helps=helps,
        )

    def _nothing_said(self, missing: int) -> OpError:
        named = self.between.new_tokens(_NAMED)
        tokens = ", ".join(f"`{token}`" for token in named) + (", ..." if self.between.missing > len(named) else "")
        notes = [f"`{self.new_file}` has {_counted(self.between.missing, 'token')} that `{self.old_file}` has not: {tokens}"]
        if missing > self.between.missing:
            more = _counted(missing - self.between.missing, "place")
            notes = [*(notes if named else ()), f"behind `oov` it has {more} more than `{self.old_file}`"]
        return OpError(
            "MIG304",
            "nothing says what new tokens begin with",
            notes=notes,
            helps=("end the op in `else zeros`, `else normal 0.02 seed 7` or another value",),
        )

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        try:
            behind = 0 if self.old_oov is None else context.whole(self.old_oov, "`oov`")
        except OpError:
            behind = None
        length = None if behind is None else len(self.between.old.tokens) + behind

        def settle(shape: list[int | None]) -> None:
            shape[self.axis] = length

        return each_wanted(wants, lambda wanted: reshaped_wanted(wanted, settle))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        if self.between.missing or self.between.left_behind or self.old_oov != self.new_oov:
            return Lost("`remap` leaves tokens behind, or begins new ones")
        back = replace(self, old_file=self.new_file, new_file=self.old_file, content=None)
        return (replace(back, correspondence=self.between.reversed()),)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
