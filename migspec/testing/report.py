"""What was tested, for people, in one line a property, and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from migspec.diagnostics import Diagnostic
from migspec.testing.run import Outcome

_STATUS = {"held": "held", "failed": "FAILED", "skipped": "skipped"}


def outcome_line(outcome: Outcome) -> str:
    """One property: `  held     oracle     the old layer and the new one compute the same: 25 cases, largest difference 2.4e-07`."""
    return f"  {_STATUS[outcome.status]:<7}  {outcome.property.name:<9}  {outcome.property.title}: {_facts(outcome)}"


def concise_line(spec: str, outcome: Outcome) -> str:
    """One property with its spec: `tf1/dense: oracle held: 25 cases, largest difference 2.4e-07`."""
    return f"{spec}: {outcome.property.name} {_STATUS[outcome.status]}: {_facts(outcome)}"


def summary(outcomes: Sequence[Outcome]) -> str:
    """`4 properties held, 1 skipped`."""
    counts = {status: sum(one.status == status for one in outcomes) for status in _STATUS}
    held = f"{counts['held']} {'property' if counts['held'] == 1 else 'properties'} held"
    return ", ".join([held, *(f"{counts[one]} {one}" for one in ("failed", "skipped") if counts[one])])


def report_json(results: Iterable[tuple[str, Sequence[Outcome], Sequence[Diagnostic]]], examples: int, seed: int) -> str:
    """All specs, each with its properties and with what is wrong with the spec or its settings: as `schemas/test.schema.json` says."""
    specs = [
        {"spec": spec, "properties": [_outcome_json(one) for one in outcomes], "diagnostics": _diagnostics_json(problems)}
        for spec, outcomes, problems in results
    ]
    return json.dumps({"format": "migspec-test", "examples": examples, "seed": seed, "specs": specs}, indent=2)


def _facts(outcome: Outcome) -> str:
    if outcome.status == "skipped":
        return outcome.reason or ""
    facts = [f"{outcome.cases} {'case' if outcome.cases == 1 else 'cases'}"]
    if outcome.difference is not None and outcome.status == "held":
        facts.append(f"largest difference {outcome.difference:.2g}")
    if outcome.parameters:
        facts.append(f"whoever uses it must give {', '.join(f'`{name}`' for name in outcome.parameters)}")
    return ", ".join(facts)


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.property.name,
        "title": outcome.property.title,
        "status": outcome.status,
        "cases": outcome.cases,
        "largest_difference": outcome.difference,
        "reason": outcome.reason,
        "parameters": list(outcome.parameters),
        "diagnostics": _diagnostics_json(outcome.diagnostics),
    }


def _diagnostics_json(diagnostics: Iterable[Diagnostic]) -> Any:
    from migspec.diagnostics.render_json import render

    return json.loads(render(diagnostics))
