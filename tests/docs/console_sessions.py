"""Console sessions in Markdown pages: run, compared with what the page shows, or brought up to date.

A `console` block holds commands (`$ ...`) with what they print, both streams together. A block whose info string names a file
(`mig my.mig`, `python compare.py`) is written to that file first. A line `...` stands for any lines.

To bring a page's sessions up to date: `python tests/docs/console_sessions.py docs/tutorial.md`
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_pages import Block, blocks, text_of

_SECONDS = re.compile(r"\bin \d+\.\d+ s\b")
_SMALL = re.compile(r"\b\d(?:\.\d+)?e-0[6-9]\b")
# where `verify` found the largest difference; and that it found none, which another machine may not say
_PLACE = re.compile(r"  at \[[\d, ]+\]: \S+ old, \S+ new$")
_NO_DIFFERENCE = re.compile(r"(largest (?:absolute|relative) difference)  0$")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a session, and the lines that the page shows under it."""

    line: str
    shown: tuple[str, ...]


def commands(content: str) -> list[Command]:
    """The commands of a `console` block."""
    found: list[tuple[str, list[str]]] = []
    for line in content.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"output without a command: {line}"
            found[-1][1].append(line)
    return [Command(line, tuple(shown)) for line, shown in found]


def file_of(block: Block) -> str | None:
    """The file that a block is the content of."""
    words = block.info.split(" ")
    return words[1] if len(words) == 2 and "." in words[1] else None


class Shell:
    """Runs commands one after the other; `cd` is remembered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content, encoding="utf-8")

    def run(self, line: str) -> list[str]:
        """The lines that a command prints, its two streams together, without white space at their ends."""
        words = shlex.split(line)
        if words[0] == "cd":
            self.folder = self.folder / words[1]
            return []
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "COLUMNS": "100",
        }
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode in (0, 1), f"{line}: exit code {done.returncode}\n{done.stdout}"
        return [one.rstrip() for one in done.stdout.splitlines()]


def steps(page: Path) -> Iterator[tuple[Block, str | None]]:
    """The blocks that a session consists of, each with the file that it is written to, if any."""
    for block in blocks(page):
        name = file_of(block)
        if name is not None or block.info == "console":
            yield block, name


def agrees(shown: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the output is the one shown, up to timings, rounding errors, and lines that the page leaves out."""
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(_normal(line)) + r"\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{_normal(line)}\n" for line in printed)) is not None


def _normal(line: str) -> str:
    line = _PLACE.sub("", _SECONDS.sub("in N s", line.rstrip()))
    return _SMALL.sub("SMALL", _NO_DIFFERENCE.sub(r"\1  1e-09", line))


def updated(page: Path, folder: Path) -> str:
    """The page with what its commands print now. An output of which the page leaves out lines is kept as long as it agrees."""
    lines = text_of(page).splitlines()
    result: list[str] = []
    taken = 0
    shell = Shell(folder)
    for block, name in steps(page):
        if name is not None:
            shell.write(name, block.content)
            continue
        result += lines[taken : block.line]
        taken = block.line + len(block.content.splitlines())
        for command in commands(block.content):
            printed = shell.run(command.line)
            result.append(f"$ {command.line}")
            result += command.shown if agrees(command.shown, printed) else printed
    return "\n".join([*result, *lines[taken:]]) + "\n"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as temporary:
            Path(argument).write_text(updated(Path(argument), Path(temporary)), encoding="utf-8")
