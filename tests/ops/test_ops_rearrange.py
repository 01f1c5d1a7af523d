"""`rearrange` is einops' `rearrange`, lengths worked out from whatever settles them."""

from __future__ import annotations

from math import prod

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_running import applied, bits, bundle_of, check, dtypes, run, same_bits, seeds, words

from migspec.expression import Reshape
from migspec.ops import Context, OpError, Wanted

einops = pytest.importorskip("einops", reason="needs einops, which is the oracle")

LABELS = ["a", "heads", "dim", "d_2", "E", "out"]


@st.composite
def patterns(draw):
    """Groups of labels on both sides, each label with its length; the notation of both tools."""
    labels = LABELS[: draw(st.integers(1, 5))]
    lengths = {label: draw(st.integers(1, 4)) for label in labels}
    written = {label: str(lengths[label]) if draw(st.integers(0, 5)) == 0 and lengths[label] > 1 else label for label in labels}
    numbers = [text for text in written.values() if text.isdigit()]
    if len(set(numbers)) < len(numbers):  # two equal integers are paired in their order, which einops cannot say
        written = {label: label for label in labels}
    sides = []
    for _ in range(2):
        order = draw(st.permutations(labels))
        groups: list[list[str]] = [[]]
        for label in order:
            if groups[-1] and draw(st.booleans()):
                groups.append([])
            groups[-1].append(label)
        for _ in range(draw(st.integers(0, 1))):
            groups.insert(draw(st.integers(0, len(groups))), ["1"])
        sides.append(groups)

    def text(names):
        return " -> ".join(
            " ".join(
                f"({' '.join(names.get(one, one) for one in group)})" if len(group) > 1 else names.get(group[0], group[0])
                for group in side
            )
            for side in sides
        )

    def shape(side):
        return tuple(prod(lengths.get(label, 1) for label in group) for group in side)

    return text(written), text({}), lengths, written, shape(sides[0]), shape(sides[1])


@given(drawn=patterns(), dtype=dtypes, seed=seeds)
@settings(max_examples=80, deadline=None)
def test_it_agrees_with_einops(drawn, dtype, seed) -> None:
    pattern, for_einops, lengths, written, shape, _ = drawn
    values = bits(shape, dtype, seed)
    places = einops.rearrange(numpy.arange(values.size).reshape(shape), for_einops, **lengths)
    known = {label: length for label, length in lengths.items() if written[label] == label}
    check(f'rearrange "{pattern}"', [values], [values.reshape(-1)[places]], values=known)


@given(drawn=patterns(), seed=seeds)
@settings(max_examples=80, deadline=None)
def test_both_shapes_settle_the_labels_or_it_asks(drawn, seed) -> None:
    pattern, for_einops, lengths, _, shape, new_shape = drawn
    values = bits(shape, "float32", seed)
    expected = einops.rearrange(values, for_einops, **lengths)
    try:
        (result,) = run(f'rearrange "{pattern}"', values, wants=Wanted(new_shape, "float32"))
    except OpError as error:
        assert error.code == "MIG304"
    else:
        assert same_bits(result, expected)


@pytest.mark.parametrize(
    ("pattern", "shape", "wanted", "for_einops"),
    [
        ("(heads dim) m -> m heads dim", (6, 5), (5, 2, 3), {"heads": 2}),
        ("m (heads dim) -> heads m dim", (5, 6), (3, 5, 2), {"heads": 3}),
        ("m heads dim -> (heads dim) m", (5, 2, 3), None, {}),
        ("(a two) -> two a", (6,), None, {"two": 2}),
        ("a 1 b -> (a b)", (2, 1, 3), None, {}),
        ("a b -> a 1 b 1", (2, 3), None, {}),
        ("(a b) -> a b", (1,), (1, 1), {"a": 1}),
    ],
)
def test_labels_that_are_settled(pattern, shape, wanted, for_einops) -> None:
    values = bits(shape, "float32")
    expected = einops.rearrange(values, pattern, **for_einops)
    wants = None if wanted is None else Wanted(wanted, "float32")
    check(f'rearrange "{pattern.replace("two", "2")}"', [values], [expected], wants=wants)


def test_a_shape_that_is_open_settles_nothing() -> None:
    with pytest.raises(OpError) as error:
        run('rearrange "(heads dim) m -> m heads dim"', bits((6, 5), "float32"), wants=Wanted((5, None, None), "float32"))
    assert error.value.code == "MIG304"


def test_a_label_that_is_a_size_is_an_equation() -> None:
    context = Context({"heads": None, "dim": 3}, lambda: Wanted((5, 2, 3), "float32"), ("stream",))
    (tensor,) = words('rearrange "(heads dim) m -> m heads dim"')[0].apply(bundle_of([bits((6, 5), "float32")]), context)
    assert tensor.shape == (5, 2, 3)
    assert [(expression.name, value) for expression, value in context.equations] == [("heads", 2)]


def test_a_size_that_contradicts_the_shape_is_refused() -> None:
    with pytest.raises(OpError) as error:
        run('rearrange "(heads dim) m -> m heads dim"', bits((6, 5), "float32"), values={"heads": 4, "dim": 2})
    assert error.value.code == "MIG302"


def test_what_only_reorders_needs_no_reshape() -> None:
    (tensor,) = applied(words('rearrange "a b c -> c a b"'), bundle_of([bits((2, 3, 4), "float32")]))
    assert not isinstance(tensor.expression, Reshape)
