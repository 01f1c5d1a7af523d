"""`migspec plan`: what a migration would do, and why."""

from __future__ import annotations

from pathlib import Path

import click

from migspec.cli.options import settings, sides, style, style_of
from migspec.cli.report import show
from migspec.diagnostics import file_error


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
    """Show what would move, folded, with the statement behind each part; or save it with --out.

    --out replaces an older plan, and nothing else.
    """
    from migspec.cli.compiling import compiled

    if out is not None and not _may_replace(out):
        raise file_error(
            "MIG506", out, f"`{out}` exists, and is no plan", helps=("choose another name: only an older plan is replaced",)
        )
    shown = style_of(output_format, color, quiet)
    plan, diagnostics, code = compiled(spec, source, target, dict(given), allow)
    show(diagnostics, shown)
    if plan is None:
        return code
    if out is not None:
        from migspec.formats.output import replace_text
        from migspec.plan_json import dumps

        replace_text(out, dumps(plan))
    if output_format == "json" and out is None:
        from migspec.plan_json import dumps

        click.echo(dumps(plan), nl=False)
    elif not quiet or out is None:
        from migspec.plan_text import plan_text

        click.echo(plan_text(plan))
    return code


def _may_replace(path: str) -> bool:
    """Whether nothing is lost by writing a plan there: no file, an empty one, or a plan."""
    from migspec.plan_json import FORMAT

    try:
        with Path(path).open(encoding="utf-8") as file:
            head = file.read(200)
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError):
        return False
    return not head.strip() or f'"{FORMAT}"' in head
