"""The rules on gates and forget biases, in both directions and by whichever rule a variable goes."""

from __future__ import annotations

import pytest
from binding import codes, compiled, migrated

from migspec.diagnostics import Severity

TF1 = "a/lstm_cell/kernel [5, 8]\na/lstm_cell/bias [8]"
KERAS = "l/kernel [3, 8]\nl/recurrent_kernel [2, 8]\nl/bias [8]"
TORCH = "r.weight_ih_l0 [8, 3]\nr.weight_hh_l0 [8, 2]\nr.bias_ih_l0 [8]\nr.bias_hh_l0 [8]"

BIAS = "rename a/lstm_cell/bias -> l/bias  gates icfo -> ifco  add 1.0 to f"
KERNEL = "rename a/lstm_cell/kernel -> l/kernel  split gates ifco"


def warnings(spec: str, source: str, target: str) -> list[str]:
    return [one.code for one in compiled(spec, source, target).diagnostics if one.severity is Severity.WARNING]


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ("gates ifco -> ifco", []),
        ("gates ijfo -> ifjo", []),
        ("", ["MIG403"]),
        ("gates zrh -> zrh", ["MIG403"]),  # three blocks, of a cell with four gates
        ("gates if -> fi", ["MIG403"]),
        ("gates ifco -> ifco  flip columns", ["MIG403"]),
        ("gates ifco -> ifco  reshape [72]  reshape", ["MIG403"]),
    ],
)
def test_the_gates_are_those_of_the_target(ops: str, expected: list[str]) -> None:
    target = "l/kernel [6, 12]\nl/recurrent_kernel [3, 12]"
    assert codes(compiled(f"rename w -> l/kernel  {ops}\nkeep **", "w [6, 12]", target)) == expected


def test_a_cell_of_tf1_is_told_its_gates_like_one_of_keras() -> None:
    kernel = "rename l/kernel, l/recurrent_kernel -> a/lstm_cell/kernel  concat rows"
    bias = "rename l/bias -> a/lstm_cell/bias  gates ifco -> icfo  add -1.0 to f"
    assert codes(compiled(f"{kernel}\n{bias}", KERAS, TF1)) == ["MIG403"]
    assert codes(compiled(f"{kernel}  gates ifco -> icfo\n{bias}", KERAS, TF1)) == []
    assert warnings(f"{kernel}  gates icfo -> ifco\n{bias}", KERAS, TF1) == ["MIG411"]
    assert codes(compiled("same **", TF1, TF1)) == []


def test_a_grucell_of_tf1_into_keras() -> None:
    source = "g/gru_cell/gates/kernel [5, 4]\ng/gru_cell/candidate/kernel [5, 2]"
    target = "l/kernel [3, 6]\nl/recurrent_kernel [2, 6]"
    spec = "rename g/gru_cell/gates/kernel, g/gru_cell/candidate/kernel -> l/kernel, l/recurrent_kernel  concat columns  split rows"
    assert codes(compiled(spec, source, target)) == ["MIG403"]
    values, made = migrated(compiled(f"{spec}  gates rzh -> zrh", source, target))
    reset, update = values["g/gru_cell/gates/kernel"][:, :2], values["g/gru_cell/gates/kernel"][:, 2:]
    assert (made["l/kernel"][:, :2] == update[:3]).all()
    assert (made["l/recurrent_kernel"][:, 2:4] == reset[3:]).all()
    assert (made["l/kernel"][:, 4:] == values["g/gru_cell/candidate/kernel"][:3]).all()


def test_a_gru_of_pytorch_into_keras() -> None:
    values, made = migrated(
        compiled("rename r.weight_ih_l0 -> l/kernel  gates rzn -> zrh on rows  transpose\nkeep **", "r.weight_ih_l0 [6, 3]",
            "l/kernel [3, 6]\nl/recurrent_kernel [2, 6]")
    )  # fmt: skip
    assert (made["l/kernel"][:, :2] == values["r.weight_ih_l0"][2:4].T).all()


@pytest.mark.parametrize(
    "spec",
    [
        "rename a/lstm_cell/bias -> z",
        "copy a/lstm_cell/bias -> z",
        "rename a/lstm_cell/bias -> z  gates icfo -> icfo  add 1.0 to i",
        "rename a/lstm_cell/bias -> z  add 1.0",
        "rename a/lstm_cell/{w} -> {w:z|bias}  gates icfo -> ifco",
        "same **",
    ],
)
def test_a_forget_bias_left_unsaid(spec: str) -> None:
    found = codes(compiled(spec, "a/lstm_cell/bias [8]", "z [8] also a/lstm_cell/bias, bias"))
    assert "MIG405" in found


def test_a_moving_average_of_a_bias_is_a_bias_and_a_slot_is_none() -> None:
    averaged = "a/lstm_cell/bias/ExponentialMovingAverage"
    assert codes(compiled(f"rename {averaged} -> z", f"{averaged} [8]", "z [8]")) == ["MIG405"]
    assert codes(compiled("rename a/lstm_cell/bias/Adam -> z", "a/lstm_cell/bias/Adam [8]", "z [8]")) == []


def test_a_forget_bias_through_a_used_spec() -> None:
    spec = "use tf1/basic_lstm a/lstm_cell -> l"
    _, made = migrated(compiled(spec, TF1, KERAS))
    _, without = migrated(compiled(f"{spec} with forget_bias = 0.0", TF1, KERAS))
    assert (made["l/bias"] - without["l/bias"]).tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_one_order_for_a_bundle_of_which_one_is_no_cell() -> None:
    spec = "rename a/lstm_cell/kernel, w -> both  split gates ifco  stack 0"
    assert codes(compiled(spec, "a/lstm_cell/kernel [5, 8]\nw [5, 8]", "both [2, 5, 8]")) == ["MIG406"]


def test_split_gates_says_the_gates_and_not_the_forget_bias() -> None:
    bias = "rename a/lstm_cell/bias -> l/bias  split gates ifco"
    assert codes(compiled(f"{KERNEL}\n{bias}", TF1, KERAS)) == ["MIG405"]
    assert codes(compiled(f"{KERNEL}\n{bias}  add 1.0 to f", TF1, KERAS)) == []
    assert codes(compiled(f"{KERNEL}\n{BIAS}", TF1, KERAS)) == []


def test_pytorch_needs_no_forget_bias() -> None:
    spec = "rename r.weight_{w:ih|hh}_l0 -> {w}  transpose  gates ifco -> ifco\nrename r.bias_ih_l0, r.bias_hh_l0 -> l/bias  sum  gates ifco -> ifco"
    target = KERAS.replace("l/kernel [3, 8]", "l/kernel [3, 8] also ih").replace("[2, 8]", "[2, 8] also hh")
    assert codes(compiled(spec, TORCH, target)) == []
