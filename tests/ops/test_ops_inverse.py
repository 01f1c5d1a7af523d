"""Inverses: what is exact comes back bit for bit, what rounds comes back close, what is lost has no way back."""

from __future__ import annotations

from math import prod

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from op_running import (
    FLOATS,
    applied,
    bits,
    bundle_of,
    dtypes,
    numbers,
    same_bits,
    same_numbers,
    seeds,
    shapes,
    values_of,
    words,
)

from migspec.dtypes import NAMES, is_lossy, kind
from migspec.ops import Bundle, Context, Lost, Wanted

some = settings(max_examples=40, deadline=None)


def there_and_back(op: str, arrays: list[numpy.ndarray]) -> list[numpy.ndarray]:
    """An op, and then its inverse."""
    (word,) = words(op)
    bundle = bundle_of(arrays)
    result = applied((word,), bundle)
    inverse = word.inverse(bundle)
    assert not isinstance(inverse, Lost), op
    return values_of(applied(inverse, result), arrays)


@st.composite
def exact_ops(draw: st.DrawFn, shape: tuple[int, ...]) -> str:
    """An exact n -> n op that can apply to this shape."""
    rank = len(shape)
    choices = ["transpose", "as is", "reshape"]
    axis = draw(st.integers(-rank, rank - 1)) if rank else 0
    choices.append(f"expand {draw(st.integers(-rank - 1, rank))}")
    if rank:
        letters = "NCDHWXYZKLMOPQ"[:rank]  # a pipeline may grow six axes
        choices += [
            f"flip {axis}",
            f"transpose {' '.join(map(str, draw(st.permutations(range(rank)))))}",
            f"permute {letters} -> {''.join(draw(st.permutations(letters)))}",
            f'rearrange "{" ".join(letters)} -> {" ".join(draw(st.permutations(letters)))}"',
            f'rearrange "{" ".join(letters)} -> ({" ".join(draw(st.permutations(letters)))})"',
        ]
        if shape[axis] == 1:
            choices.append(f"squeeze {axis}")
        for count, order in ((4, "ifco"), (3, "zrh")):
            if shape[axis] % count == 0:
                choices.append(f"gates {order} -> {''.join(draw(st.permutations(order)))} on {axis}")
        heads = draw(st.integers(1, 3))
        if shape[axis] % (2 * heads) == 0:
            old, new = draw(st.permutations(("interleaved", "half")))
            choices.append(f"rope {old} -> {new} on {axis} heads {heads}")
    op = draw(st.sampled_from(choices))
    if op == "reshape":
        op = f"reshape [{', '.join(map(str, draw(st.permutations((*shape, 1)))))}]"
    return op


@given(shape=shapes, dtype=dtypes, seed=seeds, data=st.data())
@settings(max_examples=120, deadline=None)
def test_an_exact_op_and_its_inverse_are_the_identity(shape, dtype, seed, data) -> None:
    op = data.draw(exact_ops(shape))
    assume("-> (" not in op or prod(shape))  # einops' notation says nothing of how an axis of no places comes apart
    values = bits(shape, dtype, seed)
    if "-> (" in op:
        (word,) = words(op)
        bundle = bundle_of([values])
        sizes = dict(zip("NCDHWX", shape, strict=False))
        inverse = word.inverse(bundle)
        assert not isinstance(inverse, Lost)
        (result,) = values_of(applied(inverse, applied((word,), bundle), values=sizes), [values])
    else:
        (result,) = there_and_back(op, [values])
    assert same_bits(result, values)


@given(shape=shapes, dtype=dtypes, seed=seeds, data=st.data())
@some
def test_a_pipeline_of_exact_ops_inverts_from_its_end(shape, dtype, seed, data) -> None:
    values = bits(shape, dtype, seed)
    bundle = bundle_of([values])
    steps: list[tuple[object, Bundle]] = []
    for _ in range(data.draw(st.integers(1, 6))):
        op = data.draw(exact_ops(bundle[0].shape))
        assume("-> (" not in op)
        (word,) = words(op)
        steps.append((word, bundle))
        bundle = applied((word,), bundle)
    for word, before in reversed(steps):
        inverse = word.inverse(before)  # type: ignore[attr-defined]
        assert not isinstance(inverse, Lost)
        bundle = applied(inverse, bundle)
    assert same_bits(values_of(bundle, [values])[0], values)


@given(shape=shapes.filter(bool), dtype=dtypes, seed=seeds, data=st.data())
@some
def test_what_is_cut_joins_again_and_what_is_joined_is_cut_again(shape, dtype, seed, data) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    whole = list(shape)
    whole[axis] = sum(sizes)
    values = bits(tuple(whole), dtype, seed)
    (back,) = there_and_back(f"split {axis} [{', '.join(map(str, sizes))}]", [values])
    assert same_bits(back, values)
    parts = []
    for place, size in enumerate(sizes):
        whole[axis] = size
        parts.append(bits(tuple(whole), dtype, seed + place))
    again = there_and_back(f"concat {axis}", parts)
    assert len(again) == len(parts)
    assert all(same_bits(one, other) for one, other in zip(again, parts, strict=True))
    count = len(sizes)
    whole[axis] = shape[axis] * count
    values = bits(tuple(whole), dtype, seed)
    (back,) = there_and_back(f"split {axis} in {count}", [values])
    assert same_bits(back, values)


@given(
    shape=shapes.filter(bool),
    dtype=dtypes,
    seed=seeds,
    sizes=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    data=st.data(),
)
@some
def test_parts_of_written_lengths_join_as_numpy_joins_them(shape, dtype, seed, sizes, data) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for place, size in enumerate(sizes):
        whole = list(shape)
        whole[axis] = size
        parts.append(bits(tuple(whole), dtype, seed + place))
    written = [f"concat {axis} [{', '.join(map(str, sizes))}]"]
    if len(set(sizes)) == 1:
        written.append(f"concat {axis} in {len(sizes)}")
    for op in written:
        (word,) = words(op)
        bundle = bundle_of(parts)
        (joined,) = values_of(applied((word,), bundle), parts)
        assert same_bits(joined, numpy.concatenate(parts, axis))
        (split,) = words(op.replace("concat", "split"))
        assert word.inverse() == word.inverse(bundle) == (split,)
        assert split.inverse() == (word,)
        again = values_of(applied((split,), applied((word,), bundle)), parts)
        assert all(same_bits(one, other) for one, other in zip(again, parts, strict=True))


@given(shape=shapes, dtype=dtypes, seed=seeds, data=st.data())
@some
def test_a_shape_is_left_and_come_back_to(shape, dtype, seed, data) -> None:
    values = bits(shape, dtype, seed)
    old = [str(length) for length in shape]
    if old and prod(shape) and data.draw(st.booleans()):
        old[data.draw(st.integers(0, len(old) - 1))] = "-1"
    goal = (1, *reversed(shape))
    (word,) = words(f"reshape from [{', '.join(old)}]")
    (result,) = values_of(applied((word,), bundle_of([values]), Wanted(goal)), [values])
    assert same_bits(result, values.reshape(goal))
    (back,) = word.inverse() or ()
    assert back == words(f"reshape [{', '.join(old)}]")[0]
    (again,) = values_of(applied((back,), bundle_of([result])), [result])
    assert same_bits(again, values)
    assert back.inverse() == (word,)
    assert word.pull_back(Wanted(goal), Context({}, Wanted, ())) == Wanted(shape)


@given(shape=shapes, dtype=dtypes, seed=seeds, count=st.integers(1, 4), data=st.data())
@some
def test_what_is_stacked_comes_apart_and_the_other_way(shape, dtype, seed, count, data) -> None:
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    parts = [bits(shape, dtype, seed + place) for place in range(count)]
    again = there_and_back(f"stack {axis}", parts)
    assert len(again) == count
    assert all(same_bits(one, other) for one, other in zip(again, parts, strict=True))
    stacked = numpy.stack(parts, axis=axis)
    (back,) = there_and_back(f"unstack {axis}", [stacked])
    assert same_bits(back, stacked)


@given(shape=shapes, dtype=dtypes.filter(lambda dtype: dtype != "string"), seed=seeds, data=st.data())
@some
def test_padding_is_cropped_away(shape, dtype, seed, data) -> None:
    values = bits(shape, dtype, seed)
    goal = [length + data.draw(st.integers(0, 2)) for length in shape]
    (back,) = there_and_back(f"pad zeros to [{', '.join(map(str, goal))}]", [values])
    assert same_bits(back, values)


def test_padding_gate_by_gate_is_cropped_away_or_has_no_inverse() -> None:
    values = numbers((3, 8))
    gates, pad = words("gates ifco -> ifco pad zeros to [5, 16]")
    named = applied((gates,), bundle_of([values]))
    inverse = pad.inverse(named)
    if not isinstance(inverse, Lost):
        assert same_bits(values_of(applied(inverse, applied((pad,), named)), [values])[0], values)


@pytest.mark.parametrize("old", [name for name in NAMES if name != "string"])
@pytest.mark.parametrize("new", [name for name in NAMES if name != "string"])
def test_a_cast_that_loses_nothing_comes_back(old, new) -> None:
    values = bits((40,), old, 5)
    (word,) = words(f"cast {new}")
    inverse = word.inverse(bundle_of([values]))
    # a float does not become an integer again, even if it was one: the language has no such cast
    if is_lossy(old, new) or kind(old) != kind(new):
        assert isinstance(inverse, Lost)
    else:
        assert not isinstance(inverse, Lost)
        (back,) = values_of(applied(inverse, applied((word,), bundle_of([values]))), [values])
        assert same_numbers(back, values)


@given(
    shape=shapes,
    dtype=st.sampled_from(FLOATS),
    seed=seeds,
    op=st.sampled_from(("add 1.0", "add -0.25", "add -x", "scale 0.5", "scale 3", "scale 1 / x")),
)
@some
def test_what_rounds_comes_back_close(shape, dtype, seed, op) -> None:
    values = numbers(shape, dtype, seed)
    (word,) = words(op)
    inverse = word.inverse(bundle_of([values]))
    assert not isinstance(inverse, Lost)
    names = {"x": 1.75}
    (back,) = values_of(applied(inverse, applied((word,), bundle_of([values]), values=names), values=names), [values])
    unit = {"float64": 2**-52, "float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7}[dtype]
    # the sum is at most |v| + 1.75 and rounds twice, the product three times, each by half a unit
    allowed = 2 * unit * (abs(values.astype("float64")) + 2)
    assert (abs(back.astype("float64") - values.astype("float64")) <= allowed).all()


def test_adding_to_one_gate_comes_back() -> None:
    values = numpy.arange(16, dtype="float32").reshape(2, 8)
    gates, add = words("gates icfo -> ifco add forget_bias to f")
    named = applied((gates,), bundle_of([values]))
    inverse = add.inverse(named)
    assert not isinstance(inverse, Lost)
    sizes = {"forget_bias": 1.0}
    back = applied(inverse, applied((add,), named, values=sizes), values=sizes)
    assert same_bits(values_of(back, [values])[0], values_of(named, [values])[0])


@pytest.mark.parametrize("op", ["slice 0 [1:]", "crop to [1, 1]", "repeat 0 2", "sum", "mean", "cast float16"])
def test_what_is_lossy_has_no_inverse(op) -> None:
    (word,) = words(op)
    assert isinstance(word.inverse(bundle_of([numbers((2, 3))])), Lost)
    assert word.exactness == "lossy" or op == "cast float16"


def test_what_depends_on_more_than_one_shape_has_no_inverse() -> None:
    different = bundle_of([numbers((2, 3)), numbers((3, 2))])
    for op in ("reshape [6]", "pad zeros to [4, 4]"):
        assert isinstance(words(op)[0].inverse(different), Lost)
    assert isinstance(words("split rows [1, 1]")[0].inverse(different), Lost)
    assert isinstance(words("unstack 0")[0].inverse(different), Lost)
    mixed = bundle_of([numbers((2,), "float16"), numbers((2,), "float32")])
    assert isinstance(words("cast float64")[0].inverse(mixed), Lost)
