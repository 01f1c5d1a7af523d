"""Real TensorFlow 1 models, run and saved by TensorFlow: what a migration from TF1 is tested against.

Each function builds a graph with `tf.compat.v1`, initialises it from a seed, runs it on inputs, saves it by
`tf.compat.v1.train.Saver` below `folder`, and gives a `Recording`. Weights, biases and batch statistics are all random, so
that a gate or a bias in the wrong place changes the outputs. Only tensorflow is needed.

The LSTM cell is the textbook form of TF1's `BasicLSTMCell` (i, j, f, o in the columns of one kernel
`[inputs + units, 4 units]`, and `forget_bias` added to f at run time), under the names that
`tf.nn.dynamic_rnn(BasicLSTMCell(...), scope="lstm")` gives. It was compared with the real thing, and is held to it by
`test_tf1_lstm.py`: the raw op `BlockLSTM` on the same weights (within 1e-6) and, where tf_keras is installed, its
`BasicLSTMCell` in `dynamic_rnn`, restored from the same checkpoint (tf_keras 2.21: no difference at all, for forget biases
0, 0.7 and 1).
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from migspec.demo.tf1_graph import Graph, Recording

_ADAM_STEPS = 2


def lstm(
    folder: Path,
    *,
    inputs: int = 20,
    units: int = 100,
    forget_bias: float = 1.0,
    adam: bool = False,
    scope: str = "lstm/basic_lstm_cell",
    seed: int = 1,
) -> Recording:
    """One LSTM: `lstm/basic_lstm_cell/kernel`, `.../bias`; outputs of every step [batch, time, units].

    With `adam`, two steps of training give the slots `.../kernel/Adam`, `.../kernel/Adam_1`, and `beta1_power`, `beta2_power`,
    `global_step`.
    """
    graph = Graph(seed)
    with graph:
        batch = graph.placeholder([3, 6, inputs])
        outputs = graph.lstm(batch, units, scope, forget_bias)
    return graph.record(folder / "model.ckpt", batch, outputs, _ADAM_STEPS if adam else 0)


def stacked_lstm(
    folder: Path,
    *,
    inputs: int = 20,
    units: tuple[int, ...] = (100, 150),
    classes: int = 7,
    forget_bias: float = 1.0,
    adam: bool = False,
    cell: str = "basic_lstm_cell",
    seed: int = 2,
) -> Recording:
    """LSTMs `lstm_0`, `lstm_1`, ..., then `dense/kernel` and `dense/bias` on the last step; outputs [batch, classes]."""
    graph = Graph(seed)
    with graph:
        batch = graph.placeholder([3, 5, inputs])
        sequence = batch
        for i, width in enumerate(units):
            sequence = graph.lstm(sequence, width, f"lstm_{i}/{cell}", forget_bias)
        outputs = graph.dense(sequence[:, -1], classes, "dense")
    return graph.record(folder / "model.ckpt", batch, outputs, _ADAM_STEPS if adam else 0)


def dense_stack(folder: Path, *, widths: tuple[int, ...] = (12, 16, 16, 5), adam: bool = False, seed: int = 3) -> Recording:
    """Dense layers named as TF1's `tf.layers.dense` names them: `dense`, `dense_1`, ..., with relu in between.

    Two neighbouring widths that are equal make a square kernel, whose transposition no shape can tell.
    """
    graph = Graph(seed)
    with graph:
        batch = graph.placeholder([4, widths[0]])
        outputs = batch
        for i, width in enumerate(widths[1:]):
            outputs = graph.dense(outputs if i == 0 else tf.nn.relu(outputs), width, f"dense_{i}" if i else "dense")
    return graph.record(folder / "model.ckpt", batch, outputs, _ADAM_STEPS if adam else 0)


def conv_net(folder: Path, *, classes: int = 6, adam: bool = False, seed: int = 4) -> Recording:
    """`conv2d` (3 x 3, same, 8 filters), `batch_normalization` (inference, epsilon 1e-3), relu, 2 x 2 max pooling, `dense` on
    the flattened [batch, 4 * 4 * 8]; inputs [batch, 8, 8, 3]."""
    graph = Graph(seed)
    with graph:
        batch = graph.placeholder([2, 8, 8, 3])
        kernel = graph.variable("conv2d/kernel", [3, 3, 3, 8])
        features = tf.nn.bias_add(tf.nn.conv2d(batch, kernel, 1, "SAME"), graph.variable("conv2d/bias", [8]))
        gamma, beta, mean = (graph.variable(f"batch_normalization/{name}", [8]) for name in ("gamma", "beta", "moving_mean"))
        variance = graph.variable("batch_normalization/moving_variance", [8], low=0.5, high=2.0)
        features = tf.nn.relu(tf.nn.batch_normalization(features, mean, variance, beta, gamma, 1e-3))
        features = tf.nn.max_pool2d(features, 2, 2, "VALID")
        outputs = graph.dense(tf.reshape(features, [2, 4 * 4 * 8]), classes, "dense")
    return graph.record(folder / "model.ckpt", batch, outputs, _ADAM_STEPS if adam else 0)
