"""Inverse after forward: what a spec moves comes back, bit for bit where all is exact."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, prod

import numpy

from migspec import arithmetic, dtypes
from migspec.bind.bind import bind
from migspec.bind.side import span_of
from migspec.bind.types import Bound
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.expression import reads
from migspec.interface.held import given_values
from migspec.ops import Scale
from migspec.rules import Program
from migspec.testing.element_values import step_of
from migspec.testing.trial import Trial, evaluated


def not_back(trial: Trial, inverse: Program) -> Iterator[Diagnostic]:
    """What does not come back as it was."""
    held = trial.held
    example, program = held.example, trial.subject.program
    given = given_values(program, example) | {name: example.values[name] for name in held.parameters}
    back = bind(
        inverse, example.target, example.source, {name: value for name, value in given.items() if name in _names(inverse)}
    )
    errors = [one for one in back.diagnostics if one.severity is Severity.ERROR]
    if errors:
        notes = tuple(note for one in errors for note in (f"{one.code}: {one.message}", *one.notes))
        yield Diagnostic("MIG715", "the inverse of the spec does not hold", file=program.text.name, notes=notes, helps=(_HELP,))
        return
    forward = {read.variable: bound for bound in held.binding.bound for read in reads(bound.expression)}
    returned = {bound.target.name: bound for bound in back.bound}
    for variable in example.source:
        there = forward.get(variable.name)
        if there is None:
            continue
        if variable.name not in returned:
            yield _described(there, f"the inverse does not bring `{variable.name}` back", "it leaves it as it is")
            continue
        was, now = trial.source[variable.name], evaluated(returned[variable.name], trial.target)
        if (
            now.shape != was.shape
            or now.dtype != was.dtype
            or not _same(was, now, _slack(trial, there, returned[variable.name]))
        ):
            yield _described(there, f"`{variable.name}` does not come back as it was", _first_difference(was, now))


_HELP = "this is a bug in migspec, unless the inverse was edited: please report it with the spec"


def _names(program: Program) -> set[str]:
    return {*program.sizes, *program.numbers}


def _slack(trial: Trial, there: Bound, back: Bound) -> float:
    """By how much an element may be off that was moved there and back: 0 where all is exact.

    Each `add` and `scale` rounds its number and its result, by half a step of the dtype at the largest value that there is; what
    scales up on the way back scales that up as well. A cast to a shorter dtype rounds to that. Each rounds once to nearest (IEEE 754).
    """
    dtype = there.target.dtype
    rounding = [one for bound in (there, back) for one in bound.instance.operations if one.word.exactness == "rounding"]
    narrowed = any(source.dtype != dtype and dtypes.is_lossy(source.dtype, dtype) for source in there.sources)
    if not (rounding or narrowed):
        return 0.0
    if dtypes.kind(dtype) != "float":
        return inf
    values = [trial.target[there.target.name], *(trial.source[variable.name] for variable in there.sources)]
    largest = max(float(numpy.abs(one.astype(numpy.float64)).max(initial=0.0)) for one in values)
    factors = [
        abs(float(arithmetic.value_of(one.word.value, back.instance.scope.values)))
        for one in back.instance.operations
        if isinstance(one.word, Scale)
    ]
    return (len(rounding) + narrowed) * step_of(dtype) * largest * max(1.0, prod(factors))


def _same(was: numpy.ndarray, now: numpy.ndarray, slack: float) -> bool:
    if was.dtype == object:
        return bool((was == now).all())
    if slack == 0:
        return was.tobytes() == now.tobytes()
    return bool((numpy.abs(was.astype(numpy.float64) - now.astype(numpy.float64)) <= slack).all())


def _first_difference(was: numpy.ndarray, now: numpy.ndarray) -> str:
    if now.shape != was.shape or now.dtype != was.dtype:
        return f"it was {was.dtype} {list(was.shape)}, and comes back as {now.dtype} {list(now.shape)}"
    differing = was != now
    if not differing.any():
        return "its bits differ"
    index = [int(one) for one in numpy.unravel_index(int(differing.argmax()), was.shape)]
    return f"the element at {index} was {was[tuple(index)]}, and is {now[tuple(index)]}"


def _described(bound: Bound, message: str, note: str) -> Diagnostic:
    element = bound.instance.sources[0]
    return Diagnostic(
        "MIG715",
        message,
        Label(span_of(element.pattern), "moved here"),
        notes=(note,),
        helps=(_HELP,),
        uses=bound.instance.scope.uses,
    )
