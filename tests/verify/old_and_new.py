"""Old models and the new ones that they are migrated into: small, real, and of several frameworks."""

from __future__ import annotations

import os
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which runs the old models")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")

layers = keras.layers
v1 = tf.compat.v1

WORDS, UNITS, STEPS = 11, 4, 5


def _tf1_lstm(inputs: Any, scope: str, forget_bias: float) -> Any:
    """TensorFlow 1's `BasicLSTMCell`, unrolled: gates i, c, f, o in the columns of one kernel (rnn_cell_impl.py)."""
    with v1.variable_scope(scope):
        depth = int(inputs.shape[-1])
        kernel = v1.get_variable("kernel", [depth + UNITS, 4 * UNITS], initializer=_random(depth))
        bias = v1.get_variable("bias", [4 * UNITS], initializer=_random(depth + 1))
    state = output = tf.zeros([tf.shape(inputs)[0], UNITS])
    outputs = []
    for step in range(STEPS):
        gates = tf.concat([inputs[:, step], output], 1) @ kernel + bias
        i, c, f, o = tf.split(gates, 4, 1)
        state = state * tf.sigmoid(f + forget_bias) + tf.sigmoid(i) * tf.tanh(c)
        output = tf.tanh(state) * tf.sigmoid(o)
        outputs.append(output)
    return tf.stack(outputs, 1)


def _random(seed: int) -> Any:
    return v1.random_normal_initializer(stddev=0.8, seed=seed)


def tf1_language_model() -> Any:
    """A graph and a session: words looked up, two LSTMs, softmax; with targets and a loss, as training left them."""
    graph = tf.Graph()
    with graph.as_default():
        words = v1.placeholder(tf.int32, [None, STEPS], name="words")
        targets = v1.placeholder(tf.int32, [None, STEPS], name="targets")
        table = v1.get_variable("embedding", [WORDS, UNITS], initializer=_random(1))
        values = tf.nn.embedding_lookup(table, words)
        for cell in range(2):
            values = _tf1_lstm(values, f"rnn/cell_{cell}/basic_lstm_cell", 1.0)
        weights = v1.get_variable("softmax/w", [UNITS, WORDS], initializer=_random(7))
        bias = v1.get_variable("softmax/b", [WORDS], initializer=_random(8))
        logits = tf.tensordot(values, weights, 1) + bias
        tf.nn.softmax(logits, name="probabilities")
        tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits), name="loss")
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())
    return session


def keras_language_model() -> Any:
    words = keras.Input([STEPS], dtype="int32", name="words")
    values = layers.Embedding(WORDS, UNITS, name="embedding")(words)
    values = layers.LSTM(UNITS, return_sequences=True, name="lstm")(values)
    values = layers.LSTM(UNITS, return_sequences=True, name="lstm_1")(values)
    return keras.Model(words, layers.Dense(WORDS, activation="softmax", name="probabilities")(values))


LANGUAGE_MODEL = """
rename embedding -> embedding/embeddings
rename rnn/cell_{i}/basic_lstm_cell/kernel -> lstm{_i}/lstm_cell/kernel, lstm{_i}/lstm_cell/recurrent_kernel  split rows  gates icfo -> ifco
rename rnn/cell_{i}/basic_lstm_cell/bias -> lstm{_i}/lstm_cell/bias  gates icfo -> ifco  add 1.0 to f
rename softmax/w -> probabilities/kernel
rename softmax/b -> probabilities/bias
"""


def tf1_images() -> Any:
    """A graph and a session: convolution, batch norm in its inference form, dense layers of which one is square."""
    graph = tf.Graph()
    with graph.as_default():
        images = v1.placeholder(tf.float32, [None, 6, 6, 2], name="images")
        window = v1.get_variable("conv/weights", [3, 3, 2, 4], initializer=_random(1))
        values = tf.nn.relu(
            tf.nn.conv2d(images, window, 1, "SAME") + v1.get_variable("conv/biases", [4], initializer=_random(2))
        )
        statistics = [
            v1.get_variable(f"bn/{name}", [4], initializer=_random(3 + place))
            for place, name in enumerate(("gamma", "beta", "moving_mean"))
        ]
        variance = v1.get_variable("bn/moving_variance", [4], initializer=v1.random_uniform_initializer(0.01, 0.1, seed=9))
        gamma, beta, mean = statistics
        values = tf.nn.batch_normalization(values, mean, variance, beta, gamma, 1e-3)
        values = tf.reduce_mean(values, [1, 2])
        for layer in range(2):
            weights = v1.get_variable(f"fc_{layer}/weights", [4, 4], initializer=_random(11 + layer))
            values = tf.tanh(values @ weights + v1.get_variable(f"fc_{layer}/biases", [4], initializer=_random(13 + layer)))
        tf.identity(values, name="features")
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())
    return session


def keras_images(package: Any = keras, epsilon: float = 1e-3, activation: str = "tanh") -> Any:
    inner = package.layers
    images = package.Input([6, 6, 2], name="images")
    values = inner.Conv2D(4, 3, padding="same", activation="relu", name="conv")(images)
    values = inner.BatchNormalization(epsilon=epsilon, name="bn")(values)
    values = inner.GlobalAveragePooling2D(name="pool")(values)
    values = inner.Dense(4, activation="tanh", name="fc_0")(values)
    return package.Model(images, inner.Dense(4, activation=activation, name="fc_1")(values))


IMAGES = """
rename conv/weights -> conv/kernel
rename conv/biases -> conv/bias
same bn/**
rename fc_{i}/weights -> fc_{i}/kernel  as is
rename fc_{i}/biases -> fc_{i}/bias
"""


def keras_tagger(slope: float = 0.3) -> Any:
    """Bidirectional LSTM, GRU, attention, normalizations: all that has siblings of one shape."""
    words = keras.Input([STEPS, UNITS], name="vectors")
    values = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True, name="lstm"), name="both")(words)
    values = layers.MultiHeadAttention(2, 4, name="attention")(values, values)
    values = layers.LayerNormalization(name="norm")(values)
    values = layers.GRU(UNITS, return_sequences=True, name="gru")(values)
    values = layers.LeakyReLU(slope, name="leaky")(layers.Dense(UNITS, name="inner")(values))
    return keras.Model(words, layers.Dense(3, name="tags")(values))


def randomised(model: Any, seed: int = 0) -> Any:
    """A model whose weights are all random, biases and variances too."""
    stream = numpy.random.default_rng(seed)
    for variable in model.weights:
        if "seed" not in variable.name:
            value = stream.normal(0, 0.7, variable.shape)
            variable.assign(numpy.abs(value) * 0.1 + 0.01 if "variance" in variable.name else value)
    return model
