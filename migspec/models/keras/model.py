"""A live Keras 3 model as something to read from and to write into, whatever the backend."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy

from migspec import dtypes
from migspec.diagnostics import SpecError, file_error
from migspec.expression import Shape
from migspec.formats.base import Extent, Writer
from migspec.formats.output import writing_failed
from migspec.models.keras.names import KerasVariable, named_variables
from migspec.models.staging import StagedWriter, cause
from migspec.variables import VariableMap

SUFFIXES = {"keras": ".keras", "weights.h5": ".weights.h5"}
"""The formats that a live Keras model can be saved in, each with the ending that Keras insists on."""


class KerasModel:
    """A built Keras 3 model: all its variables (trainable, not trainable, states of random generators), no metrics.

    The variables of a compiled model's optimizer are left out: they are no weights, and this version moves no optimizer
    state into live models. They keep their values.

    Values go through `keras.ops.convert_to_numpy` and `variable.assign`, which every backend has. On TensorFlow, `assign` of a
    numpy array copies slowly (0.6 GB/s; about 7 if the array is handed over by `tf.experimental.dlpack`). The staging is ready
    for that: its arrays are aligned, and nobody writes to them after they were assigned.
    """

    def __init__(self, model: Any, label: str) -> None:
        _require_built(model, label)
        self._model = model
        self._label = label
        named = named_variables(model)
        if not named:
            raise _not_built(model, label, "the model has no variables")
        self._targets = {variable.name: _Target(target) for variable, target in named}
        self._variables = VariableMap.of(label, (variable for variable, _ in named))

    @property
    def format(self) -> str:
        return "live-keras"

    @property
    def path(self) -> str:
        return self._label

    @property
    def files(self) -> tuple[str, ...]:
        return ()

    @property
    def variables(self) -> VariableMap:
        return self._variables

    def extent(self, name: str) -> Extent | None:  # noqa: ARG002
        return None

    def read(self, name: str) -> numpy.ndarray:
        try:
            return self._targets[name].read()
        except RuntimeError as error:  # JAX: the array was donated to a compiled function and is gone
            raise file_error("MIG511", self._label, f"the value of `{name}` cannot be read", notes=(cause(error),)) from error

    def writer(self, variables: VariableMap) -> Writer:
        return StagedWriter(self._label, variables, self._targets, self._settle)

    def _settle(self) -> None:
        """`Normalization` computes with constants that it made from its variables: make them anew, as Keras does on loading."""
        import keras

        for layer in self._model._flatten_layers():
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()

    def close(self) -> None:
        """Nothing to close: the model is its maker's."""

    def save(self, path: str, format: str) -> None:
        suffix = SUFFIXES.get(format)
        if suffix is None or not path.endswith(suffix):
            endings = " or ".join(f"`{ending}`" for ending in SUFFIXES.values())
            raise file_error(
                "MIG508", path, f"a live Keras model cannot be saved as {format}", helps=(f"name the file {endings}",)
            )
        _save_complete(self._model, path, suffix)


class _Target:
    """One Keras variable, to be read and assigned."""

    def __init__(self, variable: KerasVariable) -> None:
        self._variable = variable

    @property
    def shape(self) -> Shape:
        return tuple(int(length) for length in self._variable.shape)

    @property
    def dtype(self) -> str:
        return str(self._variable.dtype)

    def read(self) -> numpy.ndarray:
        import keras

        value = numpy.asarray(keras.ops.convert_to_numpy(self._variable.value), dtypes.numpy_dtype(self.dtype), order="C")
        return value if value.flags.owndata and value.flags.writeable else value.copy()

    def assign(self, value: numpy.ndarray) -> None:
        self._variable.assign(value)


def _require_built(model: Any, label: str) -> None:
    if not model.built:
        raise _not_built(model, label, "Keras makes a model's variables when it is built")
    unbuilt = [
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if not layer.built and not getattr(layer.build, "_is_default", False)
    ]
    if unbuilt:
        shown = ", ".join(f"`{name}`" for name in unbuilt[:3]) + (f" and {len(unbuilt) - 3} more" if len(unbuilt) > 3 else "")
        raise _not_built(model, label, f"these layers are not built yet: {shown}")


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


def _save_complete(model: Any, path: str, suffix: str) -> None:
    """Save in a folder beside the final name (Keras wants a file with its own ending), make it durable, then rename."""
    final = Path(path).resolve()  # a symbolic link stays one: what it points to is replaced
    try:
        folder = tempfile.mkdtemp(prefix=".migspec-", suffix=".tmp", dir=final.parent)
    except OSError as error:
        raise writing_failed(path, error) from error
    temporary = Path(folder, f"model{suffix}")
    try:
        if suffix == ".keras":
            model.save(temporary)
        else:
            model.save_weights(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(final)
    except OSError as error:
        raise writing_failed(path, error) from error
    except Exception as error:  # a layer that cannot be serialised raises what it likes
        raise file_error("MIG508", path, f"Keras cannot save this model as `{suffix}`", notes=(cause(error),)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # with whatever Keras may have left beside the file
