"""`migspec check`: everything that can be known before a weight is read."""

from __future__ import annotations

import sys

import click

from migspec.cli.options import settings, sides, style, style_of
from migspec.cli.report import count_text, exit_code, show


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
    from migspec.compiler import check_spec, compile_spec, read_spec
    from migspec.diagnostics import Diagnostic, SpecError

    if (source is None) != (target is None):
        raise click.UsageError("give both --source and --target, or neither: a spec is checked against both sides or alone")
    shown = style_of(output_format, color, quiet)
    found: list[Diagnostic] = []
    try:
        if source is None or target is None:
            for spec in specs:
                found.extend(check_spec(read_spec(spec)).diagnostics)
        else:
            from migspec.sides import open_side

            old, new = open_side(source).variables, open_side(target).variables
            for spec in specs:
                found.extend(compile_spec(read_spec(spec), old, new, given=dict(given), allow=allow).diagnostics)
    except SpecError as error:
        found.extend(error.diagnostics)
    show(found, shown, results=True)
    if output_format == "full" and not quiet:
        count = count_text(found)
        if count:
            print(count, file=sys.stderr)
        else:
            what = (
                "and covers both sides"
                if source is not None
                else "on its own; `--source` and `--target` check it against variables"
            )
            print(f"{', '.join(specs)}: sound {what}", file=sys.stderr)
    return exit_code(found)
