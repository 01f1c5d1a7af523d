"""HDF5 files through h5py, with every error as a diagnostic and no trust in what they claim."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.input import damaged, unsupported
from migspec.formats.keras.groups import read_groups
from migspec.formats.keras.part import Part
from migspec.formats.keras.tree import Group, StoredArray

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py

_FREE = 1 << 26  # bytes that an array may always claim
_EXPANSION = 1100  # how much larger than its stored bytes an array may be: deflate makes at most 1032 out of 1


class Hdf5File:
    """An open HDF5 file. `path` is what errors call it. Raises `SpecError`: MIG503 damaged, MIG505 not to be read, MIG513 no h5py."""

    def __init__(self, path: str, part: Part) -> None:
        self.path = path
        self.part = part
        library = import_h5py(path)
        with hdf5_errors(path):
            self._file = library.File(part, "r")
        # libhdf5 crashes at the end of the process if a file behind a Python object is still open.
        self._close = weakref.finalize(self, _close, path, self._file)

    def tree(self) -> Group:
        """All groups, and the shape, dtype and place of each dataset. Reads no values."""
        with hdf5_errors(self.path), self.part.guarded():
            return read_groups(self.path, self._file, self.part.size)

    def attributes(self) -> frozenset[str]:
        """The names of the attributes of the file itself."""
        with hdf5_errors(self.path):
            return frozenset(self._file.attrs)

    def read(self, array: StoredArray) -> numpy.ndarray:
        """The whole value, C order, native byte order; strings as `bytes`."""
        if dtypes.kind(array.dtype) == "opaque":
            raise unsupported(self.path, f"`{array.path}` has the dtype {array.dtype}, which migspec lists but does not read")
        with hdf5_errors(self.path):
            dataset = self._file[array.path]
            claimed = dataset.size * max(dataset.dtype.itemsize, 1)
            if claimed > _FREE and claimed > _EXPANSION * dataset.id.get_storage_size():
                raise damaged(self.path, f"`{array.path}` claims {claimed} bytes, far more than the file holds of it")
            values = numpy.asarray(dataset[()])
            if array.dtype == "string":
                return _to_bytes(values).reshape(array.shape)
            wanted = dtypes.numpy_dtype(array.dtype)
            values = values.view(wanted) if values.dtype.kind == "V" else values.astype(wanted)
            return numpy.ascontiguousarray(values).reshape(array.shape)

    def close(self) -> None:
        self._close()


def _close(path: str, file: h5py.File) -> None:
    with hdf5_errors(path):
        file.close()


def import_h5py(path: str) -> Any:
    """The module h5py, or MIG513 with what to install."""
    try:
        import h5py
    except ImportError as error:
        raise file_error("MIG513", path, "reading this file needs h5py", helps=["pip install h5py"]) from error
    return h5py


@contextmanager
def hdf5_errors(path: str) -> Iterator[None]:
    """Turns whatever h5py raises about a damaged file into MIG503. It raises nearly every type that there is, so all are caught."""
    try:
        yield
    except SpecError:
        raise
    except Exception as error:
        raise damaged(path, "its HDF5 structure is broken", str(error) or type(error).__name__) from error


def _to_bytes(values: numpy.ndarray) -> numpy.ndarray:
    result = numpy.empty(values.size, object)
    result[:] = [value.encode() if isinstance(value, str) else bytes(value) for value in values.reshape(-1)]
    return result
