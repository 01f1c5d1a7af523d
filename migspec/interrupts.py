"""Ctrl-C at places that can bear it.

Python raises KeyboardInterrupt wherever the main thread happens to be. In the middle of a callback from C, where libhdf5 writes
through a Python file, say, the exception is printed and forgotten: the interrupt is lost, and the file lacks what was to be
written. So while bytes move, Ctrl-C is only noted, and raised where it can do no harm.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_deferred() -> Iterator[Callable[[], None]]:
    """Within the context Ctrl-C raises nothing by itself: what the context gives, called from any thread, raises KeyboardInterrupt if
    it has come, and so does the end of the context, unless another exception ends it.

    Does nothing outside the main thread, which alone is ever interrupted, or where the program has a handler of its own.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not _DEFAULT:
        yield lambda: None
        return
    came = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        came.set()

    def heed() -> None:
        if came.is_set():
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield heed
    finally:
        signal.signal(signal.SIGINT, _DEFAULT)
    heed()


_DEFAULT = signal.default_int_handler
