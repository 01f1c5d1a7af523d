"""A spec compiled: text and two variable maps in, a plan or diagnostics out. Reads spec files and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from migspec.bind.bind import bind, check_given
from migspec.bind.types import Binding
from migspec.check import check
from migspec.diagnostics import Diagnostic, Severity, SpecError, file_error
from migspec.library import broken_collections, find, load, names, read_vocabulary
from migspec.resolve import resolve
from migspec.rules import Program
from migspec.text import Text
from migspec.variables import VariableMap

if TYPE_CHECKING:
    from migspec.plan import Plan

COVERAGE_CODES = ("MIG201", "MIG202")
"""What `--allow` may turn into a warning: errors of coverage."""


def allowed_codes(allow: Collection[str]) -> tuple[str, ...]:
    """Each code as `MIG201`, also where `201` or `mig201` is written. ValueError if a code is none of coverage, or if `allow` is one
    string rather than several."""
    if isinstance(allow, str):
        raise ValueError(f'allow takes a list of codes: ["{allow}"]')
    codes = []
    for one in allow:
        code = str(one).upper()
        codes.append(code if code.startswith("MIG") else f"MIG{code}")
        if codes[-1] not in COVERAGE_CODES:
            raise ValueError(f"{one} cannot be allowed: only errors of coverage can, {' and '.join(COVERAGE_CODES)}")
    return tuple(codes)


@dataclass(frozen=True)
class Compilation:
    """What came of a spec: everything found, and what of it `--allow` let pass."""

    program: Program
    diagnostics: tuple[Diagnostic, ...]
    binding: Binding | None = None
    allowed: tuple[Diagnostic, ...] = ()

    @property
    def has_errors(self) -> bool:
        return any(one.severity is Severity.ERROR for one in self.diagnostics)

    @cached_property
    def plan(self) -> Plan | None:
        """The plan, if nothing that was found is an error. Made when it is asked for: a check needs none."""
        if self.binding is None or self.has_errors:
            return None
        from migspec.plan import make_plan

        return make_plan(self.binding, [one for one in self.diagnostics if one not in self.allowed], self.allowed)


def read_spec(path: str) -> Text:
    """The text of a spec file, or of the spec that a library or package has under this name (`tf1/basic_lstm`) where no file has it.

    Raises SpecError (MIG501) if it cannot be read, or is a plan or other JSON.
    """
    try:
        found = Path(path)
        if "/" in path and not found.exists():
            found = find(path) or found
        path, content = str(found) if found.exists() else path, found.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise file_error("MIG501", path, "the spec is no UTF-8 text", (str(error),), ("save it as UTF-8",)) from None
    except ValueError as error:  # a path with a NUL byte
        raise file_error("MIG501", path, "the spec cannot be read", (str(error),)) from None
    except OSError as error:
        from migspec.diagnostics.suggest import nearest

        folder = Path(path).parent
        # Without the ending, which all have, and which would make any two of them alike.
        near = (
            nearest(Path(path).name.removesuffix(".mig"), [one.stem for one in folder.glob("*.mig")]) if folder.is_dir() else []
        )
        helps = tuple(f"did you mean `{folder / name}.mig`?" for name in near)
        if not helps and "/" in path and not Path(path).is_absolute():
            helps = tuple(f"did you mean `{name}`?" for name in nearest(path.removesuffix(".mig"), names()))
        broken = (one.told() for one in broken_collections(path)) if "/" in path else ()
        raise file_error("MIG501", path, "the spec cannot be read", (error.strerror or str(error), *broken), helps) from None
    if content.removeprefix("\ufeff").lstrip().startswith("{"):
        _refuse_json(path, content)
    return Text(path, content)


def _refuse_json(path: str, content: str) -> None:
    """Raise SpecError (MIG501) for a JSON file, which is named as a spec by mistake; a spec never begins with a brace."""
    import json

    try:
        value = json.loads(content.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return
    if value.get("format") == "migspec-plan":
        what, help_text = "a plan", "run it with `migspec apply`; the other commands take the spec that it was made from"
    elif "variables" in value:
        what, help_text = "a variable map", "name it as `--source` or `--target`, which a spec speaks of"
    else:
        what, help_text = "JSON", "a spec is a text with a statement on each line, such as `rename a/b -> c/d`"
    raise file_error("MIG501", path, f"this is {what}, not a spec", helps=(help_text,))


def sound_program(text: Text) -> Program:
    """What a text means, with the specs that it uses. Raises SpecError with everything that is wrong in them."""
    program, diagnostics = resolve(text, load, read_vocabulary)
    errors = [one for one in diagnostics if one.severity is Severity.ERROR]
    if errors:
        raise SpecError(errors)
    return program


def check_spec(text: Text, *, given: Mapping[str, int | float] | None = None) -> Compilation:
    """Syntax, ops and used specs alone, without variables; that there is a rule; a reusable spec that is sound so far for all sizes of
    its interface. Raises SpecError for a value given to a name that the spec does not define."""
    program, diagnostics = resolve(text, load, read_vocabulary)
    if given:
        check_given(program, given)
    if not any(one.severity is Severity.ERROR for one in diagnostics):
        from migspec.check.definitions import check_rules

        diagnostics = (*diagnostics, *check_rules(program))
        if program.reusable:
            from migspec.interface.check import check_interface

            diagnostics = (*diagnostics, *check_interface(program, given))
    return Compilation(program, in_reading_order(diagnostics))


def compile_spec(
    text: Text,
    source: VariableMap,
    target: VariableMap,
    *,
    given: Mapping[str, int | float] | None = None,
    allow: Collection[str] = (),
) -> Compilation:
    """Compile a spec against the variables of both sides. `given` are values of sizes and numbers; `allow` lists codes of coverage
    errors that are to be warnings. Raises SpecError for a value given to a name that the spec does not define, ValueError for a code
    that cannot be allowed."""
    allowed = allowed_codes(allow)
    program, found = resolve(text, load, read_vocabulary)
    if given:
        check_given(program, given)
    binding = bind(program, source, target, given)
    diagnostics = in_reading_order((*found, *check(binding)))
    passed = [one for one in diagnostics if one.code in allowed]
    warned = tuple(replace(one, severity=Severity.WARNING) for one in passed)
    kept = tuple(one for one in diagnostics if one not in passed)
    return Compilation(program, (*kept, *warned), binding, warned)


def in_reading_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Diagnostics from the top of the spec to its end; what is found in a used spec stands where it is used, and what has no place
    stands last."""

    def place(one: Diagnostic) -> tuple[bool, int, int]:
        if one.primary is None:
            return True, 0, 0
        return False, one.uses[0].start if one.uses else one.primary.span.start, one.primary.span.start

    return tuple(sorted(diagnostics, key=place))
