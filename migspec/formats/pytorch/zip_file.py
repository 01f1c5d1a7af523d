"""The zip format of `torch.save` since PyTorch 1.6, and TorchScript's: `data.pkl`, and a stored member for each storage.

The layout: `_save` and `_load` in torch/serialization.py, and caffe2/serialize/inline_container.h. The members lie in one folder;
`byteorder` says in which order the values are (little, where it is missing).
"""

from __future__ import annotations

import zlib
from typing import Literal

from migspec.diagnostics.model import file_error
from migspec.formats.input import InputFile, damaged, unsupported
from migspec.formats.pickled.machine import Machine
from migspec.formats.pickled.place import Cursor, Place, member_place
from migspec.formats.pickled.stored_array import PlacedBytes
from migspec.formats.pytorch.storages import FoundStorage, found_storage, referenced
from migspec.formats.zip_members import ZipMembers

_CHECKED_PICKLE = 1 << 26  # bytes: a longer one holds values as well, and is not read twice


class TorchZip:
    """One such file: what its pickle holds, and where its storages are. Raises SpecError: MIG503, MIG504, MIG505."""

    def __init__(self, file: InputFile, members: ZipMembers) -> None:
        self._path = file.path
        self._members = members
        self._folder = self._find_folder()
        self._storages: dict[str, PlacedBytes] = {}
        self._byte_order = self._find_byte_order()
        self.place: Place = member_place(members, f"{self._folder}data.pkl")
        self._check_pickle()
        machine = Machine(Cursor(self.place), lambda identifier: referenced(self._path, identifier))
        self.root = machine.run()
        self.operations = machine.operations

    def storage(self, reference: object) -> FoundStorage:
        """The storage that the pickle refers to: `Storages`."""
        return found_storage(self._path, reference, self._whole, self._byte_order)

    def _whole(self, key: str) -> PlacedBytes | None:
        member = f"{self._folder}data/{key}"
        if key not in self._storages and member in self._members.infos:
            place = member_place(self._members, member)
            self._storages[key] = PlacedBytes(place, 0, place.size, self._checksum(member))
        return self._storages.get(key)

    def _find_folder(self) -> str:
        folders = {name.removesuffix("data.pkl") for name in self._members.infos if name.rsplit("/", 1)[-1] == "data.pkl"}
        highest = min((folder.count("/") for folder in folders), default=0)
        [*found] = {folder for folder in folders if folder.count("/") == highest}
        if len(found) != 1:
            raise damaged(self._path, f"it has {len(found)} members called `data.pkl` side by side, where PyTorch writes one")
        return found[0]

    def _find_byte_order(self) -> Literal["little", "big"]:
        member = f"{self._folder}byteorder"
        if member not in self._members.infos:
            return "little"
        match self._members.start(member, 16):
            case b"little":
                return "little"
            case b"big":
                return "big"
        raise unsupported(self._path, f"its member `{member}` names a byte order that migspec does not know")

    def _checksum(self, member: str) -> int | None:
        """What the zip records. `torch.serialization.set_crc32_options(False)` writes 0 instead of a checksum."""
        return self._members.infos[member].CRC or None

    def _check_pickle(self) -> None:
        recorded = self._checksum(f"{self._folder}data.pkl")
        if recorded is None or self.place.size > _CHECKED_PICKLE:
            return
        crc = 0
        for offset in range(0, self.place.size, 1 << 20):
            crc = zlib.crc32(self.place.some(1 << 20, offset), crc)
        if crc != recorded:
            raise file_error(
                "MIG504",
                self._path,
                f"`{self._path}` is damaged: its pickle does not have the checksum that the zip records for it",
                notes=[f"the CRC-32 is {crc:08x}, recorded is {recorded:08x}"],
                helps=["copy or download the file again"],
            )
