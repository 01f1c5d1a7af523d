"""Compiling a spec that a command names, with its findings as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migspec.cli.report import exit_code
from migspec.compiler import compile_spec, read_spec
from migspec.diagnostics import Diagnostic
from migspec.plan import Plan
from migspec.sides import open_side

if TYPE_CHECKING:
    from migspec.migration import Migration


def compiled(
    spec: str, source: str, target: str, given: Mapping[str, int | float], allow: Collection[str]
) -> tuple[Plan | None, tuple[Diagnostic, ...], int]:
    """The plan, None if there are errors; all findings; the exit code. Raises SpecError if a file cannot be read."""
    text = read_spec(spec)
    old, new = open_side(source).variables, open_side(target).variables
    compilation = compile_spec(text, old, new, given=given, allow=allow)
    return compilation.plan, compilation.diagnostics, exit_code(compilation.diagnostics)


def migration_of(
    spec: str, source: str, target: str, given: Mapping[str, int | float], allow: Collection[str]
) -> tuple[Migration | None, tuple[Diagnostic, ...]]:
    """The migration of a spec or of a saved plan, None if the spec has errors; and all findings. Raises SpecError if a file cannot be
    read, and for a plan that is stale or malformed."""
    from migspec.migration import Migration, resume

    if _is_plan(spec):
        from migspec.plan_json import load_plan

        if given or allow:
            raise click.UsageError("--set and --allow go into the plan when it is made: give them to `migspec plan`")
        return resume(load_plan(spec), source, target), ()
    text = read_spec(spec)
    old, new = open_side(source), open_side(target)
    compilation = compile_spec(text, old.variables, new.variables, given=given, allow=allow)
    if compilation.plan is None:
        return None, compilation.diagnostics
    return Migration(compilation.plan, old, new), compilation.diagnostics


def _is_plan(path: str) -> bool:
    """Whether a file is a plan: a spec never begins with a brace."""
    try:
        with Path(path).open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False
