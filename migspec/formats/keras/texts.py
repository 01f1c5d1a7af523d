"""Attributes that hold texts, read without trust in how long they claim to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from migspec.formats.input import damaged, unsupported
from migspec.formats.keras.chunks import ChunkedDataset
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


def read_texts(path: str, part: Part, dataset: h5py.Dataset) -> numpy.ndarray:
    """The values of a dataset of texts of variable length, as `bytes`.

    Not by libhdf5, which reads some damaged heaps for ever. MIG503 for what the file cannot hold, MIG505 for what is packed so that
    only libhdf5 unpacks it.
    """
    layout = part.layout
    if layout is None:
        raise damaged(path, "it has no superblock")
    step = 4 + layout.offset_size + 4
    references = _references(path, part, dataset, numpy.dtype(f"V{step}"))
    fields = references.reshape(-1).view(numpy.uint8).reshape(-1, step)
    lengths = fields[:, :4].copy().view("<u4").reshape(-1)
    claimed = int(lengths.sum(dtype=numpy.uint64))
    if claimed > part.size:
        raise damaged(path, f"the texts of `{dataset.name}` claim {claimed} bytes, more than the file has")
    heaps: dict[int, GlobalHeap] = {}
    values = numpy.empty(fields.shape[0], object)
    for number, (length, reference) in enumerate(zip(lengths.tolist(), fields, strict=True)):
        values[number] = b""
        if length:
            address = layout.base + int.from_bytes(reference[4:-4].tobytes(), "little")
            heap = heaps.get(address) or heaps.setdefault(address, GlobalHeap(part, address))
            place, own_length = heap.objects.get(int.from_bytes(reference[-4:].tobytes(), "little"), (0, -1))
            if not heap.is_sound or own_length != length:
                raise damaged(path, f"a text of `{dataset.name}` is not where it should be")
            values[number] = part.at(place, length).split(b"\0", 1)[0]
    return values.reshape(references.shape)


def _references(path: str, part: Part, dataset: h5py.Dataset, element: numpy.dtype) -> numpy.ndarray:
    if dataset.chunks:
        chunked = ChunkedDataset(path, part, dataset, element)
        if not chunked.is_unpacked_here:
            raise unsupported(path, f"`{dataset.name}` holds compressed texts, which migspec does not read")
        return chunked.read()
    size = dataset.id.get_storage_size()
    if not size:  # never written
        return numpy.zeros(dataset.shape, element)
    offset = dataset.id.get_offset()
    if offset is None:
        raise unsupported(path, f"`{dataset.name}` is kept in the header of its object, where migspec reads no texts")
    content = part.at(offset, size)
    if len(content) != size or size != dataset.size * element.itemsize:
        raise damaged(path, f"the values of `{dataset.name}` go on behind the end of the file")
    return numpy.frombuffer(content, element).reshape(dataset.shape)
