"""Reading Keras' files: `.keras`, `.weights.h5` in one file or several, legacy `.h5`; and any other HDF5 file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy

from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.base import Extent
from migspec.formats.input import InputFile
from migspec.formats.keras.archive import KerasArchive
from migspec.formats.keras.candidates import Candidate, NamedArray, settled
from migspec.formats.keras.hdf5 import Hdf5File
from migspec.formats.keras.legacy import legacy_arrays, weights_group
from migspec.formats.keras.names import named_arrays
from migspec.formats.keras.part import Part
from migspec.formats.keras.shards import ShardIndex, merged
from migspec.formats.keras.tree import Group
from migspec.variables import VariableMap

WEIGHTS_FORMAT = "weights.h5"
SHARDED_FORMAT = "weights.json"
ARCHIVE_FORMAT = "keras"
LEGACY_FORMAT = "keras-h5"
OTHER_FORMAT = "hdf5"


class KerasReader:
    """An open file of one of the five formats above. `open_hdf5`, `open_shards` and `open_archive` make one."""

    def __init__(
        self,
        path: str,
        format: str,
        shards: Sequence[Hdf5File],
        named: Iterable[NamedArray],
        *,
        archive: KerasArchive | None = None,
        index: ShardIndex | None = None,
    ) -> None:
        """`shards` are the HDF5 files; `archive` or `index` what stands around them. All are closed with the reader."""
        self._path, self._format, self._shards = path, format, tuple(shards)
        self.archive = archive
        self.index = index
        self._arrays = {one.variable.name: one for one in named}
        self._map = VariableMap.of(path, (one.variable for one in self._arrays.values()))
        self._is_open = True

    @property
    def format(self) -> str:
        return self._format

    @property
    def path(self) -> str:
        return self._path

    @property
    def files(self) -> tuple[str, ...]:
        return (self._path,) if self.index is None else (self._path, *self.index.files)

    @property
    def shards(self) -> tuple[Hdf5File, ...]:
        """The HDF5 files."""
        return self._shards

    @property
    def variables(self) -> VariableMap:
        return self._map

    def array(self, name: str) -> NamedArray:
        """The datasets behind a variable."""
        return self._arrays[name]

    def extent(self, name: str) -> Extent | None:
        array = self._arrays[name].array
        if array.offset is None or array.nbytes == 0 or (self.archive and not self.archive.in_place):
            return None
        part = self._shards[array.shard].part
        return Extent(part.file.path, part.start + array.offset, array.nbytes, array.byte_order)

    def read(self, name: str) -> numpy.ndarray:
        if not self._is_open:
            raise ValueError("the file is closed")
        array = self._arrays[name].array
        return self._shards[array.shard].read(array)

    def close(self) -> None:
        self._is_open = False
        for shard in self._shards:
            _close(shard, self.archive)


def open_hdf5(path: str) -> KerasReader:
    """A `.weights.h5` file, a legacy `.h5` file or any other HDF5 file, by what it holds.

    Raises `SpecError`: MIG501, MIG502 if it holds no dataset and is none of Keras', MIG503, MIG505, MIG513.
    """
    file = _open(InputFile(path))
    try:
        group = weights_group(file)
        if group is not None:
            tree = file.tree(opaque_is_bfloat16=True)
            return KerasReader(path, LEGACY_FORMAT, [file], legacy_arrays(file, tree, group))
        tree = file.tree()
        if tree.has_objects:
            return KerasReader(path, WEIGHTS_FORMAT, [file], named_arrays(tree, None))
        return KerasReader(path, OTHER_FORMAT, [file], _by_path(path, tree))
    except BaseException:
        _close(file, None)
        raise


def open_shards(path: str) -> KerasReader:
    """A `.weights.json` file, the index of a model's weights in several files. Raises `SpecError` as `open_hdf5` does."""
    index = ShardIndex.read(path)
    shards: list[Hdf5File] = []
    try:
        for name in index.files:
            shards.append(_open(InputFile(name)))  # noqa: PERF401 (what was opened before an error is closed)
        tree = merged(index, [shard.tree() for shard in shards])
        return KerasReader(path, SHARDED_FORMAT, shards, named_arrays(tree, None), index=index)
    except BaseException:
        for shard in shards:
            _close(shard, None)
        raise


def open_archive(path: str) -> KerasReader:
    """A `.keras` file. Raises `SpecError`: MIG501, MIG503, MIG505, MIG513."""
    archive = KerasArchive(path)
    try:
        file = Hdf5File(path, archive.weights)
    except BaseException:
        archive.close()
        raise
    try:
        return KerasReader(path, ARCHIVE_FORMAT, [file], named_arrays(file.tree(), archive.config), archive=archive)
    except BaseException:
        _close(file, archive)
        raise


def _open(file: InputFile) -> Hdf5File:
    try:
        return Hdf5File(file.path, Part(file, 0, file.size))
    except BaseException:
        file.close()
        raise


def _close(file: Hdf5File, archive: KerasArchive | None) -> None:
    """Close an HDF5 file and what it lies in, in this order: libhdf5 reads while it closes."""
    try:
        file.close()
    finally:
        if archive is not None:
            archive.close()
        else:
            file.part.file.close()


def _by_path(path: str, tree: Group) -> tuple[NamedArray, ...]:
    """The datasets of a file of an unknown kind, by their paths."""
    named = settled([Candidate(array, (), array.path, ()) for array in tree.walk()])
    if not named:
        raise _empty(path)
    return named


def _empty(path: str) -> SpecError:
    return file_error("MIG502", path, f"`{path}` is not a format that migspec reads: it is an HDF5 file without any dataset")
