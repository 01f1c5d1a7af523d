"""How long `migspec check` takes from its start to its verdict, beside importing numpy and lark.

    python tests/benchmarks/check_start.py [--runs 25] [--source CHECKPOINT --target MAP --spec SPEC]

Without arguments the demo's spec is checked against its checkpoint and a map of its model. Whole processes, in turn, page cache
warm; medians, and the median of the ratios of neighbours. Compiled modules are used, as they are after any installation.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(command: list[str]) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return time.perf_counter() - start


def demo(folder: Path) -> list[str]:
    """The demo's spec and sides, as arguments of `check`."""
    place = folder / "demo"
    subprocess.run([sys.executable, "-m", "migspec", "demo", "--keep", str(place)], check=True, capture_output=True)
    listed = [sys.executable, "-m", "migspec", "inspect", "--json", str(place / "new_model.keras")]
    (place / "target.json").write_bytes(subprocess.run(listed, check=True, capture_output=True).stdout)
    return [str(place / "lstm.mig"), "-s", str(place / "old" / "model.ckpt"), "-t", str(place / "target.json")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--spec", default=None)
    parser.add_argument("--source")
    parser.add_argument("--target")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sides = [options.spec, "-s", options.source, "-t", options.target] if options.spec else demo(Path(name))
        check = [sys.executable, "-m", "migspec", "check", "-q", *sides]
        imports = [sys.executable, "-c", "import numpy, lark"]
        run(check)
        run(imports)
        pairs = [(run(check), run(imports)) for _ in range(options.runs)]
    ratio = statistics.median(one / other for one, other in pairs)
    print(
        f"check {statistics.median(one for one, _ in pairs):.3f} s, imports {statistics.median(o for _, o in pairs):.3f} s, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
