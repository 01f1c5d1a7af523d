"""The groups of a Keras weights file, as data.

Keras writes a model's objects as nested groups, one for each attribute or list element that holds state. An object's own weights lie
in its group's subgroup `vars`, numbered in the order of creation, and the attribute `name` of `vars` is the object's name
(keras/src/saving/saving_lib.py, Keras 3.0 to 3.15).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from migspec import dtypes

_NUMBERED = re.compile(r"(.+?)(?:_(\d+))?")


@dataclass(frozen=True, slots=True)
class StoredArray:
    """One dataset. `offset` is the place of its bytes from the start of the HDF5 file, None where they do not lie plain in one piece.

    `shard` is the file that holds it, of a model in several files.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    offset: int | None
    byte_order: Literal["little", "big"]
    shard: int = 0

    @property
    def key(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def nbytes(self) -> int:
        """The length of the values in bytes, 0 for strings."""
        size = dtypes.itemsize(self.dtype)
        for length in self.shape:
            size *= length
        return size

    @property
    def is_plain(self) -> bool:
        """Whether little-endian bytes can be put where the array lies."""
        return self.offset is not None and self.byte_order == "little" and dtypes.itemsize(self.dtype) > 0


@dataclass(frozen=True, slots=True)
class Group:
    """A group. `is_object` is False for a list of objects, which has no `vars`. `name` is the object's, None if the file does not say.

    `arrays` are the object's own weights in their order; `others` are datasets that lie outside `vars`.
    """

    path: str
    is_object: bool
    name: str | None
    arrays: tuple[StoredArray, ...]
    children: tuple[Group, ...]
    others: tuple[StoredArray, ...] = ()

    @property
    def key(self) -> str:
        return self.path.rpartition("/")[2]

    def child(self, key: str) -> Group | None:
        return next((child for child in self.children if child.key == key), None)

    def walk(self) -> Iterator[StoredArray]:
        """All arrays in this group and below it."""
        yield from self.arrays
        yield from self.others
        for child in self.children:
            yield from child.walk()

    @property
    def has_objects(self) -> bool:
        """Whether it or a group below it is an object."""
        return self.is_object or any(child.has_objects for child in self.children)

    @property
    def is_functional(self) -> bool:
        """Whether it is a functional model: only these save their input layers as layers of their own."""
        layers = self.child("layers")
        return layers is not None and any(split_number(layer.key)[0] == "input_layer" for layer in layers.children)


def split_number(key: str) -> tuple[str, int]:
    """`dense_3` -> (`dense`, 3), and `dense` -> (`dense`, 0): Keras' numbering of objects that have one name."""
    match = _NUMBERED.fullmatch(key)
    return (match[1], int(match[2] or 0)) if match else (key, 0)


def number_order(key: str) -> tuple[bool, int, str]:
    """The order of an object's weights: `2` before `10`, and those that have no number last."""
    return (False, int(key), key) if key.isascii() and key.isdigit() and len(key) < 10 else (True, 0, key)
