"""An output file that a framework's own writer makes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from migspec.formats.output import (
    Destination,
    output_exists,
    remove_leftovers,
    sync_folder,
    temporary_beside,
    writing_failed,
)


@contextlib.contextmanager
def written_by_framework(destination: Destination, name: str) -> Iterator[Path]:
    """Where a framework may write a file called `name`, with the ending that it insists on: a folder beside the final place.

    When the context ends without an error, the file is flushed to the disk and put in place. Whatever else the framework has left
    beside it is removed, and so is everything after an error. MIG506 and MIG507 as `Destination.refuse`, MIG514 if the file
    cannot be put in place; what the framework raises is the caller's.
    """
    final = Path(os.path.realpath(destination.path))
    if final.is_dir():
        raise writing_failed(destination.path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    destination.refuse()
    remove_leftovers(final.parent)
    folder = temporary_beside(final)
    try:
        folder.mkdir()
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise writing_failed(destination.path, error) from error
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder / name
        _place(destination, folder / name, final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _place(destination: Destination, temporary: Path, final: Path) -> None:
    if not destination.overwrite and os.path.lexists(destination.path):
        raise output_exists(destination.path)
    try:
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(final.stat().st_mode))
        if destination.sync:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.replace(final)
    except OSError as error:
        raise writing_failed(destination.path, error) from error
    if destination.sync:
        sync_folder(destination.path, final.parent)
