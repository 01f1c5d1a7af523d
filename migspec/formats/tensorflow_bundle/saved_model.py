"""The folder of a SavedModel around the bundle of its variables.

The layout: https://www.tensorflow.org/guide/saved_model#the_savedmodel_format_on_disk.
"""

from __future__ import annotations

from pathlib import Path

VARIABLES = "variables/variables"
"""The prefix of the bundle, in the folder."""

_GRAPHS = ("saved_model.pb", "saved_model.pbtxt")


def is_saved_model(folder: Path) -> bool:
    """Whether a folder is a SavedModel. OSError if that cannot be told."""
    return any((folder / name).is_file() for name in _GRAPHS)


def saved_model_of(path: str, prefix: str) -> str | None:
    """The folder of the SavedModel that `path` names, if it does; `prefix` is that of the bundle which was found there."""
    folder = Path(path)
    try:
        named = folder.is_dir() and prefix == str(folder / VARIABLES) and is_saved_model(folder)
    except OSError:
        return None
    return path if named else None
