"""Bundles: captures that stand on one side only, many into one and one into many, as numpy stacks them."""

from __future__ import annotations

from itertools import product

import numpy
import pytest
from binding import codes, compiled, migrated, moves
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.variables import Variable, VariableMap


def shuffled(label: str, variables: list[Variable], draw) -> VariableMap:
    return VariableMap.of(label, draw(st.permutations(variables)))


@given(layers=st.integers(1, 12), first=st.integers(0, 3), axis=st.integers(-2, 1), data=st.data())
@settings(max_examples=30, deadline=None)
def test_many_into_one(layers, first, axis, data) -> None:
    names = [f"encoder/layer_{first + n}/w" for n in range(layers)]  # layer_10 comes after layer_9, whatever the file's order
    source = shuffled("old", [Variable(name, (3,), "float32") for name in names], data.draw)
    target = [Variable("encoder/w", numpy.stack([numpy.zeros(3)] * layers, axis).shape, "float32")]
    values, made = migrated(
        compiled(f"rename encoder/layer_{{i}}/w -> encoder/w  stack {axis}", source, VariableMap.of("new", target))
    )
    assert (made["encoder/w"] == numpy.stack([values[name] for name in names], axis)).all()


@given(parts=st.integers(1, 12), axis=st.integers(-2, 1), data=st.data())
@settings(max_examples=30, deadline=None)
def test_one_into_many(parts, axis, data) -> None:
    shape = [3]
    shape.insert(axis if axis >= 0 else 2 + axis, parts)
    target = shuffled("new", [Variable(f"experts/{n}/w", (3,), "float32") for n in range(parts)], data.draw)
    source = VariableMap.of("old", [Variable("experts/w", tuple(shape), "float32")])
    values, made = migrated(compiled(f"rename experts/w -> experts/{{e}}/w  unstack {axis}", source, target))
    for n in range(parts):
        assert (made[f"experts/{n}/w"] == values["experts/w"].take(n, axis)).all()


@given(layers=st.integers(1, 3), experts=st.integers(1, 4), outer=st.integers(0, 2), data=st.data())
@settings(max_examples=30, deadline=None)
def test_of_several_captures_the_first_written_varies_slowest(layers, experts, outer, data) -> None:
    grid = list(product(range(layers), range(experts)))
    source = shuffled("old", [Variable(f"layers.{i}.experts.{e}.w1.weight", (2, 3), "float32") for i, e in grid], data.draw)
    inner = numpy.zeros((experts, 3, 2))
    target = VariableMap.of("new", [Variable("moe/wi", numpy.stack([inner] * layers, outer).shape, "float32")])
    spec = f"rename layers.{{i}}.experts.{{e}}.w1.weight -> moe/wi  transpose  stack {{e}} 0  stack {{i}} {outer}"
    values, made = migrated(compiled(spec, source, target))
    stacks = [numpy.stack([values[f"layers.{i}.experts.{e}.w1.weight"].T for e in range(experts)], 0) for i in range(layers)]
    assert (made["moe/wi"] == numpy.stack(stacks, outer)).all()
    # the other way round
    spec = "rename layers.{i}.experts.{e}.w1.weight -> moe/wi  stack {i} 0  stack {e} 0"
    target = VariableMap.of("new", [Variable("moe/wi", (experts, layers, 2, 3), "float32")])
    values, made = migrated(compiled(spec, source, target))
    for i, e in grid:
        assert (made["moe/wi"][e, i] == values[f"layers.{i}.experts.{e}.w1.weight"]).all()


@given(layers=st.integers(1, 3), experts=st.integers(1, 3), data=st.data())
@settings(max_examples=20, deadline=None)
def test_unstacked_twice_by_name(layers, experts, data) -> None:
    grid = list(product(range(layers), range(experts)))
    target = shuffled("new", [Variable(f"l/{i}/e/{e}", (2,), "float32") for i, e in grid], data.draw)
    source = VariableMap.of("old", [Variable("moe", (layers, experts, 2), "float32")])
    values, made = migrated(compiled("rename moe -> l/{i}/e/{e}  unstack {i} 0  unstack {e} 0", source, target))
    for i, e in grid:
        assert (made[f"l/{i}/e/{e}"] == values["moe"][i, e]).all()


def test_a_bundle_in_each_instance() -> None:
    source = "\n".join(f"b_{b}/h_{h}/{w} [2]" for b in range(2) for h in range(3) for w in "qk")
    target = "\n".join(f"block/{b}/{w} [3, 2]" for b in range(2) for w in "qk")
    values, made = migrated(compiled("rename b_{b}/h_{h}/{w} -> block/{b}/{w}  stack 0", source, target))
    for b in range(2):
        for w in "qk":
            assert (made[f"block/{b}/{w}"] == numpy.stack([values[f"b_{b}/h_{h}/{w}"] for h in range(3)])).all()


def test_a_list_is_expanded_in_the_order_written() -> None:
    source = "b [1]\na [2]\nc_0 [3]\nc_1 [4]"
    values, made = migrated(compiled("rename c_{i}, a, b -> t  concat 0", source, "t [10]"))
    assert (made["t"] == numpy.concatenate([values[name] for name in ("c_0", "c_1", "a", "b")])).all()
    values, made = migrated(
        compiled("rename t -> z, y_{i}, x  split 0 [4, 2, 2, 2]", "t [10]", "x [2]\ny_0 [2]\ny_1 [2]\nz [4]")
    )
    assert [made[name][0] for name in ("z", "y_0", "y_1", "x")] == [1, 5, 7, 9]


def test_choices_stand_in_the_order_written() -> None:
    source = "key/w [2]\nquery/w [2]\nvalue/w [2]"
    values, made = migrated(compiled("rename {p:query|key|value}/w -> qkv/w  concat 0", source, "qkv/w [6]"))
    assert (made["qkv/w"] == numpy.concatenate([values[f"{p}/w"] for p in ("query", "key", "value")])).all()
    values, made = migrated(compiled("rename qkv/w -> {p:query|key|value}/w  split 0", "qkv/w [6]", source))
    assert [made[f"{p}/w"][0] for p in ("query", "key", "value")] == [1, 3, 5]


def test_numbering_of_keras_in_a_bundle() -> None:
    values, made = migrated(compiled("rename lstm{_i}/w -> w  stack 0", "lstm_2/w [2]\nlstm/w [2]\nlstm_1/w [2]", "w [3, 2]"))
    assert (made["w"] == numpy.stack([values[f"lstm{i}/w"] for i in ("", "_1", "_2")])).all()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("l_0 [2]\nl_2 [2]", "MIG212"),
        ("l_00 [2]\nl_01 [2]", "MIG212"),
        ("l_a [2]\nl_b [2]", "MIG212"),
        ("l_² [2]\nl_³ [2]", "MIG212"),
        ("l_0 [2]\nl_1 [3]", "MIG302"),
        ("l_0 [2]\nl_1 [2]\nl_2 [2]", "MIG301"),
    ],
)
def test_what_is_no_bundle(source, code) -> None:
    assert codes(compiled("rename l_{i} -> t  stack 0", source, "t [2, 2]")) == [code]


def test_a_grid_with_a_hole() -> None:
    source = "l/0/e/0 [2]\nl/0/e/1 [2]\nl/1/e/0 [2]"
    assert codes(compiled("rename l/{i}/e/{e} -> t  stack {e} 0  stack {i} 0", source, "t [2, 2, 2]")) == ["MIG212"]


def test_a_choice_that_is_not_there() -> None:
    assert codes(compiled("rename {p:query|key}/w -> w  concat 0", "query/w [2]", "w [4]")) == ["MIG212"]


def test_a_bundle_that_nothing_joins() -> None:
    assert codes(compiled("rename l_{i} -> t", "l_0 [2]\nl_1 [2]", "t [2]")) == ["MIG303"]


@pytest.mark.parametrize(
    ("spec", "source", "target", "expected"),
    [
        ("rename l_{i+1} -> m_{i}", "l_1 [2]\nl_2 [2]", "m_0 [2]\nm_1 [2]", {"m_0": ("l_1",), "m_1": ("l_2",)}),
        ("rename l_{i} -> m_{i+1}", "l_0 [2]\nl_1 [2]", "m_1 [2]\nm_2 [2]", {"m_1": ("l_0",), "m_2": ("l_1",)}),
        (
            "rename l_{2*i} -> m_{i}\ndrop l_1",
            "l_0 [2]\nl_1 [2]\nl_2 [2]",
            "m_0 [2]\nm_1 [2]",
            {"m_0": ("l_0",), "m_1": ("l_2",)},
        ),
        ("rename l_{i} -> m_{1-i}", "l_0 [2]\nl_1 [2]", "m_0 [2]\nm_1 [2]", {"m_0": ("l_1",), "m_1": ("l_0",)}),
        (
            "rename dense_{i} -> dense{_i}",
            "dense_0 [2]\ndense_1 [2]",
            "dense [2]\ndense_1 [2]",
            {"dense": ("dense_0",), "dense_1": ("dense_1",)},
        ),
        ("rename dense{_i} -> d/{i}", "dense [2]\ndense_1 [2]", "d/0 [2]\nd/1 [2]", {"d/0": ("dense",), "d/1": ("dense_1",)}),
        ("rename a/** -> b/**", "a/x/w [2]\na/v [2]", "b/x/w [2]\nb/v [2]", {"b/x/w": ("a/x/w",), "b/v": ("a/v",)}),
        ("rename a.{s:**}.w -> {s:**}/v", "a.x.y.w [2]", "x/y/v [2]", {"x/y/v": ("a.x.y.w",)}),
        ("rename *_* -> */*", "a_1 [2]", "a/1 [2]", {"a/1": ("a_1",)}),
        ("rename l_{0..1}/w -> m/{0..1}", "l_0/w [2]\nl_1/w [2]", "m/0 [2]\nm/1 [2]", {"m/0": ("l_0/w",), "m/1": ("l_1/w",)}),
        (
            "rename l_{i:1..2} -> m_{i}\ndrop l_3",
            "l_1 [2]\nl_2 [2]\nl_3 [2]",
            "m_1 [2]\nm_2 [2]",
            {"m_1": ("l_1",), "m_2": ("l_2",)},
        ),
    ],
)
def test_captures_on_both_sides(spec, source, target, expected) -> None:
    assert moves(compiled(spec, source, target)) == expected


@pytest.mark.parametrize("spec", ["drop x_* except x_{i+1}\nsame **", "same x_{i+1}, x_* except x_{2*i}\ndrop **\nkeep **"])
def test_arithmetic_in_an_exception_meets_names_that_are_no_numbers(spec) -> None:
    names = "x_1 [2]\nx_a [2]\nx_0 [2]"
    assert codes(compiled(spec, names, names)) in ([], ["MIG202"])


def test_arithmetic_on_choices_that_are_no_numbers_is_refused() -> None:
    assert codes(compiled("rename x_{p:a|b} -> y_{p+1}", "x_a [2]\nx_b [2]", "y_1 [2]"))[0] == "MIG106"
    assert moves(compiled("rename x_{p:1|2} -> y_{p+1}", "x_1 [2]\nx_2 [2]", "y_2 [2]\ny_3 [2]")) == {
        "y_2": ("x_1",),
        "y_3": ("x_2",),
    }
    assert moves(compiled("rename x_{p+1} -> y_{p:1|2}", "x_2 [2]\nx_3 [2]", "y_1 [2]\ny_2 [2]")) == {
        "y_1": ("x_2",),
        "y_2": ("x_3",),
    }


@given(st.integers(1, 3), st.integers(1, 3), st.data())
@settings(max_examples=25, deadline=None)
def test_unstacked_by_name_in_any_order(layers: int, experts: int, data) -> None:
    """The place on an axis is the choice of the capture, whichever is taken apart first: as stacked, so unstacked."""
    first, second = data.draw(st.permutations(("i", "e")))
    counts = {"i": layers, "e": experts}
    axes = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 1))
    inner = numpy.expand_dims(numpy.zeros(4), axes[1]).repeat(counts[second], axes[1])
    shape = numpy.expand_dims(inner, axes[0]).repeat(counts[first], axes[0]).shape
    target = VariableMap.of(
        "new", [Variable(f"l/{i}/e/{e}", (4,), "float32") for i in range(layers) for e in range(experts)][::-1]
    )
    spec = f"rename m -> l/{{i}}/e/{{e}}  unstack {{{first}}} {axes[0]}  unstack {{{second}}} {axes[1]}"
    values, made = migrated(compiled(spec, VariableMap.of("old", [Variable("m", shape, "float32")]), target))
    for i in range(layers):
        for e in range(experts):
            place = {"i": i, "e": e}
            expected = numpy.take(numpy.take(values["m"], place[first], axes[0]), place[second], axes[1])
            assert (made[f"l/{i}/e/{e}"] == expected).all()


def test_unstacked_by_name_from_several() -> None:
    source, target = "a [2, 3]\nb [2, 3]", "x/1 [3]\nx/2 [3]\ny/1 [3]\ny/2 [3]"
    values, made = migrated(compiled("rename a, b -> x/{e}, y/{e}  unstack {e} 0", source, target))
    assert all((made[f"{new}/{e + 1}"] == values[old][e]).all() for old, new in ("ax", "by") for e in range(2))
    # The rest are dealt in their order: `f` has no name here.
    values, made = migrated(compiled("rename m -> {f}/{e}  unstack {e} 1  unstack 0", "m [2, 3]", _names(2, 3)))
    assert all(made[f"{f}/{e}"] == values["m"][f, e] for f in range(2) for e in range(3))
    values, made = migrated(
        compiled("rename m -> x/{e}, y/{e}  unstack {e} 1  split 0 [2, 3]", "m [5, 2]", "x/0 [2]\nx/1 [2]\ny/0 [3]\ny/1 [3]")
    )
    assert all(
        (made[f"{x}/{e}"] == values["m"][part, e]).all() for x, part in (("x", slice(2)), ("y", slice(2, 5))) for e in range(2)
    )


@pytest.mark.parametrize(
    ("ops", "shape", "code"),
    [
        ("unstack {e} 0  unstack {f} 0", "[2, 3]", "MIG303"),
        ("unstack {g} 0", "[6]", "MIG111"),
        ("unstack {f} 0  unstack {f} 0", "[2, 2]", "MIG111"),
        ("unstack {f} 0", "[2]", "MIG303"),
    ],
)
def test_what_is_no_bundle_of_targets(ops: str, shape: str, code: str) -> None:
    assert codes(compiled(f"rename m -> {{f}}/{{e}}  {ops}", f"m {shape}", _names(2, 3))) == [code]
    assert codes(compiled("rename m{k} -> w{k}  unstack {k} 0", "m0 [1, 2]\nm1 [1, 2]", "w0 [2]\nw1 [2]")) == ["MIG111"]


def _names(rows: int, columns: int) -> str:
    return "\n".join(f"{f}/{e} []" for f in range(rows) for e in range(columns))


def test_slots_follow_a_stack_by_name() -> None:
    source = "\n".join(f"l{i}/{name} [4]" for i in range(2) for name in ("w", "w_m"))
    spec = "rename l{i}/w -> w  stack {i} 0\nslots {weight}_m -> m/{weight}"
    values, made = migrated(compiled(spec, source, "w [2, 4]\nm/w [2, 4]"))
    assert (made["m/w"] == numpy.stack([values["l0/w_m"], values["l1/w_m"]])).all()


def test_a_list_of_bundles_is_stacked_name_by_name() -> None:
    spec = "rename x/{e}, y/{e} -> m  stack {e} 0  concat 1"
    values, made = migrated(compiled(spec, "x/0 [2]\nx/1 [2]\ny/0 [2]\ny/1 [2]", "m [2, 4]"))
    assert made["m"].tolist() == [[*values["x/0"], *values["y/0"]], [*values["x/1"], *values["y/1"]]]
    assert codes(compiled(spec.removesuffix("  concat 1"), "x/0 [2]\nx/1 [2]\ny/0 [2]\ny/1 [2]", "m [4, 2]")) == ["MIG303"]


def test_a_list_of_bundles_of_two_captures_is_stacked_name_by_name() -> None:
    spec = "rename a{i}/{e}, b{i}/{e} -> m  stack {e} 0  stack {i} 0  concat 0"
    source = "\n".join(f"{name}{i}/{e} [2]" for name in "ba" for i in range(2) for e in range(3))
    values, made = migrated(compiled(spec, source, "m [4, 3, 2]"))
    expected = [[values[f"{name}{i}/{e}"].tolist() for e in range(3)] for name in "ab" for i in range(2)]
    assert made["m"].tolist() == expected


@pytest.mark.parametrize(("pattern", "source"), [("a/{i}", "a/0 [2]\na.0 [2]"), ("a/{i+1}", "a/1 [2]\na/01 [2]")])
def test_two_variables_with_the_same_captures_are_no_bundle(pattern: str, source: str) -> None:
    assert codes(compiled(f"rename {pattern} -> c/{{i}}  stack 0", source, "c/0 [2, 2]")) == ["MIG208"]


def test_every_match_of_a_list_belongs_to_an_instance() -> None:
    spec = "rename a/{i}/{j}, b/{i} -> c/{i}/{j}  concat 0\ndrop **\nkeep **"
    assert codes(compiled(spec, "a/0/0 [2]\nb/0 [2]\nb/1 [2]", "c/0/0 [4]")) == ["MIG211"]
    spec = "rename a/{i}/{j}, b/{j}/{k} -> c/{i}/{j}/{k}  sum\ndrop **\nkeep **"
    assert "MIG211" in codes(compiled(spec, "a/0/0 [2]\nb/1/1 [2]", "c/0/0/1 [2]"))
