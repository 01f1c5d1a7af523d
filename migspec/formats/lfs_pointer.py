"""Pointer files that Git LFS leaves in the place of a large file that was never fetched."""

from __future__ import annotations

from pathlib import Path

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_POINTER = b"version https://git-lfs.github.com/spec/"


def pointer_helps(path: str) -> tuple[str, ...]:
    """What to do about a file that is too short: a line if it is such a pointer, else nothing."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(len(_POINTER))
    except OSError:
        return ()
    if start == _POINTER:
        return ("the file is a pointer that Git LFS left here: fetch the real one with `git lfs pull`",)
    return ()
