"""Output folders that appear under their name complete or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.output import (
    Destination,
    WritableFile,
    output_exists,
    remove_leftovers,
    sync_folder,
    temporary_beside,
    writing_failed,
)

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # https://man7.org/linux/man-pages/man2/rename.2.html


class OutputFolder:
    """A temporary folder beside `destination.path` that takes its place at `commit`.

    `temporary` is where its content is written, by `create` or by a framework's own writer. What stands under the final name is
    replaced only if it `may_replace`: a folder of the same kind, so that a mistyped name costs nobody his files.
    """

    def __init__(self, destination: Destination, may_replace: Callable[[Path], bool]) -> None:
        """Create the temporary folder. MIG506 and MIG507 as `Destination.refuse`, MIG507 also if a file that is read lies in the
        folder that would be replaced, MIG514 if it cannot be created."""
        self._destination = destination
        self._may_replace = may_replace
        self.final = Path(os.path.realpath(destination.path))
        destination.refuse()
        self._check_reading()
        self._check_replaced()
        remove_leftovers(self.final.parent)
        self.temporary = temporary_beside(self.final)
        self._files: list[WritableFile] = []
        try:
            self.temporary.mkdir()
            self._descriptor = os.open(self.temporary, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            shutil.rmtree(self.temporary, ignore_errors=True)
            raise writing_failed(destination.path, error) from error
        self._open = True
        with contextlib.suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def create(self, name: str) -> WritableFile:
        """A new file in the folder; `name` is relative and may hold further folders."""
        place = self._place(name)
        path = str(Path(self._destination.path) / name)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise writing_failed(path, error) from error
        file = WritableFile(path, place)
        self._files.append(file)
        return file

    def create_folder(self, name: str) -> None:
        """A folder in the folder, with those above it; does nothing if it is there."""
        try:
            self._place(name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise writing_failed(str(Path(self._destination.path) / name), error) from error

    def commit(self) -> None:
        """Flush everything and put the folder in place. MIG506 if something has appeared there meanwhile."""
        if not self._destination.overwrite and os.path.lexists(self._destination.path):
            raise output_exists(self._destination.path)
        self._check_replaced()
        for file in self._files:
            file.close()
        if self._destination.sync:
            self._sync_content()
        replaces = os.path.lexists(self.final)
        try:
            if replaces:
                self.temporary.chmod(stat.S_IMODE(self.final.stat().st_mode))
                _exchange(self.temporary, self.final)
            else:
                self.temporary.rename(self.final)
        except OSError as error:
            raise writing_failed(self._destination.path, error) from error
        try:
            if self._destination.sync:
                sync_folder(self._destination.path, self.final.parent)
        except SpecError:
            with contextlib.suppress(OSError):
                if replaces:
                    _exchange(self.temporary, self.final)
                else:
                    self.final.rename(self.temporary)
            raise
        shutil.rmtree(self.temporary, ignore_errors=True)
        self._close()

    def abort(self) -> None:
        """Remove the temporary folder; does nothing after a `commit` that succeeded, or a second time."""
        if self._open:
            for file in self._files:
                with contextlib.suppress(SpecError):
                    file.close()
            shutil.rmtree(self.temporary, ignore_errors=True)
            self._close()

    def _place(self, name: str) -> Path:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{name!r} does not lie in the folder")
        return self.temporary / name

    def _check_reading(self) -> None:
        for other in self._destination.reading:
            if self.final in Path(os.path.realpath(other)).parents:
                raise file_error(
                    "MIG507",
                    self._destination.path,
                    f"`{self._destination.path}` cannot be the output: `{other}` in it is read",
                    helps=["write to another folder, and move it later"],
                )

    def _check_replaced(self) -> None:
        if not os.path.lexists(self.final) or not self._destination.overwrite:
            return
        path = self._destination.path
        try:
            kept = None
            if not self.final.is_dir():
                kept = f"`{path}` is a file, and the output is a folder"
            elif any(self.final.iterdir()) and not self._may_replace(self.final):
                kept = f"`{path}` is a folder of another kind, and is not replaced"
        except OSError as error:
            raise writing_failed(path, error) from error
        if kept is not None:
            raise file_error("MIG506", path, kept, helps=["choose another name, or remove what is there yourself"])

    def _sync_content(self) -> None:
        for folder, _, names in os.walk(self.temporary):
            for name in names:
                try:
                    descriptor = os.open(Path(folder) / name, os.O_RDONLY)
                    try:
                        os.fsync(descriptor)
                    finally:
                        os.close(descriptor)
                except OSError as error:
                    raise writing_failed(self._destination.path, error) from error
            sync_folder(self._destination.path, Path(folder))

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._descriptor)


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step, so that no moment has neither; in three steps where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None and rename(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0:
        return
    aside = temporary_beside(old)
    old.rename(aside)
    try:
        new.rename(old)
        try:
            aside.rename(new)
        except OSError:
            old.rename(new)
            raise
    except OSError:
        aside.rename(old)
        raise
