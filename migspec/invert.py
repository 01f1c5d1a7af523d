"""`migspec invert`: the inverse of a spec, written in the same language."""

from __future__ import annotations

from dataclasses import dataclass

from migspec.compiler import check_spec, sound_program
from migspec.diagnostics import Diagnostic, Severity, SpecError
from migspec.inverse.statements import inverse_of
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
    program = sound_program(text)
    inverse = inverse_of(program, None if given is None else [variable.name for variable in given])
    if not inverse.exists:
        raise SpecError([one for one in inverse.diagnostics if one.severity is Severity.ERROR])
    written = inverse.text(text.name)
    if program.reusable:  # what was written holds for all sizes, or it is not given out
        unsound = [one for one in check_spec(written).diagnostics if one.severity is Severity.ERROR]
        if unsound:
            raise SpecError([_unsound(text, unsound[0])])
    return Inverted(written, inverse.diagnostics)


def _unsound(text: Text, first: Diagnostic) -> Diagnostic:
    """The inverse leaves something out that nothing settles."""
    place = "" if first.primary is None else f" (of its line `{first.primary.span.text.line(first.primary.span.line).strip()}`)"
    return Diagnostic(
        "MIG701",
        "the inverse of this spec does not hold for all sizes",
        file=text.name,
        notes=(f"it gives: {first.message}{place}", *first.notes),
        helps=("write the rules of the other direction by hand, or write out the arguments of these ops",),
    )
