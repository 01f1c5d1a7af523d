"""Writing a bundle: a data file and the index, which appear together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy

from migspec.diagnostics import file_error
from migspec.formats.output import Destination
from migspec.formats.output_files import OutputFiles
from migspec.formats.tensorflow_bundle.content import BundleContent
from migspec.formats.tensorflow_bundle.layout import layout
from migspec.formats.tensorflow_bundle.location import index_path, prefix_named, shard_path, shards_of
from migspec.formats.tensorflow_bundle.reader import BundleReader
from migspec.variables import VariableMap


class BundleWriter:
    """A bundle in the making: one data file, little endian, and its index.

    Without a template it is name-based: a variable's key is its name. With one it is the template with other values. No state
    file `checkpoint` is written or changed, as by `tf.train.Checkpoint.write`.
    """

    def __init__(self, destination: Destination, variables: VariableMap, template: BundleReader | None) -> None:
        """`destination` is a prefix, or the index or a data file of one. SpecError as `layout` and `refuse_bundle`, and as
        `OutputFiles`."""
        items = layout(destination.path, variables, template)
        old = refuse_bundle(destination)
        self._old_shards = old if destination.overwrite else ()
        prefix = prefix_named(destination.path)
        self._files = OutputFiles(destination, [shard_path(prefix, 0, 1), index_path(prefix)])
        try:
            self._content = BundleContent(self._files.files[0], items, template)
        except BaseException:
            self._files.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        self._content.write(name, offset, data)

    def write_many(self, values: Sequence[tuple[str, memoryview]]) -> None:
        self._content.write_many(values)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        self._content.write_strings(name, values)

    def commit(self) -> None:
        self._files.index.pwrite(self._content.finish(), 0)
        self._content.close()
        self._files.commit(stale=map(Path, self._old_shards))

    def abort(self) -> None:
        self._content.close()
        self._files.abort()


def refuse_bundle(destination: Destination) -> tuple[str, ...]:
    """The data files that an output there would replace or remove.

    SpecError as `Destination.refuse`, for the prefix, the index and these files alike; MIG514 if the prefix is a folder.
    """
    prefix = prefix_named(destination.path)
    if os.path.basename(prefix):  # noqa: PTH119 (a path object has no empty basename)
        if os.path.isdir(prefix):  # noqa: PTH112 (Path.is_dir raises on a name that is too long)
            raise file_error(
                "MIG514",
                destination.path,
                f"`{prefix}` cannot be written: it is a folder, and a TensorFlow checkpoint is named by a prefix",
                helps=[f"name a checkpoint in that folder: `{os.path.join(prefix, 'model.ckpt')}`"],  # noqa: PTH118 (as the user wrote it)
            )
        destination.at(prefix).refuse()
    destination.at(index_path(prefix)).refuse()
    try:
        shards = shards_of(prefix)
    except OSError:
        shards = ()
    for shard in shards:
        replace(destination, overwrite=True).at(shard).refuse()
    return shards
