"""PyTorch layers that Keras has no layer for: they are refused, and the error says what they are."""

from __future__ import annotations

import pytest
from notation import variables_of

from migspec.compiler import Compilation, compile_spec
from migspec.diagnostics import Severity
from migspec.diagnostics.render import render
from migspec.text import Text
from migspec.variables import Variable, VariableMap

INPUTS, UNITS, PROJECTED = 5, 8, 3


def projected(layers: int = 1, *, bidirectional: bool = False) -> dict[str, tuple[int, ...]]:
    """The shapes of `torch.nn.LSTM(INPUTS, UNITS, layers, proj_size=PROJECTED, ...)`."""
    shapes: dict[str, tuple[int, ...]] = {}
    directions = ("", "_reverse") if bidirectional else ("",)
    for layer in range(layers):
        seen = INPUTS if layer == 0 else PROJECTED * len(directions)
        for direction in directions:
            ending = f"l{layer}{direction}"
            shapes[f"weight_ih_{ending}"] = (4 * UNITS, seen)
            shapes[f"weight_hh_{ending}"] = (4 * UNITS, PROJECTED)
            shapes[f"bias_ih_{ending}"] = shapes[f"bias_hh_{ending}"] = (4 * UNITS,)
            shapes[f"weight_hr_{ending}"] = (PROJECTED, UNITS)
    return shapes


def keras(name: str, inputs: int = INPUTS) -> str:
    return (
        f"{name}/kernel [{inputs}, {4 * UNITS}] float32\n"
        f"{name}/recurrent_kernel [{UNITS}, {4 * UNITS}] float32\n"
        f"{name}/bias [{4 * UNITS}] float32\n"
    )


def compiled(spec: str, source: dict[str, tuple[int, ...]], target: str) -> Compilation:
    variables = VariableMap.of("model.pt", [Variable(f"rnn.{name}", shape, "float32") for name, shape in source.items()])
    return compile_spec(Text("spec.mig", f"mig 1\n{spec}\n"), variables, variables_of("model.keras", target))


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (1, True), (2, True)])
def test_the_shapes_are_pytorchs(layers: int, bidirectional: bool) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, whose layer it is")
    real = torch.nn.LSTM(INPUTS, UNITS, layers, proj_size=PROJECTED, bidirectional=bidirectional)
    assert {name: tuple(value.shape) for name, value in real.state_dict().items()} == projected(
        layers, bidirectional=bidirectional
    )


@pytest.mark.parametrize(
    ("spec", "source", "target"),
    [
        ("use torch/lstm rnn -> lstm", projected(), keras("lstm")),
        ("use torch/lstm rnn.@_l{i} -> lstm{_i}", projected(2), keras("lstm") + keras("lstm_1", PROJECTED)),
        ("use torch/lstm_layers rnn.@ -> model/@", projected(2), keras("model/lstm") + keras("model/lstm_1", UNITS)),
        (
            "use torch/bidirectional_lstm rnn -> both",
            projected(bidirectional=True),
            keras("both/forward_lstm") + keras("both/backward_lstm"),
        ),
    ],
    ids=["one", "each", "layers", "bidirectional"],
)
def test_an_lstm_with_projections(spec: str, source: dict[str, tuple[int, ...]], target: str) -> None:
    result = compiled(spec, source, target)
    (error,) = (one for one in result.diagnostics if one.severity is Severity.ERROR)
    shown = render([error])
    assert error.code == "MIG306"
    assert f"the size `units` is {UNITS} and {PROJECTED}" in shown
    assert "`proj_size`, which Keras' LSTM has not" in shown  # the line of the interface that does not hold
    assert "spec.mig:2:1" in shown  # where the user wrote it
    assert "write out the rules for one where they do not" in shown


def test_a_projection_whose_state_was_made_to_fit() -> None:
    """Should the shapes ever fit, the weights of the projection are still spoken of by nothing."""
    source = {**projected(), "weight_hh_l0": (4 * UNITS, UNITS)}
    (error,) = (
        one
        for one in compiled("use torch/lstm rnn -> lstm", source, keras("lstm")).diagnostics
        if one.severity is Severity.ERROR
    )
    assert error.code == "MIG201" and "rnn.weight_hr_l0" in render([error])


@pytest.mark.parametrize("name", ["bias_k", "bias_v"])
def test_attention_with_a_bias_of_its_own(name: str) -> None:
    """`add_bias_kv=True` of PyTorch appends a key and a value, which Keras' MultiHeadAttention cannot."""
    source = {"in_proj_weight": (12, 4), "out_proj.weight": (4, 4), name: (1, 1, 4)}
    target = "".join(f"attention/{one}/kernel [4, 2, 2] float32\n" for one in ("query", "key", "value"))
    spec = "use torch/multi_head_attention rnn -> attention"
    result = compiled(spec, source, f"{target}attention/attention_output/kernel [2, 2, 4] float32\n")
    (error,) = (one for one in result.diagnostics if one.severity is Severity.ERROR)
    assert error.code == "MIG201" and f"rnn.{name}" in render([error])
