"""A small network trained by TensorFlow 1's own optimizers, step by step, and the same network in Keras: oracles for optimizer state."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

INPUTS, HIDDEN, OUTPUTS, BATCH = 6, 5, 3, 8
SHAPES = {"first/w": (INPUTS, HIDDEN), "first/b": (HIDDEN,), "second/w": (HIDDEN, OUTPUTS), "second/b": (OUTPUTS,)}
NAMES = {"first/w": "first/kernel", "first/b": "first/bias", "second/w": "second/kernel", "second/b": "second/bias"}


def batches(count: int, seed: int) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    generator = numpy.random.default_rng(seed)
    return [
        (
            generator.standard_normal((BATCH, INPUTS)).astype(numpy.float32),
            generator.standard_normal((BATCH, OUTPUTS)).astype(numpy.float32),
        )
        for _ in range(count)
    ]


def train_tensorflow1(
    checkpoint: Path, optimizer: Callable[[Any], Any], before: list[Any], after: list[Any]
) -> dict[str, numpy.ndarray]:
    """Train a graph on the first batches, save it, train on, and give the weights that come of it.

    `optimizer` makes one of `tensorflow.compat.v1.train`, which is its argument.
    """
    import tensorflow

    v1 = tensorflow.compat.v1
    generator = numpy.random.default_rng(0)
    with tensorflow.Graph().as_default():
        features, labels = (v1.placeholder(tensorflow.float32, (BATCH, width)) for width in (INPUTS, OUTPUTS))
        weights = {
            name: v1.get_variable(name, initializer=(generator.standard_normal(shape) / 2).astype(numpy.float32))
            for name, shape in SHAPES.items()
        }
        hidden = v1.tanh(features @ weights["first/w"] + weights["first/b"])
        outputs = hidden @ weights["second/w"] + weights["second/b"]
        loss = v1.reduce_mean(v1.square(outputs - labels))
        step = optimizer(v1.train).minimize(loss, global_step=v1.train.get_or_create_global_step())
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for x, y in before:
                session.run(step, {features: x, labels: y})
            v1.train.Saver().save(session, str(checkpoint))
            for x, y in after:
                session.run(step, {features: x, labels: y})
            result: dict[str, numpy.ndarray] = session.run(weights)
    return result


def keras_network(optimizer: Any) -> Any:
    """The same network, compiled, with an optimizer that has its variables."""
    import keras

    model = keras.Sequential(
        [keras.Input((INPUTS,)), keras.layers.Dense(HIDDEN, "tanh", name="first"), keras.layers.Dense(OUTPUTS, name="second")],
        name="network",
    )
    model.compile(optimizer, "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def train_keras(model: Any, after: list[Any]) -> dict[str, numpy.ndarray]:
    """Train on, and give the weights that come of it by their names in the graph."""
    for x, y in after:
        model.train_on_batch(x, y)
    values = {"/".join(variable.path.split("/")[-2:]): variable.numpy() for variable in model.variables}
    return {old: values[new] for old, new in NAMES.items()}


def largest_difference(left: dict[str, numpy.ndarray], right: dict[str, numpy.ndarray]) -> float:
    assert left.keys() == right.keys()
    return max(float(numpy.abs(left[name] - right[name]).max()) for name in left)
