"""`migspec plan`: what a migration would do, and why."""

from __future__ import annotations

import click

from migspec.cli.options import settings, sides, style, style_of
from migspec.cli.report import show


@click.command("plan")
@click.argument("spec")
@sides(required=True)
@settings
@click.option("--out", "-o", metavar="PLAN.json", help="Save the plan, for `migspec apply` to run.")
@style
def command(
    spec: str,
    source: str,
    target: str,
    given: tuple[tuple[str, int | float], ...],
    allow: tuple[str, ...],
    out: str | None,
    output_format: str,
    color: str,
    quiet: bool,
) -> int:
    """Show what would move, folded, with the statement behind each part; or save it with --out."""
    from migspec.cli.compiling import compiled

    shown = style_of(output_format, color, quiet)
    plan, diagnostics, code = compiled(spec, source, target, dict(given), allow)
    show(diagnostics, shown)
    if plan is None:
        return code
    if out is not None:
        from migspec.plan_json import save_plan

        save_plan(plan, out)
    if output_format == "json" and out is None:
        import json

        from migspec.plan_json import to_json

        click.echo(json.dumps(to_json(plan), indent=1))
    elif not quiet or out is None:
        from migspec.plan_text import plan_text

        click.echo(plan_text(plan))
    return code
