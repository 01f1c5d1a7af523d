"""The data file of a bundle in the making, and the index that says where in it each tensor lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from threading import Lock

import numpy

from migspec.dtypes import itemsize, kind
from migspec.formats.crc32c import crc32c, mask, unmask
from migspec.formats.input import InputFile
from migspec.formats.output import WritableFile, temporary_beside
from migspec.formats.tensorflow_bundle.cuts import Cut
from migspec.formats.tensorflow_bundle.encode import encode_entry, encode_header, encode_partitioned
from migspec.formats.tensorflow_bundle.index import Whole
from migspec.formats.tensorflow_bundle.layout import Item, pieces
from migspec.formats.tensorflow_bundle.reader import BundleReader
from migspec.formats.tensorflow_bundle.strings import encode_strings
from migspec.formats.tensorflow_bundle.table_builder import build_table
from migspec.formats.tensorflow_bundle.values import values_changed
from migspec.formats.tensorflow_proto.datatypes import dtype_number
from migspec.formats.tensorflow_proto.slices import slice_key

_UNKNOWN = -1  # the size of strings before they come
_PIECE = 1 << 20  # bytes that are copied at once; a multiple of every element's size


@dataclass(slots=True)
class _Region:
    """Where one piece of a tensor goes, written from its start on; `checksum` is the plain CRC-32C of the `written` bytes.

    Strings go to the spool first, from `spooled` on, as their size is not known before; `offset` follows at the end.
    """

    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int = 0
    written: int = 0
    spooled: int = 0


@dataclass(slots=True)
class _Tensor:
    item: Item
    regions: list[_Region] = field(default_factory=list)  # one, or one for each slice
    cut: Cut | None = None


class BundleContent:
    """Writes the tensors of `items` into `file`. Values may come from several threads, each tensor's from one at a time.

    Tensors lie in the order of the items, strings behind all others: their size is known only when they come. Those wait in a
    second file without a name, so that in whatever order threads bring them, equal inputs give equal files.
    """

    def __init__(self, file: WritableFile, items: Sequence[Item], template: BundleReader | None) -> None:
        """`template` is what items are carried over from."""
        self._file = file
        self._template = template
        self._tensors = [_Tensor(item) for item in items]
        self._by_name = {tensor.item.name: tensor for tensor in self._tensors if tensor.item.carried is None}
        self._spool: WritableFile | None = None
        self._spooled = 0
        self._lock = Lock()
        self._end = 0
        for tensor in self._tensors:
            self._place(tensor)
        file.truncate(self._end)

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """As `Writer.write`."""
        tensor = self._by_name[name]
        values = numpy.frombuffer(data, numpy.uint8)
        if offset != sum(region.written for region in tensor.regions):
            raise ValueError(f"`{name}` does not get its bytes in order")
        if tensor.cut is None:
            self._append(tensor.regions[0], values)
        else:
            for number, piece in tensor.cut.split(offset, values):
                self._append(tensor.regions[number], piece)

    def write_many(self, values: Sequence[tuple[str, memoryview]]) -> None:
        """As `GatheringWriter.write_many`."""
        pieces: list[memoryview] = []  # of one stretch of the file, which ends before `end`
        start = end = 0
        for name, value in values:
            tensor = self._by_name[name]
            if tensor.cut is not None:
                self.write(name, 0, value)
                continue
            region = tensor.regions[0]
            if region.written or len(value) != region.size:
                raise ValueError(f"`{name}` does not get its bytes in order")
            if region.offset != end:
                self._file.pwrite_all(pieces, start)
                pieces, start = [], region.offset
            pieces.append(value)
            region.checksum = crc32c(numpy.frombuffer(value, numpy.uint8))
            region.written = len(value)
            end = region.offset + region.written
        self._file.pwrite_all(pieces, start)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        """As `Writer.write_strings`."""
        tensor = self._by_name[name]
        values = values.reshape(tensor.item.shape)
        slices = tensor.item.slices
        parts = [values] if slices is None else [values[box.region] for box in slices.boxes]
        for region, part in zip(tensor.regions, parts, strict=True):
            self._spool_strings(region, part.reshape(-1).tolist())

    def finish(self) -> bytes:
        """Write what is left and flush nothing; the result is the content of the index file."""
        for tensor in self._tensors:
            self._carry(tensor)
        for tensor in self._tensors:
            if tensor.item.dtype == "string":
                for region in tensor.regions:
                    self._unspool(region)
        entries: dict[bytes, bytes] = {b"": encode_header()}
        for tensor in self._tensors:
            entries |= _entries(tensor)
        return build_table(sorted(entries.items()))

    def close(self) -> None:
        """Free what is held besides the data file; does nothing a second time."""
        if self._spool is not None:
            self._spool.close()

    def _place(self, tensor: _Tensor) -> None:
        item = tensor.item
        width = itemsize(item.dtype)
        shapes = [item.shape] if item.slices is None else [box.shape for box in item.slices.boxes]
        sizes = [prod(shape) * width for shape in shapes]
        if item.carried is not None and kind(item.dtype) == "opaque":
            sizes = [piece.size for piece in pieces(item.carried)]
        if item.dtype == "string":
            tensor.regions = [_Region(shape, 0, _UNKNOWN) for shape in shapes]
            return
        for shape, size in zip(shapes, sizes, strict=True):
            tensor.regions.append(_Region(shape, self._end, size))
            self._end += size
        if item.slices is not None:
            tensor.cut = Cut(item.shape, width, item.slices.boxes)

    def _append(self, region: _Region, data: numpy.ndarray) -> None:
        if region.written + len(data) > region.size:
            raise ValueError("a variable gets more bytes than it has")
        self._file.pwrite(data.data, region.offset + region.written)
        region.checksum = crc32c(data, region.checksum)
        region.written += len(data)

    def _spool_strings(self, region: _Region, values: list[bytes]) -> None:
        data, region.checksum = encode_strings(values)
        region.size = region.written = len(data)
        with self._lock:
            if self._spool is None:
                place = temporary_beside(self._file.temporary)
                self._spool = WritableFile(self._file.path, place)
                place.unlink()
            region.spooled = self._spooled
            self._spooled += len(data)
        self._spool.pwrite(data, region.spooled)

    def _unspool(self, region: _Region) -> None:
        if self._spool is None or region.size == _UNKNOWN:
            raise ValueError("a variable of strings was not written")
        region.offset = self._end
        self._end += region.size
        for start in range(0, region.size, _PIECE):
            data = self._spool.pread(min(_PIECE, region.size - start), region.spooled + start)
            self._file.pwrite(data, region.offset + start)

    def _carry(self, tensor: _Tensor) -> None:
        """Copy a tensor of the template. MIG501, MIG503 or MIG504 if its values are not what they were."""
        if tensor.item.carried is None or self._template is None:
            return
        for region, piece in zip(tensor.regions, pieces(tensor.item.carried), strict=True):
            if piece.dtype == "string":
                self._spool_strings(region, self._template.tensors.read_strings(tensor.item.name, piece))
            else:
                self._copy(region, piece, tensor.item.name)

    def _copy(self, region: _Region, piece: Whole, name: str) -> None:
        width = itemsize(piece.dtype) // (2 if kind(piece.dtype) == "complex" else 1)
        swapped = self._template is not None and self._template.index.byte_order == "big" and width > 1
        checksum = 0
        file = InputFile(piece.path)
        try:
            for start in range(0, piece.size, _PIECE):
                data = numpy.frombuffer(file.exactly(min(_PIECE, piece.size - start), piece.offset + start), numpy.uint8)
                checksum = crc32c(data, checksum)
                self._append(region, data.view(f"u{width}").byteswap().view(numpy.uint8) if swapped else data)
        finally:
            file.close()
        if piece.dtype == "variant":  # its checksum is not that of the bytes as they lie in the file
            region.checksum = unmask(piece.crc32c)
        elif checksum != unmask(piece.crc32c):
            raise values_changed(name, piece.path)


def _entries(tensor: _Tensor) -> dict[bytes, bytes]:
    """The entries of a tensor in the index. ValueError if some of its values never came."""
    item = tensor.item
    number = dtype_number(item.dtype)
    if number is None or any(region.written != region.size for region in tensor.regions):
        raise ValueError(f"`{item.name}` was not written completely")
    places = [encode_entry(number, r.shape, r.offset, r.size, mask(r.checksum)) for r in tensor.regions]
    keys = [key.encode() for key in item.keys]
    if item.slices is None:
        return dict.fromkeys(keys, places[0])
    whole = encode_partitioned(number, item.shape, item.slices.extents)
    entries = dict.fromkeys(keys, whole)
    for key in keys:
        for extents, place in zip(item.slices.extents, places, strict=True):
            entries[slice_key(key, extents)] = place
    return entries
