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
