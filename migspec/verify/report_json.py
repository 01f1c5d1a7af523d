"""The report of a verification for programs."""

from __future__ import annotations

import json
import math
from typing import Any

from migspec.diagnostics.render_json import render
from migspec.verify.comparison import Difference, OutputComparison
from migspec.verify.report import Report


def report_json(report: Report) -> str:
    """One JSON object. A difference that is infinite, or a value that is no finite number, is a text: `inf`, `nan`."""
    return json.dumps(
        {
            "passed": report.passed,
            "old": {"label": report.old.label, "kind": report.old.kind},
            "new": {"label": report.new.label, "kind": report.new.kind},
            "inputs": [
                {"old": one.old, "new": one.new, "dtype": one.dtype, "shape": list(one.shape), "origin": one.origin}
                for one in report.inputs
            ],
            "outputs": [_output(one) for one in report.outputs],
            "notes": list(report.notes),
            "diagnostics": json.loads(render(report.diagnostics)),
        },
        indent=2,
    )


def _output(one: OutputComparison) -> dict[str, Any]:
    return {
        "old": one.old_name,
        "new": one.new_name,
        "passed": one.passed,
        "shape": list(one.shape),
        "new_shape": list(one.new_shape),
        "dtypes": list(one.dtypes),
        "atol": one.atol,
        "rtol": one.rtol,
        "beyond": one.beyond,
        "size": one.size,
        "largest_absolute": _difference(one.absolute),
        "largest_relative": _difference(one.relative),
        "nan": {"old": one.not_numbers[0], "new": one.not_numbers[1]},
        "notes": list(one.notes),
    }


def _difference(one: Difference | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"size": _number(one.size), "index": list(one.index), "old": _number(one.old), "new": _number(one.new)}


def _number(value: float | complex | str) -> float | str | list[float | str]:
    if isinstance(value, complex):
        return [str(value.real), str(value.imag)]
    return value if isinstance(value, str) or math.isfinite(value) else str(value)
