"""One pass over the groups of an HDF5 file: what it holds, without a value.

h5py's low-level interface is used: its objects cost a third of the high-level ones, and a model may have 20,000 datasets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy

from migspec import dtypes
from migspec.formats.input import check_shape, damaged, unsupported
from migspec.formats.keras.tree import Group, StoredArray, split_number
from migspec.variables import Variable

if TYPE_CHECKING:
    import h5py

_DEEPEST = 64  # groups within groups; Keras' own models stay far below


def read_groups(path: str, file: h5py.File, size: int) -> Group:
    """The root group of an open file of `size` bytes, with all below it.

    Raises `SpecError`: MIG503 for what cannot be true, MIG505 for links and for values that lie in other files; and whatever
    h5py raises about a damaged file.
    """
    return _Walk(path, size).group(file.id, "", 0)


class _Walk:
    def __init__(self, path: str, size: int) -> None:
        import h5py

        self._path, self._size, self._h5py = path, size, h5py
        self._seen: set[int] = set()

    def group(self, group: h5py.h5g.GroupID, path: str, depth: int) -> Group:
        address = int(self._h5py.h5o.get_info(group).addr)
        if depth > _DEEPEST or address in self._seen:
            raise unsupported(self._path, f"the HDF5 group `{path or '/'}` is linked more than once, or lies too deep")
        self._seen.add(address)
        name: str | None = None
        is_object = False
        arrays: list[StoredArray] = []
        others: list[StoredArray] = []
        children: list[Group] = []
        for key in sorted(self._keys(group), key=split_number):
            below = f"{path}/{key}" if path else key
            member = self._member(group, key, below)
            if isinstance(member, self._h5py.h5d.DatasetID):
                others.append(self._array(member, below))
            elif key == "vars" and isinstance(member, self._h5py.h5g.GroupID):
                is_object, name = True, self._text(member, b"name")
                arrays = self._own(member, below)
            elif isinstance(member, self._h5py.h5g.GroupID):
                children.append(self.group(member, below, depth + 1))
        return Group(path, is_object, name, tuple(arrays), tuple(children), tuple(others))

    def _own(self, group: h5py.h5g.GroupID, path: str) -> list[StoredArray]:
        members = [(key, self._member(group, key, f"{path}/{key}")) for key in sorted(self._keys(group), key=_by_number)]
        return [self._array(member, f"{path}/{key}") for key, member in members if isinstance(member, self._h5py.h5d.DatasetID)]

    def _keys(self, group: h5py.h5g.GroupID) -> list[str]:
        return [key.decode() for key in group]

    def _member(self, group: h5py.h5g.GroupID, key: str, path: str) -> Any:
        name = key.encode()
        if group.links.get_info(name).type != self._h5py.h5l.TYPE_HARD:
            raise unsupported(self._path, f"`{path}` is a link to another place or file, which migspec does not follow")
        return self._h5py.h5o.open(group, name)

    def _array(self, dataset: h5py.h5d.DatasetID, path: str) -> StoredArray:
        if dataset.get_space().get_simple_extent_type() == self._h5py.h5s.NULL:
            return StoredArray(path, (), "empty", None, "little")
        properties = dataset.get_create_plist()
        layout = properties.get_layout()
        if layout == self._h5py.h5d.VIRTUAL or properties.get_external_count():
            raise unsupported(self._path, f"the values of `{path}` lie in another file")
        stored = dataset.dtype
        variable = Variable(path, tuple(int(length) for length in dataset.shape), self._dtype_name(dataset, stored))
        check_shape(self._path, variable)
        offset = self._offset(dataset, stored, variable) if layout == self._h5py.h5d.CONTIGUOUS else None
        return StoredArray(
            path, variable.shape, variable.dtype, offset, "big" if stored.newbyteorder("=") != stored else "little"
        )

    def _dtype_name(self, dataset: h5py.h5d.DatasetID, stored: numpy.dtype) -> str:
        if stored.itemsize == 2 and stored.kind == "V" and self._text(dataset, b"dtype") == "bfloat16":
            return "bfloat16"
        if stored.kind != "O" and stored.name in dtypes.NAMES:
            return str(stored.name)
        return str(stored) if self._h5py.check_string_dtype(stored) is None else "string"

    def _offset(self, dataset: h5py.h5d.DatasetID, stored: numpy.dtype, variable: Variable) -> int | None:
        length = variable.nbytes
        if not length or dataset.get_storage_size() != length:
            return None
        if variable.dtype != "bfloat16" and dataset.get_type() != self._h5py.h5t.py_create(stored, logical=True):
            return None  # of the same kind, but laid out in other bits
        offset = dataset.get_offset()
        if offset is not None and offset + length > self._size:
            raise damaged(self._path, f"the values of `{variable.name}` go on behind the end of the file")
        return None if offset is None else int(offset)

    def _text(self, member: h5py.h5g.GroupID | h5py.h5d.DatasetID, key: bytes) -> str | None:
        """A text attribute; None if there is none. Anything but a single text is left alone: libhdf5 crashes on some of it."""
        if not self._h5py.h5a.exists(member, key):
            return None
        attribute = self._h5py.h5a.open(member, key)
        if attribute.get_type().get_class() != self._h5py.h5t.STRING or attribute.shape != ():
            return None
        holder = numpy.empty((), attribute.dtype)
        attribute.read(holder)
        value = holder[()]
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _by_number(key: str) -> tuple[bool, int, str]:
    return (False, int(key), key) if key.isascii() and key.isdigit() and len(key) < 10 else (True, 0, key)
