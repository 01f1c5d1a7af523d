"""The Keras model that the published character model goes into: 65 one-hot characters, two LSTMs of 128 units, softmax."""

from __future__ import annotations

from typing import Any


def build() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((None, 65))
    values = layers.LSTM(128, return_sequences=True, name="lstm")(inputs)
    values = layers.LSTM(128, return_sequences=True, name="lstm_1")(values)
    return keras.Model(inputs, layers.Dense(65, activation="softmax", name="logits")(values))
