"""Diagnostics on the terminal, and the exit code that follows from them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from migspec.diagnostics import Diagnostic, Severity

_NOT_RUN = ("MIG602", "MIG603", "MIG604")  # `verify` had nothing to compare


@dataclass(frozen=True, slots=True)
class Style:
    """How diagnostics are shown: `--output-format`, `--color`, `--quiet`."""

    output_format: str = "full"
    color: str = "auto"
    quiet: bool = False


def show(diagnostics: Sequence[Diagnostic], style: Style | None = None, *, results: bool = False) -> None:
    """Print diagnostics: on stderr, or on stdout where they are the result of the command."""
    style = style or Style()
    stream = sys.stdout if results else sys.stderr
    shown = [one for one in diagnostics if not style.quiet or one.severity is Severity.ERROR]
    if shown or style.output_format == "json":
        from migspec.diagnostics.render import render

        text = render(shown, style.output_format, color=uses_color(style.color, stream))
        print(text, file=stream)


def discard_stdout() -> None:
    """Nobody reads stdout any more: what is still buffered goes nowhere, or Python would complain when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def count_text(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`, or nothing."""
    from migspec.diagnostics.render_full import summary

    return summary(diagnostics)


def uses_color(choice: str, stream: TextIO) -> bool:
    """Whether a stream gets colours: as asked, or on a terminal unless NO_COLOR (https://no-color.org) is set."""
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def exit_code(diagnostics: Sequence[Diagnostic]) -> int:
    """0 without errors; 2 if a file or model could not be read, written or run; else 1."""
    errors = [one for one in diagnostics if one.severity is Severity.ERROR]
    if any(one.code.startswith("MIG5") or one.code in _NOT_RUN for one in errors):
        return 2
    return 1 if errors else 0
