"""Every spec of the library through every property, at 25 sizes each; oracles run the real layers where these are installed."""

from __future__ import annotations

import os
from functools import cache

import pytest

from migspec.diagnostics import SpecError
from migspec.library import library_specs
from migspec.testing import PROPERTIES, Property, PropertyFailure, Subject, open_subject, run_property
from migspec.testing.settings import settings_path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SPECS = library_specs()
LAYERS = ("flax", "keras2", "onnx", "tf1", "torch")
"""The families whose specs are for one layer each."""

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


@pytest.mark.parametrize("name", REUSABLE)
@pytest.mark.parametrize("tested", PROPERTIES, ids=lambda one: one.name)
def test_a_spec_of_the_library(name: str, tested: Property) -> None:
    spec = subject(name)
    assert spec is not None
    outcome = run_property(spec, tested, examples=SIZES)
    if outcome.status == "skipped":
        pytest.skip(outcome.reason or "")
    if outcome.diagnostics:
        raise PropertyFailure(outcome.diagnostics)
    assert outcome.cases == SIZES
    assert outcome.difference is None or outcome.difference <= spec.settings.tolerance <= 1e-5


@pytest.mark.parametrize("name", [name for name in SPECS if name.split("/")[0] in LAYERS])
def test_the_spec_of_a_layer_can_be_tested_and_names_an_oracle(name: str) -> None:
    spec = subject(name)
    assert spec is not None
    assert spec.settings.oracle is not None and spec.settings.requires


def test_no_settings_are_left_over() -> None:
    there = {path for one in SPECS.values() for path in one.parent.glob("*.test.toml")}
    assert there <= {settings_path(str(path)) for path in SPECS.values()}
