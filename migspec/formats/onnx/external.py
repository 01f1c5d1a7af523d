"""Values that lie in another file, beside the model. Sources: see the package.

A model from elsewhere may name any file, so that a location counts only where it stays in the model's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.input import InputFile, damaged, unsupported

_PIECE = 1 << 20
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ExternalPlace:
    """The `length` bytes from `offset` of the file `path`, whose SHA-1 is `checksum` (hexadecimal) if that is recorded."""

    path: str
    offset: int
    length: int
    checksum: str | None


def external_place(model: str, name: str, external: Mapping[str, str], length: int) -> ExternalPlace:
    """The place of a tensor of `length` bytes. No file is opened.

    SpecError: MIG503 if external_data is malformed or gives another length, MIG505 if the location is absolute or leaves the
    folder of the model.
    """
    location = external.get("location", "")
    try:
        offset, recorded = _number(external, "offset", 0), _number(external, "length", length)
        if not location or "\0" in location:
            raise ValueError(f"the location {location!r} is no path")
        if recorded != length:
            raise ValueError(f"{recorded} bytes are recorded where it takes {length}")
    except ValueError as error:
        raise damaged(model, f"the values of `{name}` lie in another file: {error}") from None
    return ExternalPlace(_path(model, name, location), offset, length, external.get("checksum"))


def check_file(model: str, name: str, place: ExternalPlace) -> None:
    """SpecError: MIG501 if the file is missing or cannot be read, MIG503 if it ends before the place."""
    if not Path(place.path).is_file():
        raise file_error(
            "MIG501",
            place.path,
            f"a file with values of the model is missing: `{place.path}`",
            notes=[f"the values of `{name}` lie in it; `{model}` itself is enough to check a spec but not to apply it"],
            helps=["copy the file to the folder of the model"],
        )
    size = Path(place.path).stat().st_size
    if place.offset + place.length > size:
        raise damaged(
            place.path,
            "it is cut short",
            f"`{name}` takes the bytes {place.offset} to {place.offset + place.length}, the file has {size}",
        )


def check_sum(place: ExternalPlace) -> None:
    """SpecError, MIG504, if the file does not have the checksum that is recorded for it. Reads all of it."""
    import hashlib

    digest = hashlib.sha1(usedforsecurity=False)
    file = InputFile(place.path)
    try:
        for offset in range(0, file.size, _PIECE):
            digest.update(file.some(_PIECE, offset))
    finally:
        file.close()
    if place.checksum is not None and digest.hexdigest() != place.checksum.lower():
        raise file_error(
            "MIG504",
            place.path,
            f"`{place.path}` does not have the checksum that the model records for it",
            notes=[f"the SHA-1 is {digest.hexdigest()}, recorded is {place.checksum}"],
            helps=["copy or download the file again"],
        )


def _number(external: Mapping[str, str], key: str, default: int) -> int:
    written = external.get(key, "")
    if not written:
        return default
    if not (written.isascii() and written.isdigit() and len(written) <= 18):
        raise ValueError(f"the {key} {written!r} is no number of bytes")
    return int(written)


def _path(model: str, name: str, location: str) -> str:
    if _ABSOLUTE.match(location):
        raise _refused(model, name, location, "an absolute path")
    if ".." in re.split(r"[/\\]", location):
        raise _refused(model, name, location, "a path that leaves the folder of the model")
    folder = Path(model).parent
    path = folder / location
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise _refused(model, name, location, "a symbolic link that leaves the folder of the model")
    return str(path)


def _refused(model: str, name: str, location: str, what: str) -> SpecError:
    return unsupported(
        model,
        f"the values of `{name}` lie in `{location}`, {what}",
        "put the file itself into the folder of the model, and save the model with its name as location",
    )
