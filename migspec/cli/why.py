"""`migspec why`: where one variable's value comes from, or where it goes."""

from __future__ import annotations

from pathlib import Path

import click

from migspec.cli.options import settings, sides, style, style_of
from migspec.cli.report import show


@click.command("why")
@click.argument("variable")
@click.argument("spec")
@sides(required=True)
@settings
@style
def command(
    variable: str,
    spec: str,
    source: str,
    target: str,
    given: tuple[tuple[str, int | float], ...],
    allow: tuple[str, ...],
    output_format: str,
    color: str,
    quiet: bool,
) -> int:
    """Say what happens to VARIABLE (of either side, under any of its names): the statement, the shapes, each step."""
    if not Path(spec).exists() and Path(variable).is_file():
        raise click.UsageError(f"the variable comes first, then the spec: migspec why '{spec}' '{variable}'")
    from migspec.compiler import compile_spec, read_spec
    from migspec.sides import open_side
    from migspec.why import why

    shown = style_of(output_format, color, quiet)
    old, new = open_side(source).variables, open_side(target).variables
    compilation = compile_spec(read_spec(spec), old, new, given=dict(given), allow=allow)
    if compilation.plan is None:
        show(compilation.diagnostics, shown)
        return 1
    click.echo(why(variable, compilation.plan, old, new))
    return 0
