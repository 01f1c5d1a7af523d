"""How large one file of an output may be, as a person says it."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip


def size_in_bytes(size: int | str) -> int:
    """`5GB` as bytes: units are decimal (KB, MB, GB, TB) or binary (KiB, MiB, GiB, TiB), without one it is bytes.

    ValueError if it is no size, or less than a byte.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(size), re.ASCII)
    unit = _UNITS.get(match[2].lower()) if match else None
    found = int(Decimal(match[1]) * unit) if match and unit else 0
    if found < 1:
        raise ValueError(f"{size!r} is no size: write `5GB`, `512MiB` or a number of bytes")
    return found
