"""`migspec check`: everything that can be known before a weight is read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from migspec.cli.options import settings, sides, style, style_of
from migspec.cli.report import count_text, discard_stdout, exit_code, show

if TYPE_CHECKING:
    from migspec.diagnostics import Diagnostic
    from migspec.text import Text


@click.command("check")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@sides(required=False)
@settings
@style
def command(
    specs: tuple[str, ...],
    source: str | None,
    target: str | None,
    given: tuple[tuple[str, int | float], ...],
    allow: tuple[str, ...],
    output_format: str,
    color: str,
    quiet: bool,
) -> int:
    """Check specs: their syntax alone, or everything against both sides. Reads headers, never a weight."""
    from migspec.compiler import compile_spec, read_spec
    from migspec.diagnostics import SpecError

    if (source is None) != (target is None):
        raise click.UsageError("give both --source and --target, or neither: a spec is checked against both sides or alone")
    shown = style_of(output_format, color, quiet)
    found: list[Diagnostic] = []
    try:
        maps = None
        if source is not None and target is not None:
            from migspec.sides import open_side

            maps = open_side(source).variables, open_side(target).variables
        for spec in specs:
            try:
                if maps is None:
                    found.extend(_alone(read_spec(spec), dict(given)))
                else:
                    found.extend(compile_spec(read_spec(spec), *maps, given=dict(given), allow=allow).diagnostics)
            except SpecError as error:  # of this spec: the others get their verdict all the same
                found.extend(error.diagnostics)
    except SpecError as error:
        found.extend(error.diagnostics)
    try:
        show(found, shown, results=True)
        sys.stdout.flush()
    except BrokenPipeError:  # `migspec check ... | head`: the exit code is the verdict all the same
        discard_stdout()
    if output_format == "full" and not quiet:
        if found:
            print(count_text(found), file=sys.stderr)
        else:
            alone = "on its own; `--source` and `--target` check it against variables"
            for spec in specs:
                print(f"{spec}: sound {'and covers both sides' if source is not None else alone}", file=sys.stderr)
    return exit_code(found)


def _alone(text: Text, given: Mapping[str, int | float]) -> tuple[Diagnostic, ...]:
    """What is found without variables. That a definition has no use is told here, to whoever wrote it, and not where a spec is run."""
    from migspec.check.definitions import unused_definitions
    from migspec.compiler import check_spec, in_reading_order

    checked = check_spec(text, given=given)
    unused = () if checked.has_errors else unused_definitions(checked.program)
    return in_reading_order((*checked.diagnostics, *unused))
