"""`migspec fmt`: specs in canonical form."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from migspec.cli.report import show, uses_color
from migspec.diagnostics import Diagnostic, SpecError, file_error
from migspec.text import Text


@click.command("fmt")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a file is not in canonical form.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would change.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True, help="Colours.")
def command(paths: tuple[str, ...], check: bool, diff: bool, color: str) -> int:
    """Format specs in place; a folder stands for the .mig files below it, `-` for stdin to stdout."""
    from migspec.compiler import read_spec
    from migspec.syntax.format import format_spec
    from migspec.syntax.parse import parse

    code = 0
    problems: list[Diagnostic] = []
    for path in _files(paths):
        try:
            text = _stdin() if path == "-" else read_spec(path)
        except SpecError as error:
            problems.extend(error.diagnostics)
            code = 2
            continue
        spec, found = parse(text)
        if found:
            problems.extend(found)
            code = max(code, 1)
            continue
        formatted = format_spec(spec)
        changed = formatted != text.content
        if diff and changed:
            click.echo(_difference(text, formatted, colored=uses_color(color, sys.stdout)), nl=False, color=True)
        if (check or diff) and changed:
            code = max(code, 1)
            if check:
                print(f"{text.name} is not formatted", file=sys.stderr)
        elif path == "-" and not (check or diff):
            click.echo(formatted, nl=False)
        elif changed:
            code = max(code, _rewrite(path, formatted, problems))
    show(problems)
    return code


def _files(paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        if path != "-" and Path(path).is_dir():
            below = sorted(str(one) for one in Path(path).rglob("*.mig"))
            if not below:
                print(f"{path}: there are no .mig files below this folder", file=sys.stderr)
            yield from below
        else:
            yield path


def _rewrite(path: str, formatted: str, problems: list[Diagnostic]) -> int:
    """Replace a file's text, complete or not at all; returns the exit code."""
    from migspec.formats.output import replace_text

    try:
        replace_text(path, formatted)
    except SpecError as error:
        problems.extend(error.diagnostics)
        return 2
    print(f"formatted {path}", file=sys.stderr)
    return 0


def _stdin() -> Text:
    """The spec on stdin; raises SpecError (MIG501) if it is no UTF-8 text, whatever encoding the locale has."""
    try:
        return Text("<stdin>", sys.stdin.buffer.read().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise file_error("MIG501", "<stdin>", "the spec is no UTF-8 text", (str(error),)) from None


def _difference(text: Text, formatted: str, *, colored: bool) -> str:
    import difflib

    lines = difflib.unified_diff(
        text.content.splitlines(keepends=True), formatted.splitlines(keepends=True), text.name, f"{text.name} (formatted)"
    )
    shown = [line if line.endswith("\n") else line + "\n" for line in lines]
    if not colored:
        return "".join(shown)
    colors = {"+": "green", "-": "red", "@": "cyan"}
    return "".join(click.style(line, fg=colors.get(line[0])) for line in shown)
