"""What the variables of a Keras file are called: the names that a live model of the same kind gives them.

The table of names in the language: the path below the model, with three aliases (without the RNN cell, the whole path, the path in the
file). Where the file does not settle a weight's own name, its number stands for it: `encoder/0`. Where even the path is
not certain, or two variables would have one name, the path in the file is the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migspec.formats.keras.candidates import Candidate, NamedArray, settled
from migspec.formats.keras.config import ModelConfig
from migspec.formats.keras.optimizer import Trainable, loss_scale_copies, optimizer_names
from migspec.formats.keras.tree import Group
from migspec.formats.keras.walk import FoundWeight, find_weights


def named_arrays(root: Group, config: ModelConfig | None) -> tuple[NamedArray, ...]:
    """Every variable of the file under its one name, with its aliases; each alias stands for one variable and is no other's name."""
    weights = list(find_weights(root, config.model if config else None))
    candidates = [_weight(found) for found in weights]
    optimizer = root.child("optimizer")
    if optimizer is not None:
        candidates += _optimizer(optimizer, config, _trainable(weights))
    return settled(candidates)


def _weight(found: FoundWeight) -> Candidate:
    file_path = found.array.path
    if not found.path and found.weight is None:
        return Candidate(found.array, found.copies, file_path, ())
    own = found.weight or found.array.key
    name = _path(found.path, own)
    short, whole = _path(found.short, own), _path(found.whole, own)
    guess = _path(found.path, found.guess) if found.guess else None
    if name is None:
        return Candidate(found.array, found.copies, file_path, ())
    in_file = [copy.path for copy in found.copies]
    return Candidate(found.array, found.copies, name, (guess, short, whole, *in_file, file_path))


def _path(path: tuple[str, ...] | None, own: str) -> str | None:
    return None if path is None else "/".join((*path, own))


def _trainable(weights: Sequence[FoundWeight]) -> list[Trainable] | None:
    if not all(found.certain and found.whole is not None for found in weights):
        return None
    return [(_path(found.whole, found.weight or "") or "", found.array.shape) for found in weights if found.trainable]


def _optimizer(group: Group, config: ModelConfig | None, trainable: list[Trainable] | None) -> Iterator[Candidate]:
    own = config.optimizer if config else None
    names, copies = loss_scale_copies(group)
    names |= optimizer_names(group, own, trainable)
    inner = group.child("inner_optimizer")
    if inner is not None and own is not None and len(own.parts) == 1:
        names |= optimizer_names(inner, own.parts[0], trainable, f"{group.name}/")
    repeated = {array.path for array in copies.values()}
    for array in group.walk():
        if array.path not in repeated:
            again = (copies[array.path],) if array.path in copies else ()
            in_file = (*(copy.path for copy in again), array.path)
            yield Candidate(array, again, names.get(array.path, array.path), in_file)
