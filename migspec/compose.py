"""`migspec compose`: two reusable specs, one after the other, as one."""

from __future__ import annotations

from pathlib import PurePath

from migspec.compiler import check_spec, sound_program
from migspec.composition.rules import composed
from migspec.diagnostics import Diagnostic, Severity, SpecError, file_error
from migspec.rules import Program
from migspec.syntax.format import format_spec
from migspec.text import Text


def compose(first: Text, second: Text) -> Text:
    """A spec that does what `first` and then `second` do, in canonical form. The target of the first is the source of the second: the
    lines of both interfaces meet by name.

    Raises SpecError if one of them is in error or has no interface, if what the first makes is not what the second takes (MIG704), or
    if the language has no rule for what two of theirs do together (MIG703).
    """
    programs = [_reusable(text) for text in (first, second)]
    result = composed(*programs)
    if result.problems:
        raise SpecError(list(result.problems))
    heading = f"# {_name(first)}, then {_name(second)}\n"
    text = Text(f"{_name(first)}, {_name(second)}", heading + format_spec(result.spec))
    errors = _errors(text)
    if errors:
        own = [error for one in (first, second) for error in _errors(one)]
        if own:
            raise SpecError(own)
        raise file_error(
            "MIG704",
            second.name,
            f"what `{_name(first)}` makes is not what `{_name(second)}` takes, at all sizes or at some",
            notes=[f"composed, they give: {errors[0].message}", *errors[0].notes],
            helps=["apply the two specs one after the other: that says where they differ"],
        )
    return text


def _errors(text: Text) -> list[Diagnostic]:
    return [one for one in check_spec(text).diagnostics if one.severity is Severity.ERROR]


def _reusable(text: Text) -> Program:
    program = sound_program(text)
    if not program.reusable:
        raise file_error(
            "MIG704",
            text.name,
            f"`{text.name}` has no interface",
            helps=["`source` and `target` lines say what it takes and makes"],
        )
    return program


def _name(text: Text) -> str:
    path = PurePath(text.name)
    return "/".join((path.parent.name, path.stem)) if path.parent.name else path.stem
