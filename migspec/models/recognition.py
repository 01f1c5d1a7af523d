"""Which adapter a framework's object belongs to."""

from __future__ import annotations

import sys
from typing import Any

from migspec.diagnostics import SpecError, file_error
from migspec.models.base import LiveModel

_SUPPORTED = (
    "migspec fills models of Keras 3 and tf_keras, `tf.Module`, `tf.train.Checkpoint`, what `tf.saved_model.load` returns, "
    "sessions of TensorFlow 1, and `torch.nn.Module`"
)


def open_model(model: object, label: str) -> LiveModel:
    """The live model behind a framework's own object; `label` is what an error calls it.

    No framework is imported that the process has not imported already: an object of a framework comes with it. Raises
    `SpecError`: MIG511 for an object that is not supported, MIG512 for a model that has no variables yet.
    """
    found = _keras(model, label) or _tensorflow(model, label) or _pytorch(model, label)
    if found is None:
        raise _unsupported(model, label)
    return found


def _keras(model: object, label: str) -> LiveModel | None:
    keras = _imported("keras")
    if keras is not None and isinstance(model, getattr(keras, "Model", ())):
        version = str(getattr(keras, "__version__", ""))
        if version.partition(".")[0] in ("1", "2"):
            notes = (f"keras {version} is installed",)
            helps = ("install Keras 3, or `tf_keras`, which is Keras 2 for today's TensorFlow",)
            raise _refused(label, "this is a model of the package keras before version 3", notes, helps)
        from migspec.models.keras import open_keras

        return open_keras(model, label)
    legacy = _imported("tf_keras")
    if legacy is not None and isinstance(model, legacy.Model):
        from migspec.models.legacy_keras import open_legacy_keras

        return open_legacy_keras(model, label)
    return None


def _tensorflow(model: object, label: str) -> LiveModel | None:
    if _imported("tensorflow") is None or _is_keras_layer(model):
        return None
    from migspec.models.tensorflow import is_trackable, open_trackable
    from migspec.models.tensorflow_session import open_session, session_of

    if session_of(model) is not None:
        return open_session(model, label)
    return open_trackable(model, label) if is_trackable(model) else None


def _pytorch(model: object, label: str) -> LiveModel | None:
    torch = _imported("torch")
    if torch is None or _is_keras_layer(model) or not isinstance(model, torch.nn.Module):
        return None
    from migspec.models.pytorch import open_module

    return open_module(model, label)


def _imported(name: str) -> Any:
    """A framework, if the process has imported it, and all of it."""
    module = sys.modules.get(name)
    whole = {"keras": "Model", "tf_keras": "Model", "tensorflow": "Module", "torch": "nn"}
    return module if module is not None and hasattr(module, whole[name]) else None


def _is_keras_layer(model: object) -> bool:
    return any(
        isinstance(model, found.layers.Layer) for name in ("keras", "tf_keras") if (found := _imported(name)) is not None
    )


def _unsupported(model: object, label: str) -> SpecError:
    if model is None:
        return _refused(label, "there is no model: the function returned None", helps=("end it with `return model`",))
    owner, kind = type(model).__module__, type(model).__name__
    article = "an" if owner[:1].lower() in "aeiou" else "a"
    return _refused(label, f"{article} `{owner}.{kind}` is no model that migspec can fill", (_SUPPORTED,), (_way(model),))


def _way(model: object) -> str:
    """What to return in place of an object that is no model."""
    tensorflow = _imported("tensorflow")
    if _is_keras_layer(model):
        return f"return a model with this layer: `{_package(model)}.Sequential([layer])`"
    if tensorflow is not None and isinstance(model, tensorflow.Graph):
        return "return the session, which has the values: `tf.compat.v1.Session(graph=graph)`"
    if isinstance(model, dict) and tensorflow is not None:
        return "return the model alone, or track the variables: `tf.train.Checkpoint(**variables)`"
    if isinstance(model, tuple | list | dict):
        return "return the model alone"
    return "save it to a checkpoint, and name that instead"


def _package(layer: object) -> str:
    legacy = _imported("tf_keras")
    return "tf_keras" if legacy is not None and isinstance(layer, legacy.layers.Layer) else "keras"


def _refused(label: str, message: str, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> SpecError:
    return file_error("MIG511", label, message, notes=notes, helps=helps)
