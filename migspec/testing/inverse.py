"""Inverse after forward: what a spec moves comes back, bit for bit where all is exact."""

from __future__ import annotations

from collections.abc import Iterator

import numpy

from migspec import dtypes
from migspec.bind.bind import bind
from migspec.bind.side import span_of
from migspec.bind.types import Bound
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.expression import reads
from migspec.interface.held import given_values
from migspec.rules import Program
from migspec.testing.trial import Trial, evaluated

_STEPS = 8  # so many steps of its dtype an element may be off that was added to or scaled, there and back


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
            or not _same(was, now, exact=_is_exact(there, returned[variable.name]))
        ):
            yield _described(there, f"`{variable.name}` does not come back as it was", _first_difference(was, now))


_HELP = "this is a bug in migspec, unless the inverse was edited: please report it with the spec"


def _names(program: Program) -> set[str]:
    return {*program.sizes, *program.numbers}


def _is_exact(there: Bound, back: Bound) -> bool:
    return all(operation.word.exactness == "exact" for bound in (there, back) for operation in bound.instance.operations)


def _same(was: numpy.ndarray, now: numpy.ndarray, *, exact: bool) -> bool:
    if was.dtype == object:
        return bool((was == now).all())
    if exact:
        return was.tobytes() == now.tobytes()
    name = was.dtype.name
    if dtypes.kind(name) != "float":
        return bool((was == now).all())
    import ml_dtypes

    before, after = was.astype(numpy.float64), now.astype(numpy.float64)
    step = float(ml_dtypes.finfo(was.dtype).eps)  # type: ignore[no-untyped-call]
    largest = max(1.0, float(numpy.abs(before).max(initial=0.0)))
    return bool((numpy.abs(before - after) <= _STEPS * step * largest).all())


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
