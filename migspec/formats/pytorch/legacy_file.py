"""The format of `torch.save` before PyTorch 1.6: pickles in a row, and behind them the storages.

The layout: `_legacy_save` and `_legacy_load` in torch/serialization.py. The pickles are the magic number, the protocol, what the machine
was like, the object, and the keys of the storages in their order. Each storage is its number of elements in 8 bytes and then its values,
always little endian: `THPStorage_writeFileRaw` in torch/csrc/serialization.cpp turns them around where the machine is not.
"""

from __future__ import annotations

from migspec.formats.input import damaged, unsupported
from migspec.formats.pickled.machine import Machine
from migspec.formats.pickled.place import Cursor, Place
from migspec.formats.pickled.stand_ins import Global, text_of
from migspec.formats.pickled.stored_array import PlacedBytes
from migspec.formats.pytorch.storages import FoundStorage, StorageReference, found_storage, referenced, storage_itemsize

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class TorchLegacy:
    """One such file, or bytes like it within another: what its pickle holds, and where its storages are.

    Raises SpecError: MIG503, MIG505.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._path = place.path
        self._itemsizes: dict[str, int] = {}
        cursor = Cursor(place)
        machine = Machine(cursor, self._referenced)
        if machine.run() != _MAGIC:
            raise damaged(self._path, "it does not begin with PyTorch's magic number")
        protocol = machine.run()
        if protocol != _PROTOCOL:
            raise unsupported(self._path, "it has a protocol of `torch.save` that migspec does not know")
        machine.run()
        self.root = machine.run()
        self._storages = self._find_storages(machine.run(), cursor)
        self.operations = machine.operations

    def storage(self, reference: object) -> FoundStorage:
        """The storage that the pickle refers to: `Storages`."""
        return found_storage(self._path, reference, self._storages.get)

    def _referenced(self, identifier: object) -> StorageReference | Global:
        found = referenced(self._path, identifier)
        if isinstance(found, StorageReference):  # the first reference counts: the file has the elements of that dtype
            self._itemsizes.setdefault(found.key, storage_itemsize(found.dtype))
        return found

    def _find_storages(self, keys: object, cursor: Cursor) -> dict[str, PlacedBytes]:
        if not isinstance(keys, list):
            raise damaged(self._path, "it does not say which storages it has")
        storages: dict[str, PlacedBytes] = {}
        for value in keys:
            key = str(value) if type(value) is int else text_of(value)
            if key is None or key not in self._itemsizes:
                raise damaged(self._path, "it has a storage that nothing in its pickle refers to")
            length = int.from_bytes(cursor.take(8), "little") * self._itemsizes[key]
            if length > cursor.remaining:
                raise damaged(self._path, f"the storage `{key}` goes on behind the end of the file")
            storages[key] = PlacedBytes(self.place, cursor.position, length)
            cursor.skip(length)
        return storages
