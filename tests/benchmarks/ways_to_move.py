"""The ways in which an operating system moves bytes from file to file, without anything of migspec.

    python tests/benchmarks/ways_to_move.py [--gigabytes 2] [--runs 5] [--folder DIR]

One file, page cache warm, the output left to the system. Each way copies it in pieces of some size, on one thread or two; the last
takes it for square float32 matrices of 16 MiB, sums each (CRC-32C) and writes its transpose: what a migration that transposes
everything cannot do without. Printed are the medians, and the ratio to `cp` (the whole process) in the same turn.
"""

from __future__ import annotations

import argparse
import itertools
import mmap
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import numpy

_BATCH = 4 << 20  # what a thread takes at a time
_MATRIX = 16 << 20
_SUMMED = 256 << 10

Move = Callable[[int, int, int, int, int], None]
"""Source, target, first byte, last byte, bytes of a piece."""


def read_and_write(source: int, target: int, start: int, stop: int, piece: int) -> None:
    buffer = memoryview(bytearray(piece))
    for offset in range(start, stop, piece):
        length = os.preadv(source, [buffer[: stop - offset]], offset)
        os.pwrite(target, buffer[:length], offset)


def mapped_and_written(source: int, target: int, start: int, stop: int, piece: int) -> None:
    with mmap.mmap(source, 0, access=mmap.ACCESS_READ) as whole, memoryview(whole) as view:
        for offset in range(start, stop, piece):
            os.pwrite(target, view[offset : min(offset + piece, stop)], offset)


def copied_by_the_system(source: int, target: int, start: int, stop: int, piece: int) -> None:
    while start < stop:
        start += os.copy_file_range(source, target, min(piece, stop - start), start, start)


def summed_and_transposed(source: int, target: int, start: int, stop: int, piece: int) -> None:
    side = int(((stop - start) // 4) ** 0.5)
    rows = piece // (4 * side)
    stage, turned = numpy.empty((rows, side), numpy.float32), numpy.empty((side, side), numpy.float32)
    memory, checksum = stage.reshape(-1).view(numpy.uint8), 0
    for row in range(0, side, rows):
        for first in range(0, piece, _SUMMED):
            part = memory[first : first + _SUMMED]
            os.preadv(source, [part.data], start + row * side * 4 + first)
            checksum = google_crc32c.extend(checksum, part)
        numpy.copyto(turned[:, row : row + rows], stage.T)
    os.pwrite(target, turned.data.cast("B"), start)


WAYS: dict[str, tuple[Move, int, int, int]] = {
    "`copy_file_range`, 16 MiB, 1 thread": (copied_by_the_system, 16 << 20, 1, _BATCH),
    "`copy_file_range`, 4 MiB, 2 threads": (copied_by_the_system, 4 << 20, 2, _BATCH),
    "`pread` and `pwrite`, 256 KiB, 1 thread": (read_and_write, 256 << 10, 1, _BATCH),
    "`pread` and `pwrite`, 256 KiB, 2 threads": (read_and_write, 256 << 10, 2, _BATCH),
    "`pread` and `pwrite`, 1 MiB, 1 thread": (read_and_write, 1 << 20, 1, _BATCH),
    "`pread` and `pwrite`, 1 MiB, 2 threads": (read_and_write, 1 << 20, 2, _BATCH),
    "`pread` and `pwrite`, 8 MiB, 2 threads": (read_and_write, 8 << 20, 2, _BATCH),
    "`mmap` and `pwrite`, 8 MiB, 1 thread": (mapped_and_written, 8 << 20, 1, _BATCH),
    "`mmap` and `pwrite`, 1 MiB, 2 threads": (mapped_and_written, 1 << 20, 2, _BATCH),
    "`pread`, CRC-32C, transpose, `pwrite`, 1 MiB, 2 threads": (summed_and_transposed, 1 << 20, 2, _MATRIX),
}


def timed(move: Move, piece: int, threads: int, batch: int, source: Path, target: Path) -> float:
    start = time.perf_counter()
    size = source.stat().st_size
    old, new = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT)
    try:
        os.ftruncate(new, size)
        places = itertools.count(0, batch)

        def work(_: int) -> None:
            for place in places:
                if place >= size:
                    return
                move(old, new, place, min(place + batch, size), piece)

        with ThreadPoolExecutor(threads) as executor:
            list(executor.map(work, range(threads)))
    finally:
        os.close(old)
        os.close(new)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder, "old"), Path(folder, "out")
        block = numpy.random.default_rng(0).bytes(64 << 20)
        with source.open("wb") as file:
            for _ in range(int(options.gigabytes * 16)):
                file.write(block)
        times: dict[str, list[float]] = {name: [] for name in ("`cp`", *WAYS)}
        for _ in range(options.runs):
            for name, seconds in times.items():
                target.unlink(missing_ok=True)
                subprocess.run(["sync"], check=True)
                if name == "`cp`":
                    start = time.perf_counter()
                    subprocess.run(["cp", source, target], check=True)
                    seconds.append(time.perf_counter() - start)
                else:
                    seconds.append(timed(*WAYS[name], source, target))
        print(f"\n| {options.gigabytes:g} GiB | median | fastest | times `cp` |\n|---|---|---|---|")
        for name, seconds in times.items():
            ratio = statistics.median(one / other for one, other in zip(seconds, times["`cp`"], strict=True))
            print(f"| {name} | {statistics.median(seconds):.2f} s | {min(seconds):.2f} s | {ratio:.2f} |")


if __name__ == "__main__":
    main()
