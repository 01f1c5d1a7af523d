"""Checkpoints to measure on, made without holding them in memory, and the maps that name what is to become of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy

_BLOCK = 16 << 20


def write_safetensors(path: Path, shapes: Mapping[str, Sequence[int]]) -> None:
    """A safetensors file of float32 variables with these shapes, and of random bits."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * int(numpy.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = numpy.random.default_rng(0).random(_BLOCK // 4, numpy.float32).tobytes()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        while end > 0:
            file.write(block[:end])
            end -= len(block)


def write_map(path: Path, shapes: Mapping[str, Sequence[int]]) -> None:
    """A variable map of float32 variables."""
    path.write_text(json.dumps({"variables": {name: {"shape": list(s), "dtype": "float32"} for name, s in shapes.items()}}))


def write_by(code: str, folder: Path) -> None:
    """Let a framework write its file, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"an input cannot be made:\n{done.stderr}")


def square(gigabytes: float, count: int) -> tuple[int, int]:
    """The shape of `count` square float32 matrices that take so many GiB together."""
    side = int((gigabytes * 2**30 / 4 / count) ** 0.5)
    return side, side
