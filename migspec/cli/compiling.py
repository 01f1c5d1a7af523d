"""Compiling a spec that a command names, with its findings as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from migspec.cli.report import exit_code
from migspec.compiler import compile_spec, read_spec
from migspec.diagnostics import Diagnostic
from migspec.plan import Plan
from migspec.sides import open_side


def compiled(
    spec: str, source: str, target: str, given: Mapping[str, int | float], allow: Collection[str]
) -> tuple[Plan | None, tuple[Diagnostic, ...], int]:
    """The plan, None if there are errors; all findings; the exit code. Raises SpecError if a file cannot be read."""
    text = read_spec(spec)
    old, new = open_side(source).variables, open_side(target).variables
    compilation = compile_spec(text, old, new, given=given, allow=allow)
    return compilation.plan, compilation.diagnostics, exit_code(compilation.diagnostics)
