"""How a safetensors checkpoint is cut into files, and what they are called, as huggingface_hub does it.

The rules: `split_state_dict_into_shards_factory` of
https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/serialization/_base.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from migspec.formats.output import Destination, output_exists
from migspec.formats.safetensors.folder import INDEX_ENDING
from migspec.variables import Variable

DEFAULT_SHARD_BYTES = 5_000_000_000
"""`MAX_SHARD_SIZE` of huggingface_hub."""

ENDING = ".safetensors"


def split(variables: Iterable[Variable], limit: int) -> list[list[Variable]]:
    """The variables of each file: in their order, a new file where the next variable would make it larger than `limit` bytes of
    values. One that is larger by itself gets a file of its own."""
    full: list[list[Variable]] = []
    current: list[Variable] = []
    size = 0
    for variable in variables:
        if variable.nbytes > limit:
            full.append([variable])
            continue
        if size + variable.nbytes > limit:
            full.append(current)
            current, size = [], 0
        current.append(variable)
        size += variable.nbytes
    return [*full, current] if current or not full else full


@dataclass(frozen=True, slots=True)
class Family:
    """The names of one checkpoint, in one file or in several: `stem` is what they begin with."""

    stem: str

    @classmethod
    def of(cls, path: str) -> Family:
        """The family of an output that the user calls `x.safetensors`, or `x.safetensors.index.json`."""
        return cls(path.removesuffix(".index.json").removesuffix(ENDING))

    @property
    def one(self) -> str:
        return f"{self.stem}{ENDING}"

    @property
    def index(self) -> str:
        return f"{self.stem}{INDEX_ENDING}"

    def shard(self, number: int, count: int) -> str:
        """The name of a file; `number` counts from 1."""
        return f"{self.stem}-{number:05d}-of-{count:05d}{ENDING}"

    def replaced_by_one(self, destination: Destination) -> list[Path]:
        """What an output in one file makes stale: an index and its files. MIG506 without `overwrite`, MIG507 if one is read."""
        if destination.path not in (self.one, self.index):
            return []
        index = [Path(self.index)] if os.path.lexists(self.index) else []
        if not index and not (destination.overwrite and os.path.lexists(self.one)):
            return []
        return self._replaced(
            destination, [*index, *self._shards()]
        )  # without an index, they are what a killed process has left

    def replaced_by_several(self, destination: Destination) -> list[Path]:
        """What an output in several files makes stale: the checkpoint in one file, and older files. Errors as above."""
        if destination.path not in (self.one, self.index):
            return []
        one = [Path(self.one)] if os.path.lexists(self.one) else []
        shards = self._shards() if destination.overwrite else []
        return self._replaced(destination, [*one, *shards])

    def refuse(self, destination: Destination) -> None:
        """MIG506 or MIG507 for whatever an output, in one file or in several, makes stale."""
        self.replaced_by_one(destination)
        self.replaced_by_several(destination)

    def _shards(self) -> list[Path]:
        stem = Path(self.stem)
        pattern = re.compile(re.escape(stem.name) + r"-\d{5}-of-\d{5}" + re.escape(ENDING))
        try:
            return sorted(path for path in stem.parent.iterdir() if pattern.fullmatch(path.name))
        except OSError:
            return []  # whoever may not look into the folder leaves there what he does not know of

    def _replaced(self, destination: Destination, stale: list[Path]) -> list[Path]:
        for path in stale:
            if not destination.overwrite:
                raise output_exists(str(path))
            destination.at(str(path)).refuse()
        return stale
