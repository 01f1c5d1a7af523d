"""Every benchmark, one after the other; an hour or so, 30 GB of space for the largest.

    python tests/benchmarks/all.py [--folder DIR]

Each script says with `--help` what it measures and how to measure less. What is printed as tables goes into docs/benchmarks.md.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "check_start.py",
    "compile_time.py",
    "engine_transpose.py",
    "ways_to_move.py",
    "apply_speed.py",
    "rivals.py",
    "per_variable.py",
    "read_back.py",
    "live_fill.py",
    "large_graph.py",
    "kill_writers.py",
)


def main() -> None:
    folder = Path(__file__).parent
    for script in SCRIPTS:
        arguments = (
            sys.argv[1:]
            if script
            in (
                "engine_transpose.py",
                "ways_to_move.py",
                "live_fill.py",
                "apply_speed.py",
                "rivals.py",
                "per_variable.py",
                "read_back.py",
            )
            else []
        )
        print(f"\n## {script}", flush=True)
        subprocess.run([sys.executable, str(folder / script), *arguments], check=True)


if __name__ == "__main__":
    main()
