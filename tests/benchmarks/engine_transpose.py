"""How fast the engine moves one large variable, by pipeline, budget and stage size; as ratios to `cp` in the same minute.

    python tests/benchmarks/engine_transpose.py [--side 8192] [--folder DIR] [--small 20000]

Not collected by pytest: figures of a shared machine drift, and only ratios of neighbouring runs mean something. Each figure is the best of
three; `cp` is measured anew before each line.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy

from migspec.engine import Target, assemble, run
from migspec.expression import Cast, Concat, Expression, Permute, Read, Reshape, Slice, Sum
from migspec.formats.base import Extent


class Source:
    """One raw file; every variable of n bytes lies at `number * n`."""

    format = "raw"

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def extent(self, name: str) -> Extent:
        number, length = map(int, name.split())
        return Extent(self.path, number * length, length)


class Output:
    """A raw file again, or nothing at all (to measure reading and turning alone)."""

    concurrent = True

    def __init__(self, path: Path | None, length: int) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if path else None
        self.length = length

    def write(self, name: str, offset: int, data: memoryview) -> None:
        if self.descriptor is not None:
            os.pwrite(self.descriptor, data, int(name) * self.length + offset)

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


def seconds(action: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


@contextmanager
def stage_of(size: int) -> Iterator[None]:
    old, assemble.STAGE = assemble.STAGE, size
    try:
        yield
    finally:
        assemble.STAGE = old


def gates(node: Expression, order: tuple[int, ...]) -> Expression:
    width = node.shape[1] // len(order)
    return Concat(tuple(Slice(node, 1, block * width, width) for block in order), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        measure(folder, options.side, options.small)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, side: int, small: int) -> None:
    values = numpy.arange(side * side, dtype=numpy.float32)
    values.tofile(folder / "source")
    nbytes = values.nbytes
    source = Source(folder / "source")
    matrix = Read(f"0 {nbytes}", (side, side), "float32")
    turned = Permute(matrix, (1, 0))
    pipelines: dict[str, Expression] = {
        "identity": matrix,
        "transpose": turned,
        "gates": gates(matrix, (0, 2, 1, 3)),
        "gates of 64 columns": gates(Reshape(matrix, (side * side // 256, 256)), (0, 2, 1, 3)),
        "rope": Reshape(Permute(Reshape(matrix, (side // 128, 64, 2, side)), (0, 2, 1, 3)), (side, side)),
        "OIHW -> HWIO": Permute(Reshape(matrix, (side // 4, side // 4, 4, 4)), (2, 3, 1, 0)),
        "cast to bfloat16": Cast(matrix, "bfloat16"),
        "transpose, cast": Cast(turned, "bfloat16"),
        "sum of two": Sum((matrix, matrix)),
        "matrix + its transpose": Sum((matrix, turned)),
    }

    def line(title: str, targets: list[Target], budget: int, executor: Executor | None = None, total: int = nbytes) -> None:
        output = Output(folder / "target", total // len(targets))
        nothing = Output(None, 0)
        cp = seconds(lambda: subprocess.run(["cp", folder / "source", folder / "copy"], check=True)) * total / nbytes
        to_file = seconds(lambda: run(targets, {"source": source}, output, budget=budget, executor=executor))
        to_nothing = seconds(lambda: run(targets, {"source": source}, nothing, budget=budget, executor=executor))
        output.close()
        rates = f"{total / to_file / 1e9:5.2f} GB/s, without writing {total / to_nothing / 1e9:5.2f}"
        print(f"{title:46} {to_file / cp:5.2f} x cp ({total / cp / 1e9:.2f} GB/s)   {rates}", flush=True)

    for name, node in pipelines.items():
        line(name, [Target("0", node)], 64 << 20)
    for budget in (4 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20):
        line(f"transpose, budget {budget >> 20} MiB", [Target("0", turned)], budget)
    for stage in (64, 128, 256, 512, 1024, 2048, 4096):
        with stage_of(stage << 10):
            line(f"transpose, stage {stage} KiB", [Target("0", turned)], 64 << 20)
    length = nbytes // small // 4
    many = [Target(str(k), Read(f"{k} {4 * length}", (length,), "float32")) for k in range(small)]
    line(f"{small} variables of {4 * length >> 10} KiB", many, 64 << 20, total=4 * length * small)
    with ThreadPoolExecutor(2) as executor:
        line("the same, two threads", many, 64 << 20, executor, total=4 * length * small)
        quarters = [Target(str(k), Permute(Slice(matrix, 1, k * side // 4, side // 4), (1, 0))) for k in range(4)]
        line("transpose in four targets, two threads", quarters, 64 << 20, executor)


if __name__ == "__main__":
    main()
