"""What the variables of a Keras file are called: the names that a live model of the same kind gives them.

The table of names in the language: the path below the model, with three aliases (without the RNN cell, the whole path, the path in the
file). Where the file does not settle a weight's own name, its number stands for it: `encoder/0`. Where even the path is
not certain, or two variables would have one name, the path in the file is the name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migspec.formats.keras.config import ModelConfig
from migspec.formats.keras.optimizer import Trainable, loss_scale_copies, optimizer_names
from migspec.formats.keras.tree import Group, StoredArray
from migspec.formats.keras.walk import FoundWeight, find_weights
from migspec.names import normal_name
from migspec.variables import Variable


@dataclass(frozen=True, slots=True)
class NamedArray:
    """A variable and the dataset that holds it; `copies` are further datasets of the same variable, which Keras saves twice."""

    variable: Variable
    array: StoredArray
    copies: tuple[StoredArray, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    array: StoredArray
    copies: tuple[StoredArray, ...]
    name: str
    aliases: tuple[str | None, ...]


def named_arrays(root: Group, config: ModelConfig | None) -> tuple[NamedArray, ...]:
    """Every variable of the file under its one name, with its aliases; each alias stands for one variable and is no other's name."""
    weights = list(find_weights(root, config.model if config else None))
    candidates = [_weight(found) for found in weights]
    optimizer = root.child("optimizer")
    if optimizer is not None:
        candidates += _optimizer(optimizer, config, _trainable(weights))
    shared = Counter(normal_name(candidate.name) for candidate in candidates)
    names = [candidate.name if shared[normal_name(candidate.name)] == 1 else candidate.array.path for candidate in candidates]
    uses = Counter(normal_name(name) for name in names)
    for candidate in candidates:
        uses.update({normal_name(alias) for alias in candidate.aliases if alias is not None})
    return tuple(
        NamedArray(_variable(name, candidate, uses), candidate.array, candidate.copies)
        for name, candidate in zip(names, candidates, strict=True)
    )


def _variable(name: str, candidate: _Candidate, uses: Counter[str]) -> Variable:
    aliases = dict.fromkeys(
        alias
        for alias in candidate.aliases
        if alias is not None and normal_name(alias) != normal_name(name) and uses[normal_name(alias)] == 1
    )
    return Variable(name, candidate.array.shape, candidate.array.dtype, tuple(aliases))


def _weight(found: FoundWeight) -> _Candidate:
    file_path = found.array.path
    if not found.path and found.weight is None:
        return _Candidate(found.array, found.copies, file_path, ())
    own = found.weight or found.array.key
    name = _path(found.path, own)
    short, whole = _path(found.short, own), _path(found.whole, own)
    guess = _path(found.path, found.guess) if found.guess else None
    if name is None:
        return _Candidate(found.array, found.copies, file_path, ())
    in_file = [copy.path for copy in found.copies]
    return _Candidate(found.array, found.copies, name, (guess, short, whole, *in_file, file_path))


def _path(path: tuple[str, ...] | None, own: str) -> str | None:
    return None if path is None else "/".join((*path, own))


def _trainable(weights: Sequence[FoundWeight]) -> list[Trainable] | None:
    if not all(found.certain and found.whole is not None for found in weights):
        return None
    return [(_path(found.whole, found.weight or "") or "", found.array.shape) for found in weights if found.trainable]


def _optimizer(group: Group, config: ModelConfig | None, trainable: list[Trainable] | None) -> Iterator[_Candidate]:
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
            yield _Candidate(array, again, names.get(array.path, array.path), (array.path,))
