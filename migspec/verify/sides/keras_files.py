"""Keras models from files: `.keras`, and the legacy `.h5` by the Keras that wrote it."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import SpecError, file_error
from migspec.formats.registry import open_reader
from migspec.models.recognition import open_model
from migspec.verify.side import cannot_run
from migspec.verify.sides.keras_model import KerasSide

if TYPE_CHECKING:
    from migspec.variables import VariableMap

_CUSTOM = "a model with code of your own is loaded by that code: name a function that does it, `package.module:function`"


def open_keras_file(path: str) -> KerasSide:
    """The model in a `.keras` file. Raises SpecError: MIG513 without Keras 3, MIG603."""
    try:
        import keras
    except ImportError as error:
        raise file_error(
            "MIG513", path, "Keras models are run by Keras", helps=("pip install 'migspec[tensorflow]'",)
        ) from error
    try:
        model = _with_optimizer(keras.saving.load_model, path)
    except Exception as error:
        raise cannot_run(path, error, _CUSTOM, what="Keras cannot load the model") from error
    from migspec.models.keras import open_keras

    return KerasSide(path, model, open_keras(model, path, _stored(path)))


def open_legacy_file(path: str) -> KerasSide:
    """The model in a legacy `.h5` file: by tf_keras where Keras 2 or 1 wrote it and tf_keras is installed, else by Keras 3.

    Raises SpecError: MIG513 without a Keras, MIG603.
    """
    version = _written_by(path)
    loaders = ("keras", "tf_keras") if version.startswith("3") else ("tf_keras", "keras")
    first: SpecError | None = None
    for name in loaders:
        try:
            return side_of(_loaded(name, path), path)
        except ImportError:
            continue
        except Exception as error:
            first = first or cannot_run(path, error, _CUSTOM, what=f"{name} cannot load the model")
    raise first or file_error(
        "MIG513", path, "Keras models are run by Keras", helps=("pip install 'migspec[tensorflow]' tf_keras",)
    )


def side_of(model: Any, label: str) -> KerasSide:
    """A live Keras model as a side; SpecError (MIG512) if it is not built."""
    return KerasSide(label, model, open_model(model, label))


def _stored(path: str) -> VariableMap | None:
    """The variables of a file, which names them as the model did that was saved: the loaded one has lost a part of some names."""
    try:
        reader = open_reader(path)
    except SpecError:  # Keras has loaded it: the names that Keras gives are better than none
        return None
    try:
        return reader.variables
    finally:
        reader.close()


def _loaded(name: str, path: str) -> Any:
    return _with_optimizer(importlib.import_module(name).models.load_model, path)


def _with_optimizer(load: Callable[..., Any], path: str) -> Any:
    """A model compiled as it was, for a spec that speaks of its optimizer; without it if that needs code that is not at hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(Exception):
            return load(path)
        return load(path, compile=False)


def _written_by(path: str) -> str:
    """The version of Keras that wrote a file. SpecError (MIG603) if the file holds no model, only weights."""
    import h5py

    try:
        with h5py.File(path) as file:
            attributes = dict(file.attrs)
    except OSError as error:
        raise file_error("MIG503", path, "the file cannot be read", notes=(str(error),)) from error
    if "model_config" not in attributes:
        raise file_error(
            "MIG603",
            path,
            "there is no model in this file, only weights",
            helps=(
                "name a function that builds the model, and the file as its weights: `package.module:function --new-weights FILE`",
            ),
        )
    version = attributes.get("keras_version", "")
    return version.decode() if isinstance(version, bytes) else str(version)
