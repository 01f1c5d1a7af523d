"""Outputs that no tolerance is made for: nothing finite in them, or no arrays at all; with functions as models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy
import pytest

from migspec.cli.main import run_with
from migspec.diagnostics import SpecError
from migspec.verify import Report, report_text, verify

INPUTS = {"x": numpy.arange(1, 5, dtype="float32")}
SPOILERS = {
    "NaN": lambda x: x * numpy.float32("nan"),
    "infinite": lambda x: x * numpy.float32("inf"),
    "both": lambda x: numpy.where(x > 2, numpy.nan, -numpy.inf),
    "empty": lambda x: x[:0],
}


def verified(old: Callable[..., Any], new: Callable[..., Any]) -> Report:
    return verify(old, new, inputs=INPUTS)


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_what_is_nowhere_finite_proves_nothing_and_differs_in_nothing(spoil: Callable[[Any], Any]) -> None:
    report = verified(spoil, spoil)
    assert not report.passed
    [only] = report.diagnostics
    assert only.code == "MIG601" and only.message.startswith("nothing is proven") and "differ" not in only.message
    assert not any("0.00e+00" in note for note in only.notes) and "`--range NAME=LOW:HIGH`" in only.helps[0]
    assert report_text(report).endswith("1 output: proves nothing") and "DIFFERS" not in report_text(report)


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_a_difference_beside_it_is_not_taken_for_noise(spoil: Callable[[Any], Any]) -> None:
    report = verified(lambda x: {"a": spoil(x), "b": x}, lambda x: {"a": spoil(x), "b": x + 1})
    assert [one.code for one in report.diagnostics] == ["MIG601"]
    assert report.diagnostics[0].message == "1 of 2 outputs differ"
    assert [note.partition(" ")[0] for note in report.diagnostics[0].notes] == ["`b`", "`a`"]
    assert report_text(report).endswith("1 of 2 outputs differ, 1 of 2 outputs prove nothing")


@pytest.mark.parametrize("spoil", [SPOILERS["NaN"], SPOILERS["infinite"]], ids=["NaN", "infinite"])
def test_a_relation_is_told_of_what_differs_alone(spoil: Callable[[Any], Any]) -> None:
    def softmax(x: Any) -> Any:
        return numpy.exp(x) / numpy.exp(x).sum()

    report = verified(lambda x: {"a": spoil(x), "b": softmax(x)}, lambda x: {"a": spoil(x), "b": x})
    assert [one.code for one in report.diagnostics] == ["MIG601", "MIG606"]
    assert "softmax" in report.diagnostics[1].message


def test_one_finite_value_among_others_is_compared() -> None:
    assert verified(lambda x: numpy.where(x > 1, numpy.nan, x), lambda x: numpy.where(x > 1, numpy.nan, x)).passed
    report = verified(SPOILERS["NaN"], lambda x: x)
    assert [one.message for one in report.diagnostics] == ["the outputs differ"]
    assert report.outputs[0].relative is not None and report.outputs[0].relative.size == numpy.inf


def changing(values: Iterator[Any]) -> Callable[..., Any]:
    return lambda x: next(values)


@pytest.mark.parametrize(
    "values",
    [
        [[1.0, 2.0], [1.0, numpy.nan]],
        [[numpy.nan, 2.0], [2.0, numpy.nan]],
        [[numpy.inf, 2.0], [-numpy.inf, 2.0]],
        [[1.0, 2.0], [1.0, 2.0, 3.0]],
        [[1.0, 2.0], [[1.0, 2.0]]],
    ],
)
def test_a_model_that_gives_something_else_each_time_is_told_so(values: list[Any]) -> None:
    arrays = [numpy.array(one) for one in values]
    report = verified(changing(iter(arrays)), lambda x: arrays[0] + 1e3)
    assert [one.code for one in report.diagnostics] == ["MIG601", "MIG608"] and "the old model" in report.diagnostics[1].message
    report = verified(lambda x: arrays[0] + 1e3, changing(iter(arrays)))
    assert [one.code for one in report.diagnostics] == ["MIG601", "MIG608"] and "the new model" in report.diagnostics[1].message


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (None, "returned None: that is no array"),
        (object(), "returned a value of type `object`:"),
        ({"a": None, "b": 1.0}, "returned None as output `a`:"),
        ((1.0, None), "returned None as output `output_1`:"),
        ({1, 2}, "returned a value of type `set`:"),
        ((one for one in "ab"), "returned a value of type `generator`:"),
        (numpy.array([[1, 2], [3]], dtype=object), "returned an array with a value of type `list` in it:"),
        (numpy.array([b"a", None], dtype=object), "returned an array with None in it:"),
        (numpy.array(["2020-01-01"], "M8[D]"), "returned values of dtype datetime64[D]:"),
        (numpy.zeros(3, [("a", "f4")]), "returned values of dtype [('a', '<f4')]:"),
        ([], "returned a `list` with no array in it"),
        ({"a": {}}, "returned a `dict` with no array in it"),
    ],
)
def test_what_is_no_array_is_refused(returned: Any, told: str) -> None:
    for sides in (
        (lambda x: returned, lambda x: x),
        (lambda x: x, lambda x: returned),
        (lambda x: returned, lambda x: returned),
    ):
        with pytest.raises(SpecError) as caught:
            verified(*sides)
        [only] = caught.value.diagnostics
        assert only.code == "MIG603" and f"the function {told}" in only.message
        assert only.helps[0].startswith("return an array of numbers, bools or texts")
        assert only.notes == (("a function without a `return` returns None",) if returned is None else ())


@pytest.mark.parametrize(
    "returned",
    [
        "text",
        b"bytes",
        3,
        True,
        2.5,
        [[1, 2], [3]],
        numpy.array(["a", b"b"], object),
        numpy.ones(2, ml_dtypes.bfloat16),
        1 + 2j,
    ],
    ids=str,
)
def test_what_can_stand_for_an_array_is_compared(returned: Any) -> None:
    assert verified(lambda x: returned, lambda x: returned).passed


def test_none_on_the_command_line(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "returning_none.py").write_text("def none():\n    return lambda x: None\n")
    monkeypatch.chdir(tmp_path)
    assert run_with(["verify", "returning_none:none", "returning_none:none", "--shape", "x=4"]) == 2
    out, err = capfd.readouterr()
    assert out == "" and "error[MIG603]: the function returned None" in err and "returning_none:none" in err
