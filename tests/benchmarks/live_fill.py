"""What it costs to fill a live model from a TensorFlow checkpoint, beside the frameworks' own ways.

    python tests/benchmarks/live_fill.py [--gigabytes 2] [--runs 5] [--side 2048] [--folder DIR]

Two models of the same bytes, square float32 matrices: a Keras 3 model on TensorFlow, and a TensorFlow 1 graph with a session
(reference and resource variables, finalized). Each way runs in turn with its rivals, in a process of its own: the model is
built first, a tiny one has been filled in the same way before, and only the filling is timed: no imports. The page cache is
warm. Beforehand every process touches as much memory as the filling may need, and frees it. After each run every value is
compared. Beside them stands a bare loop that only reads the bytes into fresh memory and sums them, and fills nothing. Printed
are the median time, and how many times migspec's that is (the median of the pairs, which ran one after the other); the same of
the fastest runs; the least processor time; and the peak resident memory (VmHWM) above what the process had before the filling.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

PREFIX = "big.ckpt"
WEIGHTS = "big.weights.h5"
_TINY = 8
_HUGE_PAGE = 2 << 20
_SUMMED = 256 << 10
_BARE = "reading and summing alone"


def keras_model(count: int, side: int) -> Any:
    import keras

    dense = [keras.layers.Dense(side, use_bias=False, kernel_initializer="zeros", name=f"dense_{i}") for i in range(count)]
    return keras.Sequential([keras.Input((side,)), *dense], name="model")


def names(count: int) -> list[str]:
    return [f"dense_{i}/kernel" for i in range(count)]


def value(number: int, side: int) -> numpy.ndarray:
    return numpy.random.default_rng(number).random((side, side), numpy.float32)


def prepare(count: int, side: int) -> None:
    """The same values in a checkpoint and in a Keras file, and the spec."""
    import tensorflow as tf

    model = keras_model(count, side)
    for number, variable in enumerate(model.variables):
        variable.assign(value(number, side))
    tensors = [variable.value.read_value() for variable in model.variables]
    tf.raw_ops.SaveV2(prefix=PREFIX, tensor_names=names(count), shape_and_slices=[""] * count, tensors=tensors)
    model.save_weights(WEIGHTS)
    Path("spec.mig").write_text("same **\n")


def by_migspec(target: Any) -> None:
    import migspec

    with ThreadPoolExecutor(os.cpu_count()) as executor:
        migspec.compile("spec.mig", PREFIX, target).apply(executor=executor)


def by_bare_loop(model: Any) -> None:
    """What no way can do without that changes nothing before all is read: the bytes into fresh memory, and summed, on all cores."""
    import google_crc32c

    size = int(numpy.prod(model.variables[0].shape)) * 4
    with Path(f"{PREFIX}.data-00000-of-00001").open("rb") as file:

        def read(number: int) -> int:
            memory = numpy.empty(size + _HUGE_PAGE, numpy.uint8)
            values = memory[-memory.ctypes.data % _HUGE_PAGE :][:size]
            checksum = 0
            for start in range(0, size, _SUMMED):
                piece = values[start : start + _SUMMED]
                os.preadv(file.fileno(), [piece.data], number * size + start)
                checksum = google_crc32c.extend(checksum, piece)
            kept.append(values)
            return checksum

        kept: list[numpy.ndarray] = []
        with ThreadPoolExecutor(os.cpu_count()) as executor:
            list(executor.map(read, range(len(model.variables))))


def by_load_checkpoint(model: Any) -> None:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(PREFIX)
    for variable in model.variables:
        variable.assign(reader.get_tensor(variable.path.removeprefix("model/")))


def by_load_weights(model: Any) -> None:
    model.load_weights(WEIGHTS)


def by_saver(session: Any) -> None:
    with session.graph.as_default():
        session.saver.restore(session, PREFIX)


def session_of(count: int, side: int, *, resource: bool) -> Any:
    """A session of a finalized graph, which has a `Saver` already."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        start = v1.zeros_initializer()
        for name in names(count):
            v1.get_variable(name, [side, side], initializer=start, use_resource=resource)
        session = v1.Session(graph=graph)
        session.saver = v1.train.Saver()
        session.run(v1.global_variables_initializer())
        graph.finalize()
    return session


def values_of(target: Any, count: int) -> list[numpy.ndarray]:
    if hasattr(target, "variables"):
        return [variable.value.numpy() for variable in target.variables]
    # of a resource variable `NAME:0` is the handle
    reads = {operation.name for operation in target.graph.get_operations() if operation.type == "ReadVariableOp"}
    read = "{}/Read/ReadVariableOp:0" if reads else "{}:0"
    return [target.run(read.format(name)) for name in names(count)]


WAYS: dict[str, dict[str, tuple[Callable[..., Any], Callable[[Any], None]]]] = {
    "a live Keras model": {
        "migspec": (keras_model, by_migspec),
        "load_checkpoint + assign": (keras_model, by_load_checkpoint),
        "load_weights of .weights.h5": (keras_model, by_load_weights),
        _BARE: (keras_model, by_bare_loop),
    },
    "a session, reference variables": {
        "migspec": (lambda count, side: session_of(count, side, resource=False), by_migspec),
        "Saver.restore": (lambda count, side: session_of(count, side, resource=False), by_saver),
    },
    "a session, resource variables": {
        "migspec": (lambda count, side: session_of(count, side, resource=True), by_migspec),
        "Saver.restore": (lambda count, side: session_of(count, side, resource=True), by_saver),
    },
}


def memory(what: str) -> int:
    """MiB of this process: `VmRSS` now, `VmHWM` at its peak."""
    found = re.search(rf"{what}:\s*(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


def touch_and_free(nbytes: int) -> None:
    """On a virtual machine, memory that nobody has used for a while is first given to it by its host: not while times are taken."""
    numpy.ones(nbytes, numpy.uint8)


def run_one(target: str, way: str, count: int, side: int) -> None:
    """Fill one model, look whether it is right, and print seconds and MiB."""
    make, fill = WAYS[target][way]
    os.chdir("tiny")
    fill(make(1, _TINY))
    os.chdir("..")
    touch_and_free(3 * count * side**2 * 4)
    model = make(count, side)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    start, processor = time.perf_counter(), time.process_time()
    fill(model)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    peak = memory("VmHWM") - before
    for number, found in enumerate(values_of(model, count) if way != _BARE else ()):
        if not numpy.array_equal(found, value(number, side)):
            sys.exit(f"{way} has not filled variable {number}")
    print(f"RESULT {seconds} {processor} {peak}")


def compare(target: str, options: argparse.Namespace, count: int) -> None:
    times: dict[str, list[float]] = {way: [] for way in WAYS[target]}
    processor: dict[str, list[float]] = {way: [] for way in WAYS[target]}
    peaks = dict.fromkeys(WAYS[target], 0)
    for _ in range(options.runs):
        for way in times:
            command = [sys.executable, str(Path(__file__).resolve()), "--one", target, way]
            command += ["--count", str(count), "--side", str(options.side)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            result = re.search(r"^RESULT (\S+) (\S+) (\d+)$", done.stdout, re.MULTILINE)
            if result is None:
                sys.exit(f"{way} failed:\n{done.stdout}{done.stderr}")
            times[way].append(float(result[1]))
            processor[way].append(float(result[2]))
            peaks[way] = max(peaks[way], int(result[3]))
    print(target)
    for way, measured in times.items():
        ratio = statistics.median(other / own for other, own in zip(measured, times["migspec"], strict=True))
        shown = ", ".join(f"{one:.2f}" for one in measured)
        median, cpu = statistics.median(measured), min(processor[way])
        best = min(measured) / min(times["migspec"])
        print(f"  {way:<28} {median:6.2f} s  {ratio:5.1f} x  fastest {min(measured):6.2f} s  {best:5.1f} x")
        print(f"  {'':<28} {cpu:6.2f} s of processor, {peaks[way]} MiB  (runs: {shown})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--target", choices=list(WAYS), action="append")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(*options.one, options.count, options.side)
        return
    count = max(4, int(options.gigabytes * 2**30 / (options.side**2 * 4)))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.chdir(folder)
        prepare(count, options.side)
        Path("tiny").mkdir()
        os.chdir("tiny")
        prepare(1, _TINY)
        os.chdir("..")
        print(f"{count} matrices of {options.side} x {options.side} float32")
        for target in options.target or WAYS:
            compare(target, options, count)
        os.chdir("/")


if __name__ == "__main__":
    main()
