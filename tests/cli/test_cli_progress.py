"""What a terminal shows while bytes move: a line with bytes, rate and time left, and nothing of it afterwards."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
from command_line import OLD, migspec

from migspec.cli.progress import ProgressLine, progress_line

APPLY = ("apply", "good.mig", "-s", "old.npz", "-t", "new.npz", "-o", "out.npz")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """What was written, without colours and the like."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")


def test_bytes_rate_and_time_left() -> None:
    terminal = Terminal()
    line = ProgressLine(terminal)
    with line.step("writing", 4_000_000_000):
        for _ in range(20):
            line(100_000_000)
            time.sleep(0.02)
    assert re.search(r"writing .* [12]\.\d/4\.0 GB +[\d.]+ [GMk]B/s +00:\d\d", terminal.text)


def test_a_step_whose_length_nobody_knows() -> None:
    terminal = Terminal()
    with ProgressLine(terminal).step("saving", 0):
        pass
    assert "saving" in terminal.text


def test_an_error_ends_the_line() -> None:
    terminal = Terminal()
    line = ProgressLine(terminal)
    with pytest.raises(KeyboardInterrupt), line.step("verifying", 100):
        line(50)
        raise KeyboardInterrupt
    line(50)  # a thread that reports late
    assert "verifying" in terminal.text
    assert terminal.getvalue().endswith("\x1b[2K")


def test_no_line_where_none_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_line(io.StringIO()) is None
    assert progress_line(Terminal()) is not None
    monkeypatch.setenv("TERM", "dumb")
    assert progress_line(Terminal()) is None


def test_a_file_or_pipe_gets_one_line(folder: Path) -> None:
    finished = migspec(*APPLY, "--verify", "--checksum")
    summary = r"wrote out\.npz: 2 moved, 1 kept, 1 dropped; 64 B in \d+\.\d\d s, read back and found right, digests in out\.npz\.sha256\n"
    assert re.fullmatch(summary, finished.err)
    assert (folder / "out.npz.sha256").exists()


def on_terminal(folder: Path, *options: str, interrupt: bool = False) -> tuple[int, str]:
    """The exit code, and what a terminal was sent, by a process of its own; `interrupt` presses Ctrl-C when bytes move."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "migspec", *APPLY, *options]
    running = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=_own_terminal)
    os.close(theirs)
    shown = b""
    with os.fdopen(ours, "r+b", buffering=0) as screen:
        while select.select([screen], [], [], 60)[0]:
            try:
                part = screen.read(4096)
            except OSError:  # Linux' way to say that nobody writes any more
                break
            if not part:
                break
            shown += part
            if interrupt and b"writing" in shown:
                interrupt = False
                screen.write(b"\x03")
    return running.wait(60), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def _own_terminal() -> None:
    """The terminal is that of the process, so that Ctrl-C becomes a signal."""
    import fcntl
    import termios

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")
class TestTerminal:
    def test_a_line_for_each_step_and_one_that_stays(self, folder: Path) -> None:
        code, shown = on_terminal(folder, "--verify", "--checksum")
        assert code == 0
        for label in ("writing", "verifying", "summing"):
            assert re.search(rf"{label} .* bytes", shown)
        assert re.search(r"\rwrote out\.npz: [^\r\n]*\r\n$", shown)

    def test_quiet(self, folder: Path) -> None:
        assert on_terminal(folder, "--quiet", "--verify") == (0, "")

    def test_an_error_in_the_middle(self, folder: Path) -> None:
        content = (folder / "old.npz").read_bytes()
        place = content.index(OLD["dense/kernel"].tobytes())
        (folder / "old.npz").write_bytes(content[:place] + b"!" + content[place + 1 :])
        code, shown = on_terminal(folder, "--color", "never")
        assert code == 2
        assert re.search(r"\rerror\[MIG504\]: [^\r]*\r\n", shown)
        assert shown.count("Traceback") == 0

    def test_ctrl_c(self, folder: Path) -> None:
        numpy.savez(folder / "old.npz", **{f"layer_{i}/kernel": numpy.zeros((1 << 20,), "float32") for i in range(40)})
        numpy.savez(folder / "new.npz", **{f"layer_{i}/kernel": numpy.zeros((1 << 20,), "float32") for i in range(40)})
        (folder / "good.mig").write_text("rename layer_{i}/kernel -> layer_{i}/kernel\n")
        before = sorted(folder.iterdir())
        code, shown = on_terminal(folder, interrupt=True)
        assert code == 130
        assert shown.replace("\r\n", "\n").endswith("migspec: interrupted\n") and "Traceback" not in shown
        assert sorted(folder.iterdir()) == before
