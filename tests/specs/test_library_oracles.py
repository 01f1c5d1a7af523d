"""Every spec of the library at 25 sizes each, old layer against new one; with a reason where a framework is not installed."""

from __future__ import annotations

import pytest
from library_specs_tested import REUSABLE, check_property

from migspec.testing.properties import ORACLE


@pytest.mark.parametrize("name", REUSABLE)
def test_the_old_layer_and_the_new_one_compute_the_same(name: str) -> None:
    check_property(name, ORACLE)
