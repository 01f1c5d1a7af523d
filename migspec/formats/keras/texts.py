"""Attributes that hold texts, read without trust in how long they claim to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from migspec.formats.input import damaged, unsupported
from migspec.formats.keras.claims import RawAttribute, claimed_by, raw_attribute
from migspec.formats.keras.heaps import GlobalHeap
from migspec.formats.keras.part import Part

if TYPE_CHECKING:
    import h5py


class Texts:
    """Reads attributes of one file. `path` is what errors call it. Raises MIG503 for a claim that the file cannot hold, and whatever
    h5py raises about a damaged file."""

    def __init__(self, path: str, part: Part) -> None:
        import h5py

        self._h5py, self._path, self._part = h5py, path, part
        self._heap: tuple[int, GlobalHeap] | None = None

    def one(self, member: h5py.h5g.GroupID | h5py.h5d.DatasetID, key: bytes) -> str | None:
        """A text; None if there is no attribute of that name, or it is anything but a single text."""
        raw = self._raw(member, key)
        if raw is not None and (text := self._single(raw)) is not None:
            return text
        if not self._h5py.h5a.exists(member, key):
            return None
        attribute = self._h5py.h5a.open(member, key)
        # Anything else is left alone: libhdf5 crashes on some of it.
        if attribute.get_type().get_class() != self._h5py.h5t.STRING or attribute.shape != ():
            return None
        value = self._read(member, attribute, key)[()]
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None

    def all(self, member: h5py.h5g.GroupID, key: bytes) -> tuple[str, ...] | None:
        """A list of texts; None if there is no attribute of that name. MIG503 if it is anything else."""
        if not self._h5py.h5a.exists(member, key):
            return None
        attribute = self._h5py.h5a.open(member, key)
        if attribute.shape == (0,):
            return ()  # Keras writes an empty list as numbers
        if len(attribute.shape) != 1 or attribute.get_type().get_class() != self._h5py.h5t.STRING:
            raise damaged(self._path, f"its attribute `{key.decode()}` is no list of texts")
        values = self._read(member, attribute, key)
        return tuple(value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values)

    def _read(self, member: h5py.h5g.GroupID, attribute: h5py.h5a.AttrID, key: bytes) -> numpy.ndarray:
        dtype = attribute.dtype
        claimed: int | None = attribute.get_storage_size()
        if dtype.kind == "O" and claimed is not None and claimed <= self._part.size:
            raw = self._raw(member, key)
            claimed = None if raw is None or self._part.layout is None else claimed_by(raw.data, self._part.layout)
        if claimed is None:
            raise unsupported(
                self._path,
                f"its attribute `{key.decode()}` is kept in a way that migspec does not read",
                "write the file again with h5py, without `libver`",
            )
        if claimed > self._part.size:
            raise damaged(self._path, f"its attribute `{key.decode()}` claims {claimed} bytes, more than the file has")
        values = numpy.empty(attribute.shape, dtype)
        attribute.read(values)
        return values

    def _raw(self, member: h5py.h5g.GroupID, key: bytes) -> RawAttribute | None:
        layout = self._part.layout
        address = int(self._h5py.h5o.get_info(member).addr)
        return None if layout is None else raw_attribute(self._part, layout, address, key)

    def _single(self, raw: RawAttribute) -> str | None:
        """The text of a sound attribute that holds just one; None if libhdf5 should look at it."""
        layout = self._part.layout
        if not raw.is_text or layout is None:
            return None
        if not raw.is_variable:
            return raw.data[: int.from_bytes(raw.datatype[4:8], "little")].split(b"\0", 1)[0].decode("utf-8", "replace")
        length = int.from_bytes(raw.data[:4], "little")
        address = layout.base + int.from_bytes(raw.data[4 : 4 + layout.offset_size], "little")
        number = int.from_bytes(raw.data[4 + layout.offset_size : 8 + layout.offset_size], "little")
        if self._heap is None or self._heap[0] != address:  # the names of neighbours lie in one heap
            self._heap = (address, GlobalHeap(self._part, address))
        place, own_length = self._heap[1].objects.get(number, (0, -1))
        if not self._heap[1].is_sound or own_length != length:
            return None
        return self._part.at(place, length).split(b"\0", 1)[0].decode("utf-8", "replace")


def check_texts(path: str, part: Part, dataset: h5py.Dataset) -> None:
    """MIG503 if a dataset of texts of variable length claims more than the file holds, MIG505 if that cannot be told: what is
    compressed shows its claims only when it is unpacked."""
    import h5py

    layout = part.layout
    if layout is None or h5py.check_string_dtype(dataset.dtype) is None or dataset.dtype.kind != "O":
        return
    identity = dataset.id
    if dataset.chunks is None:
        places = [(identity.get_offset(), identity.get_storage_size())] if identity.get_storage_size() else []
    elif identity.get_create_plist().get_nfilters() == 0:
        chunks = [identity.get_chunk_info(number) for number in range(identity.get_num_chunks())]
        places = [(chunk.byte_offset, chunk.size) for chunk in chunks]
    else:
        places = [(None, 0)]
    claimed = 0
    for offset, length in places:
        if offset is None:
            raise unsupported(path, f"`{dataset.name}` holds compressed texts of variable length, which migspec does not read")
        claimed += claimed_by(part.at(offset, length), layout)
    if claimed > part.size:
        raise damaged(path, f"the texts of `{dataset.name}` claim {claimed} bytes, more than the file has")
