"""Ops that move elements: their shapes and values are numpy's, for every dtype, bit for bit."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_running import applied, bits, bundle_of, check, dtypes, numbers, seeds, shapes, some_axes, words

from migspec.ops import OpError

quick = settings(max_examples=25, deadline=None)


def axis_texts(rank: int) -> st.SearchStrategy[str]:
    """Every way to write an axis of so many."""
    return st.sampled_from([*map(str, range(-rank, rank)), "rows", "columns"])


def axis_number(text: str) -> int:
    return {"rows": 0, "columns": -1}.get(text) if text in ("rows", "columns") else int(text)


@given(shape=shapes, dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_transpose(shape, dtype, seed, data) -> None:
    values = bits(shape, dtype, seed)
    check("transpose", [values], [numpy.transpose(values)])
    if shape:
        axes = data.draw(st.permutations(range(len(shape))))
        check(f"transpose {' '.join(map(str, axes))}", [values], [numpy.transpose(values, axes)])


@given(shape=some_axes(), dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_permute_by_letters(shape, dtype, seed, data) -> None:
    letters = "NCDHW"[: len(shape)]
    new = "".join(data.draw(st.permutations(letters)))
    values = bits(shape, dtype, seed)
    expected = numpy.einsum(f"{letters}->{new}", numpy.arange(values.size).reshape(shape))
    check(f"permute {letters} -> {new}", [values], [values.reshape(-1)[expected]])


def test_permute_is_of_the_axes_that_the_letters_name() -> None:
    values = numbers((2, 3, 4, 5))
    check("permute OIHW -> HWIO", [values], [numpy.transpose(values, (2, 3, 1, 0))])


@given(shape=some_axes(), dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_flip(shape, dtype, seed, data) -> None:
    axis = data.draw(axis_texts(len(shape)))
    values = bits(shape, dtype, seed)
    check(f"flip {axis}", [values], [numpy.flip(values, axis_number(axis))])


@given(shape=shapes, dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_expand_and_squeeze(shape, dtype, seed, data) -> None:
    axis = data.draw(axis_texts(len(shape) + 1))
    values = bits(shape, dtype, seed)
    longer = numpy.expand_dims(values, axis_number(axis))
    check(f"expand {axis}", [values], [longer])
    check(f"squeeze {axis}", [longer], [numpy.squeeze(longer, axis_number(axis))])


@given(shape=shapes, dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_reshape(shape, dtype, seed, data) -> None:
    values = bits(shape, dtype, seed)
    new = list(data.draw(st.permutations(shape)))
    if data.draw(st.booleans()):
        new.insert(data.draw(st.integers(0, len(new))), 1)
    check(f"reshape [{', '.join(map(str, new))}]", [values], [numpy.reshape(values, new)])
    if new and values.size:
        new[data.draw(st.integers(0, len(new) - 1))] = -1
        check(f"reshape [{', '.join(map(str, new))}]", [values], [numpy.reshape(values, new)])


@given(shape=some_axes(), dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_slice(shape, dtype, seed, data) -> None:
    axis = data.draw(axis_texts(len(shape)))
    length = shape[axis_number(axis)]
    ends = st.one_of(st.none(), st.integers(-length - 1, length + 1))
    start, stop = data.draw(ends), data.draw(ends)
    text = f"slice {axis} [{'' if start is None else start}:{'' if stop is None else stop}]"
    values = bits(shape, dtype, seed)
    place: list[slice] = [slice(None)] * len(shape)
    place[axis_number(axis)] = slice(start, stop)
    inside = all(end is None or -length <= end <= length for end in (start, stop))
    if inside and values[tuple(place)].shape[axis_number(axis)]:
        check(text, [values], [values[tuple(place)]])
    else:
        # numpy would give nothing, or as much as there is: a slip in a spec
        with pytest.raises(OpError) as error:
            applied(words(text), bundle_of([values]))
        assert error.value.code == "MIG302"


@given(shape=some_axes(), dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_split(shape, dtype, seed, data) -> None:
    axis = data.draw(axis_texts(len(shape)))
    number = axis_number(axis) % len(shape)
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    values = bits((*shape[:number], sum(sizes), *shape[number + 1 :]), dtype, seed)
    expected = numpy.split(values, numpy.cumsum(sizes)[:-1], axis=number)
    check(f"split {axis} [{', '.join(map(str, sizes))}]", [values], expected)


@given(shape=some_axes(), dtype=dtypes, seed=seeds, parts=st.integers(1, 4), data=st.data())
@quick
def test_split_in_equal_parts(shape, dtype, seed, parts, data) -> None:
    axis = data.draw(axis_texts(len(shape)))
    number = axis_number(axis) % len(shape)
    values = bits((*shape[:number], shape[number] * parts, *shape[number + 1 :]), dtype, seed)
    check(f"split {axis} in {parts}", [values], numpy.split(values, parts, axis=number))


def test_a_split_of_several_goes_tensor_by_tensor() -> None:
    first, second = numbers((4, 2), seed=1), numbers((4, 3), seed=2)
    check("split rows [1, 3]", [first, second], [first[:1], first[1:], second[:1], second[1:]])


@given(shape=some_axes(), dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_concat(shape, dtype, seed, data) -> None:
    axis = data.draw(axis_texts(len(shape)))
    number = axis_number(axis) % len(shape)
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    parts = [bits((*shape[:number], size, *shape[number + 1 :]), dtype, seed + k) for k, size in enumerate(sizes)]
    check(f"concat {axis}", parts, [numpy.concatenate(parts, axis=number)])


@given(shape=shapes, dtype=dtypes, seed=seeds, count=st.integers(1, 4), data=st.data())
@quick
def test_stack_and_unstack(shape, dtype, seed, count, data) -> None:
    axis = data.draw(axis_texts(len(shape) + 1))
    parts = [bits(shape, dtype, seed + k) for k in range(count)]
    stacked = numpy.stack(parts, axis=axis_number(axis))
    check(f"stack {axis}", parts, [stacked])
    check(f"unstack {axis}", [stacked], parts)


@given(shape=some_axes(), dtype=dtypes, seed=seeds, count=st.integers(1, 3), data=st.data())
@quick
def test_repeat(shape, dtype, seed, count, data) -> None:
    axis = data.draw(axis_texts(len(shape)))
    values = bits(shape, dtype, seed)
    check(f"repeat {axis} {count}", [values], [numpy.repeat(values, count, axis=axis_number(axis))])


@given(shape=shapes, dtype=dtypes, seed=seeds)
@quick
def test_as_is(shape, dtype, seed) -> None:
    values = bits(shape, dtype, seed)
    check("as is", [values], [values])


@given(shape=shapes, dtype=dtypes.filter(lambda dtype: dtype != "string"), seed=seeds, data=st.data())
@quick
def test_pad(shape, dtype, seed, data) -> None:
    more = [data.draw(st.integers(-1, 3)) for _ in shape]  # a length that is less is left alone
    values = bits(shape, dtype, seed)
    new = [max(0, length + extra) for length, extra in zip(shape, more, strict=True)]
    grown = [(0, max(0, goal - length)) for length, goal in zip(shape, new, strict=True)]
    content, number = data.draw(st.sampled_from((("zeros", 0), ("ones", 1), ("0.5", 0.5))))
    if number == 0.5 and not dtype.startswith(("float", "bfloat", "complex")):
        content, number = "ones", 1
    expected = numpy.pad(values, grown, constant_values=values.dtype.type(number)) if shape else values
    check(f"pad {content} to [{', '.join(map(str, new))}]", [values], [expected])


@given(shape=shapes, dtype=dtypes, seed=seeds, data=st.data())
@quick
def test_crop(shape, dtype, seed, data) -> None:
    new = [data.draw(st.integers(0, length + 1)) for length in shape]
    values = bits(shape, dtype, seed)
    check(f"crop to [{', '.join(map(str, new))}]", [values], [values[(*(slice(length) for length in new), ...)]])


@pytest.mark.parametrize(
    "op", ["transpose", "flip 0", "slice 0 [1:]", "pad zeros to [4, 4]", "crop to [1, 1]", "expand 0", "repeat 1 2"]
)
def test_an_op_on_one_tensor_applies_to_each(op) -> None:
    first, second = numbers((2, 3), seed=1), numbers((3, 2), seed=2)
    (alone,) = (values for values in (words(op),))
    results = applied(alone, bundle_of([first, second]))
    singles = [applied(alone, bundle_of([first])), applied(alone, bundle_of([second]))]
    assert [tensor.shape for tensor in results] == [tensors[0].shape for tensors in singles]


@pytest.mark.parametrize(
    ("op", "shape", "code"),
    [
        ("transpose 1 0", (2, 3, 4), "MIG302"),
        ("permute OI -> IO", (2, 3, 4), "MIG302"),
        ("flip 2", (2, 3), "MIG302"),
        ("flip -3", (2, 3), "MIG302"),
        ("squeeze 0", (2, 3), "MIG302"),
        ("squeeze 0", (), "MIG302"),
        ("expand 4", (2, 3), "MIG302"),
        ("reshape [4, 2]", (2, 3), "MIG302"),
        ("reshape [4, -1]", (2, 3), "MIG302"),
        ("reshape [0, -1]", (2, 3), "MIG302"),
        ("split rows [1, 2]", (2, 3), "MIG302"),
        ("split rows in 4", (2, 3), "MIG302"),
        ("split rows in 0", (2, 3), "MIG302"),
        ("unstack 2", (2, 3), "MIG302"),
        ("repeat 0 0", (2, 3), "MIG302"),
        ("pad zeros to [3]", (2, 3), "MIG302"),
        ("crop to [1, 1, 1]", (2, 3), "MIG302"),
        ("gates icfo -> ifco", (2, 3), "MIG302"),
        ("rope half -> interleaved on 1 heads 2", (2, 6), "MIG302"),
        ("rope half -> interleaved on 1 heads 0", (2, 4), "MIG302"),
        ('rearrange "a b c -> c b a"', (2, 3), "MIG302"),
        ('rearrange "(a 4) b -> a 4 b"', (6, 3), "MIG304"),
        ('rearrange "(a b) c -> a b c"', (6, 3), "MIG304"),
        ("reshape", (2, 3), "MIG304"),
        ("split rows", (2, 3), "MIG304"),
        ("pad zeros", (2, 3), "MIG304"),
        ("crop", (2, 3), "MIG304"),
        ("cast", (2, 3), "MIG304"),
        ("scale 0", (2, 3), "MIG409"),
        ("scale 1 / 0", (2, 3), "MIG114"),
        ("add 1.0 to f", (2, 4), "MIG408"),
        ("stack {e} 0", (2, 3), "MIG111"),
        ("unstack {e} 0", (2, 3), "MIG111"),
        ("concat 0 [3]", (2, 3), "MIG302"),
        ("concat 0 [1, 1]", (2, 3), "MIG302"),
        ("concat 0 in 2", (2, 3), "MIG302"),
        ("concat 2 [2]", (2, 3), "MIG302"),
        ("reshape from [3, 2]", (2, 3), "MIG302"),
        ("reshape from [6]", (2, 3), "MIG302"),
        ("cast from float16", (2, 3), "MIG401"),
    ],
)
def test_an_op_that_cannot_apply_says_so(op, shape, code) -> None:
    with pytest.raises(OpError) as error:
        applied(words(op), bundle_of([numbers(shape)]))
    assert error.value.code == code


@pytest.mark.parametrize(
    ("op", "code"),
    [
        ("transpose 0 2", "MIG107"),
        ("transpose 0 0", "MIG107"),
        ("permute OI -> IH", "MIG107"),
        ("permute OO -> OO", "MIG107"),
        ("reshape [-1, -1]", "MIG107"),
        ("gates ifco -> ifcf", "MIG404"),
        ("gates ifco -> zrh", "MIG404"),
        ("gates ifcg -> ifcg", "MIG404"),
        ("rope whole -> half on 0 heads 2", "MIG107"),
        ("reshape from [-1, -1]", "MIG107"),
        ("split gates zrh", "MIG404"),
        ("concat gates zrh", "MIG404"),
        ("concat gates ifco -> zrh", "MIG404"),
        ("cast from string", "MIG107"),
        ("cast string", "MIG107"),
        ('rearrange "a b"', "MIG107"),
        ('rearrange "a b -> a"', "MIG107"),
        ('rearrange "a a -> a a"', "MIG107"),
        ('rearrange "(a (b)) -> a b"', "MIG107"),
        ('rearrange "(a b -> a b"', "MIG107"),
        ('rearrange "a) b -> a b"', "MIG107"),
        ('rearrange "... a -> a ..."', "MIG107"),
    ],
)
def test_arguments_that_no_tensor_satisfies_are_refused_when_read(op, code) -> None:
    with pytest.raises(OpError) as error:
        words(op)
    assert error.value.code == code


@pytest.mark.parametrize("op", ["concat 0", "stack 0", "sum", "mean"])
def test_tensors_that_do_not_go_together(op) -> None:
    with pytest.raises(OpError) as shapes_differ:
        applied(words(op), bundle_of([numbers((2, 3)), numbers((2, 4))]))
    assert shapes_differ.value.code == "MIG302"
    with pytest.raises(OpError) as dtypes_differ:
        applied(words(op), bundle_of([numbers((2, 3)), numbers((2, 3), "float16")]))
    assert dtypes_differ.value.code == "MIG401"
