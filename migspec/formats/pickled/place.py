"""Where a pickle lies (in a file, or packed in a member of a zip), and a cursor that goes through it."""

from __future__ import annotations

from typing import Protocol

from migspec.formats.input import InputFile, damaged
from migspec.formats.zip_members import ZipMembers

_WINDOW = 1 << 14  # bytes read at a time: values between the parts of a pickle are skipped, not read
_LINE_LIMIT = 1 << 12


class Place(Protocol):
    """A run of bytes that can be read at any offset."""

    @property
    def path(self) -> str:
        """The file, as the user named it."""

    @property
    def size(self) -> int: ...

    def some(self, length: int, offset: int) -> bytes:
        """At most `length` bytes from `offset`, fewer only where the place ends."""

    def file_offset(self, offset: int) -> int | None:
        """Where the byte at `offset` lies in the file; None if the file holds it only packed."""


class FilePlace:
    """Bytes that lie in a file as they are."""

    def __init__(self, file: InputFile, start: int = 0, size: int | None = None) -> None:
        self._file = file
        self._start = start
        self._size = file.size - start if size is None else size

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def size(self) -> int:
        return self._size

    def some(self, length: int, offset: int) -> bytes:
        return self._file.some(min(length, self._size - offset), self._start + offset)

    def file_offset(self, offset: int) -> int | None:
        return self._start + offset


class MemberPlace:
    """The unpacked bytes of a zip member. Reading forward is cheap, reading backward unpacks from the start again."""

    def __init__(self, members: ZipMembers, member: str, start: int = 0) -> None:
        self._members = members
        self._member = member
        self._start = start
        self._size = members.check(member).file_size - start

    @property
    def path(self) -> str:
        return self._members.file.path

    @property
    def size(self) -> int:
        return self._size

    def some(self, length: int, offset: int) -> bytes:
        return self._members.read_at(self._member, max(0, min(length, self._size - offset)), self._start + offset)

    def file_offset(self, offset: int) -> int | None:  # noqa: ARG002
        return None


class PartPlace:
    """A part of another place."""

    def __init__(self, whole: Place, start: int, size: int) -> None:
        self._whole = whole
        self._start = start
        self._size = size

    @property
    def path(self) -> str:
        return self._whole.path

    @property
    def size(self) -> int:
        return self._size

    def some(self, length: int, offset: int) -> bytes:
        return self._whole.some(min(length, self._size - offset), self._start + offset)

    def file_offset(self, offset: int) -> int | None:
        return self._whole.file_offset(self._start + offset)


def member_place(members: ZipMembers, member: str, start: int = 0) -> Place:
    """The bytes of a zip member from `start` on, in place if it is stored. Raises SpecError if the zip lies about it."""
    info = members.check(member)
    if members.is_stored(info):
        return FilePlace(members.file, members.offset(info) + start, info.file_size - start)
    return MemberPlace(members, member, start)


class Cursor:
    """Goes forward through a place. Whatever would go over its end is MIG503, and nothing is allocated for it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._window = b""
        self._start = 0  # of the window, in the place
        self._at = 0  # in the window

    @property
    def position(self) -> int:
        return self._start + self._at

    @property
    def remaining(self) -> int:
        return self.place.size - self.position

    def byte(self) -> int:
        """The next byte."""
        if self._at == len(self._window):
            self._fill(1)
        value = self._window[self._at]
        self._at += 1
        return value

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        end = self._at + length
        if end > len(self._window):
            self._fill(length)
            end = self._at + length
        data = self._window[self._at : end]
        self._at = end
        return data

    def skip(self, length: int) -> None:
        """Leave out the next `length` bytes."""
        self._check(length)
        self._at += length
        if self._at > len(self._window):
            self._start, self._window, self._at = self.position, b"", 0

    def line(self) -> bytes:
        """The bytes up to the next end of a line, and past it. A line that no short value needs is MIG503."""
        begin, length = self.long_line()
        if length > _LINE_LIMIT:
            raise damaged(self.place.path, f"its pickle has a line of {length} bytes at byte {begin}")
        return self.place.some(length, begin)

    def long_line(self) -> tuple[int, int]:
        """Where the next line begins, and its length; the cursor is then past its end."""
        begin = self.position
        while True:
            found = self._window.find(b"\n", self._at)
            if found >= 0:
                length = self._start + found - begin
                self._at = found + 1
                return begin, length
            self._at = len(self._window)
            self._fill(1)

    def _check(self, length: int) -> None:
        if length > self.remaining:
            raise damaged(self.place.path, f"its pickle ends within the value at byte {self.position}")

    def _fill(self, length: int) -> None:
        self._check(length)
        self._start, self._at = self.position, 0
        self._window = self.place.some(max(_WINDOW, length), self._start)
        if len(self._window) < length:
            raise damaged(self.place.path, "it was cut short while it was read")
