"""Finding the checkpoint that a folder stands for.

A checkpoint is the folder with `_METADATA`. A step of Orbax' `CheckpointManager` holds it in a folder of its own (`default`, or the
item's name), a manager's folder holds steps:
https://orbax.readthedocs.io/en/latest/guides/checkpoint/orbax_checkpoint_101.html.
"""

from __future__ import annotations

from pathlib import Path

from migspec.diagnostics.model import file_error
from migspec.formats.input import damaged

METADATA = "_METADATA"
MANIFEST = "manifest.ocdbt"
_STEP_METADATA = "_CHECKPOINT_METADATA"
_MOST_NAMED = 5


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder itself is a checkpoint."""
    return (folder / METADATA).is_file()


def find_orbax(folder: Path) -> Path | None:
    """The checkpoint in a folder, itself or the only one below it; None if this is no folder of Orbax.

    MIG502 if it holds several, MIG503 if Orbax did not finish it, OSError if it cannot be looked into.
    """
    if is_checkpoint(folder):
        return folder
    inside = sorted((path for path in folder.iterdir() if path.is_dir()), key=_in_order)
    found = [path for path in inside if is_checkpoint(path)]
    found = found or [
        path for step in inside if step.name[-1:].isdigit() for path in sorted(step.iterdir()) if is_checkpoint(path)
    ]
    if len(found) > 1:
        names = [f"`{path}`" for path in found]
        more = len(names) - _MOST_NAMED
        raise file_error(
            "MIG502",
            str(folder),
            f"`{folder}` holds {len(found)} Orbax checkpoints",
            notes=[f"they are {', '.join(names[:_MOST_NAMED])}" + (f" and {more} more" if more > 0 else "")],
            helps=[f"name the one that you mean: `{found[-1]}`"],
        )
    if found:
        return found[0]
    if any((folder / name).is_file() for name in (MANIFEST, _STEP_METADATA)):
        raise damaged(str(folder), f"it is an Orbax checkpoint without `{METADATA}`: it was never finished")
    return None


def _in_order(path: Path) -> tuple[str, int]:
    """By name, and steps by their number."""
    name = path.name.rstrip("0123456789")
    return name, int(path.name[len(name) :] or 0)
