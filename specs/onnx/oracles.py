"""What ONNX's recurrent operators compute in ONNX Runtime, and what Keras' layers do: one oracle for each spec of this folder.

The operators are those of the standard, with the names that it gives their inputs. All start from random states, run over several
steps, and give sequences and final states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from migspec.testing import Case

_Array = numpy.ndarray
_Outputs = tuple[Any, Any]

_BATCH, _STEPS = 2, 4


def lstm(case: Case) -> _Outputs:
    """An LSTM node, and a Keras LSTM."""
    import keras

    inputs, (h, c) = _inputs(case), _states(case, 2)
    sequence, last_h, last_c = _in_onnx_runtime("LSTM", case, inputs, {"initial_h": h[None], "initial_c": c[None]})
    layer = keras.layers.LSTM(**_settings(case, "lstm"))
    return [sequence, last_h[0], last_c[0]], _in_keras(layer, inputs, case.target, "lstm/lstm_cell/", [h, c])


def bidirectional_lstm(case: Case) -> _Outputs:
    """A bidirectional LSTM node, and a Keras Bidirectional(LSTM)."""
    import keras

    inputs, (fh, fc, bh, bc) = _inputs(case), _states(case, 4)
    states = {"initial_h": numpy.stack([fh, bh]), "initial_c": numpy.stack([fc, bc])}
    sequence, last_h, last_c = _in_onnx_runtime("LSTM", case, inputs, states, direction="bidirectional")
    layer = keras.layers.Bidirectional(keras.layers.LSTM(**_settings(case, "lstm")), name="bidirectional")
    new = _in_keras(layer, inputs, case.target, "bidirectional/", [fh, fc, bh, bc])
    return [sequence, last_h[0], last_c[0], last_h[1], last_c[1]], new


def gru(case: Case) -> _Outputs:
    """A GRU node with `linear_before_reset=1`, and a Keras GRU."""
    return _gru(case, reset_after=True)


def gru_reset_before(case: Case) -> _Outputs:
    """A GRU node as it is by default, and a Keras GRU with `reset_after=False`."""
    return _gru(case, reset_after=False)


def bidirectional_gru(case: Case) -> _Outputs:
    """A bidirectional GRU node with `linear_before_reset=1`, and a Keras Bidirectional(GRU)."""
    return _bidirectional_gru(case, reset_after=True)


def bidirectional_gru_reset_before(case: Case) -> _Outputs:
    """A bidirectional GRU node, and a Keras Bidirectional(GRU) with `reset_after=False`."""
    return _bidirectional_gru(case, reset_after=False)


def _gru(case: Case, *, reset_after: bool) -> _Outputs:
    import keras

    inputs, (h,) = _inputs(case), _states(case, 1)
    states = {"initial_h": h[None]}
    sequence, last_h = _in_onnx_runtime("GRU", case, inputs, states, linear_before_reset=int(reset_after))
    layer = keras.layers.GRU(**_settings(case, "gru"), reset_after=reset_after)
    return [sequence, last_h[0]], _in_keras(layer, inputs, case.target, "gru/gru_cell/", [h])


def _bidirectional_gru(case: Case, *, reset_after: bool) -> _Outputs:
    import keras

    inputs, states = _inputs(case), _states(case, 2)
    sequence, last_h = _in_onnx_runtime(
        "GRU",
        case,
        inputs,
        {"initial_h": numpy.stack(states)},
        direction="bidirectional",
        linear_before_reset=int(reset_after),
    )
    layer = keras.layers.Bidirectional(
        keras.layers.GRU(**_settings(case, "gru"), reset_after=reset_after), name="bidirectional"
    )
    return [sequence, last_h[0], last_h[1]], _in_keras(layer, inputs, case.target, "bidirectional/", states)


def _inputs(case: Case) -> _Array:
    sequence: _Array = case.random.normal(size=(_BATCH, _STEPS, case.sizes["inputs"])).astype("float32")
    return sequence


def _states(case: Case, count: int) -> list[_Array]:
    return [case.random.normal(size=(_BATCH, case.sizes["units"])).astype("float32") for _ in range(count)]


def _settings(case: Case, name: str) -> dict[str, Any]:
    return {
        "units": case.sizes["units"],
        "use_bias": "B" in case.source,
        "return_sequences": True,
        "return_state": True,
        "name": name,
    }


def _in_onnx_runtime(
    operator: str, case: Case, inputs: _Array, states: Mapping[str, _Array], **attributes: Any
) -> list[_Array]:
    """The outputs of one node, the sequence [batch, time, directions x units] first; its weights are initialisers of the graph."""
    import onnxruntime
    from onnx import TensorProto, checker, defs, helper, numpy_helper

    schema = defs.get_schema(operator)
    tensors = {"X": inputs.transpose(1, 0, 2), **case.source, **states}
    formal = [one.name for one in schema.inputs]
    assert tensors.keys() <= set(formal), (list(tensors), formal)
    names = [name if name in tensors else "" for name in formal]
    node = helper.make_node(
        operator,
        names[: max(place for place, name in enumerate(names) if name) + 1],
        [one.name for one in schema.outputs],
        hidden_size=case.sizes["units"],
        **attributes,
    )
    fed = {name: value for name, value in tensors.items() if name not in case.source}
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in fed.items()],
        [
            helper.make_tensor_value_info(one.name, TensorProto.FLOAT, [None] * rank)
            for one, rank in zip(schema.outputs, (4, 3, 3), strict=False)
        ],
        [numpy_helper.from_array(value, name) for name, value in case.source.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", schema.since_version)], ir_version=8)
    checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    sequence, *finals = session.run(None, fed)
    return [sequence.transpose(2, 0, 1, 3).reshape(*inputs.shape[:2], -1), *finals]


def _in_keras(layer: Any, inputs: _Array, values: Mapping[str, _Array], scope: str, states: list[_Array]) -> list[_Array]:
    """What a Keras layer gives from these states: its outputs, then its final states. `values` must be all of its weights, with
    just these paths below `scope`, and these shapes."""
    import keras

    layer.build(inputs.shape)
    found = {variable.path: tuple(variable.shape) for variable in layer.weights}
    assert found == {scope + name: value.shape for name, value in values.items()}, (found, list(values))
    for variable in layer.weights:
        variable.assign(values[variable.path.removeprefix(scope)])
    given = [keras.ops.convert_to_tensor(state) for state in states]
    results = layer(keras.ops.convert_to_tensor(inputs), initial_state=given, training=False)
    return [keras.ops.convert_to_numpy(result) for result in results]
