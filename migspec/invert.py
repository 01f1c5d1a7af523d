"""`migspec invert`: the inverse of a spec, written in the same language."""

from __future__ import annotations

from dataclasses import dataclass

from migspec.diagnostics import Diagnostic, Severity, SpecError
from migspec.inverse.statements import inverse_of
from migspec.library import load, read_vocabulary
from migspec.resolve import resolve
from migspec.text import Text
from migspec.variables import VariableMap


@dataclass(frozen=True, slots=True)
class Inverted:
    """The inverse of a spec: its canonical text, and notes (MIG702) on what comes back rounded."""

    text: Text
    notes: tuple[Diagnostic, ...]


def invert(text: Text, given: VariableMap | None = None) -> Inverted:
    """The inverse of a spec: composed with it, it is the identity, bit for bit, on what exact rules move.

    `given` are the variables of the inverse's target (the source of the spec): what a lossy rule has lost is kept as they are. Raises
    SpecError if the spec is in error, or for each rule that loses something (MIG701).
    """
    program, problems = resolve(text, load, read_vocabulary)
    errors = [one for one in problems if one.severity is Severity.ERROR]
    if errors:
        raise SpecError(errors)
    inverse = inverse_of(program, None if given is None else [variable.name for variable in given])
    if not inverse.exists:
        raise SpecError([one for one in inverse.diagnostics if one.severity is Severity.ERROR])
    return Inverted(inverse.text(text.name), inverse.diagnostics)
