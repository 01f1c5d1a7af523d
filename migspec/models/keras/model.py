"""A live Keras 3 model as something to read from and to write into, whatever the backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migspec.diagnostics import SpecError, file_error
from migspec.models.built import missing_variables, no_variables
from migspec.models.keras.names import named_variables
from migspec.models.keras.stored_names import StoredNames
from migspec.models.keras.variable import KerasLiveVariable
from migspec.models.live_variables import LiveVariables
from migspec.variables import VariableMap


def open_keras(model: Any, label: str, stored: VariableMap | None = None) -> LiveVariables:
    """A built Keras 3 model: all its variables (trainable, not trainable, states of random generators), no metrics; then those of its
    optimizer, if it is compiled. `stored` are the variables of the `.keras` file that the model was loaded from, whose names go first.

    Raises `SpecError` (MIG512) if the model is not built, or has no variables.
    """
    missing = missing_variables(model)
    if missing is not None:
        raise _not_built(model, label, missing)
    if not model.variables:
        raise no_variables(model, label)
    variables = named_variables(model, None if stored is None else StoredNames(stored))

    def settle() -> None:
        _make_derived_anew(model)

    live = [(variable, KerasLiveVariable(target)) for variable, target in variables]
    return LiveVariables(label, "live-keras", "live Keras model", live, settle=settle, saver=KerasSaver(model))


class KerasSaver:
    """Keras' own two formats."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def endings(self) -> dict[str, str]:
        return {"keras": ".keras", "weights.h5": ".weights.h5"}

    def refuse(self, format: str) -> None:
        import json

        import keras

        if format == "keras":
            json.dumps(keras.saving.serialize_keras_object(self._model))

    def save(self, path: Path, format: str) -> None:
        if format == "keras":
            self._model.save(path)
        else:
            self._model.save_weights(path)


def _make_derived_anew(model: Any) -> None:
    """`Normalization` computes with constants that it made from its variables: make them anew, as Keras does on loading."""
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _not_built(model: Any, label: str, note: str) -> SpecError:
    import keras

    if isinstance(model, keras.Sequential):
        ways = (
            "put `keras.Input(shape=(...))` first in the model, or call `model.build((None, ...))` with the shape of its inputs"
        )
    else:
        # `build` of a subclassed model without a method of that name only says that the model is built (Keras 3.15)
        ways = "call the model once on an input of the right shape: `model(keras.ops.zeros((1, ...)))`"
    return file_error("MIG512", label, f"the model `{model.name}` is not built", notes=(note,), helps=(ways,))
