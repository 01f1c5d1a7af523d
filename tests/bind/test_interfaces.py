"""What a reusable spec declares, held against variables, and the values that a `use` passes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from binding import as_map, codes, migrated, moves

from migspec.compiler import Compilation, compile_spec
from migspec.text import Text

SPECS = {
    "vector": "size n\nsource w [n]\ntarget k [n]\nrename w -> k",
    "shifted": "number more = 1.0\nsize n\nsource w [n]\ntarget k [n]\nrename w -> k  add more",
    "optional": "size n\nsource w [n]\nsource m [n] if present\ntarget k [n]\ntarget mm [n] if present\nrename w -> k\nrename m -> mm",
    "layers": "size h, n\nsource layer_{i}/w [h] for i < n\ntarget all [n, h]\nrename layer_{i}/w -> all  stack 0",
    "gated": "size n, gates = 2\nsource w [gates * n]\ntarget k [gates * n]\nrename w -> k",
    "fixed": "size n = 2\nsource w [n]\ntarget k [n]\nrename w -> k",
    "derived": "size n, twice = 2 * n\nsource w [twice]\ntarget k [n, 2]\nrename w -> k  reshape [n, -1]",
}

Mounted = Callable[[str, str, str], Compilation]


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    for name, content in SPECS.items():
        (tmp_path / f"{name}.mig").write_text(content)
    return lambda spec, source, target: compile_spec(
        Text(str(tmp_path / "spec.mig"), spec), as_map("old", source), as_map("new", target)
    )


def test_what_is_optional_and_not_there_takes_its_rules_along(mounted: Mounted) -> None:
    assert moves(mounted("use optional a -> b", "a/w [2]", "b/k [2]")) == {"b/k": ("a/w",)}
    assert moves(mounted(SPECS["optional"], "w [2]", "k [2]")) == {"k": ("w",)}
    assert len(moves(mounted("use optional a -> b", "a/w [2]\na/m [2]", "b/k [2]\nb/mm [2]"))) == 2


def test_what_is_optional_on_one_side_is_reported_on_the_other(mounted: Mounted) -> None:
    assert codes(mounted("use optional a -> b", "a/w [2]\na/m [2]", "b/k [2]")) == ["MIG201"]
    assert codes(mounted("use optional a -> b", "a/w [2]", "b/k [2]\nb/mm [2]")) == ["MIG202"]


@pytest.mark.parametrize(("members", "expected"), [("01", []), ("10", []), ("12", ["MIG216"]), ("02", ["MIG216"])])
def test_a_family_counts_from_zero(mounted: Mounted, members: str, expected: list[str]) -> None:
    source = "\n".join(f"a/layer_{i}/w [3]" for i in members)
    assert codes(mounted("use layers a -> b", source, "b/all [2, 3]")) == expected


def test_what_is_no_number_is_no_member_of_a_family(mounted: Mounted) -> None:
    source = "a/layer_0/w [3]\na/layer_last/w [3]"
    assert codes(mounted("use layers a -> b", source, "b/all [1, 3]")) == ["MIG201"]


@pytest.mark.parametrize("line", ["source */w [n]", "source w [n] for i < m", "source layer_{i}/w or w [n] for i < m"])
def test_an_interface_names_its_variables(mounted: Mounted, line: str) -> None:
    assert codes(mounted(f"size n, m = 1\n{line}\nrename w -> k", "w [2]", "k [2]")) == ["MIG106"]


def test_a_size_is_passed_in_when_another_rule_has_settled_it(mounted: Mounted) -> None:
    spec = "size n\nrename x -> y, z  split 0 [n, n]\nuse shifted a -> b with more = n"
    values, made = migrated(mounted(spec, "x [6]\na/w [2]", "y [3]\nz [3]\nb/k [2]"))
    assert (made["b/k"] == values["a/w"] + 3).all()


def test_a_size_that_is_passed_in_settles_the_outer_one(mounted: Mounted) -> None:
    spec = "size n\nuse vector a -> b with n = n\nrename x -> y  reshape [n, -1]"
    assert len(moves(mounted(spec, "x [6]\na/w [2]", "b/k [2]\ny [2, 3]"))) == 2


def test_a_size_that_is_passed_in_and_contradicted(mounted: Mounted) -> None:
    spec = "size n\nrename x -> y, z  split 0 [n, n]\nuse vector a -> b with n = n"
    assert codes(mounted(spec, "x [6]\na/w [2]", "y [3]\nz [3]\nb/k [2]")) == ["MIG306"]


@pytest.mark.parametrize(
    ("spec", "source", "target", "said", "note", "help_"),
    [
        (
            "use vector a -> b with n = 4",
            "a/w [2]",
            "b/k [2]",
            "n = 4",
            "`n` is 2, by axis 0 of `a/w`",
            "leave `n` out of the `with`",
        ),
        ("number m = 2\nuse vector a -> b with n = 2 * m", "a/w [2]", "b/k [2]", "n = 4", "`n` is 2", "leave `n` out"),
        ("use gated a -> b with gates = 3", "a/w [4]", "b/k [4]", "gates = 3", "`gates * n` is 4", "correct it, or mount"),
        (
            "use gated a -> b with gates = 2, n = 5",
            "a/w [4]",
            "b/k [4]",
            "gates = 2",
            "`gates * n` is 4",
            "correct it, or mount",
        ),
        ("use fixed a -> b with n = 4", "a/w [2]", "b/k [2]", "n = 4", "`n` is 2", "correct it, or mount"),
    ],
)
def test_a_value_of_a_with_that_the_shapes_contradict(
    spec: str, source: str, target: str, said: str, note: str, help_: str, mounted: Mounted
) -> None:
    [one] = mounted(spec, source, target).diagnostics
    assert one.code == "MIG307" and f"than `{said}` makes it" in one.message and one.uses == ()
    assert one.primary is not None and one.secondary
    place = one.primary.span
    assert place.text.content == spec and spec[place.start :].startswith(said.partition(" ")[0])
    assert one.notes[0].startswith(note) and one.helps[0].startswith(help_)


def test_a_size_that_a_with_does_not_give_is_told_at_the_interface(mounted: Mounted) -> None:
    one, *_ = mounted("use gated a -> b with n = 4", "a/w [8, 1]", "b/k [8, 1]").diagnostics
    assert one.code == "MIG307" and "declares" in one.message and one.uses


def test_a_size_that_is_passed_in_defines_others(mounted: Mounted) -> None:
    assert len(moves(mounted("use derived a -> b with n = 3", "a/w [6]", "b/k [3, 2]"))) == 1
    assert codes(mounted("use derived a -> b with n = 4", "a/w [6]", "b/k [3, 2]")) != []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("n = 0", "MIG114"),
        ("n = 2.5", "MIG114"),
        ("n = 1 / 0", "MIG114"),
        ("n = 2, n = 2", "MIG113"),
        ("m = 2", "MIG215"),
        ("n = m", "MIG112"),
    ],
)
def test_a_value_that_no_parameter_has(mounted: Mounted, values: str, expected: str) -> None:
    assert codes(mounted(f"use vector a -> b with {values}", "a/w [2]", "b/k [2]")) == [expected]


def test_wildcards_of_a_use_are_paired_too(mounted: Mounted) -> None:
    assert codes(mounted("use vector a_*_* -> b_*", "a_0_1/w [2]", "b_0/k [2]")) == ["MIG110"]
    assert moves(mounted("use vector a_* -> b_*", "a_0/w [2]", "b_0/k [2]")) == {"b_0/k": ("a_0/w",)}


def test_a_used_spec_that_cannot_be_read_is_one_error(mounted: Mounted, tmp_path: Path) -> None:
    (tmp_path / "bad.mig").write_text("number more\n" + SPECS["vector"])
    assert codes(mounted("use bad a -> b with more = 1.0", "a/w [2]", "b/k [2]")) == ["MIG101"]
