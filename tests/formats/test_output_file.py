"""Output files appear complete or not at all."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from migspec.diagnostics.model import SpecError
from migspec.formats.output import Destination, OutputFile, remove_leftovers, writing_failed


def code(caught: pytest.ExceptionInfo[SpecError]) -> str:
    [diagnostic] = caught.value.diagnostics
    return diagnostic.code


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_nothing_is_visible_before_commit(tmp_path: Path) -> None:
    path = tmp_path / "out"
    output = OutputFile(Destination(str(path)))
    output.pwrite(b"cd", 2)
    output.pwrite(b"ab", 0)
    assert not path.exists()
    output.commit()
    assert path.read_bytes() == b"abcd"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_output_stands_until_commit_and_after_abort(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o640)
    output = OutputFile(Destination(str(path), overwrite=True))
    output.pwrite(b"new", 0)
    output.abort()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    output = OutputFile(Destination(str(path), overwrite=True))
    output.pwrite(b"new", 0)
    output.commit()
    output.abort()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_existing_output_needs_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(SpecError) as caught:
        OutputFile(Destination(str(path)))
    assert code(caught) == "MIG506"
    assert path.read_text() == "old"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    output = OutputFile(Destination(str(path)))
    path.write_text("someone else's")
    with pytest.raises(SpecError) as caught:
        output.commit()
    output.abort()
    assert code(caught) == "MIG506"
    assert path.read_text() == "someone else's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    output = OutputFile(Destination(str(link), overwrite=True))
    output.pwrite(b"new", 0)
    output.commit()
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize("name", ["folder", "missing/out", "file/out", "x" * 300])
def test_a_place_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(SpecError) as caught:
        OutputFile(Destination(str(tmp_path / name), overwrite=True)).commit()
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "MIG514"
    assert name in diagnostic.message
    assert diagnostic.helps


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SpecError) as caught:
        OutputFile(Destination(str(tmp_path / "out")))
    assert code(caught) == "MIG514"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOMEM])
def test_each_refusal_says_its_cause(number: int) -> None:
    [diagnostic] = writing_failed("out.npz", OSError(number, os.strerror(number))).diagnostics
    assert diagnostic.code == "MIG514"
    assert "out.npz" in diagnostic.message
    assert os.strerror(number).split()[0].lower() in diagnostic.message.lower()


def test_a_file_that_grows_too_large_is_an_error_and_is_removed(tmp_path: Path) -> None:
    """The limit on file sizes stands for a full disk: writing stops in the middle."""
    output = OutputFile(Destination(str(tmp_path / "out")))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(SpecError) as caught:
            output.pwrite(bytes(1 << 20), 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    output.abort()
    assert code(caught) == "MIG514"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    script = (
        "import os, sys; from migspec.formats.output import Destination, OutputFile; "
        "OutputFile(Destination(sys.argv[1])).pwrite(b'half', 0); os.kill(os.getpid(), 9)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")], check=False, env=environment)
    [leftover] = tmp_path.iterdir()
    assert leftover.name.startswith(".out.migspec-")
    output = OutputFile(Destination(str(tmp_path / "other")))
    assert [path.name for path in tmp_path.iterdir()] == [output.temporary.name]
    output.abort()


def test_files_of_living_processes_and_other_files_stay(tmp_path: Path) -> None:
    alive = tmp_path / f".out.migspec-{os.getpid()}-0123abcd.tmp"
    dead = tmp_path / f".out.migspec-{dead_process()}-0123abcd.tmp"
    other = tmp_path / ".out.migspec-backup.tmp"
    for path in (alive, dead, other):
        path.touch()
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([alive, other])
