"""Values that HDF5 itself puts into a dataset, a few chunks at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from migspec.formats.keras.tree import StoredArray

if TYPE_CHECKING:
    import h5py

_SLAB = 1 << 20  # bytes that are handed over at once, rounded up to whole rows of chunks


class Rows:
    """One dataset in the writing. Its bytes come in order, and go to HDF5 in slabs along the first axis that no chunk lies across:
    each chunk is packed once, and memory does not grow with the dataset."""

    def __init__(self, array: StoredArray, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._shape = array.shape
        self._missing = array.nbytes
        rows = array.shape[0] if array.shape else 1
        row = array.nbytes // rows
        chunk = dataset.chunks[0] if dataset.chunks else 1
        self._step = min(rows, max(1, -(-_SLAB // (row * chunk))) * chunk)
        self._row_bytes = row
        self._slab = numpy.empty(self._step * row, numpy.uint8)
        self._filled = 0
        self._first = 0

    @property
    def is_complete(self) -> bool:
        return self._missing == 0

    def write(self, data: memoryview) -> None:
        """The next bytes, C order, little-endian."""
        values = numpy.frombuffer(data, numpy.uint8)
        while values.size:
            taken = min(values.size, self._slab.size - self._filled)
            self._slab[self._filled : self._filled + taken] = values[:taken]
            values = values[taken:]
            self._filled += taken
            self._missing -= taken
            if self._filled == self._slab.size or not self._missing:
                self._hand_over()
        if not self._missing:
            self._dataset.flush()  # h5py tells nobody what fails when a dataset is closed

    def _hand_over(self) -> None:
        stored = self._dataset.dtype
        # bfloat16 is stored as opaque bytes; everything else HDF5 converts to the byte order of the dataset.
        values = self._slab[: self._filled].view(stored if stored.kind == "V" else stored.newbyteorder("<"))
        if not self._shape:
            self._dataset[()] = values[0]
            return
        count = self._filled // self._row_bytes
        self._dataset[self._first : self._first + count] = values.reshape(count, *self._shape[1:])
        self._first += count
        self._filled = 0
