"""Keras models that the tests of live models share. Importing this skips a test file where there is no Keras."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow as Keras' backend")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, which is the oracle")

from migspec.diagnostics import Diagnostic, SpecError  # noqa: E402
from migspec.models.base import LiveModel  # noqa: E402
from migspec.models.recognition import open_model  # noqa: E402

layers = keras.layers


@keras.saving.register_keras_serializable("migspec_tests")
class Blocks(keras.Model):
    """A subclassed model with layers in a list, in a list in that list, and in a dict, and a weight of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.blocks = [layers.Dense(3), layers.Dense(3), [layers.Dense(2)]]
        self.tables = {"words": layers.Embedding(5, 3)}
        self.scale = self.add_weight(shape=(3,), name="scale", initializer="ones")

    def call(self, tokens: Any) -> Any:
        values = self.tables["words"](tokens)
        for block in self.blocks[:2]:
            values = block(values)
        return self.blocks[2][0](values * self.scale)


def sequential() -> Any:
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.LSTM(2, return_sequences=True),
            layers.LSTM(3, return_sequences=True, name="second"),
            layers.GRU(2, return_sequences=True),
            layers.TimeDistributed(layers.Dense(3)),
            layers.BatchNormalization(scale=False),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )


def functional() -> Any:
    inputs = keras.Input((5, 4))
    shared = layers.Dense(4, name="shared")
    values = shared(shared(inputs))
    values = layers.MultiHeadAttention(2, 3)(values, values)
    values = layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], name="stack")(values)
    return keras.Model(inputs, values, name="shared")  # called as one of its layers is


def subclassed() -> Any:
    model = Blocks()
    model(numpy.zeros((2, 4), "int32"))
    return model


def nested() -> Any:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a")], name="tower")
    late = keras.Sequential([layers.Dense(3, name="a")], name="late")
    return keras.Sequential([keras.Input((4,)), inner, late, layers.Dense(2, name="head")], name="whole")


MODELS: list[Callable[[], Any]] = [sequential, functional, subclassed, nested]


def opened(model: Any) -> LiveModel:
    return open_model(model, "model")


def randomise(model: Any) -> None:
    random = numpy.random.default_rng(5)
    for variable in model.variables:
        variable.assign(random.integers(0, 100, variable.shape).astype(variable.dtype))


def refusal(action: Callable[[], Any]) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        action()
    (diagnostic,) = caught.value.diagnostics
    return diagnostic
