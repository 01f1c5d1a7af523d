"""Every spec of the library through every property but the oracle, at 25 sizes each; and that each has what proves it."""

from __future__ import annotations

import pytest
from library_specs_tested import REUSABLE, SPECS, check_property, subject

from migspec.testing import PROPERTIES, Property
from migspec.testing.settings import settings_path

LAYERS = ("flax", "keras2", "net2net", "onnx", "tf1", "torch")
"""The families whose specs are for one layer each."""


@pytest.mark.parametrize("name", REUSABLE)
@pytest.mark.parametrize("tested", PROPERTIES[:-1], ids=lambda one: one.name)
def test_a_spec_of_the_library(name: str, tested: Property) -> None:
    check_property(name, tested)


@pytest.mark.parametrize("name", [name for name in SPECS if name.split("/")[0] in LAYERS])
def test_the_spec_of_a_layer_can_be_tested_and_names_an_oracle(name: str) -> None:
    spec = subject(name)
    assert spec is not None
    assert spec.settings.oracle is not None and spec.settings.requires


def test_no_settings_are_left_over() -> None:
    there = {path for one in SPECS.values() for path in one.parent.glob("*.test.toml")}
    assert there <= {settings_path(str(path)) for path in SPECS.values()}
