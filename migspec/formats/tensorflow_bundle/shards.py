"""The data files of a bundle: ranges of bytes, checked against the files' sizes before anything is allocated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from migspec.diagnostics import SpecError, file_error
from migspec.formats.crc32c import crc32c
from migspec.formats.lfs_pointer import pointer_helps

if TYPE_CHECKING:
    import numpy

_PIECE = 1 << 20  # bytes read and summed at a time, so that the checksum finds them in the cache


def is_missing(path: str) -> bool:
    """Whether the data file is not there. One that may not be looked at is not missing: reading it says what is wrong."""
    try:
        Path(path).stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False


def require_range(path: str, offset: int, size: int) -> int:
    """The size of the data file. MIG501 if it is missing or unreadable, MIG503 if it ends before `offset + size`."""
    try:
        actual = Path(path).stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    if offset + size > actual:
        raise _too_short(path, offset, size, actual)
    return actual


def read_range(path: str, offset: int, destination: numpy.ndarray) -> int:
    """Fill `destination` (one axis of uint8) with the bytes from `offset`; the result is their CRC-32C. Errors as above."""
    checksum = 0
    position = 0
    if not len(destination):
        return checksum
    try:
        with Path(path).open("rb", buffering=0) as file:
            file.seek(offset)
            while position < len(destination):
                piece = destination[position : position + _PIECE]
                count = file.readinto(piece.data)
                if not count:
                    raise _too_short(path, offset, len(destination), offset + position)
                checksum = crc32c(piece[:count], checksum)
                position += count
    except OSError as error:
        raise _unreadable(path, error) from None
    return checksum


def _unreadable(path: str, error: OSError) -> SpecError:
    if isinstance(error, FileNotFoundError):
        return file_error(
            "MIG501",
            path,
            "a data file of the checkpoint is missing",
            notes=(f"{path} does not exist; its index beside it does, which is enough to check a spec but not to apply it",),
            helps=("copy the data file to the place of the index",),
        )
    return file_error("MIG501", path, f"a data file of the checkpoint cannot be read: {error.strerror}")


def _too_short(path: str, offset: int, size: int, actual: int) -> SpecError:
    return file_error(
        "MIG503",
        path,
        "a data file of the checkpoint is cut short",
        notes=(f"a variable takes the bytes {offset} to {offset + size}, the file has {actual}",),
        helps=pointer_helps(path) or ("copy the file again from where it was whole",),
    )
