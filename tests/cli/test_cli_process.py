"""What only a process of its own shows: pipes that close, Ctrl-C, terminals' colours, the entry points, help and typing errors."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy
import pytest
from command_line import migspec, process, without_color

from migspec.__main__ import run

COMMANDS = ["inspect", "check", "plan", "apply", "why", "test", "explain", "fmt", "demo"]


def test_the_module_is_the_command(folder: Path) -> None:
    finished = process("inspect", "old.npz", cwd=folder)
    assert finished.returncode == 0
    assert finished.stdout == migspec("inspect", "old.npz").out
    assert process("inspect", "missing.npz", cwd=folder).returncode == 2


def test_version() -> None:
    finished = migspec("--version")
    assert (finished.code, finished.out) == (0, f"migspec {importlib.metadata.version('migspec')}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    for option in ("--help", "-h"):
        finished = migspec(command, option)
        assert finished.code == 0 and finished.out.startswith(f"Usage: migspec {command}")
    assert f"  {command} " in migspec("--help").out


def test_nothing_to_do_shows_the_help() -> None:
    finished = migspec()
    assert finished.code == 2 and "Usage: migspec" in finished.out + finished.err


@pytest.mark.parametrize(
    ("typed", "meant"), [("chek", "check"), ("aply", "apply"), ("inspct", "inspect"), ("explian", "explain")]
)
def test_a_misspelt_command(typed: str, meant: str) -> None:
    finished = migspec(typed, "x")
    assert (finished.code, finished.out) == (2, "")
    assert f"Did you mean '{meant}'?" in finished.err


@pytest.mark.parametrize(("typed", "meant"), [("--sorce", "--source"), ("--targt", "--target"), ("--alow", "--allow")])
def test_a_misspelt_option(typed: str, meant: str) -> None:
    finished = migspec("check", "good.mig", typed, "x")
    assert (finished.code, finished.out) == (2, "")
    assert meant in finished.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("inspect",),
        ("inspect", "a", "b"),
        ("apply", "good.mig"),
        ("apply", "good.mig", "-s", "old.npz", "-t", "new.npz"),
        ("apply", "good.mig", "-s", "old.npz", "-t", "new.npz", "-o", "x.npz", "--jobs", "0"),
        ("why", "x"),
        ("fmt",),
        ("check", "good.mig", "--output-format", "xml"),
        ("check", "good.mig", "--color", "blue"),
        ("nonsense-entirely",),
    ],
)
def test_usage_errors(folder: Path, arguments: tuple[str, ...]) -> None:
    finished = migspec(*arguments)
    assert (finished.code, finished.out) == (2, "")
    assert "Usage: migspec" in finished.err and "Error: " in finished.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("inspect", "deep.npz", "--all"), 0), (("explain",), 0), (("check", "bad.mig", "-s", "deep.npz", "-t", "new.npz"), 1)],
)
def test_a_reader_that_goes_away(folder: Path, arguments: tuple[str, ...], code: int) -> None:
    """As in `migspec ... | head`: no complaint, and the verdict of `check` stays."""
    numpy.savez(folder / "deep.npz", **{f"layer_{i}/{'long' * 20}": numpy.zeros(i % 7 + 1) for i in range(2000)})
    (folder / "bad.mig").write_text("".join(f"rename a_{i} -> b_{i}\n" for i in range(300)))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        finished = process(*arguments, cwd=folder, capture_output=False, stdout=closed, stderr=subprocess.PIPE)
    assert finished.returncode == code
    assert "Traceback" not in finished.stderr and "BrokenPipe" not in finished.stderr and "Exception" not in finished.stderr


def _heed_interrupts() -> None:
    """Whoever runs the tests may ignore SIGINT, as a job in the background does, and processes inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c(folder: Path) -> None:
    """In the middle of a command: a live model whose function is still at work."""
    (folder / "slow_model_here.py").write_text(
        "import pathlib, time\ndef build():\n    pathlib.Path('started').touch()\n    time.sleep(100)\n"
    )
    command = [sys.executable, "-m", "migspec", "check", "good.mig", "-s", "old.npz", "-t", "slow_model_here:build"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, preexec_fn=_heed_interrupts, **pipes) as running:
        try:
            for _ in range(600):
                if (folder / "started").exists() or running.poll() is not None:
                    break
                time.sleep(0.1)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert (running.returncode, out) == (130, "")
    assert err.strip() == "migspec: interrupted"


def test_ctrl_c_while_bytes_move(folder: Path) -> None:
    """Nothing is left of the output."""
    with mock.patch("migspec.application.run", side_effect=KeyboardInterrupt):
        finished = migspec("apply", "good.mig", "-s", "old.npz", "-t", "new.npz", "-o", "out.npz")
    assert finished.code == 130
    assert {path.name for path in folder.iterdir()} == {"old.npz", "new.npz", "new.json", "good.mig", "mapped.mig"}


def test_a_bug_says_that_it_is_one(folder: Path) -> None:
    with mock.patch("migspec.compiler.compile_spec", side_effect=ZeroDivisionError("oh")):
        finished = migspec("check", "good.mig", "-s", "old.npz", "-t", "new.npz")
    assert (finished.code, finished.out) == (101, "")
    assert "ZeroDivisionError: oh" in finished.err and "this is a bug in migspec" in finished.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")
@pytest.mark.parametrize(
    ("settings", "colored"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colors_on_a_terminal(folder: Path, settings: dict[str, str], colored: bool) -> None:
    import pty

    (folder / "bad.mig").write_text("renam a -> b\n")
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        finished = process(
            "check",
            "bad.mig",
            cwd=folder,
            capture_output=False,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env=without_color() | settings,
        )
        os.close(theirs)
        shown = screen.read(4096)
    assert finished.returncode == 1
    assert b"MIG102" in shown and (b"\x1b[" in shown) is colored


def test_the_entry_point_is_the_command_line() -> None:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="migspec")
    assert script.load() is run
