"""Layouts that shapes cannot settle: square matrices between conventions of which one is the transpose of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.types import Binding, Bound
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.expression import Affine, Cast, Expression, Permute, Read, Shape
from migspec.names import normal_name
from migspec.ops import AsIs
from migspec.ops.axes import reordering
from migspec.variables import Variable

# Last segments of names by the convention that they belong to. TensorFlow and Keras hold matrices as [inputs, outputs] and windows
# as [..., inputs, outputs], PyTorch as [outputs, inputs] and [outputs, inputs, ...] (`torch.nn.Linear.weight`, `torch.nn.Conv2d.weight`,
# `torch.nn.LSTM.weight_ih_l0`).
_CONVENTIONS = {
    "TensorFlow": re.compile("kernel|recurrent_kernel|weights"),
    "PyTorch": re.compile("weight|weight_[ih]h(_l[0-9]+(_reverse)?)?"),
}

_WINDOW = 4  # a window of two directions, with its inputs and outputs


def check_conventions(binding: Binding) -> Iterator[Diagnostic]:
    """A warning for each rule that moves such a matrix and does not say that this was seen."""
    problems = Problems()
    for bound in binding.bound:
        if bound.instance.follows is not None:
            continue
        if len(bound.target.shape) >= _WINDOW and len(bound.sources) == 1 and _check_window(bound, problems, binding):
            continue
        if any(operation.word.settles_layout for operation in bound.instance.operations):
            continue
        square = fits_both_ways(bound.target.shape)
        for source in bound.sources:
            if not (square or fits_both_ways(source.shape)):
                continue
            old, new = _convention(source), _convention(bound.target)
            if old is not None and new is not None and old != new:
                _report(bound, source, old, new, problems, binding)
                break
    yield from problems


def _check_window(bound: Bound, problems: Problems, binding: Binding) -> bool:
    """Warn where the axes of a window stand in another order than its two conventions ask for, and the shapes allow both."""
    source, written = bound.sources[0], _permutation(bound.expression)
    old, new = _convention(source), _convention(bound.target)
    if written is None or old is None or new is None or old == new:
        return False
    asked = convention_axes(len(written), from_torch=old == "PyTorch")
    if tuple(source.shape[axis] for axis in asked) != bound.target.shape:
        return False
    if [axis for axis in asked if source.shape[axis] > 1] == [axis for axis in written if source.shape[axis] > 1]:
        return False
    if any(isinstance(operation.word, AsIs) for operation in bound.instance.operations):
        return False
    _report(bound, source, old, new, problems, binding)
    return True


def convention_axes(rank: int, *, from_torch: bool) -> tuple[int, ...]:
    """The axes of a window, [outputs, inputs, ...], in the order [..., inputs, outputs]; or the way back."""
    return (*range(2, rank), 1, 0) if from_torch else (rank - 1, rank - 2, *range(rank - 2))


def _permutation(expression: Expression) -> tuple[int, ...] | None:
    """The order in which an expression has the axes of the one variable that it reads; None if it does more than reorder them."""
    axes = tuple(range(len(expression.shape)))
    while not isinstance(expression, Read):
        if isinstance(expression, Permute):
            axes = tuple(expression.axes[axis] for axis in axes)
        elif not isinstance(expression, Cast | Affine):
            return None
        expression = expression.input
    return axes


def fits_both_ways(shape: Shape) -> bool:
    """Whether a matrix or window has one shape in both conventions, and not the same elements in the same places."""
    rank = len(shape)
    if rank < 2 or shape[0] != shape[-1]:
        return False
    order = convention_axes(rank, from_torch=True)
    long = [axis for axis in order if shape[axis] > 1]
    return tuple(shape[axis] for axis in order) == shape and long != sorted(long)


def _report(bound: Bound, source: Variable, old: str, new: str, problems: Problems, binding: Binding) -> None:
    target = next((one for one in bound.instance.targets if one.variable is bound.target), bound.instance.targets[0])
    element = next(one for one in bound.instance.sources if one.variable is source)
    primary = Label(span_of(target.pattern), f"{described(bound.target)} in {binding.target.label}")
    secondary = Label(span_of(element.pattern), f"{described(source)} in {binding.source.label}")
    one_place = primary.span == secondary.span
    written = _permutation(bound.expression)
    rank = len(source.shape)
    notes = [
        f"{old} names its matrices `{_last(source)}`, {new} `{_last(bound.target)}`, and one is the transpose of the other",
        "a square one fits both ways",
    ]
    helps = ["if it is to be transposed: `transpose`", "if you looked, and it is right as it is: `as is`"]
    if rank >= _WINDOW:
        reorder = reordering(convention_axes(rank, from_torch=old == "PyTorch"))
        notes = [
            f"{old} names its windows `{_last(source)}`, {new} `{_last(bound.target)}`: `{reorder}` leads from one to the other"
        ]
        if written is not None and written == tuple(reversed(range(rank))):
            notes.append(
                "`transpose` alone reverses all axes, and so turns the window round its diagonal: height becomes width"
            )
        elif written is not None and written != tuple(range(rank)):
            notes.append(f"the rule puts the axes in the order {' '.join(map(str, written))}, which fits these shapes as well")
        else:
            notes.append("the shapes fit as they are, too")
        helps = [f"if it is the usual weight of a convolution: `{reorder}`", "if you looked, and it is right as it is: `as is`"]
    problems.add(
        ("convention", bound.instance.rule),
        Diagnostic(
            "MIG407",
            f"shapes cannot settle the layout of `{source.name}`",
            Label(primary.span, f"{secondary.text} and {binding.target.label}") if one_place else primary,
            () if one_place else (secondary,),
            tuple(notes),
            tuple(helps),
            severity=Severity.WARNING,
            uses=bound.instance.scope.uses,
        ),
        source.name,
    )


def _last(variable: Variable) -> str:
    return normal_name(variable.name).rpartition("/")[2]


def _convention(variable: Variable) -> str | None:
    return _convention_of(_last(variable))


@cache
def _convention_of(last: str) -> str | None:
    """The framework that calls the weights of its layers so."""
    return next((convention for convention, names in _CONVENTIONS.items() if names.fullmatch(last)), None)
