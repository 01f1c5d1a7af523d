"""The layers of `old_layers` written new with TensorFlow's ops, in the layout of Keras: eager, in a `tf.function` or in a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
from old_layers import DEPTH, HEADS, INPUTS, STEPS, UNITS, tf

_CELL = {"kernel": [INPUTS, 4 * UNITS], "recurrent_kernel": [UNITS, 4 * UNITS], "bias": [4 * UNITS]}

SHAPES: dict[str, dict[str, list[int]]] = {
    "dense": {"kernel": [INPUTS, UNITS], "bias": [UNITS]},
    "conv": {"kernel": [3, 3, 2, UNITS], "bias": [UNITS]},
    "lstm": {f"lstm_cell/{part}": shape for part, shape in _CELL.items()},
    "gru": {
        "gru_cell/kernel": [INPUTS, 3 * UNITS],
        "gru_cell/recurrent_kernel": [UNITS, 3 * UNITS],
        "gru_cell/bias": [3 * UNITS],
    },
    "bidirectional": {
        f"{way}_lstm/lstm_cell/{part}": shape for way in ("forward", "backward") for part, shape in _CELL.items()
    },
    "batch_norm": {name: [INPUTS] for name in ("gamma", "beta", "moving_mean", "moving_variance")},
    "attention": {f"{name}/kernel": [INPUTS, HEADS, DEPTH] for name in ("query", "key", "value")}
    | {f"{name}/bias": [HEADS, DEPTH] for name in ("query", "key", "value")}
    | {"attention_output/kernel": [HEADS, DEPTH, INPUTS], "attention_output/bias": [INPUTS]},
}
"""The variables of each layer, by their paths below it."""

Weights = Callable[[str], Any]


def compute(name: str, weight: Weights, inputs: Any) -> Any:
    """The outputs of a layer, whose variables `weight` gives by path."""
    match name:
        case "dense":
            return inputs @ weight("kernel") + weight("bias")
        case "conv":
            return tf.nn.bias_add(tf.nn.conv2d(inputs, weight("kernel"), 1, "SAME"), weight("bias"))
        case "lstm":
            return _lstm(weight, "lstm_cell", inputs)
        case "gru":
            return _gru(weight, inputs)
        case "bidirectional":
            backward = _lstm(weight, "backward_lstm/lstm_cell", inputs[:, ::-1])[:, ::-1]
            return tf.concat([_lstm(weight, "forward_lstm/lstm_cell", inputs), backward], -1)
        case "batch_norm":
            scale = weight("gamma") / tf.sqrt(weight("moving_variance") + 1e-3)
            return (inputs - weight("moving_mean")) * scale + weight("beta")
        case _:
            return _attention(weight, inputs)


def _lstm(weight: Weights, cell: str, inputs: Any) -> Any:
    kernel, recurrent, bias = (weight(f"{cell}/{part}") for part in ("kernel", "recurrent_kernel", "bias"))
    output = state = tf.zeros([inputs.shape[0], UNITS])
    outputs = []
    for step in range(STEPS):
        i, f, c, o = tf.split(inputs[:, step] @ kernel + output @ recurrent + bias, 4, -1)
        state = tf.sigmoid(f) * state + tf.sigmoid(i) * tf.tanh(c)
        output = tf.sigmoid(o) * tf.tanh(state)
        outputs.append(output)
    return tf.stack(outputs, 1)


def _gru(weight: Weights, inputs: Any) -> Any:
    kernel, recurrent, bias = (tf.split(weight(f"gru_cell/{part}"), 3, -1) for part in ("kernel", "recurrent_kernel", "bias"))
    state = tf.zeros([inputs.shape[0], UNITS])
    outputs = []
    for step in range(STEPS):
        given = inputs[:, step]
        z, r = (tf.sigmoid(given @ kernel[gate] + state @ recurrent[gate] + bias[gate]) for gate in (0, 1))
        candidate = tf.tanh(given @ kernel[2] + (r * state) @ recurrent[2] + bias[2])
        state = z * state + (1 - z) * candidate
        outputs.append(state)
    return tf.stack(outputs, 1)


def _attention(weight: Weights, inputs: Any) -> Any:
    query, key, value = (
        tf.einsum("bti,ihd->bthd", inputs, weight(f"{name}/kernel")) + weight(f"{name}/bias")
        for name in ("query", "key", "value")
    )
    scores = tf.nn.softmax(tf.einsum("bthd,bshd->bhts", query, key) / numpy.sqrt(DEPTH).astype("float32"))
    heads = tf.einsum("bhts,bshd->bthd", scores, value)
    return tf.einsum("bthd,hdi->bti", heads, weight("attention_output/kernel")) + weight("attention_output/bias")


class NewLayer(tf.Module):
    """One layer whose variables are in nested dicts below the attribute `new`, and have no names of their own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.kind = name
        new: dict[str, Any] = {}
        for path, shape in SHAPES[name].items():
            *folders, last = path.split("/")
            place = new
            for folder in folders:
                place = place.setdefault(folder, {})
            place[last] = tf.Variable(tf.random.uniform(shape, 0.1, 1))
        self.new = new  # TensorFlow tracks what it holds now, and refuses a dict that was changed behind its back

    @tf.function
    def __call__(self, inputs: Any) -> Any:
        return compute(self.kind, self._weight, inputs)

    def _weight(self, path: str) -> Any:
        found: Any = self.new
        for part in path.split("/"):
            found = found[part]
        return found
