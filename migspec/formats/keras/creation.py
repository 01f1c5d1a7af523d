"""Which writer makes a Keras file, or another HDF5 file: after the target if it is such a file, else from its variable map."""

from __future__ import annotations

from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.base import Reader, Writer
from migspec.formats.keras.placed_writer import PlacedWriter
from migspec.formats.keras.reader import (
    ARCHIVE_FORMAT,
    LEGACY_FORMAT,
    OTHER_FORMAT,
    SHARDED_FORMAT,
    WEIGHTS_FORMAT,
    KerasReader,
)
from migspec.formats.keras.sharded_writer import ENDING, ShardedKerasWriter
from migspec.formats.keras.writer import KerasWriter
from migspec.formats.output import Destination
from migspec.variables import VariableMap

_NO_TEMPLATE = "write npz or safetensors, which need no template"


def create_keras_writer(destination: Destination, variables: VariableMap, format: str, template: Reader | None) -> Writer:
    """A writer of `format`, one of those above. Raises `SpecError`: MIG508 if the template is not of the kind that the format asks
    for, else as the writers."""
    path = destination.path
    keras = template if isinstance(template, KerasReader) else None
    kind = keras.format if keras else None
    match format:
        case "keras":
            if keras is None or kind != ARCHIVE_FORMAT:
                raise _wanted(
                    path, "a `.keras` file", "a `.keras` file", "it holds the model's configuration, which nothing else has"
                )
            return KerasWriter(destination, variables, keras, archive=True)
        case "weights.json":
            if keras is None or keras.index is None or kind != SHARDED_FORMAT:
                cause = "how the weights are divided is taken from it"
                raise _wanted(path, "a model's weights in several files (`.weights.json`)", "such an index", cause)
            if not path.endswith(ENDING):
                raise file_error(
                    "MIG508", path, f"Keras loads weights in several files only from a name that ends in `{ENDING}`"
                )
            return ShardedKerasWriter(destination, variables, keras, keras.index)
        case "weights.h5":
            if keras is not None and kind in (WEIGHTS_FORMAT, ARCHIVE_FORMAT):
                return KerasWriter(destination, variables, keras, archive=False)
            if keras is not None and kind in (LEGACY_FORMAT, OTHER_FORMAT):
                raise _other_kind(path, keras)
            return PlacedWriter(destination, variables)
        case _:
            if keras is None or kind not in (LEGACY_FORMAT, OTHER_FORMAT):
                cause = "which groups and attributes it has is taken from it"
                raise _wanted(
                    path, "a legacy Keras file or another HDF5 file", "a legacy Keras or other HDF5 file", cause, path
                )
            return KerasWriter(destination, variables, keras, archive=False)


def _wanted(path: str, what: str, template: str, note: str, named: str | None = None) -> SpecError:
    helps = [f"name {template} as the target"]
    if named is not None:
        helps.append(f"call the output `{named.removesuffix('.hdf5').removesuffix('.h5')}.weights.h5` for Keras 3's format")
    else:
        helps.append("name a live Keras model as the target, and Keras writes the file")
    return file_error(
        "MIG508", path, f"{what} is written after {template}, and the target is none", [note], [*helps, _NO_TEMPLATE]
    )


def _other_kind(path: str, template: KerasReader) -> SpecError:
    kind = "a legacy Keras file" if template.format == LEGACY_FORMAT else "no file of Keras"
    base = path.removesuffix(".weights.h5")
    return file_error(
        "MIG508",
        path,
        f"`{template.path}` is {kind}, so no `.weights.h5` file can be written after it",
        helps=[f"call the output `{base}.h5`, or say `--format {template.format}`", _NO_TEMPLATE],
    )
