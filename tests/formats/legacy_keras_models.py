"""Small models of Keras 2 (`tf_keras`), whose legacy files the tests read and write."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest

tf_keras = pytest.importorskip("tf_keras", reason="Keras 2 is an oracle that the extra `oracles` installs")
layers = tf_keras.layers


def sequential() -> tf_keras.Model:
    return tf_keras.Sequential([tf_keras.Input((8, 3)), layers.LSTM(4, return_sequences=True), layers.LSTM(5), layers.Dense(2)])


def built_late() -> tf_keras.Model:
    model = tf_keras.Sequential([layers.Embedding(9, 3), layers.GRU(4), layers.Dense(2, use_bias=False)])
    model.build((None, 8))
    return model


def convolutions() -> tf_keras.Model:
    inputs = tf_keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, name="conv1/conv")(inputs)
    x = layers.BatchNormalization(name="conv1/bn")(x)
    x = layers.SeparableConv2D(6, 3)(x)
    x = layers.DepthwiseConv2D(3)(x)
    return tf_keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x)))


def nested() -> tf_keras.Model:
    start = tf_keras.Input((6,))
    inner = tf_keras.Model(start, layers.Dense(4)(layers.Dense(5)(start)), name="inner")
    late = tf_keras.Sequential([layers.Dense(3), layers.Dense(2)], name="late")
    inputs = tf_keras.Input((6,))
    return tf_keras.Model(inputs, layers.Dense(1)(late(inner(inputs))))


def recurrent() -> tf_keras.Model:
    inputs = tf_keras.Input((7, 3))
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(inputs)
    x = layers.LSTM(3, return_sequences=True)(x)
    x = layers.RNN([layers.LSTMCell(3, name="first"), layers.GRUCell(4)], return_sequences=True)(x)
    return tf_keras.Model(inputs, layers.TimeDistributed(layers.Dense(2))(layers.MultiHeadAttention(2, 3)(x, x)))


class Subclassed(tf_keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(3)
        self.more = [layers.Dense(3), tf_keras.Sequential([layers.Dense(2)])]
        self.gain = self.add_weight(name="gain", shape=(1,))

    def call(self, x: object) -> object:
        return self.more[1](self.more[0](self.first(x))) * self.gain


def subclassed() -> tf_keras.Model:
    model = Subclassed()
    model(numpy.zeros((1, 4), "float32"))
    return model


def trained() -> tf_keras.Model:
    model = sequential()
    model.compile("adam", "mse", run_eagerly=True)
    model.train_on_batch(numpy.zeros((2, 8, 3)), numpy.zeros((2, 2)))
    return model


def trained_long_ago() -> tf_keras.Model:
    """With an optimizer as it was before Keras 2.11, which calls its slots otherwise."""
    model = sequential()
    model.compile(tf_keras.optimizers.legacy.Adam(), "mse", run_eagerly=True)
    model.train_on_batch(numpy.zeros((2, 8, 3)), numpy.zeros((2, 2)))
    return model


MODELS: dict[str, Callable[[], tf_keras.Model]] = {
    "sequential": sequential,
    "built_late": built_late,
    "convolutions": convolutions,
    "nested": nested,
    "recurrent": recurrent,
    "subclassed": subclassed,
    "trained": trained,
    "trained_long_ago": trained_long_ago,
}


def build(name: str) -> tf_keras.Model:
    """The model with Keras' counters at zero and values that all differ."""
    tf_keras.backend.clear_session()
    model = MODELS[name]()
    random = numpy.random.default_rng(0)
    for variable in model.variables:
        variable.assign(random.uniform(0.1, 1, variable.shape))
    return model
