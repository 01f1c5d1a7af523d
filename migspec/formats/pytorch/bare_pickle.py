"""A pickle without a container, as `pickle.dump` writes it: of numpy arrays, or of tensors, whose storages are then pickled themselves.

Such a storage is a call of `torch.storage._load_from_bytes`, with bytes in the older format of `torch.save`: `__reduce__` in
torch/storage.py.
"""

from __future__ import annotations

from migspec.formats.input import damaged, unsupported
from migspec.formats.pickled.machine import Machine
from migspec.formats.pickled.place import Cursor, PartPlace, Place
from migspec.formats.pickled.stand_ins import PickledBytes, PickledObject
from migspec.formats.pytorch.legacy_file import TorchLegacy
from migspec.formats.pytorch.storages import FoundStorage


class BarePickle:
    """What a file of pickles holds: one value, or, if there are several pickles in a row, a list of them. Raises SpecError."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._nested: dict[int, TorchLegacy] = {}
        cursor = Cursor(place)
        machine = Machine(cursor)
        values = [machine.run()]
        while cursor.remaining:
            values.append(machine.run())
        self.root = values[0] if len(values) == 1 else values
        self.operations = machine.operations

    def storage(self, value: object) -> FoundStorage:
        """The storage that is pickled here: `Storages`."""
        match value:
            case PickledObject(path="torch.storage._load_from_bytes", arguments=(PickledBytes(coding="bytes") as content,)):
                if content.offset not in self._nested:
                    self._nested[content.offset] = TorchLegacy(PartPlace(self.place, content.offset, content.length))
                nested = self._nested[content.offset]
                return nested.storage(nested.root)
            case PickledObject(path="torch.storage._load_from_bytes"):
                raise unsupported(self.place.path, "its tensors are pickled as text", "save them with `torch.save`")
        raise damaged(self.place.path, "a tensor in its pickle is no view of a storage")
