"""`split gates` and `concat gates`: TF1's fused kernel into kernel and recurrent kernel, and back, by whichever rule and spec."""

from __future__ import annotations

import re

import numpy
import pytest
from binding import as_map, codes, compiled, migrated
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.diagnostics import Severity
from migspec.invert import invert
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.text import Text

TF1 = "a/lstm_cell/kernel [5, 8]\na/lstm_cell/bias [8]"
KERAS = "l/kernel [3, 8]\nl/recurrent_kernel [2, 8]\nl/bias [8]"
ALIASED = "l/cell/kernel [3, 8] also l/kernel\nl/cell/recurrent_kernel [2, 8]\nl/cell/bias [8]"
BACK = "rename l/bias -> a/lstm_cell/bias  gates ifco -> icfo  add -1.0 to f"


def reordered(values: numpy.ndarray, old: str, new: str) -> numpy.ndarray:
    """The columns in blocks, one a gate, put in another order."""
    blocks = dict(zip(old, numpy.split(values, len(old), axis=-1), strict=True))
    return numpy.concatenate([blocks[gate] for gate in new], axis=-1)


@given(st.permutations("ifco").map("".join), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_the_rows_of_both_are_joined(order: str, inputs: int, units: int) -> None:
    source = f"l/kernel [{inputs}, {4 * units}]\nl/recurrent_kernel [{units}, {4 * units}]"
    target = f"a/lstm_cell/kernel [{inputs + units}, {4 * units}]"
    compilation = compiled(f"rename l/kernel -> a/lstm_cell/kernel  concat gates {order}", source, target)
    values, made = migrated(compilation)
    expected = reordered(numpy.concatenate([values["l/kernel"], values["l/recurrent_kernel"]]), order, "icfo")
    assert (made["a/lstm_cell/kernel"] == expected).all()
    note = f"`concat gates` joins the {inputs} rows of `l/kernel` and the {units} of `l/recurrent_kernel`"
    assert compilation.plan is not None
    assert note in compilation.plan.notes


@pytest.mark.parametrize(
    ("spec", "source", "target"),
    [
        ("rename l/kernel, l/recurrent_kernel -> a/lstm_cell/kernel  concat gates ifco", KERAS, TF1),
        ("rename l/{w:kernel|recurrent_kernel} -> a/lstm_cell/kernel  concat gates ifco", KERAS, TF1),
        ("rename l/{w} -> a/lstm_cell/{w}  concat gates ifco  add 0.0 to f", KERAS, TF1),
        ("rename l/* -> a/lstm_cell/*  concat gates ifco  add 0.0 to f", KERAS, TF1),
        ("rename {s}/kernel -> {s}/lstm_cell/kernel  concat gates ifco", KERAS.replace("l/", "a/"), TF1),
        ("rename l/kernel -> fused  concat gates ifco -> icfo", KERAS, "fused [5, 8]"),
        ("rename l/kernel -> fused  concat gates ifco -> icfo", ALIASED, "fused [5, 8]"),
        ("copy l/kernel -> fused  concat gates ifco -> icfo\ndrop l/recurrent_kernel if present", KERAS, "fused [5, 8]"),
    ],
)  # fmt: skip
def test_whichever_rule_names_them(spec: str, source: str, target: str) -> None:
    known = as_map("old", source)
    bias = "" if "{w}" in spec or "*" in spec else "drop **/bias\n"
    compilation = compiled(f"{spec}\n{bias}keep **", known, target)
    if spec.startswith("copy"):
        assert codes(compilation) == ["MIG217"]  # what is copied along is used, too
        compilation = compiled(f"{spec.splitlines()[0]}\n{bias}keep **", known, target)
    values, made = migrated(compilation)
    kernel, recurrent = (
        next(one for name, one in values.items() if name.endswith(f"/{w}")) for w in ("kernel", "recurrent_kernel")
    )
    (fused,) = (one for name, one in made.items() if one.ndim == 2)
    assert (fused == reordered(numpy.concatenate([kernel, recurrent]), "ifco", "icfo")).all()


def test_of_the_same_shape_only_the_gates_are_reordered() -> None:
    values, made = migrated(compiled("rename w -> a/lstm_cell/kernel  concat gates ifco\nkeep **", "w [5, 8]", TF1))
    assert (made["a/lstm_cell/kernel"] == reordered(values["w"], "ifco", "icfo")).all()
    bias = "rename l/bias -> a/lstm_cell/bias  concat gates ifco"
    assert codes(compiled(f"{bias}\nkeep **", "l/bias [8]", TF1)) == ["MIG405"]
    values, made = migrated(compiled(f"{bias}  add -1.0 to f\nkeep **", "l/bias [8]", TF1))
    expected = reordered(values["l/bias"], "ifco", "icfo")
    expected[4:6] -= 1
    assert (made["a/lstm_cell/bias"] == expected).all()


def test_what_a_wrong_order_and_another_target_get() -> None:
    spec = f"rename l/kernel -> a/lstm_cell/kernel  concat gates icfo\n{BACK}"
    found = compiled(spec, KERAS, TF1).diagnostics
    assert [(one.code, one.severity) for one in found] == [("MIG411", Severity.WARNING)]
    assert codes(compiled("rename l/kernel -> fused  concat gates ifco\ndrop **", KERAS, "fused [5, 8]")) == ["MIG406"]
    assert codes(
        compiled(f"rename l/kernel -> a/lstm_cell/kernel  concat gates ifco\n{BACK}", KERAS.replace("[2, 8]", "[4, 8]"), TF1)
    ) == ["MIG302"]
    twice = f"rename l/kernel -> a/lstm_cell/kernel  concat gates ifco\n{BACK}\nrename l/recurrent_kernel -> r"
    assert codes(compiled(twice, KERAS, f"{TF1}\nr [2, 8]")) == ["MIG206"]  # fmt: skip


def test_the_slots_of_both_follow() -> None:
    slots = "l/kernel_m [3, 8]\nl/recurrent_kernel_m [2, 8]\nl/bias_m [8]"
    spec = f"rename l/kernel -> a/lstm_cell/kernel  concat gates ifco\n{BACK}\nslots {{weight}}_m -> {{weight}}/Momentum"
    target = f"{TF1}\na/lstm_cell/kernel/Momentum [5, 8]\na/lstm_cell/bias/Momentum [8]"
    values, made = migrated(compiled(spec, f"{KERAS}\n{slots}", target))
    joined = numpy.concatenate([values["l/kernel_m"], values["l/recurrent_kernel_m"]])
    assert (made["a/lstm_cell/kernel/Momentum"] == reordered(joined, "ifco", "icfo")).all()


SHORT = (
    "rename {cell}kernel -> {layer}kernel  split gates ifco\nrename {cell}bias -> {layer}bias  split gates ifco  add 1.0 to f\n"
)
MANY = "a/cell_0/lstm_cell/kernel [5, 8]\na/cell_0/lstm_cell/bias [8]\na/cell_1/lstm_cell/kernel [6, 12]\na/cell_1/lstm_cell/bias [12]"
LAYERS = (
    "l/kernel [3, 8]\nl/recurrent_kernel [2, 8]\nl/bias [8]\nl_1/kernel [3, 12]\nl_1/recurrent_kernel [3, 12]\nl_1/bias [12]"
)


@pytest.mark.parametrize(
    "spec",
    [
        SHORT.replace("{cell}", "a/cell_{i}/lstm_cell/").replace("{layer}", "l{_i}/"),
        "rename a/cell_{i}/lstm_cell/{w} -> l{_i}/{w}  split gates ifco  add 0.0 to f\n",
    ],
)
def test_there_and_back_by_the_inverse(spec: str) -> None:
    values, made = migrated(compiled(spec, MANY, LAYERS))
    back = invert(Text("spec.mig", spec)).text.content
    assert re.search("concat gates ifco  add -[01].0 to f", back)
    assert invert(Text("spec.mig", back)).text.content == format_spec(parse(Text("spec.mig", spec))[0])
    _, again = migrated(compiled(back, LAYERS, MANY), made)
    assert set(again) == set(values)
    assert all((again[name] == values[name]).all() for name in values)


@pytest.mark.parametrize("mounts", ["a/cell_{i}/lstm_cell -> l{_i}", "a/cell_{i}/lstm_cell/@ -> l{_i}/@"])
def test_in_a_used_spec(mounts: str, tmp_path, monkeypatch) -> None:
    interface = "size n, u\nsource kernel [n + u, 4 * u]\nsource bias [4 * u]\n"
    interface += "target kernel [n, 4 * u]\ntarget recurrent_kernel [u, 4 * u]\ntarget bias [4 * u]\n"
    written = interface + SHORT.replace("{cell}", "").replace("{layer}", "").replace("gates ifco", "gates icfo -> ifco")
    (tmp_path / "cell.mig").write_text(written)
    (tmp_path / "back.mig").write_text(invert(Text("cell.mig", written)).text.content)
    monkeypatch.chdir(tmp_path)
    values, made = migrated(compiled(f"use cell  {mounts}", MANY, LAYERS))
    other = " -> ".join(reversed(mounts.split(" -> ")))
    for back in (f"use inverse cell  {other}", f"use back  {other}"):
        _, again = migrated(compiled(back, LAYERS, MANY), made)
        assert set(again) == set(values)
        assert all((again[name] == values[name]).all() for name in values), back
