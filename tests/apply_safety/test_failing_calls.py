"""Whatever call of the operating system fails while an output is written: a diagnostic, the old output untouched, nothing left.

Full and read-only disks are real ones: file systems of a few megabytes that only the trial sees.
"""

from __future__ import annotations

import json

import pytest
from fork_server import Ended, ForkServer
from trials import telling
from writer_cases import Case

REMOVALS = ("unlink", "remove", "rmdir")


def assert_refused(ended: Ended, case: Case, *said: str) -> None:
    """Exit code 2 and one MIG514 that names the output."""
    assert ended.code == 2, ended.err
    assert ended.err.count("error[") == 1 and "error[MIG514]" in ended.err
    assert f"`{case.out.parent}/out" in ended.err
    assert all(one in ended.err for one in said), ended.err


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_full_disk(case: Case, server: ForkServer, disks: None, is_replaced: bool) -> None:
    """There is room for the old output and for half of the new one. `case` has 1.5 MiB of values."""
    old = str(case.folder / "old") if is_replaced else None
    size = f"{case.bytes_of_old() * is_replaced // 1024 + 800}k"
    ended = server.run("apply_on_small_disk", [case.arguments, str(case.out.parent), size, old])
    assert_refused(ended, case, "no space left on the device", "help: ")
    seen = json.loads(ended.out)
    assert seen["after"] == seen["before"]


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_read_only_disk(case: Case, server: ForkServer, disks: None, is_replaced: bool) -> None:
    old = str(case.folder / "old") if is_replaced else None
    ended = server.run("apply_on_read_only_disk", [case.arguments, str(case.out.parent), old])
    assert_refused(ended, case, "the file system is read-only", "help: ")
    seen = json.loads(ended.out)
    assert seen["after"] == seen["before"]


def test_each_call_that_changes_the_file_system(case: Case, server: ForkServer) -> None:
    """An input/output error from each call in turn. If the output was in its place already, it may be the new one; where the error is
    of no consequence, the command succeeds. Only what the disk refuses to remove may stay."""
    arguments = [*case.arguments, "--jobs", "1"]
    case.save_old()
    calls = json.loads(server.run("apply_failing_at", [arguments, 0]).out)
    for number in telling(calls):
        case.save_old()
        ended = server.run("apply_failing_at", [arguments, number])
        place = f"call {number}, {calls[number - 1]}, after {calls[: number - 1]}"
        if ended.code == 0:
            assert case.state() == "new", place
        else:
            assert_refused(ended, case, "input/output error")
            assert case.state() in ("old", "new"), place
            assert case.state() == "new" or case.listing_without_temporaries() == case.listing_of_old()
        assert calls[number - 1] in REMOVALS or case.temporaries() == [], place
