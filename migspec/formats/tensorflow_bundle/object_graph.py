"""What the variables of a bundle are called.

In a name-based checkpoint (TF1) a key is the variable's name. In an object-based one (`tf.train.Checkpoint`, SavedModel) it is
a path through Python objects, followed by `/.ATTRIBUTES/VARIABLE_VALUE`, and the object graph, itself stored as a string,
records beside it the full name that the variable had in the program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_CONFIGURATION = ".ATTRIBUTES/OBJECT_CONFIG_JSON"

# Keras' `Model.export` tracks the variables twice, once more as `_all_variables`:
# https://github.com/keras-team/keras/blob/master/keras/src/export/saved_model_export_archive.py
_SECOND_COPIES = "_all_variables/"


def is_bookkeeping(key: str) -> bool:
    """Whether a key of an object-based checkpoint holds no variable: the object graph itself, and the configurations of
    layers that early versions of tf.keras stored as JSON. `save_counter` is a variable like any other."""
    return key in (GRAPH_KEY, _CONFIGURATION) or key.endswith("/" + _CONFIGURATION)


def copies_of_exports(keys: Iterable[str], full_names: Mapping[str, str]) -> dict[str, str]:
    """The second copies that a Keras export stores: the key of the copy -> that of the variable, the only other of this full name."""
    owners: dict[str, list[str]] = {}
    for key in keys:
        if key in full_names:
            owners.setdefault(full_names[key], []).append(key)
    copies: dict[str, str] = {}
    for sharing in owners.values():
        originals = [key for key in sharing if not key.startswith(_SECOND_COPIES)]
        if len(originals) == 1:
            copies |= dict.fromkeys((key for key in sharing if key.startswith(_SECOND_COPIES)), originals[0])
    return copies


def name_variables(keys: Iterable[str], full_names: Mapping[str, str]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Key -> name and aliases.

    The name is the full name if no other variable has it, neither as full name nor as object path; the object path is then
    the alias. Else the name is the object path. A second copy that a Keras export stores takes nobody's full name away, and
    has none itself. The object path is the key without `/.ATTRIBUTES/VARIABLE_VALUE` (any other attribute stays).
    """
    paths = {key: key.removesuffix(_VALUE) or key for key in keys}
    shared = {path for path, count in Counter(paths.values()).items() if count > 1}
    paths = {key: key if path in shared else path for key, path in paths.items()}
    owners: dict[str, list[str]] = {}
    for key in paths:
        if key in full_names:
            owners.setdefault(full_names[key], []).append(key)
    taken = set(paths.values())
    names: dict[str, tuple[str, tuple[str, ...]]] = {key: (path, ()) for key, path in paths.items()}
    for full_name, candidates in owners.items():
        first = [key for key in candidates if not key.startswith(_SECOND_COPIES)] or candidates
        if len(first) == 1 and full_name not in taken:
            names[first[0]] = (full_name, (paths[first[0]],))
    return names
