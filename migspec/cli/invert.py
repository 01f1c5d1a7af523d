"""`migspec invert`: the inverse of a spec on stdout."""

from __future__ import annotations

import click

from migspec.cli.options import style, style_of
from migspec.cli.report import show


@click.command("invert")
@click.argument("spec")
@click.option(
    "--given",
    metavar="TARGET",
    help="What the inverse will fill, with its values (the source of SPEC): what a lossy rule has lost is kept as it is there.",
)
@style
def command(spec: str, given: str | None, output_format: str, color: str, quiet: bool) -> int:
    """Write the inverse of SPEC (a file, or the name of a spec of the library) to stdout: applied after it, it brings back what SPEC moved,
    bit for bit. Rules that lose something are refused; notes say what comes back rounded."""
    from migspec.compiler import read_spec
    from migspec.invert import invert

    variables = None
    if given is not None:
        from migspec.sides import open_side

        variables = open_side(given).variables
    inverted = invert(read_spec(spec), variables)
    click.echo(inverted.text.content, nl=False)
    show(inverted.notes, style_of(output_format, color, quiet))
    return 0
