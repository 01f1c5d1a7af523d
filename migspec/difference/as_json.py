"""A comparison's result as JSON; its schema is `migspec/schemas/difference.schema.json`."""

from __future__ import annotations

import math
from typing import Any

from migspec.difference.result import VERDICTS, Compared, Difference, Element, Measurement, OnlyIn
from migspec.plan import Left
from migspec.variables import Variable

FORMAT = "migspec-difference"


def difference_json(difference: Difference) -> dict[str, Any]:
    """The whole result; every variable stands in it, the equal ones too. Numbers that JSON lacks are `"inf"` and `"nan"`."""
    tolerance = difference.tolerance
    return {
        "format": FORMAT,
        "version": 1,
        "left": difference.left,
        "right": difference.right,
        "spec": difference.spec,
        "agrees": difference.agrees,
        "tolerance": {"absolute": tolerance.absolute, "relative": tolerance.relative, "asked": tolerance.asked},
        "without_values": list(difference.without_values),
        "counts": {verdict: difference.counts[verdict] for verdict in VERDICTS},
        "variables": [_compared(one) for one in difference.compared],
        "only_left": _only_in(difference.only_left),
        "only_right": _only_in(difference.only_right),
        "kept": [_left(one) for one in difference.kept],
        "dropped": [_left(one) for one in difference.dropped],
    }


def _compared(one: Compared) -> dict[str, Any]:
    return {
        "verdict": one.verdict,
        "left": _variable(one.left),
        "right": _variable(one.right),
        "sources": list(one.sources),
        "measurement": None if one.measurement is None else _measurement(one.measurement),
    }


def _measurement(one: Measurement) -> dict[str, Any]:
    norms = one.norms
    return {
        "size": one.size,
        "differing": one.differing,
        "beyond": one.beyond,
        "largest": None if one.largest is None else _element(one.largest),
        "relative": _number(one.relative),
        "norms": None
        if norms is None
        else {"left": _number(norms.left), "right": _number(norms.right), "difference": _number(norms.difference)},
    }


def _element(one: Element) -> dict[str, Any]:
    return {
        "index": list(one.index),
        "left": one.left,
        "right": one.right,
        "absolute": _number(one.absolute),
        "relative": _number(one.relative),
    }


def _only_in(side: OnlyIn) -> list[dict[str, Any]]:
    return [{**_variable(one.variable), "renamed": one.renamed and one.renamed.name} for one in side.variables]


def _left(one: Left) -> dict[str, Any]:
    place = None if one.cause is None else {"spec": one.cause.spec, "line": one.cause.line, "text": one.cause.text}
    return {"name": one.variable, "statement": place, "because": one.because}


def _variable(one: Variable) -> dict[str, Any]:
    return {"name": one.name, "shape": list(one.shape), "dtype": one.dtype}


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
