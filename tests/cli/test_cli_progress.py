"""What a terminal shows while bytes move: a line with bytes, rate and time left, and nothing of it afterwards."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from command_line import OLD, migspec

from migspec.cli.progress import ProgressLine, duration, progress_line

APPLY = ("apply", "good.mig", "-s", "old.npz", "-t", "new.npz", "-o", "out.npz")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """Each line that was drawn over the one before."""
        return [line.removesuffix("\x1b[K") for line in self.getvalue().split("\r")[1:]]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")


def test_bytes_rate_and_time_left() -> None:
    terminal, times = Terminal(), iter([0.0, 0.01, 1.0, 1.05, 2.0, 4.0])
    line = ProgressLine(terminal, lambda: next(times))
    with line.step("writing", 4_000_000_000):
        for count in (10_000_000, 990_000_000, 1, 999_999_999, 2_000_000_000):
            line(count)
    assert terminal.lines == [
        "writing   ────────────────────────     0 B of 4 GB",
        "writing   ━━━━━━──────────────────    1 GB of 4 GB     1 GB/s  0:03 left",
        "writing   ━━━━━━━━━━━━────────────    2 GB of 4 GB     1 GB/s  0:02 left",
        "writing   ━━━━━━━━━━━━━━━━━━━━━━━━    4 GB of 4 GB, waiting for the disk",
        "",
    ]


def test_a_step_whose_length_nobody_knows() -> None:
    terminal = Terminal()
    with ProgressLine(terminal).step("saving", 0):
        pass
    assert terminal.lines == ["saving", ""]


def test_an_error_leaves_a_clean_line() -> None:
    terminal = Terminal()
    line = ProgressLine(terminal)
    with pytest.raises(KeyboardInterrupt), line.step("verifying", 100):
        line(50)
        raise KeyboardInterrupt
    assert terminal.lines[-1] == "" and len(terminal.lines) > 1


def test_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal()
    with ProgressLine(terminal).step("writing", 100):
        pass
    assert max(map(len, terminal.lines)) == 29


def test_a_terminal_without_line_drawing() -> None:
    terminal = Terminal()
    terminal.encoding = "latin-1"  # type: ignore[misc]
    with ProgressLine(terminal).step("writing", 100):
        pass
    assert terminal.lines[0].isascii()


def test_no_line_where_none_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_line(io.StringIO()) is None
    assert progress_line(Terminal()) is not None
    monkeypatch.setenv("TERM", "dumb")
    assert progress_line(Terminal()) is None


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (10921, "3:02:01")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


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
            if interrupt and b" of " in shown:
                interrupt = False
                screen.write(b"\x03")
    return running.wait(60), shown.decode()


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
        drawn = shown.split("\r")
        for label in ("writing", "verifying", "summing"):
            assert any(line.startswith(label) and " of " in line for line in drawn)
        assert re.search(r"\r\x1b\[Kwrote out\.npz: [^\r\n]*\r\n$", shown)

    def test_quiet(self, folder: Path) -> None:
        assert on_terminal(folder, "--quiet", "--verify") == (0, "")

    def test_an_error_in_the_middle(self, folder: Path) -> None:
        content = (folder / "old.npz").read_bytes()
        place = content.index(OLD["dense/kernel"].tobytes())
        (folder / "old.npz").write_bytes(content[:place] + b"!" + content[place + 1 :])
        code, shown = on_terminal(folder, "--color", "never")
        assert code == 2
        assert re.search(r"^\rwriting [^\r\n]*\x1b\[K\r\x1b\[Kerror\[MIG504\]: [^\r]*\r\n", shown)

    def test_ctrl_c(self, folder: Path) -> None:
        numpy.savez(folder / "old.npz", **{f"layer_{i}/kernel": numpy.zeros((1 << 20,), "float32") for i in range(40)})
        numpy.savez(folder / "new.npz", **{f"layer_{i}/kernel": numpy.zeros((1 << 20,), "float32") for i in range(40)})
        (folder / "good.mig").write_text("rename layer_{i}/kernel -> layer_{i}/kernel\n")
        before = sorted(folder.iterdir())
        code, shown = on_terminal(folder, interrupt=True)
        assert code == 130
        assert shown.replace("\r\n", "\n").endswith("migspec: interrupted\n") and "Traceback" not in shown
        assert sorted(folder.iterdir()) == before
