"""What the children of the fork server do: an `apply` to be killed, one that dies at a certain call, one on a full disk."""

from __future__ import annotations

import ctypes
import errno
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from migspec.__main__ import run
from migspec.formats.output import Destination
from migspec.formats.output_by_framework import written_by_framework

DATA_CALLS = ("pwrite", "pwritev", "write")
FOLDER_CALLS = (
    "open", "mkdir", "rename", "replace", "unlink", "remove", "rmdir", "link", "symlink", "chmod", "fchmod", "fsync", "ftruncate",
)  # fmt: skip

_CLONE_NEWNS = 0x00020000  # https://man7.org/linux/man-pages/man2/unshare.2.html
_CLONE_NEWUSER = 0x10000000


def telling(calls: list[str]) -> list[int]:
    """The numbers (from 1) of the calls at which an end tells most: of each call that comes after a certain other one, the first and
    the last."""
    places: dict[tuple[str, str], list[int]] = {}
    for number, pair in enumerate(itertools.pairwise(["", *calls]), 1):
        places.setdefault(pair, []).append(number)
    return sorted({end for numbers in places.values() for end in (numbers[0], numbers[-1])})


def apply(arguments: list[str]) -> int:
    """The command, as the process `migspec` runs it."""
    return _ended(_command(arguments))


def apply_dying_at(arguments: list[str], number: int, half: bool = False) -> int:
    """The command, killed right before the `number`th call (from 1) that changes the file system; 0: let it live, and print which
    calls there were. With `half`, a call that writes bytes has written half of them."""

    def die(real: Callable[..., Any], given: tuple[Any, ...]) -> None:
        if half and real.__name__ == "pwrite":
            real(given[0], memoryview(given[1]).cast("B")[: len(given[1]) // 2], *given[2:])
        os.kill(os.getpid(), signal.SIGKILL)

    return _watched(_command(arguments), number, die)


def apply_failing_at(arguments: list[str], number: int) -> int:
    """The command, whose `number`th call (from 1) that changes the file system fails with an input/output error."""

    def fail(real: Callable[..., Any], given: tuple[Any, ...]) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    return _watched(_command(arguments), number, fail)


def apply_interrupted_twice(arguments: list[str], calls: list[str], after: float) -> int:
    """The command, interrupted at the first of these calls, and once more `after` so many seconds."""

    def interrupted(real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*given: Any) -> Any:
            if not came:
                came.append(real)
                signal.setitimer(signal.ITIMER_REAL, after or 1e-6)
                os.kill(os.getpid(), signal.SIGINT)
            return real(*given)

        return call

    came: list[Callable[..., Any]] = []
    signal.signal(signal.SIGALRM, lambda number, frame: os.kill(os.getpid(), signal.SIGINT))
    for name in calls:
        setattr(os, name, interrupted(getattr(os, name)))
    code = _ended(_command(arguments))
    assert came
    return code


def write_by_framework_dying_at(out: str, number: int) -> int:
    """A file written as a framework writes it, killed as `apply_dying_at` is."""

    def write() -> None:
        with written_by_framework(Destination(out, overwrite=True), "model.keras") as place:
            place.write_text("ne")
            os.rename(place, place.with_suffix(".part"))  # noqa: PTH104 (the watched call)
            place.with_suffix(".part").replace(place)
            place.write_text("new")

    return _watched(write, number, lambda real, given: os.kill(os.getpid(), signal.SIGKILL))


def _command(arguments: list[str]) -> Callable[[], None]:
    def command() -> None:
        sys.argv = ["migspec", *arguments]
        run()

    return command


def _watched(command: Callable[[], None], number: int, strike: Callable[[Callable[..., Any], tuple[Any, ...]], None]) -> int:
    calls: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*given: Any, **named: Any) -> Any:
            if name != "open" or given[1] & os.O_CREAT:
                calls.append(name)
                if len(calls) == number:
                    strike(real, given)
            return real(*given, **named)

        return call

    for name in (*DATA_CALLS, *FOLDER_CALLS):
        setattr(os, name, watched(name, getattr(os, name)))
    code = _ended(command)
    print(json.dumps(calls))
    return code


def _ended(command: Callable[[], None]) -> int:
    try:
        command()
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def can_mount(folder: str) -> int:
    """0 if a child may mount a file system of its own, else 1; says why not."""
    try:
        mount_small_disk(folder, "1m")
    except OSError as error:
        print(error)
        return 1
    return 0


def apply_on_small_disk(arguments: list[str], place: str, size: str, old: str | None) -> int:
    """The command, where `place` is a file system with room for the content of `old` and not for much more. Prints what is there
    before and after."""
    mount_small_disk(place, size)
    if old is not None:
        shutil.copytree(old, place, dirs_exist_ok=True)
    before = _content(place)
    code = _ended(_command(arguments))
    print(json.dumps({"before": before, "after": _content(place)}))
    return code


def apply_on_read_only_disk(arguments: list[str], place: str, old: str | None) -> int:
    """The command, where `place` is a file system that is mounted read-only."""
    mount_small_disk(place, "64m")
    if old is not None:
        shutil.copytree(old, place, dirs_exist_ok=True)
    before = _content(place)
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    code = _ended(_command(arguments))
    print(json.dumps({"before": before, "after": _content(place)}))
    return code


def mount_small_disk(place: str, size: str) -> None:
    """A tmpfs that only this process sees, and that goes with it: as root, or in a user namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    flags = _CLONE_NEWNS if user == 0 else _CLONE_NEWNS | _CLONE_NEWUSER
    if library.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "no namespace of its own")
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def _content(place: str) -> dict[str, str]:
    """Every file below a folder, hidden ones too, with a digest of its content; folders end in `/`."""
    import hashlib

    found = {}
    for path in sorted(Path(place).rglob("*")):
        name = str(path.relative_to(place))
        found[name if path.is_file() else f"{name}/"] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return found
