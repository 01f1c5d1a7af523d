"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from migspec.cli.report import Style, exit_code, show
from migspec.diagnostics import SpecError

Command = TypeVar("Command", bound=Callable[..., Any])

_SIDE = "a checkpoint or model file, a variable map in JSON, or package.module:function that returns a model."


def _settings(context: click.Context, option: click.Parameter, written: tuple[str, ...]) -> tuple[tuple[str, int | float], ...]:
    """Each `NAME=VALUE` as a name and a number."""
    settings: list[tuple[str, int | float]] = []
    for one in written:
        name, _, text = one.partition("=")
        try:
            number = float(text)
            value = int(text) if text.strip().lstrip("+-").isdigit() else number
        except ValueError:
            value = math.nan
        if not name.strip() or math.isnan(value):
            raise click.BadParameter(f"'{one}' is not of the form NAME=VALUE with a number", context, option)
        settings.append((name.strip(), value))
    return tuple(settings)


def _allowed_codes(context: click.Context, option: click.Parameter, written: tuple[str, ...]) -> tuple[str, ...]:
    """Each code as `MIG201`; only those of coverage can be allowed."""
    from migspec.compiler import allowed_codes

    try:
        return allowed_codes(written)
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from None


def sides(required: bool) -> Callable[[Command], Command]:
    """`--source` and `--target`."""

    def add(command: Command) -> Command:
        command = click.option(
            "--target",
            "-t",
            required=required,
            metavar="T",
            help=f"What is filled: {_SIDE}",
        )(command)
        return click.option("--source", "-s", required=required, metavar="S", help=f"Where the weights come from: {_SIDE}")(
            command
        )

    return add


def settings(command: Command) -> Command:
    """`--set` and `--allow`."""
    command = click.option(
        "--allow", multiple=True, callback=_allowed_codes, metavar="CODE", help="Let an error of coverage pass as a warning."
    )(command)
    return click.option(
        "--set", "given", multiple=True, callback=_settings, metavar="NAME=VALUE", help="Give a size or number a value."
    )(command)


def style(command: Command) -> Command:
    """`--output-format`, `--color`, `--quiet`. A SpecError that leaves the command is shown as they say."""

    @wraps(command)
    def shown(**arguments: Any) -> int:
        try:
            return int(command(**arguments))
        except SpecError as error:
            show(error.diagnostics, style_of(arguments["output_format"], arguments["color"], arguments["quiet"]))
            return exit_code(error.diagnostics)

    return _style_options(cast(Command, shown))


def _style_options(command: Command) -> Command:
    command = click.option("--quiet", "-q", is_flag=True, help="Errors only; no progress.")(command)
    command = click.option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True, help="Colours."
    )(command)
    return click.option(
        "--output-format",
        type=click.Choice(["full", "concise", "json"]),
        default="full",
        show_default=True,
        help="How diagnostics are shown.",
    )(command)


def style_of(output_format: str, color: str, quiet: bool) -> Style:
    return Style(output_format, color, quiet)


def tolerance_of(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:  # noqa: ARG001
    """The value of `--atol` or `--rtol`: what is infinite would let everything pass."""
    if value is not None and not 0 <= value < math.inf:
        raise click.BadParameter(f"'{value}' is no tolerance: it is a number that is not negative, such as 1e-6")
    return value
