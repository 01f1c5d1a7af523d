"""Reading bytes of an input file at known places, with errors that say which file and where."""

from __future__ import annotations

import os

from migspec.diagnostics.model import SpecError, file_error
from migspec.variables import Variable

_MOST_AXES = 32  # numpy's limit before version 2


def reading_failed(path: str, error: OSError) -> SpecError:
    """The diagnostic (MIG501) for an operating system's refusal to read `path`."""
    cause = os.strerror(error.errno) if error.errno else str(error)
    return file_error("MIG501", path, f"`{path}` cannot be read: {cause[:1].lower()}{cause[1:]}")


def damaged(path: str, cause: str, *notes: str) -> SpecError:
    """The diagnostic (MIG503) for a file whose own statements do not agree."""
    return file_error("MIG503", path, f"`{path}` is damaged: {cause}", notes, ["copy or download the file again"])


def unsupported(path: str, cause: str, *helps: str) -> SpecError:
    """The diagnostic (MIG505) for a file that is right but holds what migspec cannot read."""
    return file_error("MIG505", path, f"`{path}`: {cause}", helps=helps)


def check_shape(path: str, variable: Variable, itemsize: int = 16) -> None:
    """MIG503 if numpy could not make an array of this shape, also where an axis of length 0 hides the lengths of the others."""
    if len(variable.shape) > _MOST_AXES:
        raise unsupported(path, f"`{variable.name}` has {len(variable.shape)} axes; numpy holds at most {_MOST_AXES}")
    size = max(itemsize, 1)
    for length in variable.shape:
        size *= max(length, 1)
    if size >= 1 << 63:
        raise damaged(path, f"`{variable.name}` has the impossible shape {list(variable.shape)}")


class InputFile:
    """An open file that is read at places, also from several threads. `size` is its length in bytes when it was opened."""

    def __init__(self, path: str) -> None:
        """Open `path`; MIG501 if that fails."""
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise reading_failed(path, error) from error
        self._open = True

    def some(self, length: int, offset: int) -> bytes:
        """At most `length` bytes from `offset`, fewer only where the file ends."""
        try:
            return os.pread(self._descriptor, max(0, min(length, self.size - offset)), offset)
        except OSError as error:
            raise reading_failed(self.path, error) from error

    def into(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` with the bytes from `offset`; how many there were, fewer only where the file ends."""
        if offset + len(buffer) > self.size:
            buffer = buffer[: max(0, self.size - offset)]
        try:
            return os.preadv(self._descriptor, (buffer,), offset)
        except OSError as error:
            raise reading_failed(self.path, error) from error

    def exactly(self, length: int, offset: int) -> bytes:
        """The `length` bytes from `offset`; MIG503 if the file ends before. Nothing is allocated that the file cannot fill."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise damaged(self.path, f"bytes {offset} to {offset + length} are missing", f"the file has {self.size} bytes")
        parts = []
        while length:
            part = self.some(min(length, 1 << 30), offset)
            if not part:
                raise damaged(self.path, "it was cut short while it was read")
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._descriptor)
