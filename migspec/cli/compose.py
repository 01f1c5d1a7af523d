"""`migspec compose`: two specs as one, on stdout."""

from __future__ import annotations

import click

from migspec.cli.options import style


@click.command("compose")
@click.argument("first")
@click.argument("second")
@style
def command(first: str, second: str, output_format: str, color: str, quiet: bool) -> int:
    """Write one spec that does what FIRST and then SECOND do, to stdout. Both have interfaces, and what FIRST makes is what SECOND takes;
    each is a file, or the name of a spec of the library."""
    del output_format, color, quiet  # of the diagnostics, which `style` shows
    from migspec.compiler import read_spec
    from migspec.compose import compose

    click.echo(compose(read_spec(first), read_spec(second)).content, nl=False)
    return 0
