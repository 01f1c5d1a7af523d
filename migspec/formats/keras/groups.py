"""One pass over the groups of an HDF5 file: what it holds, without a value.

h5py's low-level interface is used: its objects cost a third of the high-level ones, and a model may have 20,000 datasets. For the
same reason the links of a group are listed in one call, and a datatype is looked into once, not once for each dataset of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from migspec import dtypes
from migspec.formats.input import check_shape, damaged, unsupported
from migspec.formats.keras.part import Part
from migspec.formats.keras.texts import Texts
from migspec.formats.keras.tree import Group, StoredArray, number_order, split_number
from migspec.variables import Variable

if TYPE_CHECKING:
    import h5py

_DEEPEST = 64  # groups within groups; Keras' own models stay far below


def read_groups(path: str, file: h5py.File, part: Part, *, opaque_is_bfloat16: bool) -> Group:
    """The root group of an open file, with all below it. `opaque_is_bfloat16`: so are two opaque bytes, always.

    Raises `SpecError`: MIG503 for what cannot be true, MIG505 for links and for values that lie in other files; and whatever
    h5py raises about a damaged file.
    """
    return _Walk(path, part, opaque_is_bfloat16).group(file.id, "", 0)


@dataclass(frozen=True, slots=True)
class _StoredType:
    """What a datatype of the file means in migspec. `lies_plain`: its elements lie in the file as numpy has them."""

    name: str
    byte_order: Literal["little", "big"]
    lies_plain: bool
    may_be_bfloat16: bool = False


class _Walk:
    def __init__(self, path: str, part: Part, opaque_is_bfloat16: bool) -> None:
        import h5py

        self._opaque_is_bfloat16 = opaque_is_bfloat16
        self._path, self._size, self._h5py = path, part.size, h5py
        self._texts = Texts(path, part)
        self._seen: set[int] = set()
        self._types: dict[bytes, _StoredType] = {}

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
        for key in sorted(self._keys(group, path), key=split_number):
            below = f"{path}/{key}" if path else key
            member = self._h5py.h5o.open(group, key.encode())
            if isinstance(member, self._h5py.h5d.DatasetID):
                others.append(self._array(member, below))
            elif isinstance(member, self._h5py.h5g.GroupID):
                if key == "vars" and (own := self._own(member, below)) is not None:
                    is_object, name, arrays = True, self._texts.one(member, b"name"), own
                else:
                    children.append(self.group(member, below, depth + 1))
        return Group(path, is_object, name, tuple(arrays), tuple(children), tuple(others))

    def _own(self, group: h5py.h5g.GroupID, path: str) -> list[StoredArray] | None:
        """The weights in a group `vars`; None if it holds other groups, so is none of Keras'."""
        arrays = []
        for key in sorted(self._keys(group, path), key=number_order):
            member = self._h5py.h5o.open(group, key.encode())
            if isinstance(member, self._h5py.h5g.GroupID):
                return None
            if isinstance(member, self._h5py.h5d.DatasetID):
                arrays.append(self._array(member, f"{path}/{key}"))
        return arrays

    def _keys(self, group: h5py.h5g.GroupID, path: str) -> list[str]:
        """The names in a group, of which none is a link to another place or file."""
        links: list[tuple[bytes, Any]] = []
        group.links.iterate(lambda name, info: links.append((name, info.type)), info=True)
        keys = []
        for name, kind in links:
            key = name.decode()
            if kind != self._h5py.h5l.TYPE_HARD:
                below = f"{path}/{key}" if path else key
                raise unsupported(self._path, f"`{below}` is a link to another place or file, which migspec does not follow")
            keys.append(key)
        return keys

    def _array(self, dataset: h5py.h5d.DatasetID, path: str) -> StoredArray:
        space = dataset.get_space()
        if space.get_simple_extent_type() == self._h5py.h5s.NULL:
            return StoredArray(path, (), "empty", None, "little")
        properties = dataset.get_create_plist()
        layout = properties.get_layout()
        if layout == self._h5py.h5d.VIRTUAL or properties.get_external_count():
            raise unsupported(self._path, f"the values of `{path}` lie in another file")
        shape = tuple(int(length) for length in space.shape)
        stored = self._type(dataset)
        name, lies_plain = stored.name, stored.lies_plain
        if stored.may_be_bfloat16 and (self._opaque_is_bfloat16 or self._texts.one(dataset, b"dtype") == "bfloat16"):
            name = "bfloat16"
        size = 1
        for length in shape:
            size *= max(length, 1)
        if len(shape) > 32 or size >= 1 << 58:
            check_shape(self._path, Variable(path, shape, name))
        offset = None
        if layout == self._h5py.h5d.CONTIGUOUS and lies_plain:
            offset = self._offset(dataset, path, size * dtypes.itemsize(name) if 0 not in shape else 0)
        return StoredArray(path, shape, name, offset, stored.byte_order)

    def _type(self, dataset: h5py.h5d.DatasetID) -> _StoredType:
        stored = dataset.get_type()
        code = stored.encode()
        known = self._types.get(code)
        if known is None:
            known = self._types[code] = self._look_into(stored)
        return known

    def _look_into(self, stored: h5py.h5t.TypeID) -> _StoredType:
        dtype = stored.dtype
        order: Literal["little", "big"] = "big" if dtype.newbyteorder("=") != dtype else "little"
        if dtype.itemsize == 2 and dtype.kind == "V" and dtype.names is None:
            return _StoredType(str(dtype), order, lies_plain=True, may_be_bfloat16=True)
        if dtype.kind != "O" and dtype.name in dtypes.NAMES:
            if stored == self._h5py.h5t.py_create(dtype, logical=True):
                return _StoredType(str(dtype.name), order, lies_plain=True)
            # Of the same kind, but laid out in other bits: libhdf5 crashes on some such types of damaged files.
            return _StoredType(f"{dtype.name} in other bits", order, lies_plain=False)
        name = str(dtype) if self._h5py.check_string_dtype(dtype) is None else "string"
        return _StoredType(name, order, lies_plain=False)

    def _offset(self, dataset: h5py.h5d.DatasetID, path: str, length: int) -> int | None:
        if not length or dataset.get_storage_size() != length:
            return None
        offset = dataset.get_offset()
        if offset is not None and offset + length > self._size:
            raise damaged(self._path, f"the values of `{path}` go on behind the end of the file")
        return None if offset is None else int(offset)
