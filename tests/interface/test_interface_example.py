"""The variables that an interface declares for one choice of sizes, names and optional lines."""

from __future__ import annotations

import pytest

from migspec.interface.example import (
    Choice,
    Example,
    Impossible,
    counts,
    example,
    free_sizes,
    generations,
    optional_groups,
)
from migspec.library import load, read_vocabulary
from migspec.resolve import resolve
from migspec.rules import Program
from migspec.text import Text


def program(content: str, name: str = "spec.mig") -> Program:
    resolved, problems = resolve(Text(name, content), load, read_vocabulary)
    assert problems == ()
    return resolved


def shapes(one: Example) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    return {v.name: v.shape for v in one.source}, {v.name: v.shape for v in one.target}


CELL = program("""size inputs, units, width = 4 * units
number more = 1.0
source kernel or weights [inputs + units, width] float16
source bias or biases or Linear.Bias [width] if present
target k [inputs, units, 4]
target b [width] if present
rename kernel -> k
rename bias -> b
""")


def test_sizes_dtypes_and_definitions() -> None:
    one = example(CELL, Choice({"inputs": 3, "units": 2}))
    assert shapes(one) == ({"kernel": (5, 8)}, {"k": (3, 2, 4)})
    assert one.source["kernel"].dtype == "float16" and one.target["k"].dtype == "float32"
    assert one.values == {"inputs": 3, "units": 2, "width": 8, "more": 1.0}
    assert free_sizes(CELL) == ("inputs", "units")


def test_a_choice_may_give_a_size_another_value_than_its_definition() -> None:
    one = example(CELL, Choice({"inputs": 3, "units": 2, "width": 5}))
    assert one.source["kernel"].shape == (5, 5)


@pytest.mark.parametrize(
    ("generation", "names"), [(0, ("kernel", "bias")), (1, ("weights", "biases")), (2, ("weights", "Linear.Bias"))]
)
def test_generations(generation: int, names: tuple[str, str]) -> None:
    one = example(CELL, Choice({"inputs": 1, "units": 1}, generation, frozenset({1, 3})))
    assert tuple(variable.name for variable in one.source) == names
    assert [one.called["source", name] for name in names] == ["kernel", "bias"]
    assert generations(CELL) == 3


def test_what_a_rule_moves_is_there_or_not_together() -> None:
    assert optional_groups(CELL) == (frozenset({1, 3}),)


def test_what_no_rule_joins_is_free_and_what_is_kept_is_too() -> None:
    spec = program(
        "source a [1] if present\nsource b [1] if present\nsource c.d [1] if present\n"
        "target a [1] if present\ntarget z [1] if present\nsame a if present\ndrop b, c.d if present\nkeep z if present"
    )
    assert optional_groups(spec) == (frozenset({0, 3}), frozenset({1}), frozenset({2}), frozenset({4}))


def test_one_rule_joins_all_that_it_names_whatever_the_separator() -> None:
    spec = program("source a.x [1] if present\nsource b [1] if present\ntarget c [1] if present\nrename a/x, b -> c  sum")
    assert optional_groups(spec) == (frozenset({0, 1, 2}),)


def test_a_family_is_joined_by_its_pattern() -> None:
    spec = program(
        "size n, k\nsource l_{i}/b [n] for i < k if present\ntarget m_{j}/b [n] for j < k if present\nrename l_{i}/b -> m_{i}/b"
    )
    assert optional_groups(spec) == (frozenset({0, 1}),)


def test_what_a_used_spec_moves_is_joined(tmp_path) -> None:
    (tmp_path / "inner.mig").write_text(
        "size n\nsource w [n]\nsource b or c [n] if present\ntarget w [n]\ntarget b [n] if present\nrename w -> w\nrename b -> b"
    )
    outer = (
        "size n\nsource x/w [n]\nsource x/c [n] if present\nsource y/w [n] if present\n"
        "target z/w [n]\ntarget z/b [n] if present\ntarget v/w [n] if present\nuse inner x -> z\nuse inner y -> v  if present"
    )
    assert optional_groups(program(outer, str(tmp_path / "outer.mig"))) == (frozenset({1, 4}), frozenset({2, 5}))


def test_families_ranges_choices_and_captures() -> None:
    spec = program(
        "size n, k\nsource l_{i}/w [n] for i < k + 1\nsource x{_i} [n] for i < k\n"
        "target {p:q|k}/{j:2..3} [n]\ntarget {name}/{s:**} [n]\ndrop **\nkeep **"
    )
    one = example(spec, Choice({"n": 1, "k": 2}))
    assert [v.name for v in one.source] == ["l_0/w", "l_1/w", "l_2/w", "x", "x_1"]
    assert {v.name for v in one.target} >= {"q/2", "q/3", "k/2", "k/3", "first/part", "second/part/inner"}
    assert counts(spec) == {"k"}


def test_sizes_behind_the_count_of_a_family_count_too() -> None:
    spec = program("size a, b, k = a + b\nsource l_{i} [a] for i < k\ntarget l_{i} [a] for i < k\nsame **")
    assert counts(spec) == {"a", "b", "k"}


@pytest.mark.parametrize("sizes", [{"a": 3, "b": 2}, {"a": 1, "b": 2}])
def test_no_whole_number_is_no_case(sizes: dict[str, int]) -> None:
    for spec in ("size a, b\nsource w [a / b]\ndrop w", "size a, b, c = a / b\nsource w [c]\ndrop w"):
        with pytest.raises(Impossible):
            example(program(spec), Choice(sizes))


def test_nothing_is_no_length() -> None:
    with pytest.raises(Impossible):
        example(program("size a\nsource w [a - 1]\ndrop w"), Choice({"a": 1}))


def test_two_lines_with_one_name_clash() -> None:
    spec = program("source a [1]\nsource b or a [1]\ntarget a [1]\nsame a\ndrop b if present")
    assert example(spec, Choice({})).clashes == ()
    assert example(spec, Choice({}, 1)).clashes == ((0, 1, "a"),)
