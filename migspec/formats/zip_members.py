"""The members of a zip file and where their bytes lie, with every claim of the directory checked against the file.

Layout: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7 (local header) and 4.4.
"""

from __future__ import annotations

import errno
import struct
import zipfile
import zlib
from contextlib import contextmanager
from threading import Lock
from typing import IO, TYPE_CHECKING

from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.input import InputFile, damaged, reading_failed, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
_DEFLATE_LIMIT = 1040  # deflate makes at most 1032 bytes out of one (zlib's technical details)
_ENCRYPTED = 0x1


class ZipMembers:
    """The directory of one zip file. Raises `SpecError`: MIG501, MIG503, MIG505."""

    def __init__(self, file: InputFile) -> None:
        self.file = file
        with _zip_errors(file.path):
            self._zip = zipfile.ZipFile(file.path)
        self._lock = Lock()
        self._unpacking: tuple[str, IO[bytes]] | None = None  # the member that `read_at` read last
        self.infos: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.filename in self.infos:
                raise damaged(file.path, f"its zip directory lists `{info.filename}` twice")
            self.infos[info.filename] = info

    def check(self, name: str) -> zipfile.ZipInfo:
        """The entry of a member that can be read; an encrypted one, or one whose sizes cannot be true, is an error."""
        info = self.infos[name]
        if info.flag_bits & _ENCRYPTED:
            raise unsupported(self.file.path, f"the member `{name}` is encrypted", "decrypt the archive first")
        if info.compress_size > self.file.size:
            raise damaged(self.file.path, f"the member `{name}` claims more bytes than the file has")
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            raise damaged(self.file.path, f"the stored member `{name}` claims two different sizes")
        if info.compress_type == zipfile.ZIP_DEFLATED and info.file_size > info.compress_size * _DEFLATE_LIMIT + 64:
            raise damaged(self.file.path, f"the member `{name}` claims to unpack to more than its bytes can hold")
        return info

    def offset(self, info: zipfile.ZipInfo) -> int:
        """Where the bytes of a stored member begin in the file."""
        fields = self.file.exactly(_LOCAL_HEADER.size, info.header_offset)
        signature, *_, name_length, extra_length = _LOCAL_HEADER.unpack(fields)
        if signature != b"PK\x03\x04":
            raise damaged(self.file.path, f"there is no zip header where the member `{info.filename}` should begin")
        start = info.header_offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)
        if start + info.compress_size > self.file.size:
            raise damaged(self.file.path, f"the member `{info.filename}` goes on behind the end of the file")
        return start

    def is_stored(self, info: zipfile.ZipInfo) -> bool:
        """Whether a member lies in the file as it is."""
        return info.compress_type == zipfile.ZIP_STORED

    def read_at(self, name: str, length: int, offset: int) -> bytes:
        """At most `length` unpacked bytes of a member from `offset`; no checksum is checked. MIG503 if it cannot be unpacked.

        To go forward in the member that was read last costs what lies between. To go backward, or to another member, is to unpack
        from the start.
        """
        with self._lock, _zip_errors(self.file.path):
            last, stream = self._unpacking or ("", None)
            if stream is None or last != name:
                stream = self._zip.open(self.check(name))
                self._unpacking = (name, stream)
            stream.seek(offset)
            return stream.read(length)

    def start(self, name: str, length: int) -> bytes:
        """The first `length` bytes of a member, unpacked; fewer if it is shorter. No checksum is checked."""
        info = self.check(name)
        if info.compress_type == zipfile.ZIP_STORED:
            return self.file.some(min(length, info.file_size), self.offset(info))
        with _zip_errors(self.file.path), self._zip.open(info) as stream:
            return stream.read(length)

    def chunks(self, name: str, size: int = 1 << 20) -> Iterator[bytes]:
        """The whole member in pieces of at most `size` bytes, unpacked; its checksum is verified at the end."""
        info = self.check(name)
        remaining = info.file_size
        with _zip_errors(self.file.path), self._zip.open(info) as stream:
            while remaining > 0 and (chunk := stream.read(min(size, remaining))):
                remaining -= len(chunk)
                yield chunk
            if remaining or stream.read(1):
                raise damaged(self.file.path, f"the member `{name}` has another size than the zip directory says")

    def close(self) -> None:
        self._zip.close()


@contextmanager
def _zip_errors(path: str) -> Iterator[None]:
    try:
        yield
    except SpecError:
        raise
    except NotImplementedError as error:
        raise unsupported(
            path, f"its zip uses a feature that cannot be read: {error}", "pack it again without compression"
        ) from error
    except zipfile.BadZipFile as error:
        if not str(error).startswith("Bad CRC-32"):
            raise damaged(path, f"its zip structure is broken: {error}") from error
        raise file_error("MIG504", path, f"`{path}` is damaged: {error}", helps=["copy or download the file again"]) from error
    except (zlib.error, EOFError, ValueError, RuntimeError, struct.error, IndexError, KeyError) as error:
        raise damaged(path, f"its zip structure is broken: {error}") from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # a decompressor's complaint about its data; a place before the file's start
            raise damaged(path, f"its zip structure is broken: {error}") from error
        raise reading_failed(path, error) from error
    except Exception as error:
        if type(error).__name__ not in ("LZMAError", "ZstdError"):  # of modules that need not exist everywhere
            raise
        raise damaged(path, f"its zip structure is broken: {error}") from error
