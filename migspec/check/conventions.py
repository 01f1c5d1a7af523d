"""Layouts that shapes cannot settle: square matrices between conventions of which one is the transpose of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.types import Binding, Bound
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.expression import Shape
from migspec.names import normal_name
from migspec.variables import Variable

# Last segments of names by the convention that they belong to. TensorFlow and Keras hold matrices as [inputs, outputs] and windows
# as [..., inputs, outputs], PyTorch as [outputs, inputs] and [outputs, inputs, ...] (`torch.nn.Linear.weight`, `torch.nn.Conv2d.weight`,
# `torch.nn.LSTM.weight_ih_l0`).
_CONVENTIONS = {
    "TensorFlow": re.compile("kernel|recurrent_kernel|weights"),
    "PyTorch": re.compile("weight|weight_[ih]h(_l[0-9]+(_reverse)?)?"),
}


def check_conventions(binding: Binding) -> Iterator[Diagnostic]:
    """A warning for each rule that moves such a matrix and does not say that this was seen."""
    problems = Problems()
    for bound in binding.bound:
        if any(operation.word.settles_layout for operation in bound.instance.operations):
            continue
        new = _convention(bound.target)
        for source in bound.sources:
            old = _convention(source)
            if old is None or new is None or old == new:
                continue
            if fits_both_ways(source.shape) or fits_both_ways(bound.target.shape):
                _report(bound, source, old, new, problems, binding)
                break
    yield from problems


def fits_both_ways(shape: Shape) -> bool:
    """Whether a matrix or window has one shape in both conventions, and not the same elements in the same places."""
    rank = len(shape)
    if rank < 2:
        return False
    order = (*range(2, rank), 1, 0)  # [outputs, inputs, ...] -> [..., inputs, outputs]
    long = [axis for axis in order if shape[axis] > 1]
    return tuple(shape[axis] for axis in order) == shape and long != sorted(long)


def _report(bound: Bound, source: Variable, old: str, new: str, problems: Problems, binding: Binding) -> None:
    target = next((one for one in bound.instance.targets if one.variable is bound.target), bound.instance.targets[0])
    element = next(one for one in bound.instance.sources if one.variable is source)
    primary = Label(span_of(target.pattern), f"{described(bound.target)} in {binding.target.label}")
    secondary = Label(span_of(element.pattern), f"{described(source)} in {binding.source.label}")
    one_place = primary.span == secondary.span
    problems.add(
        ("convention", bound.instance.rule),
        Diagnostic(
            "MIG407",
            f"shapes cannot settle the layout of `{source.name}`",
            Label(primary.span, f"{secondary.text} and {binding.target.label}") if one_place else primary,
            () if one_place else (secondary,),
            (
                f"{old} names its matrices `{_last(source)}`, {new} `{_last(bound.target)}`, and one is the transpose of the other",
                "a square one fits both ways",
            ),
            ("if it is to be transposed: `transpose`", "if you looked, and it is right as it is: `as is`"),
            severity=Severity.WARNING,
            uses=bound.instance.scope.uses,
        ),
        source.name,
    )


def _last(variable: Variable) -> str:
    return normal_name(variable.name).rpartition("/")[2]


def _convention(variable: Variable) -> str | None:
    return next((convention for convention, names in _CONVENTIONS.items() if names.fullmatch(_last(variable))), None)
