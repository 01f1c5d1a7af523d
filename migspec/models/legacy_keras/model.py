"""A live tf_keras model as something to read from and to write into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migspec.diagnostics import SpecError, file_error
from migspec.models.built import missing_variables, no_variables
from migspec.models.legacy_keras.names import named_variables
from migspec.models.live_variables import LiveVariables
from migspec.models.tensorflow.trackable import make_derived_anew, require_eager
from migspec.models.tensorflow.variable import TensorFlowVariable


def open_legacy_keras(model: Any, label: str) -> LiveVariables:
    """A built tf_keras model: all its variables without the metrics', then those of its optimizer, if it is compiled.

    Raises `SpecError`: MIG511 in graph mode, MIG512 if the model is not built.
    """
    require_eager(label)
    missing = missing_variables(model)
    if missing is not None:
        raise _not_built(model, label, missing)
    if not model.variables:
        raise no_variables(model, label)
    variables = named_variables(model)

    def settle() -> None:
        make_derived_anew(tuple(model._flatten_layers()))

    live = [(variable, TensorFlowVariable(target)) for variable, target in variables]
    return LiveVariables(label, "live-tf-keras", "live tf_keras model", live, settle=settle, saver=LegacyKerasSaver(model))


class LegacyKerasSaver:
    """The formats of tf_keras: its own `.keras` and `.weights.h5`, which Keras 3 does not load, and the legacy `.h5`."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def endings(self) -> dict[str, str]:
        return {"keras": ".keras", "weights.h5": ".weights.h5", "keras-h5": ".h5", "hdf5": ".hdf5"}

    def refuse(self, format: str) -> None:
        if format == "weights.h5":
            return
        self._model.to_json()
        if format != "keras" and not self._model._is_graph_network and not self._is_sequential():
            raise TypeError("a legacy file holds functional and sequential models, and no subclassed ones")

    def _is_sequential(self) -> bool:
        return any(base.__name__ == "Sequential" for base in type(self._model).__mro__)

    def save(self, path: Path, format: str) -> None:
        if format == "weights.h5":
            self._model.save_weights(path)
        else:
            import warnings

            with warnings.catch_warnings():  # "This file format is considered legacy": so it was asked for
                warnings.simplefilter("ignore", UserWarning)
                self._model.save(path)


def _not_built(model: Any, label: str, note: str) -> SpecError:
    if type(model).__name__ == "Sequential":
        ways = "put `tf_keras.Input(shape=(...))` first in the model, or call `model.build((None, ...))` with the shape of its inputs"
    else:
        ways = "call the model once on an input of the right shape: `model(tf.zeros((1, ...)))`"
    return file_error("MIG512", label, f"the model `{model.name}` is not built", notes=(note,), helps=(ways,))
