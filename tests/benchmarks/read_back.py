"""What `--verify`, `--checksum` and the line on the terminal cost beside a plain `apply`.

    python tests/benchmarks/read_back.py [--gigabytes 2] [--runs 5] [--folder DIR]

safetensors -> safetensors, renamed only, and with every matrix transposed. Each way is run in turn, in a process of its own, imports
included, page cache warm (`--verify` drops the output from it). Printed are the median wall time, its ratio to the plain `apply`, and
the peak resident memory (VmHWM). The line is drawn on a pseudo-terminal; nothing waits for the disk there, so that the ratio is
not that of the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy
from safetensors.numpy import save_file

SIDE = 2048
RUN = """
import re, sys
from migspec.cli.main import run_with
code = run_with(sys.argv[2:])
open(sys.argv[1], "w").write(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
sys.exit(code)
"""
WAYS: dict[str, dict[str, tuple[str, ...]]] = {
    "rename": {"apply": ("-q",), "--verify": ("-q", "--verify"), "--checksum": ("-q", "--checksum")},
    "transpose": {"apply": ("-q",), "--verify": ("-q", "--verify")},
    "rename, not synced": {"quiet": ("-q", "--no-sync"), "with the line": ("--no-sync",)},
}


def make(folder: Path, gigabytes: float) -> None:
    rng = numpy.random.default_rng(0)
    count = max(4, int(gigabytes * 2**30 / (SIDE * SIDE * 4)))
    matrices = {f"old/layer_{i}/weight": rng.random((SIDE, SIDE), numpy.float32) for i in range(count)}
    save_file(matrices, folder / "old.safetensors")
    variables = {f"new.{i}.weight": {"shape": [SIDE, SIDE], "dtype": "float32"} for i in range(count)}
    (folder / "new.json").write_text(json.dumps({"variables": variables}))
    for name, op in (("rename", ""), ("transpose", " transpose")):
        (folder / f"{name}.mig").write_text(f"rename old/layer_{{i}}/weight -> new.{{i}}.weight{op}\n")


def apply(folder: Path, spec: str, options: tuple[str, ...]) -> tuple[float, int]:
    """Seconds and KiB of one run, on a terminal of its own."""
    for output in folder.glob("out*"):
        output.unlink()
    sides = ("-s", "old.safetensors", "-t", "new.json", "-o", "out.safetensors")
    command = [sys.executable, "-c", RUN, "peak", "apply", f"{spec}.mig", *sides, *options]
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=_drain, args=(ours,))
    reader.start()
    start = time.perf_counter()
    code = subprocess.run(command, cwd=folder, stderr=theirs, env={**os.environ, "TERM": "xterm"}, check=False).returncode
    seconds = time.perf_counter() - start
    os.close(theirs)
    reader.join()
    os.close(ours)
    if code:
        sys.exit(f"{' '.join(command[3:])} failed")
    return seconds, int((folder / "peak").read_text())


def _drain(terminal: int) -> None:
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:  # nobody writes any more
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make(folder, options.gigabytes)
        for title, ways in WAYS.items():
            spec = re.split(r"\W", title)[0]
            measured: dict[str, list[tuple[float, int]]] = {way: [] for way in ways}
            for _ in range(options.runs):
                for way, given in ways.items():
                    measured[way].append(apply(folder, spec, given))
            medians = {way: statistics.median(seconds for seconds, _ in runs) for way, runs in measured.items()}
            first = next(iter(medians.values()))
            print(title)
            for way, runs in measured.items():
                fastest, peak = min(seconds for seconds, _ in runs), max(peak for _, peak in runs) / 1024
                print(
                    f"  {way:<14} {medians[way]:6.2f} s (fastest {fastest:.2f})  x {medians[way] / first:.2f}  {peak:4.0f} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
