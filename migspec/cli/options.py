"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from migspec.cli.report import Style

Command = TypeVar("Command", bound=Callable[..., Any])


class _Setting(click.ParamType):
    """`NAME=VALUE`: a size or number."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int | float]:
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        try:
            return name.strip(), int(text)
        except ValueError:
            pass
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not equals or not name.strip() or number != number:
            self.fail(f"'{value}' is not of the form NAME=VALUE with a number", param, ctx)
        return name.strip(), number


class _AllowedCode(click.ParamType):
    """The code of a diagnostic that may be let pass."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from migspec.compiler import COVERAGE_CODES

        code = str(value).upper()
        code = code if code.startswith("MIG") else f"MIG{code}"
        if code not in COVERAGE_CODES:
            self.fail(f"{value} cannot be allowed: only errors of coverage can, {' and '.join(COVERAGE_CODES)}", param, ctx)
        return code


def sides(required: bool) -> Callable[[Command], Command]:
    """`--source` and `--target`."""

    def add(command: Command) -> Command:
        command = click.option(
            "--target",
            "-t",
            required=required,
            metavar="T",
            help="What is filled: a checkpoint or model file, a variable map in JSON, or package.module:function that returns a model.",
        )(command)
        return click.option(
            "--source", "-s", required=required, metavar="S", help="Where the weights come from: the same choices."
        )(command)

    return add


def settings(command: Command) -> Command:
    """`--set` and `--allow`."""
    command = click.option(
        "--allow", multiple=True, type=_AllowedCode(), metavar="CODE", help="Let an error of coverage pass as a warning."
    )(command)
    return click.option(
        "--set", "given", multiple=True, type=_Setting(), metavar="NAME=VALUE", help="Give a size or number a value."
    )(command)


def style(command: Command) -> Command:
    """`--output-format`, `--color`, `--quiet`."""
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
