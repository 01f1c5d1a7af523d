"""SIGKILL at any moment of an `apply`: in its place stands the old output, none, or the new one whole, and the next run succeeds.

`tests/benchmarks/kill_writers.py` does the same two hundred times for each format.
"""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest
from fork_server import ForkServer
from trials import DATA_CALLS, telling
from writer_cases import Case

from migspec.formats.output import Destination
from migspec.formats.output_by_framework import written_by_framework


@pytest.mark.parametrize("is_replaced", [True, False])
def test_at_random_moments(case: Case, server: ForkServer, is_replaced: bool) -> None:
    chance = random.Random(f"{case.format} {is_replaced}")
    seconds = server.run("apply", [case.arguments]).seconds
    for _ in range(4):
        (case.save_old if is_replaced else case.clear)()
        server.run("apply", [case.arguments], signal=signal.SIGKILL, after=chance.uniform(0, seconds))
        assert case.state() in case.allowed_states(is_replaced)
        again = server.run("apply", [case.arguments])
        assert (again.code, case.state(), case.temporaries()) == (0, "new", []), again.err


def test_before_each_change_of_the_file_system(case: Case, server: ForkServer) -> None:
    """Not at random: the process dies right before each call that makes, names, moves, syncs or removes a file."""
    arguments = [*case.arguments, "--jobs", "1"]
    case.save_old()
    lived = server.run("apply_dying_at", [arguments, 0])
    assert (lived.code, case.state()) == (0, "new"), lived.err
    calls = json.loads(lived.out)
    last_data = max(number for number, call in enumerate(calls, 1) if call in DATA_CALLS)
    for number in telling(calls):
        case.restore_old()  # with what the process before has left beside it
        died = server.run("apply_dying_at", [arguments, number, number == last_data])
        assert died.code == -signal.SIGKILL, died.err
        assert case.state() in case.allowed_states(True), calls[:number]
    again = server.run("apply", [arguments])
    assert (again.code, case.state(), case.temporaries()) == (0, "new", []), again.err
    assert case.listing() == case.listing_of_old()


def test_a_file_that_a_framework_writes(server: ForkServer, tmp_path: Path) -> None:
    """As a live model is saved: by the framework's own writer, into a folder that migspec gives it."""
    out = tmp_path / "out.keras"
    calls = json.loads(server.run("write_by_framework_dying_at", [str(out), 0]).out)
    assert "mkdir" in calls and "replace" in calls
    for number in range(1, len(calls) + 1):
        out.write_text("old")
        assert server.run("write_by_framework_dying_at", [str(out), number]).code == -signal.SIGKILL
        assert out.read_text() in ("old", "new")
    with written_by_framework(Destination(str(out), overwrite=True), "model.keras") as place:
        place.write_text("last")
    assert out.read_text() == "last"
    assert list(tmp_path.iterdir()) == [out]
