"""The layers of an old TensorFlow 1 model, one checkpoint each, with what they compute: what every live model is tested against.

The outputs come from TensorFlow's own ops, which take the weights as the checkpoint holds them: `BlockLSTM` is the fused op of
TF1's LSTM cell, `GRUBlockCell` that of its GRU cell.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is the oracle")

INPUTS, UNITS, HEADS, DEPTH = 5, 4, 2, 3
STEPS, BATCH = 6, 3


@dataclass(frozen=True)
class OldLayer:
    """A layer's checkpoint, inputs and outputs."""

    checkpoint: str
    inputs: numpy.ndarray
    outputs: numpy.ndarray


def lstm(weights: dict[str, numpy.ndarray], sequence: numpy.ndarray, scope: str) -> numpy.ndarray:
    """All outputs of TF1's `BasicLSTMCell` with `forget_bias=1.0`, of a batch [batch, time, inputs]."""
    nothing, zeros = numpy.zeros([UNITS], "float32"), numpy.zeros([len(sequence), UNITS], "float32")
    *_, outputs = tf.raw_ops.BlockLSTM(
        seq_len_max=sequence.shape[1],
        x=sequence.transpose(1, 0, 2),
        cs_prev=zeros,
        h_prev=zeros,
        w=weights[f"{scope}/basic_lstm_cell/kernel"],
        wci=nothing,
        wcf=nothing,
        wco=nothing,
        b=weights[f"{scope}/basic_lstm_cell/bias"],
        forget_bias=1.0,
        cell_clip=-1.0,
        use_peephole=False,
    )
    result: numpy.ndarray = outputs.numpy().transpose(1, 0, 2)
    return result


def _dense(weights: dict[str, numpy.ndarray], values: numpy.ndarray) -> numpy.ndarray:
    return values @ weights["fc/weights"] + weights["fc/biases"]


def _conv(weights: dict[str, numpy.ndarray], values: numpy.ndarray) -> numpy.ndarray:
    return tf.nn.bias_add(tf.nn.conv2d(values, weights["conv/weights"], 1, "SAME"), weights["conv/biases"]).numpy()


def _lstm(weights: dict[str, numpy.ndarray], values: numpy.ndarray) -> numpy.ndarray:
    return lstm(weights, values, "rnn")


def _gru(weights: dict[str, numpy.ndarray], values: numpy.ndarray) -> numpy.ndarray:
    state = numpy.zeros([len(values), UNITS], "float32")
    outputs = []
    for step in values.transpose(1, 0, 2):
        *_, state = tf.raw_ops.GRUBlockCell(
            x=step,
            h_prev=state,
            w_ru=weights["rnn/gru_cell/gates/kernel"],
            w_c=weights["rnn/gru_cell/candidate/kernel"],
            b_ru=weights["rnn/gru_cell/gates/bias"],
            b_c=weights["rnn/gru_cell/candidate/bias"],
        )
        outputs.append(state)
    return numpy.stack(outputs, 1)


def _bidirectional(weights: dict[str, numpy.ndarray], values: numpy.ndarray) -> numpy.ndarray:
    forwards = lstm(weights, values, "bidirectional_rnn/fw")
    backwards = lstm(weights, values[:, ::-1], "bidirectional_rnn/bw")[:, ::-1]
    return numpy.concatenate([forwards, backwards], -1)


def _batch_norm(weights: dict[str, numpy.ndarray], values: numpy.ndarray) -> numpy.ndarray:
    mean, variance, beta, gamma = (weights[f"bn/{name}"] for name in ("moving_mean", "moving_variance", "beta", "gamma"))
    return tf.nn.batch_normalization(values, mean, variance, beta, gamma, 1e-3).numpy()


def _attention(weights: dict[str, numpy.ndarray], values: numpy.ndarray) -> numpy.ndarray:
    def heads(name: str) -> numpy.ndarray:
        flat = values @ weights[f"attention/{name}/kernel"] + weights[f"attention/{name}/bias"]
        return flat.reshape(*flat.shape[:2], HEADS, DEPTH).transpose(0, 2, 1, 3)

    scores = tf.nn.softmax(heads("query") @ heads("key").swapaxes(-1, -2) / numpy.sqrt(DEPTH)).numpy()
    joined = (scores @ heads("value")).transpose(0, 2, 1, 3).reshape(*values.shape[:2], HEADS * DEPTH)
    return joined @ weights["attention/output/kernel"] + weights["attention/output/bias"]


def _lstm_shapes(scope: str) -> dict[str, list[int]]:
    cell = f"{scope}/basic_lstm_cell"
    return {f"{cell}/kernel": [INPUTS + UNITS, 4 * UNITS], f"{cell}/bias": [4 * UNITS]}


_SEQUENCE = [BATCH, STEPS, INPUTS]
_PROJECTED = HEADS * DEPTH

_LAYERS: dict[str, tuple[dict[str, list[int]], list[int], Callable[..., numpy.ndarray]]] = {
    "dense": ({"fc/weights": [INPUTS, UNITS], "fc/biases": [UNITS]}, [BATCH, INPUTS], _dense),
    "conv": ({"conv/weights": [3, 3, 2, UNITS], "conv/biases": [UNITS]}, [BATCH, 7, 7, 2], _conv),
    "lstm": (_lstm_shapes("rnn"), _SEQUENCE, _lstm),
    "gru": (
        {
            "rnn/gru_cell/gates/kernel": [INPUTS + UNITS, 2 * UNITS],
            "rnn/gru_cell/gates/bias": [2 * UNITS],
            "rnn/gru_cell/candidate/kernel": [INPUTS + UNITS, UNITS],
            "rnn/gru_cell/candidate/bias": [UNITS],
        },
        _SEQUENCE,
        _gru,
    ),
    "bidirectional": (_lstm_shapes("bidirectional_rnn/fw") | _lstm_shapes("bidirectional_rnn/bw"), _SEQUENCE, _bidirectional),
    "batch_norm": (
        {f"bn/{name}": [INPUTS] for name in ("gamma", "beta", "moving_mean", "moving_variance")},
        [BATCH, INPUTS],
        _batch_norm,
    ),
    "attention": (
        {f"attention/{name}/kernel": [INPUTS, _PROJECTED] for name in ("query", "key", "value")}
        | {f"attention/{name}/bias": [_PROJECTED] for name in ("query", "key", "value")}
        | {"attention/output/kernel": [_PROJECTED, INPUTS], "attention/output/bias": [INPUTS]},
        _SEQUENCE,
        _attention,
    ),
}

NAMES = tuple(_LAYERS)
"""The layers that `old_layer` makes."""


def old_layer(folder: Path, name: str) -> OldLayer:
    """One layer with random weights, biases and statistics, saved to a TensorFlow 1 checkpoint below `folder`."""
    shapes, input_shape, compute = _LAYERS[name]
    random = numpy.random.default_rng(NAMES.index(name))
    weights = {key: random.normal(0, 0.5, shape).astype("float32") for key, shape in shapes.items()}
    for key in weights:
        if key.endswith("variance"):
            weights[key] = numpy.abs(weights[key]) + 0.5
    inputs = random.normal(0, 1, input_shape).astype("float32")
    prefix = str(folder / f"{name}.ckpt")
    tf.raw_ops.SaveV2(
        prefix=prefix, tensor_names=list(weights), shape_and_slices=[""] * len(weights), tensors=list(weights.values())
    )
    return OldLayer(prefix, inputs, numpy.asarray(compute(weights, inputs)))


KERAS_SPECS: dict[str, str] = {
    "dense": """
        rename fc/weights -> {layer}/kernel
        rename fc/biases  -> {layer}/bias
        """,
    "conv": """
        rename conv/weights -> {layer}/kernel
        rename conv/biases  -> {layer}/bias
        """,
    "lstm": "use tf1/basic_lstm  rnn/basic_lstm_cell -> {layer}/lstm_cell",
    "gru": """
        rename rnn/gru_cell/gates/kernel, rnn/gru_cell/candidate/kernel -> {layer}/gru_cell/kernel, {layer}/gru_cell/recurrent_kernel
            concat columns  split rows  gates rzh -> zrh
        rename rnn/gru_cell/gates/bias, rnn/gru_cell/candidate/bias -> {layer}/gru_cell/bias
            concat columns  gates rzh -> zrh
        """,
    "bidirectional": """
        use tf1/basic_lstm  bidirectional_rnn/fw/basic_lstm_cell -> {layer}/forward_lstm/lstm_cell
        use tf1/basic_lstm  bidirectional_rnn/bw/basic_lstm_cell -> {layer}/backward_lstm/lstm_cell
        """,
    "batch_norm": """
        rename bn/{{name}} -> {layer}/{{name}}
        """,
    "attention": """
        rename attention/{{p:query|key|value}}/kernel -> {layer}/{{p}}/kernel  reshape
        rename attention/{{p:query|key|value}}/bias   -> {layer}/{{p}}/bias    reshape
        rename attention/output/kernel -> {layer}/attention_output/kernel    reshape
        rename attention/output/bias   -> {layer}/attention_output/bias
        """,
}
"""What moves each layer into that of Keras, 2 and 3 alike, called `{layer}`."""


_EXCHANGED = (
    "rename attention/query/kernel -> new/key/kernel  reshape\nrename attention/key/kernel -> new/query/kernel  reshape\n"
)

_MISTAKES: dict[str, tuple[str, str]] = {
    "dense": ("new/bias", "new/bias  flip 0"),
    "conv": ("new/kernel", "new/kernel  transpose 1 0 2 3"),
    "lstm": ("new/lstm_cell", "new/lstm_cell with forget_bias = 0.0"),
    "gru": ("split rows  gates rzh", "split rows  gates zrh"),
    "bidirectional": ("new/backward_lstm/lstm_cell", "new/backward_lstm/lstm_cell with forget_bias = 0.0"),
    "batch_norm": ("rename", "rename bn/beta -> new/moving_mean\nrename bn/moving_mean -> new/beta\nrename"),
    "attention": ("rename attention/output/bias", f"{_EXCHANGED}rename attention/output/bias"),
}


def wrong_keras_spec(name: str) -> str:
    """The spec of a layer called `new` with a mistake that no shape tells."""
    before, after = _MISTAKES[name]
    spec = keras_spec(name, "new")
    assert spec.count(before) == 1
    return spec.replace(before, after)


def keras_spec(name: str, layer: str) -> str:
    import textwrap

    return textwrap.dedent(KERAS_SPECS[name].format(layer=layer))


def largest_difference(outputs: object, expected: numpy.ndarray) -> float:
    found = numpy.asarray(outputs)
    assert found.shape == expected.shape
    return float(numpy.abs(found - expected).max())
