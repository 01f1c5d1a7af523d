"""What one variable costs, when there are many: variables of 1 KiB, renamed.

    python tests/benchmarks/per_variable.py [--variables 10000 100000] [--runs 3] [--folder DIR]

Microseconds a variable, of the whole process less what it takes for 10 variables, from safetensors and npz; whether the time is
proportional to their number is the ratio of the figures.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy
from inputs import write_map, write_safetensors
from measuring import migspec


def seconds(folder: Path, ending: str, count: int, runs: int) -> float:
    """The median wall time of `migspec apply` on so many variables."""
    shape = (256,)
    names = [f"layer_{i // 10}/part_{i % 10}/w" for i in range(count)]
    if ending == "npz":
        numpy.savez(folder / "old.npz", **{f"old/{name}": numpy.zeros(shape, numpy.float32) for name in names})
    else:
        write_safetensors(folder / "old.safetensors", {f"old/{name}": shape for name in names})
    write_map(folder / "new.json", {f"new/{name}": shape for name in names})
    (folder / "spec.mig").write_text("rename old/** -> new/**\n")
    times = []
    for _ in range(runs):
        out = folder / f"out.{ending}"
        out.unlink(missing_ok=True)
        start = time.perf_counter()
        command = migspec("apply", "spec.mig", "-s", f"old.{ending}", "-t", "new.json", "-o", out.name, "-q", "--no-sync")
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--variables", type=int, nargs="+", default=[10000, 100000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print("\n| variables of 1 KiB | " + " | ".join(f"{count:,}" for count in options.variables) + " |")
    print("|---|" + "---|" * len(options.variables))
    for ending in ("safetensors", "npz"):
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            start = seconds(Path(name), ending, 10, options.runs)
            figures = [(seconds(Path(name), ending, count, options.runs) - start) / count * 1e6 for count in options.variables]
        print(f"| {ending} -> {ending} | " + " | ".join(f"{figure:.0f} us each" for figure in figures) + " |", flush=True)


if __name__ == "__main__":
    main()
