"""`rearrange`: axes cut, reordered and merged, in the notation of einops (https://einops.rocks/api/rearrange/)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

from migspec.expression import Permute, Reshape, Shape, size_of
from migspec.ops import arguments
from migspec.ops.base import (
    Bundle,
    Context,
    Exactness,
    Lost,
    OpError,
    Tensor,
    Unsettled,
    Wanted,
    Wants,
    Word,
    each_wanted,
    shape_text,
    word,
)
from migspec.syntax import tree

Label: TypeAlias = str | int
"""A name, or a length written as an integer."""
Groups: TypeAlias = tuple[tuple[Label, ...], ...]

_PARENTHESES = "put `(` and `)` around the labels that share one axis: `(heads dim) m -> m heads dim`"


@word
@dataclass(frozen=True, slots=True)
class Rearrange:
    """`rearrange "(heads dim) m -> m heads dim"`: einops notation, integers allowed. A label that is a `size` has that size, any other
    is local to the op; lengths are worked out from both shapes."""

    word: ClassVar[str] = "rearrange"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = True
    left: Groups
    right: Groups

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        pattern = arguments.text(op, "pattern")
        sides = pattern.split("->")
        if len(sides) != 2:
            raise OpError(
                "MIG107", f'"{pattern}" needs one `->`', helps=('write as in `rearrange "(heads dim) m -> m heads dim"`',)
            )
        left, right = _parse(sides[0], pattern), _parse(sides[1], pattern)
        left_labels, right_labels = _flat(left), _flat(right)
        named = [label for label in left_labels if isinstance(label, str)]
        if len(set(named)) != len(named):
            raise OpError(
                "MIG107", f'a label stands twice on the left of "{pattern}"', helps=("give each axis a label of its own",)
            )
        alike = sorted(map(str, _without_ones(left_labels))) == sorted(map(str, _without_ones(right_labels)))
        if not alike:
            raise OpError(
                "MIG107",
                f'the two sides of "{pattern}" do not have the same labels',
                helps=("every label stands once on each side; only 1 may come and go",),
            )
        return cls(left, right)

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        wanted = context.wanted(len(bundle))
        return tuple(self._apply(tensor, one, context) for tensor, one in zip(bundle, wanted, strict=True))

    def _apply(self, tensor: Tensor, wanted: Wanted, context: Context) -> Tensor:
        if len(tensor.shape) != len(self.left):
            raise OpError(
                "MIG302",
                f"`rearrange` takes {len(self.left)} axes apart, and the tensor has {len(tensor.shape)}: {shape_text(tensor.shape)}",
                helps=("name each axis of the tensor on the left; tensors with other axes need a rule of their own",),
            )
        lengths = _known(self, context)
        sides = [(self.left, tensor.shape)]
        if wanted.full_shape is not None and len(wanted.full_shape) == len(self.right):
            sides.append((self.right, wanted.full_shape))
        _solve(sides, lengths, context)
        missing = [label for label in _flat(self.left) if isinstance(label, str) and label not in lengths]
        if missing:
            size = missing[0] in context.values
            group, length = next((g, n) for g, n in zip(self.left, tensor.shape, strict=True) if missing[0] in g)
            raise Unsettled(
                "MIG305" if size else "MIG304",
                f"nothing settles the length of `{missing[0]}`",
                notes=(f"all that is known: {' * '.join(map(str, group))} is {length}",),
                helps=(f"give it a value: `size {missing[0]} = ...`",),
            )
        for group, length in zip(self.left, tensor.shape, strict=True):
            if _product(group, lengths) != length:
                raise OpError(
                    "MIG302",
                    f"an axis of {length} does not come apart as ({' '.join(map(str, group))})",
                    notes=(
                        f"{' * '.join(map(str, group))} is "
                        + " * ".join(str(_length(label, lengths)) for label in group)
                        + f" = {_product(group, lengths)}, by the sizes and by what follows",
                    ),
                    helps=("correct the sizes, or bring the axis to that length first with `crop`, `pad` or `slice`",),
                )
        return _rearranged(tensor, self.left, self.right, lengths)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        return each_wanted(wants, lambda wanted: self._pulled_back(wanted, context))

    def _pulled_back(self, wanted: Wanted, context: Context) -> Wanted:
        full = wanted.full_shape
        if full is None or len(full) != len(self.right):
            return Wanted((None,) * len(self.left), wanted.dtype)
        lengths = _known(self, context)
        _solve([(self.right, full)], lengths, context)
        shape = tuple(
            _product(group, lengths) if all(isinstance(label, int) or label in lengths for label in group) else None
            for group in self.left
        )
        return Wanted(shape, wanted.dtype)

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (Rearrange(self.right, self.left),)


def _parse(side: str, pattern: str) -> Groups:
    groups: list[tuple[Label, ...]] = []
    open_group: list[Label] | None = None
    for token in re.findall(r"[()]|[^\s()]+", side):
        if token == "(":
            if open_group is not None:
                raise OpError("MIG107", f'parentheses in "{pattern}" cannot stand in each other', helps=(_PARENTHESES,))
            open_group = []
        elif token == ")":
            if open_group is None:
                raise OpError("MIG107", f'a parenthesis in "{pattern}" is not opened', helps=(_PARENTHESES,))
            groups.append(tuple(open_group))
            open_group = None
        elif re.fullmatch(r"[0-9]+|[A-Za-z_][A-Za-z0-9_]*", token):
            label: Label = int(token) if token.isdigit() else token
            if open_group is None:
                groups.append((label,))
            else:
                open_group.append(label)
        else:
            raise OpError(
                "MIG107",
                f'`{token}` in "{pattern}" is no label',
                helps=("labels are names or whole numbers; `...` is not supported: name each axis",),
            )
    if open_group is not None:
        raise OpError("MIG107", f'a parenthesis in "{pattern}" is not closed', helps=(_PARENTHESES,))
    return tuple(groups)


def _flat(groups: Groups) -> list[Label]:
    return [label for group in groups for label in group]


def _without_ones(labels: list[Label]) -> list[Label]:
    return [label for label in labels if label != 1]


def _length(label: Label, lengths: dict[str, int]) -> int:
    return label if isinstance(label, int) else lengths[label]


def _product(group: tuple[Label, ...], lengths: dict[str, int]) -> int:
    return size_of(tuple(_length(label, lengths) for label in group))


def _known(op: Rearrange, context: Context) -> dict[str, int]:
    """The labels that are sizes with a value."""
    known: dict[str, int] = {}
    for label in _flat(op.left):
        if isinstance(label, str):
            value = context.values.get(label)
            if isinstance(value, int):
                known[label] = value
    return known


def _solve(sides: list[tuple[Groups, Shape]], lengths: dict[str, int], context: Context) -> None:
    """Work out labels, each from a group in which it alone is open; what is a size becomes an equation too."""
    changed = True
    while changed:
        changed = False
        for groups, shape in sides:
            for group, length in zip(groups, shape, strict=True):
                missing = [label for label in group if isinstance(label, str) and label not in lengths]
                if len(missing) != 1:
                    continue
                known = size_of(tuple(_length(label, lengths) for label in group if label != missing[0]))
                if known == 0 or length % known:
                    continue
                lengths[missing[0]] = length // known
                changed = True
                if missing[0] in context.values:
                    context.equations.append((tree.Reference(missing[0]), length // known))


def _rearranged(tensor: Tensor, left: Groups, right: Groups, lengths: dict[str, int]) -> Tensor:
    """Cut every axis into its labels, put the labels in the order of the right side, and merge them."""
    labels = _numbered(_without_ones(_flat(left)))
    new_labels = _numbered(_without_ones(_flat(right)))
    cut = tuple(_length(label, lengths) for label, _ in labels)
    axes = tuple(labels.index(label) for label in new_labels)
    expression = tensor.expression
    if cut != tensor.shape:
        expression = Reshape(expression, cut)
    if axes != tuple(range(len(axes))):
        expression = Permute(expression, axes)
    merged = tuple(_product(group, lengths) for group in right)
    if merged != expression.shape:
        expression = Reshape(expression, merged)
    return tensor.with_(expression)


def _numbered(labels: list[Label]) -> list[tuple[Label, int]]:
    """Each label with how many times it came before: integers are paired in their order."""
    seen: dict[Label, int] = {}
    numbered = []
    for label in labels:
        numbered.append((label, seen.get(label, 0)))
        seen[label] = seen.get(label, 0) + 1
    return numbered
