"""`migspec verify`: both models run on the same inputs."""

from __future__ import annotations

from typing import Any

import click

from migspec.cli.options import settings, style, style_of, tolerance_of
from migspec.cli.report import exit_code, show


def _pairs(context: click.Context, option: click.Parameter, written: tuple[str, ...]) -> dict[str, str]:
    """Each `OLD=NEW` or `NAME=VALUE`."""
    found: dict[str, str] = {}
    for one in written:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise click.BadParameter(f"'{one}' is not of the form {option.metavar}", context, option)
        found[name] = value
    return found


def _ranges(context: click.Context, option: click.Parameter, written: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Each `NAME=LOW:HIGH`."""
    found: dict[str, tuple[float, float]] = {}
    for name, text in _pairs(context, option, written).items():
        low, _, high = text.partition(":")
        try:
            found[name] = float(low), float(high)
        except ValueError:
            raise click.BadParameter(f"'{name}={text}' is not of the form {option.metavar}", context, option) from None
        if not found[name][0] < found[name][1]:
            raise click.BadParameter(f"'{name}={text}': the range is empty", context, option)
    return found


def _shapes(context: click.Context, option: click.Parameter, written: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Each `NAME=LENGTH,LENGTH,...`."""
    found: dict[str, tuple[int, ...]] = {}
    for name, text in _pairs(context, option, written).items():
        lengths = text.split(",")
        if not all(one.isdigit() for one in lengths):
            raise click.BadParameter(f"'{name}={text}' is not of the form {option.metavar}", context, option)
        found[name] = tuple(map(int, lengths))
    return found


@click.command("verify")
@click.argument("old")
@click.argument("new")
@click.option("--inputs", metavar="FILE.npz", help="Arrays to run on, by the names of the inputs; else they are made.")
@click.option("--samples", type=click.IntRange(1), default=4, show_default=True, help="How many samples are made.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the made inputs follow from.")
@click.option(
    "--range", "ranges", multiple=True, callback=_ranges, metavar="NAME=LOW:HIGH", help="Between what an input is made."
)
@click.option("--shape", "shapes", multiple=True, callback=_shapes, metavar="NAME=8,16", help="The shape an input is made in.")
@click.option(
    "--constant",
    "constants",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="One value for an input: true, false, 0.5.",
)
@click.option("--input", "input_pairs", multiple=True, callback=_pairs, metavar="OLD=NEW", help="Which input is which.")
@click.option(
    "--output",
    "output_pairs",
    multiple=True,
    callback=_pairs,
    metavar="OLD=NEW",
    help="Which output is which; no others are compared.",
)
@click.option("--atol", type=float, callback=tolerance_of, help="Absolute tolerance; 1e-5, or 1e-2 for half precision.")
@click.option("--rtol", type=float, callback=tolerance_of, help="Relative tolerance; 1e-4, or 1e-2 for half precision.")
@click.option("--old-signature", metavar="NAME", help="The signature of an old SavedModel.")
@click.option("--new-signature", metavar="NAME", help="The signature of a new SavedModel.")
@click.option("--old-weights", metavar="FILE", help="The checkpoint of an old `.meta` file or model.")
@click.option("--new-weights", metavar="FILE", help="The checkpoint of a new `.meta` file or model.")
@click.option("--spec", metavar="SPEC", help="The spec that was applied: if the outputs differ, the cause is looked for.")
@click.option(
    "--tries", type=click.IntRange(0), default=1000, show_default=True, help="How often the new model may run for that."
)
@settings
@style
def command(old: str, new: str, output_format: str, color: str, quiet: bool, **options: Any) -> int:
    """Run two models on the same inputs and compare every output.

    OLD and NEW are each a SavedModel, a `.meta` file or a checkpoint beside its `.meta`, a frozen graph `.pb`, a Keras file, a
    TensorFlow Lite or ONNX model, package.module:function, or an npz with recorded inputs and outputs.
    """
    from migspec.verify import Request, verify
    from migspec.verify.report_json import report_json
    from migspec.verify.report_text import concise_text, report_text

    report = verify(old, new, Request(**options))
    if output_format == "json":
        click.echo(report_json(report))
    elif not quiet:
        click.echo(concise_text(report) if output_format == "concise" else report_text(report))
    if output_format != "json" and report.diagnostics:
        show(report.diagnostics, style_of(output_format, color, quiet))
    return exit_code(report.diagnostics)
