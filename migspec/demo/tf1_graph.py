"""A TensorFlow 1 graph (`tf.compat.v1`, graph mode), built layer by layer, trained, run and saved by TensorFlow itself.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import tensorflow as tf

v1 = tf.compat.v1


class Recording(NamedTuple):
    """A checkpoint's prefix, the inputs that the model was run on, and what it answered."""

    prefix: str
    inputs: numpy.ndarray
    outputs: numpy.ndarray


class Graph:
    """One graph in the making, and the random numbers of its variables and inputs: one seed gives one model.

    Layers are added inside `with graph:`. Weights, biases and statistics are all random, so that a gate or a bias in the wrong
    place changes the outputs. Weights lie between `-spread` and `spread`.
    """

    def __init__(self, seed: int, spread: float = 0.5) -> None:
        self._graph = tf.Graph()
        self._spread = spread
        self._random = numpy.random.default_rng(seed)
        self._entered: Any = None

    def __enter__(self) -> None:
        self._entered = self._graph.as_default()
        self._entered.__enter__()

    def __exit__(self, *error: object) -> None:
        self._entered.__exit__(*error)

    def placeholder(self, shape: Sequence[int]) -> Any:
        return v1.placeholder(tf.float32, shape, name="inputs")

    def variable(self, name: str, shape: Sequence[int], low: float | None = None, high: float | None = None) -> Any:
        """A float32 variable of the old kind (no resource), uniform from `low` (else `-spread`) to `high` (else `spread`)."""
        ends = (-self._spread if low is None else low, self._spread if high is None else high)
        value = self._random.uniform(*ends, shape).astype("float32")
        return v1.get_variable(name, initializer=value, use_resource=False)

    def dense(self, inputs: Any, units: int, name: str) -> Any:
        """As `tf.layers.dense`: `name/kernel` [inputs, units] and `name/bias` [units]."""
        kernel = self.variable(f"{name}/kernel", [int(inputs.shape[-1]), units])
        return tf.matmul(inputs, kernel) + self.variable(f"{name}/bias", [units])

    def lstm(self, inputs: Any, units: int, scope: str, forget_bias: float) -> Any:
        """TF1's `BasicLSTMCell` over [batch, time, inputs]; gives [batch, time, units].

        It is the textbook form of the cell: gates i, j, f, o in the columns of one kernel `scope/kernel`
        `[inputs + units, 4 units]`, one bias `scope/bias`, and `forget_bias` added to f at run time
        (tensorflow/python/ops/rnn_cell_impl.py of TensorFlow 1).
        """
        batch, steps, width = (int(length) for length in inputs.shape)
        kernel = self.variable(f"{scope}/kernel", [width + units, 4 * units])
        bias = self.variable(f"{scope}/bias", [4 * units])
        state, output = tf.zeros([batch, units]), tf.zeros([batch, units])
        sequence = []
        for step in range(steps):
            gates = tf.matmul(tf.concat([inputs[:, step], output], 1), kernel) + bias
            i, j, f, o = tf.split(gates, 4, axis=1)
            state = state * tf.sigmoid(f + forget_bias) + tf.sigmoid(i) * tf.tanh(j)
            output = tf.tanh(state) * tf.sigmoid(o)
            sequence.append(output)
        return tf.stack(sequence, axis=1)

    def record(self, path: Path, inputs: Any, outputs: Any, adam_steps: int = 0) -> Recording:
        """Initialise, run on random inputs between -1 and 1, and save by `tf.compat.v1.train.Saver` at `path`.

        With `adam_steps`, so many steps of training come first; the checkpoint then holds `global_step`, `beta1_power`,
        `beta2_power`, and the slots `.../Adam` and `.../Adam_1` of each variable.
        """
        values = self._random.uniform(-1, 1, inputs.shape).astype("float32")
        with self._graph.as_default():
            train = None
            if adam_steps:
                step = v1.train.get_or_create_global_step()
                train = v1.train.AdamOptimizer(1e-3).minimize(tf.reduce_mean(tf.square(outputs - 0.5)), global_step=step)
            saver = v1.train.Saver()
            with v1.Session(graph=self._graph) as session:
                session.run(v1.global_variables_initializer())
                for _ in range(adam_steps):
                    session.run(train, {inputs: values})
                answers = session.run(outputs, {inputs: values})
                prefix = saver.save(session, str(path))
        return Recording(prefix, values, answers)
