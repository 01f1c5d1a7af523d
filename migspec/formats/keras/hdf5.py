"""HDF5 files through h5py, with every error as a diagnostic and no trust in what they claim."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.input import damaged, unsupported
from migspec.formats.keras.chunks import ChunkedDataset
from migspec.formats.keras.groups import read_groups
from migspec.formats.keras.part import Part
from migspec.formats.keras.texts import Texts, read_texts
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

    def tree(self, *, opaque_is_bfloat16: bool = False) -> Group:
        """All groups, and the shape, dtype and place of each dataset. Reads no values.

        h5py stores bfloat16 as two opaque bytes. Keras 3 notes in an attribute what they are, legacy files do not.
        """
        with hdf5_errors(self.path), self.part.guarded():
            return read_groups(self.path, self._file, self.part, opaque_is_bfloat16=opaque_is_bfloat16)

    def has_group(self, path: str) -> bool:
        """Whether there is a group at `path`, reached without a link to another place or file."""
        import h5py

        with hdf5_errors(self.path), self.part.guarded():
            group = self._file.id
            for key in path.split("/"):
                name = key.encode()
                if not key or not group.links.exists(name) or group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                    return False
                group = h5py.h5o.open(group, name)
                if not isinstance(group, h5py.h5g.GroupID):
                    return False
            return True

    def texts(self, group: str, key: str) -> tuple[str, ...] | None:
        """An attribute of a group that lists texts, None if there is none.

        Keras cuts a list that does not fit into an object header (64 KiB) into the attributes `key` + `0`, `1`, ...
        (keras/src/legacy/saving/legacy_h5_format.py, `save_attributes_to_hdf5_group`).
        """
        with hdf5_errors(self.path), self.part.guarded():
            identity, reader = self._file[group or "/"].id, Texts(self.path, self.part)
            whole = reader.all(identity, key.encode())
            if whole is not None:
                return whole
            texts: list[str] = []
            number = 0
            while (part := reader.all(identity, f"{key}{number}".encode())) is not None:
                texts += part
                number += 1
            return tuple(texts) if number else None

    def read(self, array: StoredArray) -> numpy.ndarray:
        """The whole value, C order, native byte order; strings as `bytes`. HDF5 unpacks it chunk by chunk into its place."""
        if dtypes.kind(array.dtype) == "opaque":
            raise unsupported(self.path, f"`{array.path}` has the dtype {array.dtype}, which migspec lists but does not read")
        wanted = dtypes.numpy_dtype(array.dtype)
        if array.offset is not None:
            content = numpy.empty(array.nbytes, numpy.uint8)
            if self.part.fill(content.data, array.offset) < array.nbytes:
                raise damaged(self.path, f"the values of `{array.path}` were cut short while they were read")
            stored = content.view(wanted.newbyteorder(">") if array.byte_order == "big" else wanted)
            return stored.astype(wanted, copy=False).reshape(array.shape)
        with hdf5_errors(self.path):
            dataset = self._file[array.path]
            claimed = dataset.size * max(dataset.dtype.itemsize, 1)
            if claimed > _FREE and claimed > _EXPANSION * dataset.id.get_storage_size():
                raise damaged(self.path, f"`{array.path}` claims {claimed} bytes, far more than the file holds of it")
            if array.dtype == "string":
                return self._texts(dataset)
            chunked = ChunkedDataset(self.path, self.part, dataset) if dataset.chunks else None
            if chunked is not None and chunked.is_unpacked_here and chunked.has_plain_elements:
                values = chunked.read()
            else:
                self.check(array)
                values = numpy.asarray(dataset[()])
            values = values.view(wanted) if values.dtype.kind == "V" else values.astype(wanted, copy=False)
            return numpy.ascontiguousarray(values).reshape(array.shape)

    def check(self, array: StoredArray) -> None:
        """MIG503 if the values cannot be read: libhdf5 crashes on some that are broken, also when it writes over them."""
        with hdf5_errors(self.path):
            dataset = self._file[array.path]
            if array.dtype == "string":
                self._texts(dataset)
            elif dataset.chunks:
                ChunkedDataset(self.path, self.part, dataset).check()

    def _texts(self, dataset: h5py.Dataset) -> numpy.ndarray:
        if dataset.dtype.kind == "O":
            return read_texts(self.path, self.part, dataset)
        chunked = ChunkedDataset(self.path, self.part, dataset) if dataset.chunks else None
        is_known = chunked is not None and chunked.is_unpacked_here and chunked.has_plain_elements
        return _to_bytes(chunked.read() if chunked is not None and is_known else numpy.asarray(dataset[()]))

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
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):  # Cython makes a SystemError of Ctrl-C
            raise KeyboardInterrupt from error
        raise damaged(path, "its HDF5 structure is broken", str(error) or type(error).__name__) from error


def _to_bytes(values: numpy.ndarray) -> numpy.ndarray:
    result = numpy.empty(values.size, object)
    result[:] = [bytes(value) for value in values.reshape(-1)]
    return result.reshape(values.shape)
