"""The layers of `old_layers` built new in Keras, 2 or 3 alike: `keras` is the package, whichever it is."""

from __future__ import annotations

from typing import Any


def new_model(keras: Any, name: str, *, inputs: int = 5, units: int = 4, reset_after: bool = False) -> Any:
    """A functional model of one layer called `new`; `name` is one of `old_layers.NAMES`. `reset_after` is that of a GRU."""
    layers = keras.layers
    shape = {"dense": (inputs,), "batch_norm": (inputs,), "conv": (7, 7, 2)}.get(name, (None, inputs))
    given = keras.Input(shape, name="inputs")
    match name:
        case "dense":
            result = layers.Dense(units, name="new")(given)
        case "conv":
            result = layers.Conv2D(units, 3, padding="same", name="new")(given)
        case "lstm":
            result = layers.LSTM(units, return_sequences=True, name="new")(given)
        case "gru":
            result = layers.GRU(units, return_sequences=True, reset_after=reset_after, name="new")(given)
        case "bidirectional":
            result = layers.Bidirectional(layers.LSTM(units, return_sequences=True, name="lstm"), name="new")(given)
        case "batch_norm":
            result = layers.BatchNormalization(name="new")(given)
        case "attention":
            result = layers.MultiHeadAttention(2, 3, name="new")(given, given)
        case _:
            raise ValueError(name)
    return keras.Model(given, result)
