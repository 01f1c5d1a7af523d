"""Telling flax msgpack files from others: msgpack has no magic number."""

from __future__ import annotations

from migspec.diagnostics.model import SpecError
from migspec.formats.flax.elements import element_at
from migspec.formats.flax.tree import ARRAY, COMPLEX, SCALAR


class _BeyondHead(Exception):
    """What is asked for lies behind the bytes that were read."""


class _Head:
    """The first bytes of a file of `size`."""

    path = ""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self.size = size

    def at(self, place: int, length: int) -> bytes:
        if place + length > len(self._data):
            raise _BeyondHead
        return self._data[place : place + length]


def is_map_of_texts(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes begins as a map from texts, and goes on so up to its first array, or as far as `head` goes."""
    source = _Head(head, size)
    keys = 0
    try:
        element = element_at(source, 0)
        if element.kind != "map" or not element.length:
            return False
        place = element.place
        while place < size:
            key = element_at(source, place)
            if key.kind != "text" or not source.at(key.place, key.length).decode().isprintable():
                return False
            keys += 1
            value = element_at(source, key.end)
            if value.kind == "array" or (value.kind == "extension" and value.code in (ARRAY, COMPLEX, SCALAR)):
                return True
            place = value.end
    except _BeyondHead:
        return keys > 0
    except (SpecError, UnicodeDecodeError):
        return False
    return True
