"""Ctrl-C is noted, and raised where it is asked for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from migspec.interrupts import interrupts_deferred


@pytest.fixture(autouse=True)
def python_handler() -> Iterator[None]:
    """Whoever runs the tests may ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_where_it_is_asked_for() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts_deferred() as heed:
        heed()
        interrupt()
        reached.append("after it came")
        heed()
        reached.append("never")
    assert reached == ["after it came"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_from_another_thread() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_deferred() as heed, ThreadPoolExecutor(1) as executor:
        interrupt()
        executor.submit(heed).result()


def test_at_the_end_at_the_latest() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_deferred():
        interrupt()
        interrupt()


def test_another_error_goes_first() -> None:
    with pytest.raises(ZeroDivisionError), interrupts_deferred():
        interrupt()
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_programs_own_stays() -> None:
    came = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    with interrupts_deferred() as heed:
        interrupt()
        heed()
    assert came == [signal.SIGINT]


def test_outside_the_main_thread_nothing_is_touched() -> None:
    handlers = []

    def work() -> None:
        with interrupts_deferred() as heed:
            heed()
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
