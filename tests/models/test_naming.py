"""Which of several possible names a variable gets, and which of them are left as aliases."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.models.naming import Candidates, named
from migspec.names import normal_name


def called(*candidates: tuple[tuple[str, ...], tuple[str | None, ...]]) -> dict[str, tuple[str, ...]]:
    variables = named([Candidates((1,), "float32", names, aliases) for names, aliases in candidates])
    return {variable.name: variable.aliases for variable in variables}


def test_the_first_name_that_nobody_shares() -> None:
    assert called((("a", "x/a", "0"), ()), (("a", "y/a", "1"), ()), (("b", "2"), ())) == {"x/a": (), "y/a": (), "b": ()}


def test_a_second_choice_gives_way_to_a_first_one() -> None:
    assert called((("a", "b", "0"), ()), (("a", "c", "1"), ()), (("b", "2"), ())) == {"0": (), "c": (), "b": ()}


def test_a_later_choice_of_another_takes_nothing_away() -> None:
    assert called((("a", "0"), ()), (("b", "a", "1"), ())) == {"a": (), "b": ()}


def test_aliases_stand_for_one_variable_and_are_nobodys_name() -> None:
    found = called((("a",), ("own", "both", "b", None, "a", "own")), (("b",), ("both", "other.path")))
    assert found == {"a": ("own",), "b": ("other.path",)}


def test_separators_make_no_difference() -> None:
    assert called((("a/b", "0"), ("c.d",)), (("a.b", "1"), ("c/d",))) == {"0": (), "1": ()}


texts = st.text("ab/", min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.lists(texts, max_size=3), st.lists(st.none() | texts, max_size=3)), max_size=6))
def test_every_name_and_alias_stands_for_one_variable(given: list[tuple[list[str], list[str | None]]]) -> None:
    variables = named(
        [Candidates((), "int8", (*names, f"number {i}"), tuple(aliases)) for i, (names, aliases) in enumerate(given)]
    )
    everything = [normal_name(name) for variable in variables for name in (variable.name, *variable.aliases)]
    assert len(variables) == len(given)
    assert len(set(everything)) == len(everything)
