"""A line on the terminal that says how a command gets on: bytes, rate, time left. rich draws it, and is imported only then."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ProgressLine:
    """One line for one step after the other. Call it with a number of bytes, from one thread at a time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: tuple[Progress, TaskID] | None = None

    def __call__(self, count: int) -> None:
        if self._shown is not None:
            bar, task = self._shown
            bar.advance(task, count)

    @contextmanager
    def step(self, label: str, total: int) -> Iterator[None]:
        """Show a step of `total` bytes (0: unknown); at its end, and at an error, the line is gone."""
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
        )
        console = Console(file=self._stream, force_terminal=True)
        with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
            self._shown = bar, bar.add_task(label, total=total or None)
            try:
                yield
            finally:
                self._shown = None


def progress_line(stream: TextIO | None = None) -> ProgressLine | None:
    """The line, if standard error is a terminal that can draw a line anew."""
    stream = stream or sys.stderr
    return ProgressLine(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else None
