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
        ("diff", source, target, "--spec", spec),
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
    finished = migspec("diff", source, target)
    assert (finished.code, finished.out) == (2, "") and finished.codes == [code]
    assert not (folder / "out.npz").exists()


def test_as_a_spec(folder: Path, wrong: str) -> None:
    for command in (*commands(wrong, "old.npz", "new.npz"), ("check", wrong), ("fmt", "--check", wrong)):
        finished = migspec(*command)
        if (folder / wrong).is_file() and not (folder / wrong).read_bytes() and command[0] == "fmt":
            assert finished.code == 0  # an empty spec has its canonical form, and no rule, which `check` says
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


def test_json_is_no_spec(folder: Path) -> None:
    assert migspec("plan", "good.mig", "-s", "old.npz", "-t", "new.npz", "-o", "plan.json").code == 0
    (folder / "other.json").write_text("{}")
    for name, said in (("plan.json", "a plan"), ("new.json", "a variable map"), ("other.json", "JSON")):
        for command in (*commands(name, "old.npz", "new.npz")[:3], ("check", name), ("fmt", name)):
            finished = migspec(*command)
            assert (finished.code, finished.codes) == (2, ["MIG501"])
            assert f"this is {said}, not a spec" in finished.out + finished.err
    assert "`migspec apply`" in migspec("check", "plan.json").out


@pytest.mark.parametrize(
    ("named", "code", "name", "place"),
    [
        ("./km:make", "MIG501", "km:make", ""),
        ("sub/km:make", "MIG501", "sub.km:make", ""),
        ("../other/km:make", "MIG501", "km:make", "runs in its folder, `../other`"),
        ("km.py", "MIG502", "km:make", ""),
        ("gone.py", "MIG501", "gone:build", ""),
        ("km", "MIG501", "km:make", ""),
        ("km.py:make", "MIG511", "km:make", ""),
    ],
)
def test_a_live_model_that_is_named_like_a_file(folder: Path, named: str, code: str, name: str, place: str) -> None:
    (folder / "km.py").write_text("def helper(x):\n    return x\n\n\ndef make():\n    return None\n")
    for command in (("inspect", named), ("check", "good.mig", "-s", "old.npz", "-t", named)):
        finished = migspec(*command)
        assert (finished.code, finished.codes) == (2, [code])
        said = " ".join((finished.out + finished.err).split())
        assert f"a live model is named `{name}`: package.module:function, without a path or `.py`" in said
        assert place in said and ("runs in" in said) == bool(place) and "did you mean" not in said


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc here")
def test_a_folder_that_takes_no_files(folder: Path) -> None:
    finished = migspec("apply", "good.mig", "-s", "old.npz", "-t", "new.npz", "-o", "/proc/x.npz")
    assert (finished.code, finished.codes) == (2, ["MIG514"])
    assert "does not exist" not in finished.err
