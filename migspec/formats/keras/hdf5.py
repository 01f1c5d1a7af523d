"""HDF5 files through h5py, with every error as a diagnostic and no trust in what they claim."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.input import check_shape, damaged, unsupported
from migspec.formats.keras.part import Part
from migspec.formats.keras.tree import Group, StoredArray, split_number
from migspec.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py

_DEEPEST = 64  # groups within groups; Keras' own models stay far below
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
            return _Walk(self.path, self.part.size).group(self._file, "", 0)

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


class _Walk:
    """One pass over the groups of a file of `size` bytes."""

    def __init__(self, path: str, size: int) -> None:
        import h5py

        self._path, self._size, self._h5py = path, size, h5py
        self._seen: set[int] = set()

    def group(self, group: h5py.Group, path: str, depth: int) -> Group:
        address = int(self._h5py.h5o.get_info(group.id).addr)
        if depth > _DEEPEST or address in self._seen:
            raise unsupported(self._path, f"the HDF5 group `{path or '/'}` is linked more than once, or lies too deep")
        self._seen.add(address)
        name: str | None = None
        is_object = False
        arrays: list[StoredArray] = []
        others: list[StoredArray] = []
        children: list[Group] = []
        for key in sorted(group, key=split_number):
            below = f"{path}/{key}" if path else key
            member = self._member(group, key, below)
            if isinstance(member, self._h5py.Dataset):
                others.append(self._array(member, below))
            elif key == "vars" and isinstance(member, self._h5py.Group):
                is_object, name = True, self._text(member, "name")
                arrays = self._own(member, below)
            elif isinstance(member, self._h5py.Group):
                children.append(self.group(member, below, depth + 1))
        return Group(path, is_object, name, tuple(arrays), tuple(children), tuple(others))

    def _own(self, group: h5py.Group, path: str) -> list[StoredArray]:
        members = [(key, self._member(group, key, f"{path}/{key}")) for key in sorted(group, key=_by_number)]
        return [self._array(member, f"{path}/{key}") for key, member in members if isinstance(member, self._h5py.Dataset)]

    def _member(self, group: h5py.Group, key: str, path: str) -> Any:
        if not isinstance(group.get(key, getlink=True), self._h5py.HardLink):
            raise unsupported(self._path, f"`{path}` is a link to another place or file, which migspec does not follow")
        return group[key]

    def _array(self, dataset: h5py.Dataset, path: str) -> StoredArray:
        if dataset.is_virtual or dataset.external:
            raise unsupported(self._path, f"the values of `{path}` lie in another file")
        shape = tuple(int(length) for length in dataset.shape or ())
        dtype = self._dtype_name(dataset)
        check_shape(self._path, Variable(path, shape, dtype))
        order: Literal["little", "big"] = "big" if dataset.dtype.newbyteorder("=") != dataset.dtype else "little"
        return StoredArray(path, shape, dtype, self._offset(dataset, dtype), order)

    def _dtype_name(self, dataset: h5py.Dataset) -> str:
        if dataset.shape is None:
            return "empty"
        if dataset.dtype.itemsize == 2 and dataset.dtype.kind == "V" and self._text(dataset, "dtype") == "bfloat16":
            return "bfloat16"
        if self._h5py.check_string_dtype(dataset.dtype) is not None:
            return "string"
        known = dataset.dtype.name in dtypes.NAMES and dataset.dtype.kind != "O"
        return str(dataset.dtype.name if known else dataset.dtype)

    def _text(self, member: h5py.Group | h5py.Dataset, key: str) -> str | None:
        """A text attribute; None if there is none. Anything but a single text is left alone: libhdf5 crashes on some of it."""
        if key not in member.attrs:
            return None
        attribute = member.attrs.get_id(key)
        if attribute.get_type().get_class() != self._h5py.h5t.STRING or attribute.shape != ():
            return None
        value = member.attrs[key]
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None

    def _offset(self, dataset: h5py.Dataset, dtype: str) -> int | None:
        length = dataset.size * dtypes.itemsize(dtype) if dataset.shape is not None else 0
        layout = dataset.id.get_create_plist().get_layout()
        if not length or layout != self._h5py.h5d.CONTIGUOUS or dataset.id.get_storage_size() != length:
            return None
        is_plain = dtype == "bfloat16" or dataset.id.get_type() == self._h5py.h5t.py_create(dataset.dtype, logical=True)
        offset = dataset.id.get_offset()
        if offset is None or not is_plain:
            return None
        if offset + length > self._size:
            raise damaged(self._path, f"the values of `{dataset.name}` go on behind the end of the file")
        return int(offset)


def _by_number(key: str) -> tuple[bool, int, str]:
    return (False, int(key), key) if key.isascii() and key.isdigit() and len(key) < 10 else (True, 0, key)


def _to_bytes(values: numpy.ndarray) -> numpy.ndarray:
    result = numpy.empty(values.size, object)
    result[:] = [value.encode() if isinstance(value, str) else bytes(value) for value in values.reshape(-1)]
    return result
