"""Which safetensors checkpoint a folder holds, as Hugging Face's libraries lay it out."""

from __future__ import annotations

import json
from pathlib import Path

from migspec.diagnostics.model import file_error

_USUAL = ("model.safetensors", "model.safetensors.index.json")
"""The names that transformers looks for: `SAFE_WEIGHTS_NAME` and `SAFE_WEIGHTS_INDEX_NAME` of transformers/utils/__init__.py."""

INDEX_ENDING = ".safetensors.index.json"


def checkpoint_in(folder: Path) -> str | None:
    """The file to open for a folder: `model.safetensors` or its index, or else the only checkpoint there; None if there is none.

    MIG502 if there are several, or the model is there both in one file and in several.
    """
    usual = [folder / name for name in _USUAL if (folder / name).is_file()]
    found = usual or _checkpoints(folder)
    if len(found) > 1:
        raise file_error(
            "MIG502",
            str(folder),
            f"the folder `{folder}` holds more than one safetensors checkpoint",
            notes=[f"they are: {', '.join(f'`{file.name}`' for file in found)}"],
            helps=[f"name the one that you mean: `{found[0]}`"],
        )
    return str(found[0]) if found else None


def _checkpoints(folder: Path) -> list[Path]:
    """The indexes, and the files that none of them names."""
    indexes = sorted(folder.glob(f"*{INDEX_ENDING}"))
    parts = {name for index in indexes for name in _named_by(index)}
    return [*indexes, *(file for file in sorted(folder.glob("*.safetensors")) if file.name not in parts)]


def _named_by(index: Path) -> set[str]:
    try:
        return set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()  # its reader says what is wrong with it
