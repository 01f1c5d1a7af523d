"""Whole processes run in turn: their wall time, its ratio to that of the first, and their peak memory."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PEAK = "import re,sys;sys.stderr.write('VmHWM '+re.search(r'VmHWM:\\s*(\\d+)',open('/proc/self/status').read())[1]+'\\n')"
"""Python that says the peak of its process' resident memory, in KiB, mapped pages counted."""


def python(code: str) -> list[str]:
    """A new process that runs this code and then says its peak memory."""
    return [sys.executable, "-c", f"{code}\n{PEAK}"]


def migspec(*arguments: str) -> list[str]:
    """A new process that runs the command line, as `migspec` does."""
    code = (
        f"import sys\nsys.argv = ['migspec', *{list(arguments)!r}]\nimport atexit\n"
        f"atexit.register(lambda: exec({PEAK!r}))\nfrom migspec.__main__ import run\nrun()"
    )
    return [sys.executable, "-c", code]


def copying(*sources: str) -> dict[str, list[str]]:
    """Copying these files, left to the operating system, and until they are on the disk."""
    files = " ".join(sources)
    return {
        "`cp`": ["sh", "-c", f"mkdir out.copy && cp {files} out.copy"],
        "`cp`, synced": ["sh", "-c", f"mkdir out.copy && cp {files} out.copy && sync out.copy/*"],
    }


def compare(folder: Path, commands: Mapping[str, Sequence[str]], runs: int, title: str, *, beside: str | None = None) -> None:
    """Run the commands in turn, `runs` times, and print a Markdown table: medians, and the median of the ratios in each turn to the
    command `beside`, by default the first. What is called `out*` in the folder is removed before each run."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    peaks: dict[str, int] = {}
    for _ in range(runs):
        for name, command in commands.items():
            for output in folder.glob("out*"):
                shutil.rmtree(output) if output.is_dir() else output.unlink()
            subprocess.run(["sync"], check=True)  # what the last one left to the system is not this one's to wait for
            start = time.perf_counter()
            done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True, check=False)
            times[name].append(time.perf_counter() - start)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr}")
            for line in done.stderr.splitlines():
                if line.startswith("VmHWM"):
                    peaks[name] = max(peaks.get(name, 0), int(line.split()[1]))
    base = times[beside or next(iter(commands))]
    print(f"\n| {title} | wall time, median | fastest | ratio | peak memory |\n|---|---|---|---|---|", flush=True)
    for name, measured in times.items():
        ratio = statistics.median(one / other for one, other in zip(measured, base, strict=True))
        peak = f"{peaks[name] / 1024:.0f} MiB" if name in peaks else ""
        print(f"| {name} | {statistics.median(measured):.2f} s | {min(measured):.2f} s | {ratio:.2f} | {peak} |", flush=True)
