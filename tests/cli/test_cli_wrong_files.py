"""Whatever file is named as spec, source or target: an answer with a code and the file's name, and exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import migspec

FILES = {
    "missing": None,
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "latin": "drop gr\xf6\xdfe\n".encode("latin-1"),
    "text": b"just some words\n",
    "zip": b"PK\x03\x04" + b"\0" * 200,
    "hdf5": b"\x89HDF\r\n\x1a\n" + b"\0" * 200,
    "safetensors": (1 << 40).to_bytes(8, "little") + b"{}",
    "json": b'{"variables": []}',
    "deep": b"[" * 100_000,
    "nul": b"\0" * 5000,
}


@pytest.fixture(params=sorted(FILES))
def wrong(request: pytest.FixtureRequest, folder: Path) -> str:
    content = FILES[request.param]
    if content is not None:
        (folder / "wrong").write_bytes(content)
    return "wrong"


def commands(spec: str, source: str, target: str) -> list[tuple[str, ...]]:
    sides = ("-s", source, "-t", target)
    return [
        ("check", spec, *sides),
        ("plan", spec, *sides),
        ("why", "head/bias", spec, *sides),
        ("apply", spec, *sides, "-o", "out.npz"),
    ]


@pytest.mark.parametrize("side", ["source", "target"])
def test_as_a_side(folder: Path, wrong: str, side: str) -> None:
    source, target = (wrong, "new.npz") if side == "source" else ("old.npz", wrong)
    for command in commands("good.mig", source, target):
        finished = migspec(*command)
        assert finished.code == 2
        (code,) = finished.codes
        assert code.startswith("MIG5") and "wrong" in finished.out + finished.err
    finished = migspec("inspect", wrong)
    assert (finished.code, finished.out) == (2, "") and finished.codes == [code]
    assert not (folder / "out.npz").exists()


def test_as_a_spec(folder: Path, wrong: str) -> None:
    for command in (*commands(wrong, "old.npz", "new.npz"), ("check", wrong), ("fmt", "--check", wrong)):
        finished = migspec(*command)
        if (
            (folder / wrong).is_file()
            and not (folder / wrong).read_bytes()
            and command[0] in ("check", "fmt")
            and len(command) < 4
        ):
            assert finished.code == 0  # an empty spec is well formed, and formatted
            continue
        assert finished.code in (1, 2) and finished.codes
        assert "wrong" in finished.out + finished.err
    assert not (folder / "out.npz").exists()


def test_a_folder(folder: Path) -> None:
    (folder / "here").mkdir()
    for spec, source, target in (
        ("here", "old.npz", "new.npz"),
        ("good.mig", "here", "new.npz"),
        ("good.mig", "old.npz", "here"),
        ("good.mig", "here/", "new.npz"),
    ):
        for command in commands(spec, source, target):
            finished = migspec(*command)
            assert finished.code == 2 and finished.codes in (["MIG501"], ["MIG502"])
            assert "here" in finished.out + finished.err
    (folder / "here" / "weights.npz").write_bytes((folder / "old.npz").read_bytes())
    assert "here/weights.npz" in migspec("inspect", "here").err  # the file that was meant


def test_names_that_are_nearly_right(folder: Path) -> None:
    assert "`old.npz`" in migspec("inspect", "odl.npz").err
    assert "`good.mig`" in migspec("check", "god.mig").out
    assert "no folder" in migspec("inspect", "nowhere/old.npz").err


def test_a_pipe_is_no_checkpoint(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    finished = migspec("inspect", "pipe")
    assert (finished.code, finished.codes) == (2, ["MIG502"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(folder: Path) -> None:
    (folder / "old.npz").chmod(0)
    finished = migspec("inspect", "old.npz")
    assert (finished.code, finished.codes) == (2, ["MIG501"])


@pytest.mark.parametrize(
    "name", ["a" * 300, "a\nb", "\x1b[31mred", "-", "--", " ", "größe.npz", "old.npz/x", "~", ":", "a:", ":b"]
)
def test_odd_names(folder: Path, name: str) -> None:
    finished = migspec("inspect", "--", name)
    assert (finished.code, finished.out) == (2, "")
    (code,) = finished.codes
    assert code in ("MIG501", "MIG502") and "\x1b" not in finished.err


def test_an_empty_spec_covers_nothing(folder: Path) -> None:
    (folder / "empty.mig").touch()
    finished = migspec("check", "empty.mig", "-s", "old.npz", "-t", "new.npz")
    assert (finished.code, finished.codes) == (1, ["MIG201", "MIG202"])
