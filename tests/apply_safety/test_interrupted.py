"""Ctrl-C at any moment of an `apply`: exit code 130, one line, nothing left behind, and no traceback."""

from __future__ import annotations

import random
import signal
import sys
from unittest import mock

import pytest
from fork_server import NOT_BEGUN, ForkServer
from writer_cases import Case

from migspec import __main__ as process


@pytest.mark.parametrize("options", [(), ("--verify", "--checksum", "--jobs", "1")])
def test_at_random_moments(case: Case, server: ForkServer, options: tuple[str, ...]) -> None:
    chance = random.Random(f"{case.format} {options}")
    arguments = [*case.arguments, *options]
    seconds = server.run("apply", [arguments]).seconds
    for _ in range(5):
        case.save_old()
        ended = server.run("apply", [arguments], signal=signal.SIGINT, after=chance.uniform(0, seconds))
        assert ended.code in (130, 0, NOT_BEGUN), ended.err
        if ended.code == 130:
            *before, last = ended.err.strip().splitlines()
            assert last == "migspec: interrupted"
            if before:  # all was done, and nothing is left to be interrupted but the end of the process
                assert len(before) == 1 and before[0].startswith("wrote ") and case.state() == "new"
        assert case.state() in ("old", "new")
        assert case.temporaries() == []


@pytest.mark.parametrize("calls", [["pwrite", "pwritev"], ["fsync"]])
@pytest.mark.parametrize("after", [0.0, 0.001, 0.005])
def test_twice(case: Case, server: ForkServer, calls: list[str], after: float) -> None:
    """While bytes are written, or while the output is brought to the disk; the second time while the first one takes effect. An output
    that is being put in place is put there."""
    case.save_old()
    ended = server.run("apply_interrupted_twice", [case.arguments, calls, after])
    assert (ended.code, ended.err.strip()) == (130, "migspec: interrupted")
    assert case.state() == ("new" if calls == ["fsync"] else "old")
    assert case.temporaries() == []


def test_while_the_modules_are_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    """Before there is a command that could be interrupted."""
    handler = signal.getsignal(signal.SIGINT)
    blocked = mock.patch.dict(sys.modules, {"migspec.cli.main": _Interrupting("migspec.cli.main")})
    try:
        with blocked, mock.patch.object(sys, "argv", ["migspec", "--version"]), pytest.raises(SystemExit) as ended:
            process.run()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "migspec: interrupted\n"


class _Interrupting(type(sys)):  # type: ignore[misc]
    """A module that Ctrl-C stops from being loaded."""

    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt
