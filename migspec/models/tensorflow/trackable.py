"""`tf.Module`, `tf.train.Checkpoint`, and what `tf.saved_model.load` returns, as live models.

The variables are called as in a checkpoint of the same object, by the same function: the full name where it is unique, else
the path through the object's attributes, lists and dicts (`layers/0/w`).
"""

from __future__ import annotations

from typing import Any

from migspec.diagnostics import SpecError, file_error
from migspec.formats.tensorflow_bundle.object_graph import copies_of_exports, name_variables
from migspec.models.live_variables import LiveVariable, LiveVariables
from migspec.models.naming import Candidates, named
from migspec.models.staging import cause
from migspec.models.tensorflow.object_paths import Found, FoundVariable, find_variables
from migspec.models.tensorflow.variable import TensorFlowVariable
from migspec.variables import Variable

_ATTRIBUTE = "/.ATTRIBUTES/VARIABLE_VALUE"


def is_trackable(model: object) -> bool:
    """Whether TensorFlow, which the process has imported, tracks the variables of an object by its attributes."""
    import tensorflow as tf

    return isinstance(model, tf.Module | tf.__internal__.tracking.AutoTrackable)


def open_trackable(model: Any, label: str) -> LiveVariables:
    """The live model behind a tracked object. Raises `SpecError`: MIG511 in graph mode, MIG512 if it has no variables."""
    require_eager(label)
    try:
        found = find_variables(model)
    except (
        Exception
    ) as error:  # a dict or list that was changed behind TensorFlow's back, or what an object's own method raises
        note = cause(error)
        raise file_error("MIG511", label, "TensorFlow cannot tell what this object tracks", notes=(note,)) from error
    if not found.variables:
        raise _no_variables(model, label)

    def settle() -> None:
        make_derived_anew(found.objects)

    return LiveVariables(label, "live-tensorflow", "live TensorFlow object", _named(found), settle=settle)


def require_eager(label: str) -> None:
    """MIG511 where variables have no values of their own: in graph mode these are in a session."""
    import tensorflow as tf

    if not tf.compat.v1.executing_eagerly_outside_functions():
        raise file_error(
            "MIG511",
            label,
            "TensorFlow runs in graph mode, so the values of variables are in a session",
            helps=("return the session: a `tf.compat.v1.Session`",),
        )


def make_derived_anew(objects: tuple[Any, ...]) -> None:
    """`Normalization`, of Keras 2 and 3 alike, computes with constants that it made from its variables: make them anew."""
    for one in objects:
        if type(one).__name__ == "Normalization" and hasattr(one, "finalize_state"):
            one.finalize_state()


def _named(found: Found) -> list[tuple[Variable, LiveVariable]]:
    by_key = {f"{one.path}{_ATTRIBUTE}": one for one in found.variables}
    full_names = {key: one.full_name for key, one in by_key.items()}
    copies: dict[str, list[FoundVariable]] = {}
    for copy, original in copies_of_exports(by_key, full_names).items():
        copies.setdefault(original, []).append(by_key.pop(copy))
    candidates, live = [], []
    for key, (name, aliases) in name_variables(by_key, full_names).items():
        one = by_key[key]
        variable = TensorFlowVariable(one.variable, tuple(copy.variable for copy in copies.get(key, ())))
        candidates.append(Candidates(variable.shape, variable.dtype, (name,), (*aliases, *one.other_paths)))
        live.append(variable)
    return list(zip(named(candidates), live, strict=True))


def _no_variables(model: Any, label: str) -> SpecError:
    kind = type(model).__name__
    if hasattr(model, "signatures"):
        return file_error(
            "MIG512",
            label,
            "the loaded SavedModel has no variables",
            notes=("TensorFlow 2 shows no reference variables of a SavedModel of TensorFlow 1",),
            helps=(
                "load it into a session, and return that: `tf.compat.v1.saved_model.load(session, ['serve'], folder)`",
                "as a source, name the folder of the SavedModel",
            ),
        )
    return file_error(
        "MIG512",
        label,
        f"the `{kind}` has no variables",
        notes=("TensorFlow finds them below attributes, lists and dicts",),
        helps=("call it once on an input of the right shape, if it makes its variables then",),
    )
