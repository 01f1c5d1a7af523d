"""One property of one spec of the library, at 25 sizes."""

from __future__ import annotations

import os
from functools import cache

import pytest

from migspec.diagnostics import SpecError
from migspec.library import library_specs
from migspec.testing import Property, PropertyFailure, Subject, open_subject, run_property

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SPECS = library_specs()
SIZES = 25


@cache
def subject(name: str) -> Subject | None:
    """A spec of the library; None for one without an interface, which is for whole models of one framework."""
    try:
        return open_subject(name)
    except SpecError as error:
        if [one.code for one in error.diagnostics] == ["MIG712"]:
            return None
        raise


REUSABLE = [name for name in SPECS if subject(name) is not None]


def check_property(name: str, tested: Property) -> None:
    """Fail with what does not hold; skip with the reason where the spec cannot have the property."""
    spec = subject(name)
    assert spec is not None
    outcome = run_property(spec, tested, examples=SIZES)
    if outcome.status == "skipped":
        pytest.skip(outcome.reason or "")
    if outcome.diagnostics:
        raise PropertyFailure(outcome.diagnostics)
    assert outcome.cases == SIZES
    assert outcome.difference is None or outcome.difference <= spec.settings.tolerance <= 1e-5
