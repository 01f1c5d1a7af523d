"""`pad` and `crop` of the gates of a Keras cell: block by block where `gates` names the blocks, else an error."""

from __future__ import annotations

import pytest
from notation import variables_of

from migspec.compiler import compile_spec
from migspec.text import Text

SMALL = variables_of("small", "lstm/kernel [3, 8] float32\nlstm/recurrent_kernel [2, 8] float32\nlstm/bias [8] float32")
LARGE = variables_of("large", "lstm/kernel [3, 16] float32\nlstm/recurrent_kernel [4, 16] float32\nlstm/bias [16] float32")
MORE_INPUTS = variables_of("more", "lstm/kernel [5, 8] float32\nlstm/recurrent_kernel [2, 8] float32\nlstm/bias [8] float32")


@pytest.mark.parametrize(
    ("ops", "codes"),
    [("pad zeros", ["MIG403"]), ("gates ifco -> ifco pad zeros", []), ("pad zeros gates ifco -> ifco", ["MIG403"])],
)
def test_growing(ops: str, codes: list[str]) -> None:
    found = compile_spec(Text("spec.mig", f"rename lstm/{{w}} -> lstm/{{w}} {ops}"), SMALL, LARGE).diagnostics
    assert [one.code for one in found] == codes


def test_cropping() -> None:
    found = compile_spec(Text("spec.mig", "rename lstm/{w} -> lstm/{w} crop"), LARGE, SMALL).diagnostics
    assert [one.code for one in found] == ["MIG403"]


def test_growing_the_inputs_touches_no_gates() -> None:
    found = compile_spec(Text("spec.mig", "rename lstm/{w} -> lstm/{w} pad zeros"), SMALL, MORE_INPUTS).diagnostics
    assert found == ()


JOINED = variables_of("joined", "in/w [2, 4] float32\nrec/w [1, 4] float32\nf/a [1, 2] float32\nf/b [1, 2] float32")
CELL = variables_of("cell", "lstm/kernel [3, 8] float32\nlstm/recurrent_kernel [2, 8] float32")


@pytest.mark.parametrize(
    ("ops", "codes"),
    [
        ("concat rows  pad zeros  gates icfo -> ifco", ["MIG403"]),
        ("pad zeros to [2, 8]  concat rows  crop  gates icfo -> ifco", ["MIG403"]),
        ("concat rows  gates icfo -> ifco  pad zeros", []),
    ],
)
def test_what_is_joined_before_it_grows(ops: str, codes: list[str]) -> None:
    spec = f"rename in/w, rec/w -> lstm/kernel  {ops}\nkeep lstm/recurrent_kernel\ndrop f/*"
    assert [one.code for one in compile_spec(Text("spec.mig", spec), JOINED, CELL).diagnostics] == codes


def test_gates_that_are_grown_one_by_one_and_then_joined() -> None:
    gates = variables_of("gates", "\n".join(f"{gate}/w [3, 1] float32" for gate in "ifco"))
    spec = "rename i/w, f/w, c/w, o/w -> lstm/kernel  pad zeros to [3, 2]  concat columns  gates ifco -> ifco\nkeep **"
    assert compile_spec(Text("spec.mig", spec), gates, CELL).diagnostics == ()


def test_growing_the_inputs_of_what_is_joined_from_two_widths() -> None:
    gru = variables_of("gru", "gru/gates [3, 4] float32\ngru/candidate [3, 2] float32")
    keras = variables_of("keras", "gru/kernel [5, 6] float32\ngru/recurrent_kernel [2, 6] float32")
    spec = "rename gru/gates, gru/candidate -> gru/kernel  concat columns  pad zeros  gates rzh -> zrh\nkeep **"
    assert compile_spec(Text("spec.mig", spec), gru, keras).diagnostics == ()


def test_a_cell_of_tf1_has_gates_too() -> None:
    small = variables_of("small", "a/lstm_cell/kernel [5, 8] float32\na/lstm_cell/bias [8] float32")
    large = variables_of("large", "a/lstm_cell/kernel [5, 16] float32\na/lstm_cell/bias [16] float32")
    for ops, codes in (("pad zeros", ["MIG403"]), ("gates icfo -> icfo  pad zeros", [])):
        found = compile_spec(Text("spec.mig", f"same **  {ops}"), small, large).diagnostics
        assert [one.code for one in found] == codes
