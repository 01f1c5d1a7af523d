"""Property tests of reusable specs, for one's own tests as well.

    from hypothesis import given
    from migspec.testing import assert_sound, cases

    def test_dense() -> None:
        assert_sound("specs/dense.mig", examples=50)         # every property that `migspec test` knows

    @given(cases("specs/dense.mig"))
    def test_the_bias_is_moved(case) -> None:                # a property of one's own
        assert (case.target["bias"] == case.source["bias"]).all()

Importing it imports neither numpy nor hypothesis; drawing cases needs hypothesis (`pip install 'migspec[testing]'`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migspec.testing.case import Case
    from migspec.testing.failure import PropertyFailure
    from migspec.testing.properties import PROPERTIES, Property
    from migspec.testing.run import Outcome, assert_sound, run_properties, run_property
    from migspec.testing.strategies import cases, trials
    from migspec.testing.subject import Subject, open_subject
    from migspec.testing.trial import Trial

__all__ = [
    "PROPERTIES",
    "Case",
    "Outcome",
    "Property",
    "PropertyFailure",
    "Subject",
    "Trial",
    "assert_sound",
    "cases",
    "open_subject",
    "run_properties",
    "run_property",
    "trials",
]

_PLACES = {
    "PROPERTIES": "properties",
    "Case": "case",
    "Outcome": "run",
    "Property": "properties",
    "PropertyFailure": "failure",
    "Subject": "subject",
    "Trial": "trial",
    "assert_sound": "run",
    "cases": "strategies",
    "open_subject": "subject",
    "run_properties": "run",
    "run_property": "run",
    "trials": "strategies",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'migspec.testing' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"migspec.testing.{_PLACES[name]}"), name)
