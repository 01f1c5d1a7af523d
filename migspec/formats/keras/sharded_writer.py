"""Writing Keras weights in several files, after a template of as many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy

from migspec.diagnostics.model import SpecError
from migspec.formats.keras.image import Hdf5Image
from migspec.formats.keras.reader import KerasReader
from migspec.formats.keras.shards import ShardIndex
from migspec.formats.keras.writer import replaced_arrays
from migspec.formats.output import Destination
from migspec.formats.output_files import OutputFiles
from migspec.variables import VariableMap

ENDING = ".weights.json"


class ShardedKerasWriter:
    """An index and its HDF5 files in the making. Each weight lies in the file of the number in which the template has it."""

    def __init__(self, destination: Destination, variables: VariableMap, template: KerasReader, index: ShardIndex) -> None:
        """`index` is the template's. Raises `SpecError` as `KerasWriter` and `OutputFiles` do."""
        replaced = replaced_arrays(destination.path, variables, template)
        self._template = template
        self._destination = destination
        final = Path(destination.path)
        names = {name: _shard_name(final.name, number) for number, name in enumerate(index.names)}
        self._text = _index_text(index, names)
        self._files = OutputFiles(destination, [*(str(final.parent / name) for name in names.values()), destination.path])
        self._images: list[Hdf5Image] = []
        try:
            for number, shard in enumerate(template.shards):
                own = [array for array in replaced if array.shard == number]
                self._images.append(Hdf5Image(shard, self._files.files[number], 0, own))
        except SpecError:
            self.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        for array in self._template.array(name).places:
            self._images[array.shard].write(array, offset, data)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        for array in self._template.array(name).places:
            self._images[array.shard].write_strings(array, values)

    def commit(self) -> None:
        for image in self._images:
            image.finish()
        self._files.index.pwrite(self._text, 0)
        self._files.commit(_files_of(self._destination.path))

    def abort(self) -> None:
        for image in self._images:
            image.abort()
        self._files.abort()


def _shard_name(index: str, number: int) -> str:
    """What Keras calls the file of this number beside an index (`ShardedH5IOStore._create_new_shard_file`)."""
    return f"{index.removesuffix(ENDING).removesuffix('.json')}_{number:05}.weights.h5"


def _index_text(index: ShardIndex, names: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {}
    for group, files in index.groups.items():
        renamed = [names[name] for name in files]
        entries[group] = renamed[0] if len(renamed) == 1 else renamed
    return json.dumps({"metadata": index.metadata, "weight_map": entries}, indent=4).encode()


def _files_of(path: str) -> list[Path]:
    """The files of the index that stands at `path` and will be replaced."""
    try:
        return [Path(file) for file in ShardIndex.read(path).files if file.endswith(".weights.h5")]
    except SpecError:
        return []
