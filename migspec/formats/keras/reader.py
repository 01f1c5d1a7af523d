"""Reading `.weights.h5` and `.keras` files of Keras 3."""

from __future__ import annotations

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.base import Extent
from migspec.formats.input import InputFile
from migspec.formats.keras.archive import KerasArchive
from migspec.formats.keras.hdf5 import Hdf5File
from migspec.formats.keras.names import NamedArray, named_arrays
from migspec.formats.keras.part import Part
from migspec.formats.keras.tree import Group
from migspec.variables import VariableMap

WEIGHTS_FORMAT = "weights.h5"
ARCHIVE_FORMAT = "keras"


class KerasReader:
    """An open `.weights.h5` or `.keras` file. `open_weights` and `open_archive` make one."""

    def __init__(self, part: Part, archive: KerasArchive | None) -> None:
        """`part` is the HDF5 file; `archive` the `.keras` file around it, if there is one. Both are closed with the reader."""
        self.part = part
        self.archive = archive
        self._hdf5: Hdf5File | None = None
        try:
            self._hdf5 = Hdf5File(part.file.path, part)
            tree = self._hdf5.tree()
            if not _has_objects(tree):
                raise _not_keras(self.path, self._hdf5.attributes())
            self._arrays: dict[str, NamedArray] = {}
            for named in named_arrays(tree, archive.config if archive else None):
                self._arrays[named.variable.name] = named
        except BaseException:
            self.close()
            raise
        self._map = VariableMap.of(self.path, (named.variable for named in self._arrays.values()))

    @property
    def format(self) -> str:
        return ARCHIVE_FORMAT if self.archive else WEIGHTS_FORMAT

    @property
    def path(self) -> str:
        return self.part.file.path

    @property
    def files(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def variables(self) -> VariableMap:
        return self._map

    def array(self, name: str) -> NamedArray:
        """The datasets behind a variable."""
        return self._arrays[name]

    def extent(self, name: str) -> Extent | None:
        array = self._arrays[name].array
        if array.offset is None or dtypes.itemsize(array.dtype) == 0 or (self.archive and not self.archive.in_place):
            return None
        return Extent(self.path, self.part.start + array.offset, self._map[name].nbytes, array.byte_order)

    def read(self, name: str) -> numpy.ndarray:
        if self._hdf5 is None:
            raise ValueError("the file is closed")
        return self._hdf5.read(self._arrays[name].array)

    def close(self) -> None:
        if self._hdf5 is not None:
            hdf5, self._hdf5 = self._hdf5, None
            hdf5.close()
        if self.archive is not None:
            self.archive.close()
        else:
            self.part.file.close()


def open_weights(path: str) -> KerasReader:
    """A `.weights.h5` file. Raises `SpecError`: MIG501, MIG502 for an HDF5 file of another kind, MIG503, MIG505, MIG513."""
    file = InputFile(path)
    return KerasReader(Part(file, 0, file.size), None)


def open_archive(path: str) -> KerasReader:
    """A `.keras` file. Raises `SpecError` as `open_weights` does."""
    archive = KerasArchive(path)
    return KerasReader(archive.weights, archive)


def _has_objects(group: Group) -> bool:
    return group.is_object or any(_has_objects(child) for child in group.children)


def _not_keras(path: str, attributes: frozenset[str]) -> SpecError:
    if attributes & {"layer_names", "keras_version", "model_config"}:
        cause = "it is a legacy Keras HDF5 file (`.h5`), which the next version of migspec reads"
        help_text = "load it in Keras and save it as `.weights.h5` or `.keras`"
    else:
        cause = "it is an HDF5 file, but not one that Keras 3 wrote"
        help_text = "save the weights with `model.save_weights('NAME.weights.h5')`"
    return file_error("MIG502", path, f"`{path}` is not a format that migspec reads: {cause}", helps=[help_text])
