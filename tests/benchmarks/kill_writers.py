"""SIGKILL at random moments of an `apply`, for each format that is written: what stands in its place afterwards.

    python tests/benchmarks/kill_writers.py [--kills 200] [--side 512] [--seed 0] [FORMAT...]

Each kill hits a process of its own, after a delay drawn evenly from the duration of the run before it; one that comes when the
process has ended does not count. Every other process writes over an old output. After a kill, what is in place is opened and
compared with the old values and the new ones, and the next run must succeed and leave nothing beside its output. A ruin is
anything else than the old output, the new one, or none. Exit code 1 if there is one, or if a next run fails.
tests/apply_safety does a little of this in every test run, and dies before each single call as well.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "apply_safety"), str(HERE.parent)]

from fork_server import ForkServer  # noqa: E402
from writer_cases import COUNT, FORMATS, Case, make_case  # noqa: E402

COLUMNS = ("writer", "one run", "kills", "too late", "old", "none", "new", "ruins", "next run failed", "left behind")


def kill(case: Case, server: ForkServer, kills: int, chance: random.Random) -> tuple[Counter[str], float]:
    """Counts of what happened, and the median duration of a run that is left alone."""
    server.warm_up([*case.arguments, "--quiet"])
    typical = statistics.median(server.run("apply", [case.arguments]).seconds for _ in range(5))
    counts: Counter[str] = Counter()
    seconds = typical
    while counts["kills"] < kills:
        is_replaced = counts["kills"] % 2 == 0
        (case.save_old if is_replaced else case.clear)()
        ended = server.run("apply", [case.arguments], signal=signal.SIGKILL, after=chance.uniform(0, seconds))
        counts["kills" if ended.code == -signal.SIGKILL else "too late"] += 1
        state = case.state()
        if state in case.allowed_states(is_replaced):
            counts[state] += 1
        else:
            counts["ruins"] += 1
            print(f"{case.format}, kill {counts['kills']}: {state}")
        again = server.run("apply", [case.arguments])
        if again.code != 0 or case.state() != "new":
            counts["next run failed"] += 1
            print(f"{case.format}, after kill {counts['kills']}: {again.err}")
        counts["left behind"] += case.temporaries() != []
        seconds = again.seconds
    return counts, typical


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("formats", metavar="FORMAT", nargs="*", default=FORMATS)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{COUNT} matrices of {options.side} x {options.side} float32 each")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    total: Counter[str] = Counter()
    with ForkServer() as server:
        for format in options.formats:
            with tempfile.TemporaryDirectory() as folder:
                case = make_case(format, Path(folder), options.side)
                counts, seconds = kill(case, server, options.kills, random.Random(f"{options.seed} {format}"))
            cells = [format, f"{seconds * 1000:.0f} ms", *(counts[column] for column in COLUMNS[2:])]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
            total += counts
    sys.exit(1 if total["ruins"] or total["next run failed"] or total["left behind"] else 0)


if __name__ == "__main__":
    main()
