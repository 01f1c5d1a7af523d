"""Output files that appear under their name complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import re
import secrets
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from migspec.diagnostics.model import SpecError, file_error

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LEFTOVER = re.compile(r"\..+\.migspec-(\d+)-[0-9a-f]{8}\.tmp")
_LONGEST_NAME = 200  # bytes of the final name that the temporary name repeats; file systems allow 255 in all

_MOST_PIECES = 1024  # of one system call: Linux' IOV_MAX

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


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an output goes, and what is allowed there.

    `path` is as the user wrote it. With `overwrite` what stands there is replaced. Without `sync` the bytes are left to the
    operating system: after a power cut the output may be damaged. `reading` are the files that are read meanwhile, and the folders
    that are read as a whole: no part of an output may replace one of them, or lie in one.
    """

    path: str
    overwrite: bool = False
    sync: bool = True
    reading: tuple[str, ...] = ()

    def at(self, path: str) -> Destination:
        """The same for another file of the same output."""
        return replace(self, path=path)

    def refuse(self) -> None:
        """MIG507 if `path` is one of the files that are read or lies in one of the folders, MIG506 if it exists without `overwrite`,
        MIG514 if its folder does not exist or no file can have its name."""
        if not _is_name(self.path):
            raise file_error("MIG514", self.path, f"{self.path!r} cannot be written: no file can have this name")
        for other in self.reading:
            if _is_same_file(self.path, other):
                raise _is_read(self.path, f"`{self.path}` is read, so it cannot be the output")
            if os.path.isdir(other) and Path(os.path.realpath(other)) in Path(os.path.realpath(self.path)).parents:  # noqa: PTH112
                raise _is_read(self.path, f"`{self.path}` lies in `{other}`, which is read")
        if not self.overwrite and os.path.lexists(self.path):
            raise output_exists(self.path)
        if not Path(self.path).absolute().parent.is_dir():
            raise writing_failed(self.path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))


def replace_text(path: str, text: str) -> None:
    """Write a small text file in UTF-8, complete or not at all, in place of what stands there. MIG514 if that fails."""
    output = OutputFile(Destination(path, overwrite=True))
    try:
        output.pwrite(text.encode(), 0)
        output.commit()
    finally:
        output.abort()


class WritableFile:
    """A new file, written at places, also from several threads.

    `temporary` is where it lies; errors name `path`, what the user calls it. Every error of the operating system is a
    `SpecError` with MIG514.
    """

    def __init__(self, path: str, temporary: Path) -> None:
        """Create the file."""
        self.path = path
        self.temporary = temporary
        try:
            self._descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise writing_failed(path, error) from error
        self._open = True

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

    def pwrite_all(self, pieces: Sequence[memoryview], offset: int) -> None:
        """Write these pieces one behind the other, from `offset` on."""
        for first in range(0, len(pieces), _MOST_PIECES):
            group = pieces[first : first + _MOST_PIECES]
            total = sum(map(len, group))
            try:
                written = os.pwritev(self._descriptor, group, offset)
            except OSError as error:
                raise writing_failed(self.path, error) from error
            if written < total:
                self.pwrite(b"".join(group)[written:], offset + written)
            offset += total

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

    def sync(self) -> None:
        """Flush everything to the disk."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise writing_failed(self.path, error) from error

    def close(self) -> None:
        """Close it; does nothing a second time."""
        if self._open:
            self._open = False
            descriptor, self._descriptor = self._descriptor, -1  # its number may soon be another file's
            try:
                os.close(descriptor)
            except OSError as error:
                raise writing_failed(self.path, error) from error


class OutputFile(WritableFile):
    """A temporary file beside `destination.path` that takes its place at `commit`.

    Until then nothing is visible under that name, and a file that stands there is untouched. If it is a symbolic link, what
    it points to is replaced. After an error, call `abort`.
    """

    def __init__(self, destination: Destination) -> None:
        """Create the temporary file. MIG506 and MIG507 as `Destination.refuse`, MIG514 if it cannot be written."""
        self._destination = destination
        destination.refuse()
        self.final = Path(os.path.realpath(destination.path))  # unlike Path.resolve, no error where links go in circles
        if os.path.isdir(self.final):  # noqa: PTH112 (Path.is_dir raises on a name that is too long)
            raise writing_failed(destination.path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
        remove_leftovers(self.final.parent)
        super().__init__(destination.path, temporary_beside(self.final))
        with contextlib.suppress(OSError):  # some file systems have no locks; the process number then protects the file alone
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def commit(self) -> None:
        """Flush everything to the disk and put the file in place. MIG506 if a file has appeared there meanwhile."""
        self.finish()
        self.place()
        if self._destination.sync:
            sync_folder(self.path, self.final.parent)

    def finish(self) -> None:
        """The first half of `commit`: everything but the name. MIG506 if a file has appeared there meanwhile."""
        if not self._destination.overwrite and os.path.lexists(self.path):
            raise output_exists(self.path)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(self._descriptor, stat.S_IMODE(self.final.stat().st_mode))
        except OSError as error:
            raise writing_failed(self.path, error) from error
        if self._destination.sync:
            self.sync()

    def place(self) -> None:
        """The other half of `commit`: the name."""
        try:
            self.temporary.replace(self.final)
        except OSError as error:
            raise writing_failed(self.path, error) from error
        self.close()

    def abort(self) -> None:
        """Remove the temporary file; does nothing after a `commit` that succeeded, or a second time."""
        if self._open:
            with contextlib.suppress(OSError):
                self.temporary.unlink()
            with contextlib.suppress(SpecError):
                self.close()


class OutputStream(io.RawIOBase):
    """A `WritableFile` under the interface that `zipfile` and h5py write to."""

    def __init__(self, output: WritableFile) -> None:
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


def temporary_beside(final: Path) -> Path:
    """A new name in the folder of `final` by which a later run knows what a killed one has left."""
    return final.parent / f"{_temporary_prefix(final)}{os.getpid()}-{secrets.token_hex(4)}.tmp"


def _temporary_prefix(final: Path) -> str:
    name = os.fsdecode(os.fsencode(final.name)[:_LONGEST_NAME])
    return f".{name}.migspec-"


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` that an earlier migspec left when it was killed.

    One is left alone while the process that its name tells lives, or while any process (on another machine that shares the
    folder, say) holds its lock. Nothing that goes wrong here is an error: they are only in the way.
    """
    try:
        with os.scandir(folder) as entries:
            found = [(entry.path, match) for entry in entries if (match := _LEFTOVER.fullmatch(entry.name))]
    except OSError:
        return
    for path, match in found:
        if not _is_alive(int(match[1])):
            with contextlib.suppress(OSError):
                _remove_unlocked(path)


def was_left_by_killed(final: Path) -> bool:
    """Whether a process that no longer lives has left a temporary file for `final`."""
    prefix = _temporary_prefix(final)
    try:
        with os.scandir(final.parent) as entries:
            found = [match for entry in entries if entry.name.startswith(prefix) and (match := _LEFTOVER.fullmatch(entry.name))]
    except OSError:
        return False
    return any(not _is_alive(int(match[1])) for match in found)


def _remove_unlocked(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            shutil.rmtree(path)
        else:
            Path(path).unlink()
    finally:
        os.close(descriptor)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _is_name(path: str) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _is_read(path: str, message: str) -> SpecError:
    return file_error("MIG507", path, message, helps=["write to another place, and move it later"])


def _is_same_file(left: str, right: str) -> bool:
    if os.path.realpath(left) == os.path.realpath(right):
        return True
    try:
        return Path(left).samefile(right)
    except (OSError, ValueError):
        return False


def sync_folder(path: str, folder: Path) -> None:
    """Flush the names in `folder` to the disk. MIG514, which names `path`, if that fails."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # the file system does not sync folders
            raise writing_failed(path, error) from error
