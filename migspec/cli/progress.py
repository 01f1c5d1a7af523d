"""A line on the terminal that says how an `apply` gets on: bytes, rate, time left.

Drawn by hand, as loading a library for it would take longer than moving 200 MB, and a thread of its own would take time from the
threads that move them. The line is drawn anew by whoever reports bytes, ten times a second at most.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from migspec.plan_text import bytes_text

_INTERVAL = 0.1  # seconds between two lines
_WINDOW = 30  # lines that the rate is measured over
_BAR = 24  # characters


class ProgressLine:
    """One line for one step after the other. Call it with a number of bytes, from one thread at a time."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._marks = ("━", "─") if _can_show(stream, "━─") else ("=", ".")
        self._label, self._total, self._done = "", 0, 0
        self._next = 0.0
        self._samples: deque[tuple[float, int]] = deque(maxlen=_WINDOW)

    def __call__(self, count: int) -> None:
        self._done += count
        now = self._clock()
        if now >= self._next or self._done == self._total:
            self._draw(now)

    @contextmanager
    def step(self, label: str, total: int) -> Iterator[None]:
        """Show a step of `total` bytes (0: unknown); at its end, and at an error, the line is gone."""
        self._label, self._total, self._done = label, total, 0
        self._samples.clear()
        self._draw(self._clock())
        try:
            yield
        finally:
            self._show("")

    def _draw(self, now: float) -> None:
        self._next = now + _INTERVAL
        self._samples.append((now, self._done))
        if not self._total:
            self._show(self._label)
            return
        share = min(1.0, self._done / self._total)
        filled = int(share * _BAR)
        bar = self._marks[0] * filled + self._marks[1] * (_BAR - filled)
        self._show(f"{self._label:<9} {bar} {bytes_text(self._done):>7} of {bytes_text(self._total)}{self._pace(now)}")

    def _pace(self, now: float) -> str:
        if self._done >= self._total:
            return ", waiting for the disk" if self._label == "writing" else ""
        first, done = self._samples[0]
        if self._done == done:
            return ""
        rate = (self._done - done) / max(now - first, 1e-9)
        return f"  {bytes_text(round(rate)):>7}/s  {duration((self._total - self._done) / rate)} left"

    def _show(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1  # a full line would make some terminals begin another
        self._stream.write(f"\r{text[:width]}\x1b[K")
        self._stream.flush()


def progress_line(stream: TextIO | None = None) -> ProgressLine | None:
    """The line, if standard error is a terminal that can draw a line anew."""
    stream = stream or sys.stderr
    return ProgressLine(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else None


def duration(seconds: float) -> str:
    """`0:07`, `12:34`, `3:02:01`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _can_show(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
