"""`migspec explain`: what a code means, why it is an error, and how to mend it."""

from __future__ import annotations

import click


@click.command("explain")
@click.argument("code", required=False)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True, help="Colours.")
def command(code: str | None, color: str) -> int:
    """Explain the CODE of a diagnostic (`MIG301`, or `301`); without it, list all codes."""
    import sys

    from migspec.cli.report import uses_color
    from migspec.diagnostics.registry import codes, explain
    from migspec.diagnostics.suggest import nearest

    if code is None:
        for one in codes():
            click.echo(f"{one}  {explain(one).title}")
        return 0
    try:
        page = explain(code)
    except KeyError:
        near = nearest(code.upper(), codes())
        hint = f" Did you mean {', '.join(near)}?" if near else " `migspec explain` lists all."
        raise click.UsageError(f"there is no code {code}.{hint}") from None
    if uses_color(color, sys.stdout):
        from rich.console import Console
        from rich.markdown import Markdown

        Console(force_terminal=True).print(Markdown(page.text))
    else:
        click.echo(page.text.rstrip())
    return 0
