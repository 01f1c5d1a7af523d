"""What the threads of a run share: whether to go on, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock
from typing import TypeAlias

Progress: TypeAlias = Callable[[int], None]


class Stopped(Exception):
    """Another variable failed, so this one is not finished."""


class Watch:
    """Tells the threads to stop, and a `progress` how many bytes were just written: by one thread at a time."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._lock = Lock()
        self._stop = Event()

    def stop(self) -> None:
        """Let no thread go on."""
        self._stop.set()

    def heed(self) -> None:
        """Raise `Stopped` if the run is over."""
        if self._stop.is_set():
            raise Stopped

    def wrote(self, count: int) -> None:
        """So many bytes were written."""
        if self._progress:
            with self._lock:
                self._progress(count)
