"""Names under either separator, looked up by name or alias; and many names written as few."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.fold import fold, fold_texts
from migspec.names import NameIndex, normal_name
from migspec.variables import Variable, VariableMap


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("a/b", "a/b"),
        ("a.b", "a/b"),
        ("a/b.c", "a/b/c"),
        ("a:0", "a"),
        ("a.b:0", "a/b"),
        ("a:1", "a:1"),
        ("0.weight", "0/weight"),
        (".a", ".a"),
        ("a/.b", "a/.b"),
        ("a/.b.c", "a/.b/c"),
        ("model/.ATTRIBUTES/VARIABLE_VALUE", "model/.ATTRIBUTES/VARIABLE_VALUE"),
        ("_CHECKPOINTABLE_OBJECT_GRAPH", "_CHECKPOINTABLE_OBJECT_GRAPH"),
    ],
)
def test_the_normal_name(name, normal) -> None:
    assert normal_name(name) == normal


@given(st.lists(st.text("ab0_", min_size=1, max_size=3), min_size=1, max_size=5), st.data())
@settings(max_examples=60, deadline=None)
def test_names_are_compared_by_segment_whichever_separator_is_written(segments, data) -> None:
    separators = data.draw(st.lists(st.sampled_from("/."), min_size=len(segments), max_size=len(segments)))
    written = "".join(segment + separator for segment, separator in zip(segments, separators, strict=True))[:-1]
    assert normal_name(written) == "/".join(segments)
    assert normal_name(normal_name(written)) == normal_name(written)
    assert normal_name(written + ":0") == normal_name(written)


# --- lookups ---------------------------------------------------------------------------------------------------------------------


def variable(name: str, *aliases: str) -> Variable:
    return Variable(name, (2,), "float32", aliases)


def names_found(index: NameIndex, name: str) -> list[tuple[str, int]]:
    return [(found.variable.name, found.alias) for found in index.lookup(normal_name(name))]


def test_a_variable_is_found_by_each_of_its_names() -> None:
    index = NameIndex(VariableMap.of("m", [variable("lstm/lstm_cell/kernel", "lstm/kernel", "layers/lstm/cell/vars/0")]))
    assert names_found(index, "lstm.lstm_cell.kernel") == [("lstm/lstm_cell/kernel", 0)]
    assert names_found(index, "lstm/kernel:0") == [("lstm/lstm_cell/kernel", 1)]
    assert names_found(index, "layers/lstm/cell/vars/0") == [("lstm/lstm_cell/kernel", 2)]
    assert names_found(index, "lstm") == []


def test_a_name_beats_an_alias() -> None:
    index = NameIndex(VariableMap.of("m", [variable("x", "a"), variable("a"), variable("y", "a")]))
    assert names_found(index, "a") == [("a", 0)]


def test_a_name_that_fits_two_variables_finds_both() -> None:
    index = NameIndex(VariableMap.of("m", [variable("a/b"), variable("a.b"), variable("c", "d"), variable("e", "d")]))
    assert names_found(index, "a.b") == [("a/b", 0), ("a.b", 0)]
    assert names_found(index, "d") == [("c", 1), ("e", 1)]


def test_an_alias_that_is_written_twice_is_one() -> None:
    index = NameIndex(VariableMap.of("m", [variable("a", "b", "b", "a")]))
    assert [name for name, _ in names_found(index, "b")] == ["a"]
    assert names_found(index, "a") == [("a", 0)]


segment_names = st.lists(st.sampled_from(("a", "b", "c")), min_size=1, max_size=2).map(".".join) | st.lists(
    st.sampled_from(("a", "b", "c")), min_size=1, max_size=2
).map("/".join)


@given(
    st.lists(st.tuples(segment_names, st.lists(segment_names, max_size=2)), max_size=5, unique_by=lambda pair: pair[0]),
    segment_names,
)
@settings(max_examples=100, deadline=None)
def test_a_lookup_is_a_search_through_all(pairs, name) -> None:
    variables = [variable(one, *aliases) for one, aliases in pairs]
    found = {one.variable.name for one in NameIndex(VariableMap.of("m", variables)).lookup(normal_name(name))}
    own = {one.name for one in variables if normal_name(one.name) == normal_name(name)}
    by_alias = {one.name for one in variables if normal_name(name) in {normal_name(alias) for alias in one.aliases}}
    assert found == (own or by_alias)


def test_a_mounted_spec_sees_its_own_names_alone() -> None:
    cell = variable("rnn/cell/kernel", "rnn/kernel")
    index = NameIndex(VariableMap.of("m", [cell]), [("kernel", cell)])
    assert names_found(index, "kernel") == [("rnn/cell/kernel", 0)]
    assert names_found(index, "rnn/cell/kernel") == []


# --- folding ---------------------------------------------------------------------------------------------------------------------


def expanded(text: str) -> list[str]:
    """Every name that a folded text stands for."""
    pieces = re.split(r"\{([0-9]+)\.\.([0-9]+)\}", text)
    ranges = [[str(n) for n in range(int(low), int(high) + 1)] for low, high in zip(pieces[1::3], pieces[2::3], strict=True)]
    return ["".join(a + b for a, b in zip(pieces[0::3], (*choice, ""), strict=True)) for choice in product(*ranges)]


numbered = st.builds(
    lambda parts: "".join(parts),
    st.lists(
        st.one_of(st.sampled_from(("a", "layer_", "/", ".", "b", "0", "01")), st.integers(0, 4).map(str)),
        min_size=1,
        max_size=6,
    ),
)


@given(st.lists(numbered, max_size=30))
@settings(max_examples=200, deadline=None)
def test_folded_texts_stand_for_exactly_the_names(names) -> None:
    folded = fold(names)
    assert sorted(name for one in folded for name in expanded(one.text)) == sorted(names)
    for one in folded:
        assert sorted(expanded(one.text)) == sorted(one.names)


@given(st.lists(numbered, max_size=30, unique=True))
@settings(max_examples=100, deadline=None)
def test_folded_texts_stand_in_the_order_of_their_first_names(names) -> None:
    first = [min(names.index(name) for name in one.names) for one in fold(names)]
    assert first == sorted(first)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_whole_grids_fold_into_one_line(lengths, random) -> None:
    names = ["/".join(f"block_{n}" for n in place) for place in product(*(range(length) for length in lengths))]
    random.shuffle(names)
    (one,) = fold(names)
    assert one.text == "/".join(f"block_{{0..{length - 1}}}" if length > 1 else "block_0" for length in lengths)


def test_what_has_no_run_does_not_fold() -> None:
    assert [one.text for one in fold(["a_1", "a_3", "a_01", "b"])] == ["a_1", "a_3", "a_01", "b"]
    assert [one.text for one in fold(["l_9", "l_10", "l_11", "m"])] == ["l_{9..11}", "m"]
    assert fold([]) == ()


def test_a_name_with_braces_or_endless_digits_stays_itself() -> None:
    names = ["a{b0", "a{b1", "x{0..1}", "y" + "1" * 5000, "y" + "1" * 4999 + "2"]
    assert sorted(name for one in fold(names) for name in one.names) == sorted(names)


def test_names_in_a_sentence() -> None:
    assert fold_texts(["w_0", "w_1", "b"]) == "`w_{0..1}`, `b`"
    assert fold_texts([f"{letter}/w" for letter in "abcdefgh"]) == "`a/w`, `b/w`, `c/w`, `d/w`, `e/w`, `f/w` and 2 more"
