"""What `copy`, `same`, `except`, `if present` and sizes mean, on small maps."""

from __future__ import annotations

import numpy
import pytest
from binding import codes, compiled, migrated, moves

from migspec.diagnostics import SpecError

# --- copy ------------------------------------------------------------------------------------------------------------------------


def test_tied_weights() -> None:
    values, made = migrated(
        compiled("rename wte -> embed\ncopy wte -> head  transpose", "wte [2, 3]", "embed [2, 3]\nhead [3, 2]")
    )
    assert (made["embed"] == values["wte"]).all()
    assert (made["head"] == values["wte"].T).all()


def test_a_copy_covers_its_source() -> None:
    assert moves(compiled("copy a -> x", "a [2]", "x [2]")) == {"x": ("a",)}


def test_a_copy_that_ends_in_one_tensor_gives_it_to_each_target() -> None:
    values, made = migrated(compiled("copy a, b -> x, y, z  sum", "a [2]\nb [2]", "x [2]\ny [2]\nz [2]"))
    for name in "xyz":
        assert (made[name] == values["a"] + values["b"]).all()


def test_several_copies_of_one_source() -> None:
    spec = "copy a -> x\ncopy a -> y\ncopy a -> z\nrename a -> w"
    assert moves(compiled(spec, "a [2]", "w [2]\nx [2]\ny [2]\nz [2]")) == dict.fromkeys("wxyz", ("a",))


def test_copied_and_dropped() -> None:
    assert codes(compiled("copy a -> x\ndrop a", "a [2]", "x [2]")) == ["MIG217"]
    assert codes(compiled("copy {n} -> x_{n}\ndrop a*", "a [2]", "x_a [2]")) == ["MIG217"]
    # a lone ** means the rest, and what is copied is no part of it
    assert moves(compiled("copy a -> x\ndrop **", "a [2]\nb [2]", "x [2]")) == {"x": ("a",)}


def test_renamed_twice() -> None:
    assert codes(compiled("rename a -> x\nrename a -> y", "a [2]", "x [2]\ny [2]")) == ["MIG206"]
    assert codes(compiled("rename a -> x\nrename b -> x", "a [2]\nb [2]", "x [2]")) == ["MIG207"]
    assert codes(compiled("rename a -> x, y", "a [2]", "x [2]\ny [2]")) == ["MIG303"]


# --- same ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("a/b [2]", "a/b [2]", {"a/b": ("a/b",)}),
        ("a.b [2]", "a/b [2]", {"a/b": ("a.b",)}),
        ("a/b [2]", "x/cell/b [2] also a/b", {"x/cell/b": ("a/b",)}),
        ("x/cell/b [2] also a/b", "a/b [2]", {"a/b": ("x/cell/b",)}),
        ("x [2] also n", "y [2] also n", {"y": ("x",)}),
        # its own name goes before an alias, on either side
        ("a [2]\nb [2] also a", "a [2]\nb [2]", {"a": ("a",), "b": ("b",)}),
        ("a [2]", "a [2]\nz [2] also a", {"a": ("a",)}),
    ],
)
def test_same_by_any_name(source, target, expected) -> None:
    assert moves(compiled("same **\nkeep **\ndrop **", source, target)) == expected


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("n [2]", "y [2] also n\nz [2] also n"),
        ("x [2] also n\ny [2] also n", "z [2] also n"),
        ("x [2] also n, m", "n [2]\nm [2]"),
    ],
)
def test_same_needs_a_name_that_is_unique_both_ways(source, target) -> None:
    compilation = compiled("same ** if present\nkeep **\ndrop **", source, target)
    assert compilation.plan is None or moves(compilation) == {}


def test_same_takes_what_is_unclaimed_with_its_ops() -> None:
    spec = "rename a -> x\nsame **  transpose"
    values, made = migrated(compiled(spec, "a [2, 3]\nb [2, 3]", "x [2, 3]\nb [3, 2]"))
    assert (made["x"] == values["a"]).all()
    assert (made["b"] == values["b"].T).all()
    assert codes(compiled("same a\nsame **", "a [2]\nb [2]", "a [2]\nc [2]")) != []


# --- lists -----------------------------------------------------------------------------------------------------------------------


def test_except_narrows_the_list_before_it() -> None:
    source, target = "l/0 [2]\nl/1 [2]\nl/2 [2]", "m/0 [2]\nm/2 [2]"
    compilation = compiled("rename l/{i} except l/1 -> m/{i}\ndrop l/1", source, target)
    assert moves(compilation) == {"m/0": ("l/0",), "m/2": ("l/2",)}
    assert codes(compiled("rename l/{i} except l/1 -> m/{i}", source, target)) == ["MIG201"]
    assert codes(compiled("drop l/* except l/9\nkeep **", source, target)) == ["MIG210"]
    compilation = compiled("drop **  except l/0\nrename l/0 -> m/0\nkeep m/* except m/0", source, target)
    assert moves(compilation) == {"m/0": ("l/0",)}


def test_every_element_matches_something() -> None:
    assert codes(compiled("drop a, b*, nothing", "a [2]\nb1 [2]", "")) == ["MIG203"]
    assert codes(compiled("drop a, b*, nothing if present", "a [2]\nb1 [2]", "")) == []
    assert codes(compiled("drop **", "", "")) == []


def test_if_present_excuses_what_is_not_there_at_all() -> None:
    spec = "rename a -> x if present\nrename b, c -> y  sum if present\ndrop **\nkeep **"
    assert moves(compiled(spec, "z [2]", "x [2]\ny [2]")) == {}
    assert moves(compiled(spec, "a [2]\nb [2]\nc [2]", "x [2]\ny [2]")) == {"x": ("a",), "y": ("b", "c")}
    # one of two is no less than nothing
    assert "MIG211" in codes(compiled(spec, "b [2]", "x [2]\ny [2]"))


def test_a_name_that_fits_two_variables() -> None:
    compilation = compiled("rename a/b -> x\ndrop **", "a/b [2]\na.b [2]", "x [2]")
    assert codes(compilation) == ["MIG208"]
    note = next(one for one in compilation.diagnostics if one.code == "MIG208").notes[0]
    assert note.index("`a/b`") < note.index("`a.b`")


def test_a_pattern_that_fits_in_two_ways() -> None:
    assert codes(compiled("rename {a}_{b} -> {a}/{b}", "x_y_z [2]", "x/y_z [2]")) == ["MIG209"]
    # where nothing depends on the captures, it does not matter
    assert codes(compiled("drop {a}_{b}", "x_y_z [2]", "")) == []


# --- sizes -----------------------------------------------------------------------------------------------------------------------

LSTM = "k [120, 400]"
KERAS = "k [20, 400]\nr [100, 400]"


@pytest.mark.parametrize(
    "lines",
    [
        "size inputs, units\nsource k [inputs + units, 4 * units]",
        "size inputs, units\ntarget r [units, 4 * units]",
        "size inputs, units\ntarget k [inputs, 4 * units]",
        "size inputs, units\nsource k [units + inputs, units * 4]",
        "size inputs = 20\nsize units",
        "size inputs = 20, units = 5 * inputs",
        "size inputs, units",
        "size half, inputs, units\nsource k [inputs + 2 * half, 8 * half]\ntarget r [units, 4 * units]",
    ],
)
def test_sizes_are_solved(lines) -> None:
    values, made = migrated(compiled(f"{lines}\nrename k -> k, r  split rows [inputs, units]", LSTM, KERAS))
    assert (made["k"] == values["k"][:20]).all()
    assert (made["r"] == values["k"][20:]).all()


def test_rearrange_solves_a_size_that_another_rule_needs() -> None:
    spec = 'size heads\nrename a -> x  rearrange "(heads dim) m -> m heads dim"\nrename b -> y  reshape [heads, -1]'
    values, made = migrated(compiled(spec, "a [6, 5]\nb [12]", "x [5, 2, 3]\ny [2, 6]"))
    assert made["x"].shape == (5, 2, 3)
    assert (made["y"] == values["b"].reshape(2, 6)).all()


def test_set_overrides() -> None:
    spec = "size rows = 2\nnumber more = 1.0\nrename a -> x  reshape [rows, -1]  add more"
    values, made = migrated(compiled(spec, "a [12]", "x [2, 6]"))
    assert (made["x"] == values["a"].reshape(2, 6) + 1).all()
    values, made = migrated(compiled(spec, "a [12]", "x [3, 4]", given={"rows": 3, "more": 0.5}))
    assert (made["x"] == values["a"].reshape(3, 4) + numpy.float32(0.5)).all()
    assert codes(compiled(spec, "a [12]", "x [2, 6]", given={"rows": 3})) == ["MIG301"]
    for given in ({"columns": 3}, {"rows": 0}, {"rows": 1.5}):
        with pytest.raises(SpecError):
            compiled(spec, "a [12]", "x [2, 6]", given=given)


def test_a_size_that_is_settled_twice() -> None:
    spec = "size n\nsource a [n]\nsource b [n]\nrename a -> x\nrename b -> y"
    assert codes(compiled(spec, "a [2]\nb [3]", "x [2]\ny [3]")) == ["MIG306"]
    spec = "size n\nsource a [2 * n]\nrename a -> x"
    assert codes(compiled(spec, "a [3]", "x [3]")) != []


def test_a_size_that_nothing_settles() -> None:
    assert codes(compiled("size n\nrename a -> x  slice 0 [:n]", "a [16]", "x [4]")) == ["MIG305"]


def test_dtypes() -> None:
    assert codes(compiled("rename a -> x", "a [2]", "x [2] float16")) == ["MIG401"]
    _, made = migrated(compiled("rename a -> x\ncast", "a [2]", "x [2] float16"))
    assert made["x"].dtype == numpy.float16
    assert codes(compiled("rename a -> x\ncast", "a [2]", "x [2] int32")) == ["MIG402"]
    # a cast alone on a line is as if every rule ended in it: what needs none is left alone
    _, made = migrated(compiled("cast\nsame **", "a [2] int32\nb [2]", "a [2] int32\nb [2] float64"))
    assert made["a"].dtype == numpy.int32


def test_a_lone_double_star_is_the_rest_in_a_drop_and_a_pattern_in_a_rename() -> None:
    assert moves(compiled("rename ** -> m/**\ndrop **", "a [2]\nb/c [2]", "m/a [2]\nm/b/c [2]")) == {
        "m/a": ("a",),
        "m/b/c": ("b/c",),
    }
    assert codes(compiled("rename ** -> m/**\ndrop b/*", "a [2]\nb/c [2]", "m/a [2]\nm/b/c [2]")) == ["MIG206"]


def test_random_state_of_the_source_is_dropped_like_the_rest() -> None:
    compilation = compiled("fill x with zeros\ndrop **", "d/seed_generator_state [2] uint32", "x [2]")
    assert compilation.plan is not None
    assert [left.variable for left in compilation.plan.dropped] == ["d/seed_generator_state"]


@pytest.mark.parametrize(
    "rule",
    [
        "drop a/* except a/*",
        "same a/* except a/*",
        "rename a/{i:int} -> b/{i} except b/*",
        "rename a/{i:0..1} except a/* -> b/{i}",
        "copy a/{i:int} -> b/{i} except b/**",
        "same a/x, a/y",  # one name stands for both
    ],
)
def test_a_rule_that_does_nothing_is_an_error(rule: str) -> None:
    source, target = "a/0 [2]\na/1 [2]\na/x [2] also z\na/y [2] also z", "a/0 [2]\nb/0 [2]\nb/1 [2]\nz [2]"
    assert codes(compiled(f"{rule}\ndrop **\nkeep **", source, target)) == ["MIG205"]


@pytest.mark.parametrize("value", ["300", "-129", "0.5", "normal 1 seed 1"])
def test_a_fill_that_the_dtype_cannot_hold(value: str) -> None:
    assert codes(compiled(f"fill x with {value}", "", "x [2] int8")) == ["MIG402"]


def test_sizes_of_many_targets_are_counted_before_their_dtypes_are_cast() -> None:
    assert codes(compiled("cast\nrename a, b -> x", "a [2]\nb [2]", "x [2]")) == ["MIG303"]
