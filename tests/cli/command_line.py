"""The command line as a user has it: arguments in, exit code and both streams out; and the files that its tests work on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy

from migspec.cli.main import run_with


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def codes(self) -> list[str]:
        """The codes of the diagnostics that were shown, on whichever stream."""
        heads = (line for line in (self.out + self.err).splitlines() if line.startswith(("error[", "warning[", "note[")))
        return [line.partition("[")[2].partition("]")[0] for line in heads]


def migspec(*arguments: object, stdin: bytes = b"") -> Finished:
    """Run a command in this process. Whatever it is given, no traceback may appear."""
    out, err = io.StringIO(), io.StringIO()
    stream = io.TextIOWrapper(io.BytesIO(stdin), encoding="ascii", errors="strict")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), mock.patch.object(sys, "stdin", stream):
        code = run_with([str(one) for one in arguments])
    finished = Finished(code, out.getvalue(), err.getvalue())
    if code != 101:
        assert "Traceback" not in finished.out + finished.err
    return finished


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    settings: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120, "check": False, **options}
    return subprocess.run([sys.executable, "-m", "migspec", *map(str, arguments)], **settings)


OLD = {
    "dense/kernel": numpy.arange(12, dtype="float32").reshape(3, 4),
    "dense/bias": numpy.array([0.5, -1.0, 2.0, 8.0], "float32"),
    "global_step": numpy.int64(7),
}
NEW = {
    "head/kernel": numpy.zeros((4, 3), "float32"),
    "head/bias": numpy.zeros(4, "float32"),
    "temperature": numpy.array([0.25], "float32"),
}
SPEC = """rename dense/kernel -> head/kernel transpose
rename dense/bias -> head/bias
drop global_step because "training state"
keep temperature
"""
CHANGED = {"head/kernel": OLD["dense/kernel"].T, "head/bias": OLD["dense/bias"], "temperature": NEW["temperature"]}


def write_files(folder: Path) -> None:
    """`old.npz`, `new.npz` (a template with values), `new.json` (the same without values), `good.mig`, `mapped.mig` (for the map)."""
    numpy.savez(folder / "old.npz", **OLD)
    numpy.savez(folder / "new.npz", **NEW)
    variables = {name: {"shape": list(value.shape), "dtype": str(value.dtype)} for name, value in NEW.items()}
    (folder / "new.json").write_text(json.dumps({"variables": variables}))
    (folder / "good.mig").write_text(SPEC)
    (folder / "mapped.mig").write_text(SPEC.replace("keep temperature", "fill temperature with 0.25"))


def assert_written(path: Path) -> None:
    """An output of `good.mig` holds exactly what it should."""
    with numpy.load(path) as written:
        assert set(written) == set(CHANGED)
        for name, value in CHANGED.items():
            assert written[name].dtype == value.dtype
            assert written[name].tobytes() == numpy.ascontiguousarray(value).tobytes()


def without_color() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
