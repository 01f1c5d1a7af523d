"""How far a Keras model's outputs are from those that were recorded."""

from __future__ import annotations

from typing import Any

import numpy

from migspec.demo.tf1_graph import Recording


def loaded_difference(path: str, recording: Recording) -> float:
    """The largest absolute difference of a model file that Keras loads, without migspec."""
    import keras

    return _difference(keras.models.load_model(path), recording)


def live_difference(spec: str, recording: Recording) -> float:
    """The same of a new model in memory, filled by the spec in the file `spec`."""
    import migspec
    from migspec.demo.new_model import build

    model = build()
    migspec.compile(spec, source=recording.prefix, target=model).apply()
    return _difference(model, recording)


def _difference(model: Any, recording: Recording) -> float:
    import keras

    outputs = keras.ops.convert_to_numpy(model(recording.inputs))
    return float(numpy.abs(outputs - recording.outputs).max())
