"""A TensorFlow 1 graph with more bytes of variables than a GraphDef may have, filled in one session.

    python tests/benchmarks/large_graph.py [--gigabytes 3] [--variables 12] [--folder DIR]

A GraphDef is limited to 2 GB, so values that go in as constants (`assign(variable, array)`) fail beyond that. The source is an
npz that is written first, a variable at a time; the graph has reference and resource variables in turn, and is finalized. Printed
are the seconds of the filling, the peak resident memory (VmHWM) before and after it, and the size of the graph definition and
its number of ops before and after. Every value is compared afterwards.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_COLUMNS = 1024


def value(number: int, rows: int) -> numpy.ndarray:
    return numpy.random.default_rng(number).random((rows, _COLUMNS), numpy.float32)


def write_source(path: Path, count: int, rows: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(count):
            with archive.open(f"w{number}.npy", "w", force_zip64=True) as member:
                numpy.lib.format.write_array(member, value(number, rows))


def memory(field: str) -> float:
    """`VmRSS` or `VmHWM` of this process, in GB."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e9


def graph_of(count: int, rows: int) -> Any:
    """A session of a finalized graph whose variables have no values yet."""
    import tensorflow as tf

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        for number in range(count):
            zeros = v1.zeros_initializer()
            v1.get_variable(f"net/w{number}", [rows, _COLUMNS], initializer=zeros, use_resource=number % 2 == 1)
        graph.finalize()
        return v1.Session(graph=graph)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=3)
    parser.add_argument("--variables", type=int, default=12)
    parser.add_argument("--folder")
    chosen = parser.parse_args()
    rows = int(chosen.gigabytes * 1e9 / chosen.variables / 4 / _COLUMNS)
    import migspec

    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        source, spec = Path(folder) / "source.npz", Path(folder) / "fill.mig"
        write_source(source, chosen.variables, rows)
        spec.write_text("rename * -> net/*\n")
        session = graph_of(chosen.variables, rows)
        definition, operations = session.graph.as_graph_def().ByteSize(), len(session.graph.get_operations())
        before = memory("VmHWM")
        start = time.perf_counter()
        migspec.compile(spec, source, session).apply()
        seconds = time.perf_counter() - start
        after, resident = memory("VmHWM"), memory("VmRSS")
        print(f"{chosen.variables} variables, {chosen.variables * rows * _COLUMNS * 4 / 1e9:.2f} GB, filled in {seconds:.1f} s")
        print(f"peak memory {after:.2f} GB ({before:.2f} GB before), {resident:.2f} GB after it, the graph's values included")
        now = session.graph.as_graph_def().ByteSize(), len(session.graph.get_operations())
        print(f"graph definition {definition} bytes and {operations} ops before, {now[0]} bytes and {now[1]} ops after")
        for number in range(chosen.variables):
            found = session.run(f"net/w{number}:0" if number % 2 == 0 else f"net/w{number}/Read/ReadVariableOp:0")
            assert numpy.array_equal(found, value(number, rows)), number
        print("every value compared")


if __name__ == "__main__":
    main()
