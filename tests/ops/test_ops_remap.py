"""`remap`: its shapes and values are what numpy.take makes of the places that the tokens stand for; where nothing is lost it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_running import applied, bits, bundle_of, same_bits, some_axes, values_of, words

from migspec.ops import Lost, OpError, Remap, Unsettled, Wanted, Word
from migspec.ops.base import Context
from migspec.vocabulary import Vocabulary, correspondence

some = settings(max_examples=60, deadline=None)


def remap(old: Sequence[str], new: Sequence[str], op: str = 'remap rows from "o" to "n"') -> Remap:
    (word,) = words(op)
    assert isinstance(word, Remap)
    return replace(
        word,
        correspondence=correspondence(
            *(Vocabulary("file", "", {token: place for place, token in enumerate(listed)}) for listed in (old, new))
        ),
    )


def run(word: Word, array: numpy.ndarray) -> numpy.ndarray:
    (value,) = values_of(applied((word,), bundle_of([array])), [array])
    return value


@some
@given(some_axes(), st.data())
def test_the_places_are_those_of_numpy_take(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    old = [str(number) for number in range(shape[axis])]
    new = data.draw(st.lists(st.sampled_from([*old, "x", "y", "z"]), unique=True))
    array = bits(shape, "float32")
    got = run(remap(old, new, f'remap {axis} from "o" to "n" else 0.5'), array)
    new_row = numpy.full_like(
        array, 0.5, shape=tuple(1 if one == axis % len(shape) else length for one, length in enumerate(shape))
    )
    places = [old.index(token) if token in old else shape[axis] for token in new]
    assert same_bits(got, numpy.concatenate([array, new_row], axis=axis).take(places, axis=axis))


@some
@given(
    st.permutations("abcdefg"), st.permutations("abcdefg"), st.integers(0, 2), st.sampled_from(("float32", "int8", "string"))
)
def test_there_and_back(old: list[str], new: list[str], oov: int, dtype: str) -> None:
    word = remap(old, new, f'remap rows from "o" oov {oov} to "n" oov {oov}')
    array = bits((len(old) + oov, 3), dtype)
    bundle = bundle_of([array])
    inverse = word.inverse(bundle)
    assert not isinstance(inverse, Lost)
    (value,) = values_of(applied(inverse, applied((word,), bundle)), [array])
    assert same_bits(value, array)


@pytest.mark.parametrize(("old", "new", "oov"), [("ab", "abc", ""), ("abc", "ab", ""), ("ab", "ba", " oov 1")])
def test_what_is_lost_or_new_has_no_way_back(old: str, new: str, oov: str) -> None:
    word = remap(old, new, f'remap rows from "o" to "n"{oov} else zeros')
    assert isinstance(word.inverse(bundle_of([bits((len(old), 2), "float32")])), Lost)


def test_the_same_tokens_in_the_same_order_are_nothing() -> None:
    bundle = bundle_of([bits((3, 2), "float32")])
    assert applied((remap("abc", "abc"),), bundle) == bundle


def test_random_rows_are_those_of_the_place_among_the_new_ones() -> None:
    array = bits((2, 4), "float32")
    word = remap("ab", ["x", "b", "y"], 'remap rows from "o" to "n" else normal 0.02 seed 7')
    other = remap("ab", ["x", "y"], 'remap rows from "o" to "n" else normal 0.02 seed 7')
    assert same_bits(run(word, array)[[0, 2]], run(other, array))


@pytest.mark.parametrize(
    ("op", "shape", "code"),
    [
        ('remap rows from "o" to "n" else zeros', (4, 2), "MIG302"),
        ('remap rows from "o" oov 2 to "n" else zeros', (3, 2), "MIG302"),
        ('remap columns from "o" to "n" else zeros', (2, 3), "MIG302"),
        ('remap 2 from "o" to "n" else zeros', (2, 3), "MIG302"),
        ('remap rows from "o" to "n"', (2, 3), "MIG304"),
        ('remap rows from "o" to "n" oov -1 else zeros', (2, 3), "MIG114"),
        ('remap rows from "o" to "n" oov 1.5 else zeros', (2, 3), "MIG114"),
        ('remap rows from "o" to "n" oov 1/0 else zeros', (2, 3), "MIG114"),
    ],
)
def test_what_cannot_apply(op: str, shape: tuple[int, ...], code: str) -> None:
    with pytest.raises(OpError) as found:
        applied((remap("ab", "ac", op),), bundle_of([bits(shape, "float32")]))
    assert found.value.code == code
    assert found.value.helps


def test_a_size_behind_oov_is_solved_from_the_shapes() -> None:
    word = remap("ab", "ba", 'remap rows from "o" oov n to "n" oov m else zeros')
    context = Context({"n": None, "m": None}, lambda: Wanted((7, 3)), ("stream",))
    with pytest.raises(Unsettled):
        word.apply(bundle_of([bits((5, 3), "float32")]), context)
    assert [value for _, value in context.equations] == [5]
    assert word.pull_back(Wanted((7, 3)), context) == Wanted((None, 3))
    context = Context({"n": 3, "m": None}, lambda: Wanted((7, 3)), ("stream",))
    with pytest.raises(Unsettled):
        word.apply(bundle_of([bits((5, 3), "float32")]), context)
    assert [value for _, value in context.equations] == [5, 7]
    assert word.pull_back(Wanted((7, 3)), context) == Wanted((5, 3))
