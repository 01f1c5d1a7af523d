"""Which adapter writes an output: by the format that is asked for, by the ending of its name, or as the target is."""

from __future__ import annotations

import re
from pathlib import Path

from migspec.diagnostics.model import SpecError, file_error
from migspec.diagnostics.suggest import nearest
from migspec.formats.base import Reader, Writer
from migspec.formats.output import Destination
from migspec.variables import VariableMap

_ENDINGS: dict[str, tuple[str, ...]] = {
    "npz": (".npz",),
    "safetensors": (".safetensors", ".safetensors.index.json"),
    "weights.h5": (".weights.h5",),
    "weights.json": (".weights.json",),
    "keras": (".keras",),
    "keras-h5": (".h5",),
    "hdf5": (".hdf5",),
    "tensorflow-bundle": (".ckpt", ".index"),
    "saved-model": (),
    "flax": (".msgpack",),
    "orbax": (),
}
"""The formats that are written, with the endings that a name of each may have; the first is the usual one."""

_NAMED_FREELY = ("tensorflow-bundle", "saved-model", "orbax")
"""Those whose outputs often have no such ending: a target of one of them says what a name leaves open."""

_NUMBERED = re.compile(r"\.ckpt-\d+\Z")  # a checkpoint of a certain step, as TensorFlow's Saver names it

_READ_ONLY: dict[tuple[str, ...], tuple[str, str]] = {
    (".pt", ".pth", ".bin"): ("PyTorch files", "name the output `.safetensors`, which `safetensors.torch.load_file` loads"),
    (".npy", ".pkl", ".pickle"): ("`.npy` files and pickles", "name the output `.npz`, which `numpy.load` loads"),
    (".onnx",): ("ONNX models", "name the output `.npz` or `.safetensors`"),
    (".pb",): ("frozen graphs", "name the output `.ckpt` for a checkpoint; a SavedModel is written after one as target"),
    (".tflite",): ("TensorFlow Lite models", "fill the model that it is converted from"),
}
"""Endings of what is not written, with what it is, and what to do."""

_FOLDERS = ("saved-model", "orbax")
"""Those that are folders, into which nothing else belongs."""


def writable_format_names() -> tuple[str, ...]:
    """The formats that `--format` takes."""
    return tuple(_ENDINGS)


def format_of(path: str, format: str | None = None, template: Reader | None = None) -> str:
    """The format that an output is written in: `format`, or what the ending of its name says, or else, for some, that of the target.

    MIG508 if that is none.
    """
    if format is not None:
        if format in _ENDINGS:
            return format
        raise _cannot_write(path, f"there is no output format called `{format}`", nearest(format, _ENDINGS))
    for name, endings in _ENDINGS.items():
        if path.endswith(endings):
            return name
    if _NUMBERED.search(path):
        return "tensorflow-bundle"
    for endings, (kind, instead) in _READ_ONLY.items():
        if path.endswith(endings):
            raise file_error("MIG508", path, f"migspec writes no {kind}", helps=(instead,))
    if template is not None and template.format in _NAMED_FREELY:
        return template.format
    raise _cannot_write(path, f"the name `{path}` does not say in which format to write", [])


def create_writer(
    destination: Destination,
    variables: VariableMap,
    *,
    format: str | None = None,
    template: Reader | None = None,
    shard_size: int | None = None,
) -> Writer:
    """A writer for `variables` into a new output.

    `template` is an open file whose structure the output takes over: of the same format, or a `.keras` file for a
    `.weights.h5` output, which a variable map with the places of all variables is enough for. Its variables that are not in
    `variables` keep their values. It must stay open until `commit`. `shard_size` is how many bytes of values a file may have, where
    an output may have several.

    Raises `SpecError` before anything is written: MIG506 and MIG507 as `Destination.refuse`, MIG508 if the format cannot hold a
    variable or needs a template, MIG514 if the file cannot be created.
    """
    chosen = format_of(destination.path, format, template)
    refuse_output(destination, chosen, shard_size)
    match chosen:
        case "npz":
            from migspec.formats.npz import NpzWriter

            return NpzWriter(destination, variables)
        case "safetensors":
            from migspec.formats.safetensors.creation import create_safetensors_writer

            return create_safetensors_writer(destination, variables, template, shard_size)
        case "flax":
            from migspec.formats.flax.reader import FlaxReader
            from migspec.formats.flax.writer import FlaxWriter

            return FlaxWriter(destination, variables, template if isinstance(template, FlaxReader) else None)
        case "orbax":
            from migspec.formats.orbax.reader import OrbaxReader
            from migspec.formats.orbax.writer import OrbaxWriter

            return OrbaxWriter(destination, variables, template if isinstance(template, OrbaxReader) else None)
        case "tensorflow-bundle" | "saved-model":
            from migspec.formats.tensorflow_bundle.creation import create_tensorflow_writer

            return create_tensorflow_writer(destination, variables, chosen, template)
        case _:
            from migspec.formats.keras.creation import create_keras_writer

            return create_keras_writer(destination, variables, chosen, template)


def read_places(reader: Reader) -> tuple[str, ...]:
    """Where no output may go: the files of a side that is read, and its folder where that is one thing as a whole."""
    return (*reader.files, reader.path) if reader.format in _FOLDERS and Path(reader.path).is_dir() else reader.files


def refuse_output(destination: Destination, format: str, shard_size: int | None = None) -> None:
    """What is not allowed at a destination, known before anything is written: as `Destination.refuse`, for every file of an output
    of this format. MIG508 for a `shard_size` if the format has none."""
    if shard_size is not None and format != "safetensors":
        helps = ["name the output `….safetensors`, or leave out `--shard-size`"]
        raise file_error("MIG508", destination.path, "only safetensors outputs are cut into files of a size", helps=helps)
    if format == "tensorflow-bundle":
        from migspec.formats.tensorflow_bundle.writer import refuse_bundle

        refuse_bundle(destination)
    elif format == "safetensors":
        from migspec.formats.safetensors.shards import Family

        destination.refuse()
        Family.of(destination.path).refuse(destination)
    else:
        destination.refuse()


def _cannot_write(path: str, cause: str, near: list[str]) -> SpecError:
    endings = ", ".join(f"`{ending}`" for endings in _ENDINGS.values() for ending in endings)
    helps = [f"did you mean `{near[0]}`?"] if near else []
    helps.append(f"name the output with one of the endings {endings}, or say `--format {'|'.join(_ENDINGS)}`")
    return file_error("MIG508", path, cause, helps=helps)
