"""Opening PyTorch files and bare pickles: the container, then the tensors in what its pickle holds, then their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from migspec.formats.input import InputFile
from migspec.formats.pickled.array_reader import ArrayReader
from migspec.formats.pickled.place import FilePlace
from migspec.formats.pickled.stand_ins import PickledDict, PickledObject, mapping_pairs
from migspec.formats.pickled.walk import find_arrays
from migspec.formats.pytorch.bare_pickle import BarePickle
from migspec.formats.pytorch.contents import torch_interpretation
from migspec.formats.pytorch.legacy_file import TorchLegacy
from migspec.formats.pytorch.names import checkpoint_names
from migspec.formats.pytorch.zip_file import TorchZip
from migspec.formats.zip_members import ZipMembers

TORCH = "torch"
PICKLE = "pickle"

_Container: TypeAlias = TorchZip | TorchLegacy | BarePickle


def open_zip(path: str) -> ArrayReader:
    """A file of `torch.save` since PyTorch 1.6, or of `torch.jit.save`. Raises SpecError: MIG501, MIG503 to MIG505."""
    file = InputFile(path)
    try:
        members = ZipMembers(file)
        try:
            return _reader(TORCH, TorchZip(file, members), (members.close, file.close))
        except BaseException:
            members.close()
            raise
    except BaseException:
        file.close()
        raise


def open_legacy(path: str) -> ArrayReader:
    """A file of `torch.save` before PyTorch 1.6. Raises SpecError: MIG501, MIG503, MIG505."""
    file = InputFile(path)
    try:
        return _reader(TORCH, TorchLegacy(FilePlace(file)), (file.close,))
    except BaseException:
        file.close()
        raise


def open_pickle(path: str) -> ArrayReader:
    """A file of `pickle.dump`. Raises SpecError: MIG501, MIG503, MIG505."""
    file = InputFile(path)
    try:
        return _reader(PICKLE, BarePickle(FilePlace(file)), (file.close,))
    except BaseException:
        file.close()
        raise


def _reader(format: str, container: _Container, close: tuple[Callable[[], None], ...]) -> ArrayReader:
    path, root = container.place.path, container.root
    interpret = torch_interpretation(container.place, container.storage)
    found = find_arrays(root, interpret, path, container.operations)
    named = checkpoint_names(
        found,
        is_dict=isinstance(root, PickledDict) or (isinstance(root, PickledObject) and bool(root.pairs or mapping_pairs(root))),
        separator="." if format == TORCH else "/",
        alone=Path(path).stem,
    )
    return ArrayReader(format, path, named, close)
