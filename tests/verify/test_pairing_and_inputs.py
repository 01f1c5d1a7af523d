"""Which input is which, which output is which, and what both models run on; with functions as models, so without a framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from migspec.diagnostics import SpecError
from migspec.verify.inputs import Wishes, made
from migspec.verify.pairing import Named, Pair, pair
from migspec.verify.ports import Port, fits, joined_shape, with_ones
from migspec.verify.verification import verify

X = Port("x", (None, 3), "float32")


def names(old: list[Port], new: list[Port], said: dict[str, str] | None = None) -> set[tuple[str, str]]:
    pairs, _, _ = pair(Named("old", tuple(old)), Named("new", tuple(new)), said or {}, "input")
    return {(one.old.name, one.new.name) for one in pairs}


def test_shapes_that_fit() -> None:
    assert fits(Port("a", (None, 3), "float32"), Port("b", (4, 3), "float16"))
    assert not fits(Port("a", (2,), "float32"), Port("b", (2,), "int32"))
    assert joined_shape((None, 3), (4, None)) == (4, 3)
    assert joined_shape((2,), (3,)) is False and joined_shape(None, (3,)) == (3,)
    assert with_ones((2, 187, 96), (None, 187, 96, 1)) == (2, 187, 96, 1)
    assert with_ones((2, 1, 3), (None, 3)) == (2, 3) and with_ones((1, 3), (None, 3)) == (1, 3)
    assert with_ones((2, 3), (None, 4)) is None and with_ones((2, 3), (None,)) is None


def test_by_name_then_by_the_only_choice() -> None:
    words, other = Port("words", (None, 5), "int32"), Port("tokens", (None, 5), "int64")
    assert names([X, words], [other, X]) == {("x", "x"), ("words", "tokens")}
    assert names([Port("serving_default_x:0", (None, 3), "float32")], [X]) == {("serving_default_x:0", "x")}
    assert names([Port("a", (None, 3), "float32"), Port("b", (None, 3), "float32")], [X]) == set()  # either might be meant
    assert names([Port("a", (None, 3), "float32"), Port("b")], [X]) == {("a", "x")}  # what is known goes first
    assert names([X, words], [other, X], {"x": "x"}) == {("x", "x"), ("words", "tokens")}


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(SpecError, match="there is no input `y`"):
        names([X], [X], {"y": "x"})


def test_made_inputs_are_the_same_whenever_and_wherever() -> None:
    [one] = made([Pair(X, X)], Wishes(samples=2, seed=5))
    assert one.value.dtype == "float32" and one.value.shape == (2, 3)
    numpy.testing.assert_allclose(one.value[0], made([Pair(X, X)], Wishes(2, 5))[0].value[0])
    other = Port("z", (None, 2), "float32")
    both = made([Pair(other, other), Pair(X, X)], Wishes(2, 5))
    assert numpy.array_equal(both[1].value, one.value)  # one input more changes none
    assert not numpy.array_equal(made([Pair(X, X)], Wishes(2, 6))[0].value, one.value)


def test_ranges_shapes_and_what_is_not_known() -> None:
    words = Port("words", (None, None), "int32")
    with pytest.raises(SpecError, match="MIG604"):
        made([Pair(words, words)], Wishes())
    [one] = made([Pair(words, Port("tokens", (None, 50), "int64", below=4))], Wishes(samples=20))
    assert one.value.shape == (20, 50) and set(numpy.unique(one.value)) == {0, 1, 2, 3}
    assert one.old_value.dtype == "int32" and one.new_value.dtype == "int64"
    [one] = made([Pair(words, words)], Wishes(ranges={"words": (3, 5)}, shapes={"words": (100, 2)}))
    assert one.value.shape == (100, 2) and set(numpy.unique(one.value)) == {3, 4}
    [one] = made([Pair(X, X)], Wishes(samples=100, ranges={"x": (0.0, 0.5)}))
    assert 0 <= one.value.min() < one.value.max() < 0.5
    with pytest.raises(SpecError, match="MIG604"):
        made([Pair(X, X)], Wishes(shapes={"x": (2, 4)}))
    half = Port("x", (None, 3), "float16")
    [one] = made([Pair(X, half)], Wishes())
    assert numpy.array_equal(one.old_value, one.new_value.astype("float32"))  # both get the same numbers


def told(old: Any, new: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(SpecError) as caught:
        verify(old, new, **options)
    [first] = caught.value.diagnostics
    return first.code, " ".join((first.message, *first.notes, *first.helps))


def test_arrays_of_a_file(tmp_path: Path) -> None:
    file = str(tmp_path / "inputs.npz")
    numpy.savez(file, x=numpy.ones([2, 3], "float32"), spare=numpy.zeros(9))
    report = verify(lambda x: x + 1, lambda x: 1 + x, inputs=file)
    assert report.passed and report.notes == (f"{file} has `spare`, which no input takes",)
    assert report.inputs[0].origin == f"`x` of {file}"
    code, text = told(lambda y: y, lambda z: z, inputs=file)
    assert code == "MIG602" and "several arrays fit" in text
    code, text = told(lambda x: x, lambda x: x, inputs=str(tmp_path / "missing.npz"))
    assert code == "MIG501"


def test_inputs_and_outputs_that_are_paired_by_the_user() -> None:
    arrays = {"a": numpy.ones([2, 3], "float32"), "b": numpy.full([2, 3], 5, "float32")}

    def old(a: Any, b: Any) -> Any:
        return {"sum": a + b, "difference": a - b}

    def new(first: Any, second: Any) -> Any:
        return [first + second, first - second]

    code, text = told(old, new, inputs=arrays)
    assert code == "MIG602" and "--input a=first" in text
    inputs = {"a": "first", "b": "second"}
    code, text = told(old, new, inputs=arrays, input_pairs=inputs)
    assert code == "MIG602" and "--output sum=output_0" in text
    outputs = {"sum": "output_0", "difference": "output_1"}
    assert verify(old, new, inputs=arrays, input_pairs=inputs, output_pairs=outputs).passed
    crossed = verify(old, new, inputs=arrays, input_pairs=inputs, output_pairs={"sum": "output_1"})
    assert not crossed.passed and len(crossed.outputs) == 1
    code, text = told(old, new, inputs=arrays, input_pairs=inputs, output_pairs={"summ": "output_0"})
    assert code == "MIG602" and "did you mean `sum`?" in text


def test_outputs_of_other_shapes_are_not_compared() -> None:
    arrays = {"x": numpy.ones([2, 3], "float32")}
    assert told(lambda x: x, lambda x: x[:, :2], inputs=arrays)[0] == "MIG602"
    flat = verify(lambda x: x, lambda x: x.reshape(1, 2, 3), inputs=arrays, output_pairs={"output": "output"})
    assert flat.passed
    assert told(lambda x: x, lambda x: x.T, inputs=arrays, output_pairs={"output": "output"})[0] == "MIG602"


def test_constants_and_options_that_name_nothing() -> None:
    arrays = {"x": numpy.ones([2, 3], "float32")}

    def old(x: Any, training: Any, scale: Any) -> Any:
        return x * scale

    code, text = told(old, lambda x: 2 * x, inputs=arrays)
    assert code == "MIG602" and "--constant training=VALUE" in text
    report = verify(old, lambda x: 2 * x, inputs=arrays, constants={"scale": "2", "training": "false"})
    assert report.passed and [one.origin for one in report.inputs[1:]] == ["as you said", "as you said"]
    assert told(lambda x, scale: x, lambda x: x, inputs=arrays, constants={"scale": "two"})[0] == "MIG604"
    assert told(old, lambda x: x, inputs=arrays, constants={"skale": "2"})[0] == "MIG604"
    assert told(old, lambda x: x, inputs=arrays, ranges={"skale": (0, 1)})[0] == "MIG604"


def test_a_simple_function_between_outputs_is_named() -> None:
    def softmax(x: Any) -> Any:
        return numpy.exp(x) / numpy.exp(x).sum(-1, keepdims=True)

    arrays = {"x": numpy.random.default_rng(0).normal(size=[3, 3]).astype("float32")}
    for function, words in (
        (softmax, "the old output is the softmax of the new one"),
        (lambda x: 1 / (1 + numpy.exp(-x)), "the old output is the sigmoid"),
        (lambda x: x.T, "axes in the order [1, 0]"),
    ):
        report = verify(function, lambda x: x, inputs=arrays)
        assert [one.code for one in report.diagnostics] == ["MIG601", "MIG606"] and words in report.diagnostics[1].message
    assert "the new output is the softmax" in verify(lambda x: x, softmax, inputs=arrays).diagnostics[1].message


def test_texts_and_complex_numbers_are_compared() -> None:
    arrays = {"x": numpy.array([[1.0, -2.0]], "float32")}
    for old, new in (
        (lambda x: x.astype(str), lambda x: (x + 1).astype(str)),
        (lambda x: x * 1j, lambda x: x * 2j),
        (lambda x: x > 0, lambda x: x < 0),
    ):
        assert verify(old, old, inputs=arrays).passed
        assert [one.code for one in verify(old, new, inputs=arrays).diagnostics] == ["MIG601"]


def test_an_option_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="tolerance"):
        verify(abs, abs, tolerance=3)
