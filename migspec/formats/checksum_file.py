r"""Digests beside an output, in the form that `sha256sum -c` reads.

A line for each file: the SHA-256 in hexadecimal, two spaces, the file's path from the folder of the list. A name with a
backslash, a line feed or a carriage return has these written as `\\`, `\n` and `\r`, and a backslash in front of the line
(https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from migspec.diagnostics.model import file_error
from migspec.formats.input import reading_failed
from migspec.formats.output import Destination, OutputFile

_PIECE = 1 << 20
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


def checksum_path(output: str) -> str:
    """What the list of an output's digests is called."""
    return output.rstrip("/") + ".sha256"


def refuse_checksums(destination: Destination, *, wanted: bool) -> None:
    """Ask before anything is written whether the digests of an output can be: MIG506 if a list stands there without `overwrite`,
    MIG507 and MIG514 as `Destination.refuse`.

    If none are `wanted`, MIG506 if there is a list that speaks of the output that is replaced: it would be wrong from then on.
    """
    path = checksum_path(destination.path)
    if wanted:
        destination.at(path).refuse()
    elif destination.overwrite and _speaks_of(path, destination.path):
        raise file_error(
            "MIG506",
            path,
            f"`{path}` has the digests of the output that is replaced",
            helps=["have them made anew with `--checksum`", "or remove the file, or choose another name for the output"],
        )


def files_of(output: str, read: Iterable[str]) -> tuple[str, ...]:
    """The files of an output: all files below it if it is a folder, else those that its reader may touch."""
    if not os.path.isdir(output):  # noqa: PTH112 (the paths stay as they are written)
        return tuple(dict.fromkeys(read))
    return tuple(sorted(str(Path(folder) / name) for folder, _, names in os.walk(output) for name in names))


def write_checksums(destination: Destination, files: Sequence[str], progress: Callable[[int], None] | None = None) -> None:
    """Write the digests of these files of an output, complete or not at all. `destination` is that of the output.

    `progress` is called with the number of bytes just read. Raises SpecError: MIG501 if a file cannot be read, MIG514 if the list
    cannot be written.
    """
    path = checksum_path(destination.path)
    folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 (a symbolic link is not followed)
    output = OutputFile(destination.at(path))
    try:
        place = 0
        for file in files:
            line = _line(_digest(file, progress), os.path.relpath(file, folder))
            output.pwrite(line, place)
            place += len(line)
        output.commit()
    finally:
        output.abort()


def remove_stale_checksums(destination: Destination) -> None:
    """The output has just been replaced, and its digests are still to be made: the old ones go at once."""
    if destination.overwrite:
        Path(checksum_path(destination.path)).unlink(missing_ok=True)


def _digest(path: str, progress: Callable[[int], None] | None) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            memory = bytearray(_PIECE)
            while count := file.readinto(memory):
                digest.update(memoryview(memory)[:count])
                if progress:
                    progress(count)
    except OSError as error:
        raise reading_failed(path, error) from error
    return digest.hexdigest()


def _line(digest: str, name: str) -> bytes:
    escaped = "".join(_ESCAPES.get(character, character) for character in name)
    mark = "" if escaped == name else "\\"
    return os.fsencode(f"{mark}{digest}  {escaped}\n")


def _speaks_of(path: str, output: str) -> bool:
    """Whether a file is a list of digests that names a file of an output which is there."""
    name = os.path.basename(output.rstrip("/"))  # noqa: PTH119
    try:
        with open(path, errors="surrogateescape") as file:  # noqa: PTH123
            lines = file.read(_PIECE).splitlines()
    except (OSError, ValueError):
        return False
    parts = (line.lstrip("\\").partition(" ") for line in lines)
    named = [file[1:] for digest, _, file in parts if len(digest) == 64 and file[1:].startswith(name)]
    return any((Path(path).parent / file).exists() for file in named)
