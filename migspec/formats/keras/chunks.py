"""Datasets in chunks, read chunk by chunk from the file and unpacked here.

libhdf5 crashes on chunks that a damaged file makes too short for their filters. So it only tells where the chunks lie. The filters that
nearly all files have are undone here (https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html, "The Data Storage - Filter Pipeline Message"),
h5py's own, LZF, is left to it, and others are refused.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from migspec.diagnostics.model import SpecError
from migspec.formats.input import damaged, unsupported
from migspec.formats.keras.part import Part

if TYPE_CHECKING:
    import h5py

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3  # as H5Zpublic.h numbers them
_LZF = 32000  # https://docs.h5py.org/en/stable/high/dataset.html#lzf-filter
_SUM_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Where a chunk lies in the dataset and in the file; `skipped` has a bit for each filter that was not applied to it."""

    start: tuple[int, ...]
    skipped: int
    offset: int
    size: int


class ChunkedDataset:
    """One dataset in chunks of a file `part`. `path` is what errors call the file."""

    def __init__(self, path: str, part: Part, dataset: h5py.Dataset, element: numpy.dtype | None = None) -> None:
        """`element` is what an element is in the file, where that is not what h5py makes of it. MIG505 for a filter not to be trusted."""
        self._path, self._part, self._dataset = path, part, dataset
        self._name = dataset.name.lstrip("/")
        self._dtype = element or dataset.dtype
        self._length = math.prod(dataset.chunks) * self._dtype.itemsize  # of a chunk that is unpacked
        properties = dataset.id.get_create_plist()
        self._filters = [properties.get_filter(number) for number in range(properties.get_nfilters())]
        strange = [name for code, _, _, name in self._filters if code not in (_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF)]
        if strange:
            names = ", ".join(f"`{name.decode('ascii', 'replace')}`" for name in strange)
            cause = f"`{self._name}` is packed with {names}, which migspec does not read"
            raise unsupported(path, cause, "write the file again with gzip, or without compression")

    @property
    def is_unpacked_here(self) -> bool:
        """Whether `read` knows all filters."""
        return all(code != _LZF for code, *_ in self._filters)

    @property
    def has_plain_elements(self) -> bool:
        """Whether elements lie in the file as numpy has them."""
        from h5py import h5t

        dtype = self._dataset.dtype
        if dtype.kind == "V" and dtype.names is None:
            return True
        return dtype.kind != "O" and bool(self._dataset.id.get_type() == h5t.py_create(dtype, logical=True))

    def check(self) -> None:
        """MIG503 if libhdf5 could not pack or unpack a chunk. One chunk is in memory at a time."""
        for code, _, options, _ in self._filters:
            is_right = {
                _DEFLATE: len(options) == 1 and options[0] <= 9,
                _SHUFFLE: options == (self._dtype.itemsize,),
                _FLETCHER32: options == (),
                _LZF: len(options) == 3 and options[2] == self._length,
            }
            if not is_right[code]:
                raise self._broken("its filters are not described as they should be")
        for one in self._chunks():
            if self.is_unpacked_here:
                self._unpacked(one)

    def read(self) -> numpy.ndarray:
        """All values as they are in the file. MIG503 if a chunk is not where it should be, or is no chunk."""
        shape, chunk, dtype = self._dataset.shape, self._dataset.chunks, self._dtype
        values = numpy.zeros(shape, dtype)
        if dtype.kind != "V":
            values[...] = self._dataset.fillvalue
        for one in self._chunks():
            content = numpy.frombuffer(self._unpacked(one), dtype).reshape(chunk)
            ends = [min(begin + length, end) for begin, length, end in zip(one.start, chunk, shape, strict=True)]
            place = tuple(slice(begin, end) for begin, end in zip(one.start, ends, strict=True))
            values[place] = content[tuple(slice(0, end - begin) for begin, end in zip(one.start, ends, strict=True))]
        return values

    def _chunks(self) -> list[_Chunk]:
        """All chunks, as they lie in the index. MIG503 if one is not where it should be, or too short for its filters."""
        shape, lengths = self._dataset.shape, self._dataset.chunks
        least = 1 + _SUM_BYTES * any(code == _FLETCHER32 for code, *_ in self._filters)
        found = self._index()
        for one in found:
            places = zip(one.start, lengths, shape, strict=True)
            if not all(begin % length == 0 and begin < end for begin, length, end in places):
                raise self._broken("one of its chunks lies outside")
            if one.size < least or one.offset + one.size > self._part.size:
                raise self._broken("one of its chunks has no place in the file")
        return found

    def _index(self) -> list[_Chunk]:
        identity: Any = self._dataset.id
        if hasattr(identity, "chunk_iter"):  # one pass over the index; without it each chunk is looked for from its start
            found: list[Any] = []
            identity.chunk_iter(found.append)
        else:
            found = [identity.get_chunk_info(number) for number in range(identity.get_num_chunks())]
        return [
            _Chunk(tuple(map(int, info.chunk_offset)), int(info.filter_mask), int(info.byte_offset), int(info.size))
            for info in found
        ]

    def _unpacked(self, chunk: _Chunk) -> bytes:
        """The bytes of a chunk, all of them also where it reaches over the edge of the dataset."""
        length = self._length
        data = self._part.at(chunk.offset, chunk.size)
        for number in reversed(range(len(self._filters))):
            code, _, options, _ = self._filters[number]
            if chunk.skipped >> number & 1:
                continue
            if code == _FLETCHER32:
                data = self._without_sum(data)
            elif code == _DEFLATE:
                data = self._inflated(data, length + _SUM_BYTES)
            else:
                width = int(options[0]) if options else self._dtype.itemsize
                data = _unshuffled(data, width)
        if len(data) != length:
            raise self._broken(f"one of its chunks unpacks to {len(data)} bytes, not {length}")
        return data

    def _inflated(self, data: bytes, most: int) -> bytes:
        stream = zlib.decompressobj()
        try:
            content = stream.decompress(data, most)
        except zlib.error as error:
            raise self._broken("one of its chunks cannot be unpacked") from error
        if not stream.eof:
            raise self._broken("one of its chunks is cut short, or unpacks to more than it should")
        return content

    def _without_sum(self, data: bytes) -> bytes:
        content, stored = data[:-_SUM_BYTES], data[-_SUM_BYTES:]
        if len(stored) < _SUM_BYTES or int.from_bytes(stored, "little") not in _fletcher32(content):
            raise self._broken("the checksum of one of its chunks differs")
        return content

    def _broken(self, cause: str) -> SpecError:
        return damaged(self._path, f"`{self._name}`: {cause}")


def _unshuffled(data: bytes, width: int) -> bytes:
    """First bytes of all elements, then second bytes, ...: put together again. What is left over stands as it is."""
    count = len(data) // width if width > 1 else 0
    if count < 2:
        return data
    whole = count * width
    return numpy.frombuffer(data, numpy.uint8, whole).reshape(width, count).T.tobytes() + data[whole:]


def _fletcher32(data: bytes) -> frozenset[int]:
    """The checksums that a chunk may have (H5checksum.c, `H5_checksum_fletcher32`).

    Sums are taken modulo 65535, for which HDF5 may write 0 as 65535; and old versions on little-endian machines swapped the bytes of
    each half (H5Zfletcher32.c).
    """
    words = numpy.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(numpy.uint64)
    first = int(words.sum() % 65535)
    weights = numpy.arange(words.size, 0, -1, dtype=numpy.uint64) % 65535
    second = int((words * weights % 65535).sum() % 65535)
    halves = [{value, 65535} if value == 0 else {value} for value in (first, second)]
    sums = {high << 16 | low for low in halves[0] for high in halves[1]}
    return frozenset(sums | {(value & 0x00FF00FF) << 8 | (value & 0xFF00FF00) >> 8 for value in sums})
