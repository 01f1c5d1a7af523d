"""Two arrays compared: tolerances, places, NaN, infinities, integers, texts, half precision."""

from __future__ import annotations

import json

import ml_dtypes
import numpy
import pytest

from migspec.verify.comparison import OutputComparison, compare
from migspec.verify.report import Ran, Report
from migspec.verify.report_json import report_json
from migspec.verify.report_text import concise_text, report_text


def compared(old: object, new: object, dtype: object = "float32", **tolerances: float) -> OutputComparison:
    return compare("y", numpy.array(old, dtype), "y", numpy.array(new, dtype), **tolerances)


def test_the_largest_differences_and_their_places() -> None:
    found = compared([[1.0, 100.0], [0.001, 4.0]], [[1.0, 100.5], [0.002, 4.0]], "float64")
    assert not found.passed and (found.beyond, found.size) == (2, 4)
    assert found.absolute is not None and found.relative is not None
    assert (found.absolute.size, found.absolute.index, found.absolute.old, found.absolute.new) == (0.5, (0, 1), 100.0, 100.5)
    assert found.relative.index == (1, 0) and found.relative.size == pytest.approx(1.0)


def test_what_is_allowed() -> None:
    assert compared([1.0, 0.0], [1.0 + 5e-5, 9e-6]).passed
    assert not compared([1.0], [1.0 + 2e-4]).passed
    assert not compared([0.0], [2e-5]).passed
    assert compared([1.0], [1.5], atol=0.5, rtol=0.0).passed
    assert not compared([1.0], [1.5], atol=0.0, rtol=0.4).passed
    assert compared([3.0], [3.0], atol=0.0, rtol=0.0).passed


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_half_precision_is_allowed_more(dtype: object) -> None:
    assert compared([1.0, 2.0], [1.0078125, 2.0], dtype).passed
    assert not compared([1.0], [1.1], dtype).passed


def test_numbers_that_are_none() -> None:
    nan, inf = float("nan"), float("inf")
    both = compared([nan, 1.0], [nan, 1.0])
    assert both.passed and both.not_numbers == (1, 1) and "prove nothing" in both.notes[0]
    one = compared([1.0, 2.0], [nan, 2.0])
    assert not one.passed and one.absolute is not None and one.absolute.size == inf and one.absolute.index == (0,)
    assert not compared([nan], [nan]).passed  # nothing is proven
    assert compared([inf, 1.0], [inf, 1.0]).passed
    assert not compared([inf, 1.0], [-inf, 1.0]).passed
    assert not compared([inf, 1.0], [5.0, 1.0]).passed
    assert not compared([5.0, 1.0], [inf, 1.0]).passed


def test_integers_bools_and_texts_are_equal_or_not() -> None:
    assert compared([1, 2], [1, 2], "int64").passed
    found = compared([1, 7], [1, 4], "int64")
    assert not found.passed and found.absolute is not None and (found.absolute.size, found.absolute.index) == (3.0, (1,))
    assert not compared([2**62], [2**62 + 1], "int64").passed
    assert not compared([True], [False], "bool").passed
    assert compare("t", numpy.array([b"a", b"b"], object), "t", numpy.array(["a", "b"])).passed
    assert not compare("t", numpy.array([b"a"], object), "t", numpy.array(["b"])).passed


def test_what_proves_little_is_said() -> None:
    assert "proves little" in compared([2.0, 2.0], [2.0, 2.0]).notes[0]
    empty = compared([], [])
    assert not empty.passed and "nothing is compared" in empty.notes[0]


def test_one_array_in_two_forms() -> None:
    old = numpy.arange(6.0).reshape(6, 1)
    found = compare("a", old, "b", old.reshape(2, 3, 1))
    assert found.passed and "[2, 3, 1] is compared as [6, 1]" in found.notes[0]
    with pytest.raises(ValueError, match="no two forms"):
        compare("a", old, "b", numpy.zeros(5))


def test_the_three_reports() -> None:
    outputs = (compared([1.0, 2.0], [1.0, 2.5]), compared([1.0, 2.0], [1.0, 2.0]), compared([1.0, 2.0], [float("nan"), 2.0]))
    report = Report(Ran("a.meta", "TensorFlow 1 graph"), Ran("b.keras", "Keras model"), (), outputs, ("mind this",))
    text = report_text(report)
    assert "old: a.meta (TensorFlow 1 graph)" in text and "2 of 3 outputs differ" in text and "note: mind this" in text
    assert "5.00e-01  at [1]: 2 old, 2.5 new" in text and "NaN: 0 old, 1 new" in text
    assert concise_text(report).splitlines() == ["FAIL `y` 5.00e-01 at [1]", "pass `y` 0.00e+00 at [0]", "FAIL `y` inf at [0]"]
    data = json.loads(report_json(report))
    assert data["passed"] is False and [one["passed"] for one in data["outputs"]] == [False, True, False]
    assert data["outputs"][0]["largest_absolute"] == {"size": 0.5, "index": [1], "old": 2.0, "new": 2.5}
    assert data["outputs"][2]["largest_absolute"]["new"] == "nan"
