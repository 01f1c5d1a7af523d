"""Output files that appear under their name complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from migspec.diagnostics.model import SpecError, file_error

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LEFTOVER = re.compile(r"\..+\.migspec-(\d+)-[0-9a-f]{8}\.tmp")
_LONGEST_NAME = 200  # bytes of the final name that the temporary name repeats; file systems allow 255 in all

_CAUSES = {
    errno.ENOSPC: ("no space left on the device", "free some space, or write to another disk"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or write to another disk"),
    errno.EFBIG: ("the file system does not hold a file of this size", "write to another file system"),
    errno.EACCES: ("permission denied", "write to a folder that you may write to"),
    errno.EPERM: ("operation not permitted", "write to a folder that you may write to"),
    errno.EROFS: ("the file system is read-only", "write to another folder"),
    errno.ENOENT: ("its folder does not exist", "create the folder first"),
    errno.ENOTDIR: ("a part of its path is no folder", "name a file inside an existing folder"),
    errno.EISDIR: ("it is a folder", "name a file inside that folder"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter name"),
    errno.EIO: ("the device reports an input/output error", "write to another disk"),
}


def writing_failed(path: str, error: OSError) -> SpecError:
    """The diagnostic (MIG514) for an operating system's refusal to write `path`."""
    cause, help_text = _CAUSES.get(error.errno or 0, (os.strerror(error.errno) if error.errno else str(error), ""))
    if error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(os.path.realpath(path))):  # noqa: PTH112, PTH120 (a long name)
        cause, help_text = "its folder takes no new files", "write to another folder"  # `/proc`, say
    return file_error("MIG514", path, f"`{path}` cannot be written: {cause}", helps=[help_text] if help_text else [])


def output_exists(path: str) -> SpecError:
    """The diagnostic (MIG506) for an output that would replace a file."""
    return file_error("MIG506", path, f"`{path}` exists already", helps=["overwrite it with `--force`, or choose another name"])


def replace_text(path: str, text: str) -> None:
    """Write a small text file in UTF-8, complete or not at all, in place of what stands there. MIG514 if that fails."""
    output = OutputFile(path, overwrite=True)
    try:
        output.pwrite(text.encode(), 0)
        output.commit()
    finally:
        output.abort()


class OutputFile:
    """A temporary file beside `path` that takes its place at `commit`.

    Until then nothing is visible under `path`, and a file that stands there is untouched. If `path` is a symbolic link, what
    it points to is replaced. `pwrite` and `pread` may be called from several threads. Every error of the operating system is a
    `SpecError` with MIG514; after one, call `abort`.
    """

    def __init__(self, path: str, *, overwrite: bool = False) -> None:
        """Create the temporary file. MIG506 if `path` exists and `overwrite` is not set, MIG514 if it cannot be written."""
        self.path = path
        self._overwrite = overwrite
        self._final = Path(os.path.realpath(path))  # unlike Path.resolve, no error where links go in circles
        if os.path.isdir(self._final):  # noqa: PTH112 (Path.is_dir raises on a name that is too long)
            raise writing_failed(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
        if not overwrite and os.path.lexists(path):
            raise output_exists(path)
        remove_leftovers(self._final.parent)
        name = os.fsdecode(os.fsencode(self._final.name)[:_LONGEST_NAME])
        self.temporary = self._final.parent / f".{name}.migspec-{os.getpid()}-{secrets.token_hex(4)}.tmp"
        try:
            self._descriptor = os.open(self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise writing_failed(path, error) from error
        self._open = True
        with contextlib.suppress(OSError):  # some file systems have no locks; the process number then protects the file alone
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def pwrite(self, data: Buffer, offset: int) -> None:
        """Write all of `data` at `offset`."""
        rest = memoryview(data).cast("B")
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, offset)
                rest = rest[written:]
                offset += written
        except OSError as error:
            raise writing_failed(self.path, error) from error

    def pread(self, length: int, offset: int) -> bytes:
        """At most `length` bytes of what was written, from `offset`; fewer only at the end of the file."""
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise writing_failed(self.path, error) from error

    def truncate(self, size: int) -> None:
        """Make the file `size` bytes long; a part that was never written reads as zeros."""
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise writing_failed(self.path, error) from error

    @property
    def size(self) -> int:
        """The length of the file so far, in bytes."""
        try:
            return os.fstat(self._descriptor).st_size
        except OSError as error:
            raise writing_failed(self.path, error) from error

    def stream(self) -> OutputStream:
        """The file as a Python file object with a position of its own; closing it leaves the file open."""
        return OutputStream(self)

    def commit(self) -> None:
        """Flush everything to the disk and put the file in place. MIG506 if a file has appeared there meanwhile."""
        try:
            if not self._overwrite and os.path.lexists(self.path):
                raise output_exists(self.path)
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(self._descriptor, stat.S_IMODE(self._final.stat().st_mode))
            os.fsync(self._descriptor)
            self.temporary.replace(self._final)
            self._close()
            _sync_folder(self._final.parent)
        except OSError as error:
            raise writing_failed(self.path, error) from error

    def abort(self) -> None:
        """Remove the temporary file; does nothing after a `commit` that succeeded, or a second time."""
        if self._open:
            with contextlib.suppress(OSError):
                self.temporary.unlink()
            with contextlib.suppress(OSError):
                self._close()

    def _close(self) -> None:
        if self._open:
            self._open = False
            descriptor, self._descriptor = self._descriptor, -1  # its number may soon be another file's
            os.close(descriptor)


class OutputStream(io.RawIOBase):
    """An `OutputFile` under the interface that `zipfile` and h5py write to."""

    def __init__(self, output: OutputFile) -> None:
        self._output = output
        self._position = 0
        self._discarding = False

    def discard(self) -> None:
        """From now on writes go nowhere: what writes here may be closed after the file is gone."""
        self._discarding = True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: 0}[whence]
        if whence == os.SEEK_END and not self._discarding:
            start = self._output.size
        self._position = start + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        size = self._position if size is None else size
        self._output.truncate(size)
        return size

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        data = self._output.pread(len(target), self._position)
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def write(self, data: Buffer) -> int:
        length = memoryview(data).nbytes
        if not self._discarding:
            self._output.pwrite(data, self._position)
        self._position += length
        return length


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in `folder` that an earlier migspec left when it was killed.

    A file is left alone while the process that its name tells lives, or while any process (on another machine that shares the
    folder, say) holds its lock. Nothing that goes wrong here is an error: the files are only in the way.
    """
    try:
        found = [(path, match) for path in folder.iterdir() if (match := _LEFTOVER.fullmatch(path.name))]
    except OSError:
        return
    for path, match in found:
        if not _is_alive(int(match[1])):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # the file system does not sync folders
            raise
    finally:
        os.close(descriptor)
