"""The formats by name: which adapter opens a path, and which writes one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from migspec.diagnostics.model import SpecError, file_error
from migspec.diagnostics.suggest import nearest
from migspec.formats.base import Reader, Writer
from migspec.formats.input import reading_failed
from migspec.formats.live_names import live_name_help
from migspec.formats.recognition import Foreign, Recognised, recognise
from migspec.variables import VariableMap

if TYPE_CHECKING:
    from migspec.formats.keras.reader import KerasReader

_ENDINGS = {"npz": ".npz", "safetensors": ".safetensors", "weights.h5": ".weights.h5", "keras": ".keras"}
"""The formats that are written, with the ending that a name of each has."""

_NEED_A_TEMPLATE = ("weights.h5", "keras")

_READ = (
    "TensorFlow V2 checkpoint or SavedModel (its prefix or folder)",
    "Keras 3 `.weights.h5` and `.keras`",
    "`.safetensors`",
    "`.npz`",
    "a variable map in JSON",
)


def format_names() -> tuple[str, ...]:
    """Every format that is read, as `Reader.format` spells it."""
    return ("tensorflow-bundle", *_ENDINGS, "variable-map")


def writable_format_names() -> tuple[str, ...]:
    """The formats that `--format` takes."""
    return tuple(_ENDINGS)


def open_reader(path: str) -> Reader:
    """The reader for a checkpoint, model file or variable map, chosen by what it holds, whatever it is called.

    Raises `SpecError`: MIG501 if nothing is there, MIG502 if it is of no known format, or what the format's reader finds wrong.
    """
    from migspec.formats.tensorflow_bundle import is_bundle, open_bundle

    place = Path(path)
    try:
        is_folder, is_there = place.is_dir(), path != "" and place.exists()
        if path != "" and is_bundle(path):
            return open_bundle(path)
        if not is_there:
            raise _not_found(path)
        if is_folder:
            raise _not_recognised(path, _folder(place))
        if not place.is_file():
            raise _not_recognised(path, Foreign("it is no regular file"))
        found = recognise(path)
    except (OSError, ValueError) as error:  # a path with a NUL byte is a ValueError
        raise reading_failed(path, error if isinstance(error, OSError) else OSError(str(error))) from error
    match found:
        case Recognised(format):
            return _open(format, path)
        case Foreign():
            raise _not_recognised(path, found)


def _open(format: str, path: str) -> Reader:
    match format:
        case "npz":
            from migspec.formats.npz import NpzReader

            return NpzReader(path)
        case "safetensors":
            from migspec.formats.safetensors import SafetensorsReader

            return SafetensorsReader(path)
        case "weights.h5":
            from migspec.formats.keras.reader import open_weights

            return open_weights(path)
        case "keras":
            from migspec.formats.keras.reader import open_archive

            return open_archive(path)
        case _:
            from migspec.formats.variable_map_json import VariableMapReader

            return VariableMapReader(path)


def format_of(path: str, format: str | None = None) -> str:
    """The format that an output is written in: `format`, or what the ending of its name says. MIG508 if that is none."""
    if format is not None:
        if format in _ENDINGS:
            return format
        raise _cannot_write(path, f"there is no output format called `{format}`", nearest(format, _ENDINGS))
    for name, ending in _ENDINGS.items():
        if path.endswith(ending):
            return name
    if path.endswith((".h5", ".hdf5")):
        help_text = f"call it `{path.removesuffix('.hdf5').removesuffix('.h5')}.weights.h5` for Keras 3's format"
        raise file_error("MIG508", path, "the legacy Keras format `.h5` is not written by this version", helps=[help_text])
    raise _cannot_write(path, f"the name `{path}` does not say in which format to write", [])


def create_writer(
    path: str,
    variables: VariableMap,
    *,
    format: str | None = None,
    template: Reader | None = None,
    overwrite: bool = False,
    reading: Iterable[str] = (),
) -> Writer:
    """A writer for `variables` into a new file at `path`.

    `template` is an open file whose structure the output takes over: of the same format, or a `.keras` file for a
    `.weights.h5` output. Its variables that are not in `variables` keep their values. It must stay open until `commit`.
    `reading` are the files that are read meanwhile. Raises `SpecError` before anything is written: MIG506 if `path`
    exists and `overwrite` is not set, MIG507 if it is one of the files that are read, MIG508 if the format cannot hold a variable
    or needs a template, MIG514 if the file cannot be created.
    """
    chosen = format_of(path, format)
    check_output(path, (*reading, *(template.files if template else ())), overwrite=overwrite)
    match chosen:
        case "npz":
            from migspec.formats.npz import NpzWriter

            return NpzWriter(path, variables, overwrite=overwrite)
        case "safetensors":
            from migspec.formats.safetensors import SafetensorsReader, SafetensorsWriter

            metadata = template.metadata if isinstance(template, SafetensorsReader) else None
            return SafetensorsWriter(path, variables, metadata=metadata, overwrite=overwrite)
        case _:
            from migspec.formats.keras.writer import KerasWriter

            keras = _keras_template(path, chosen, template)
            return KerasWriter(path, variables, keras, archive=chosen == "keras", overwrite=overwrite)


def check_output(path: str, reading: Iterable[str], *, overwrite: bool) -> None:
    """Refuse an output that is one of the files that are read (MIG507), that exists without `overwrite` (MIG506), or whose folder
    does not exist (MIG514)."""
    from migspec.formats.output import output_exists, writing_failed

    for other in reading:
        if _is_same_file(path, other):
            raise file_error(
                "MIG507",
                path,
                f"`{path}` is read, so it cannot be the output",
                helps=["write to another file, and move it later"],
            )
    if not overwrite and os.path.lexists(path):
        raise output_exists(path)
    if not Path(path).absolute().parent.is_dir():
        raise writing_failed(path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))


def _keras_template(path: str, format: str, template: Reader | None) -> KerasReader:
    from migspec.formats.keras.reader import KerasReader

    if isinstance(template, KerasReader) and (format == "weights.h5" or template.format == "keras"):
        return template
    wanted = "a `.keras` file" if format == "keras" else "a `.weights.h5` or `.keras` file"
    raise file_error(
        "MIG508",
        path,
        f"a `{_ENDINGS[format]}` file is written after {wanted}, and the target is none",
        helps=["name such a file, or a live Keras model, as the target", "write npz or safetensors, which need no template"],
    )


def _is_same_file(left: str, right: str) -> bool:
    if os.path.realpath(left) == os.path.realpath(right):
        return True
    try:
        return Path(left).samefile(right)
    except (OSError, ValueError):
        return False


def _not_found(path: str) -> SpecError:
    folder = Path(path).parent
    live = live_name_help(path)
    helps = [] if live is None else [live]
    try:
        names = {entry.name.removesuffix(".index") for entry in folder.iterdir() if entry.suffix != ".py"}
        near = nearest(Path(path).name, names) if live is None else []
        if near:
            helps.append("did you mean " + ", ".join(f"`{folder / name}`" for name in near) + "?")
    except OSError:
        helps.append(f"there is no folder `{folder}` either")
    return file_error("MIG501", path, f"there is no file, folder or checkpoint `{path}`", helps=helps)


def _not_recognised(path: str, found: Foreign) -> SpecError:
    help_text = found.help or (live_name_help(path) if path.endswith(".py") else None)
    return file_error(
        "MIG502",
        path,
        f"`{path}` is not a format that migspec reads: {found.what}",
        notes=[f"migspec reads: {'; '.join(_READ)}"],
        helps=[help_text] if help_text else [],
    )


def _folder(place: Path) -> Foreign:
    if (place / "model.weights.h5").is_file():
        return Foreign("it is an unpacked `.keras` folder", f"name the file in it: `{place / 'model.weights.h5'}`")
    for ending in _ENDINGS.values():
        inside = sorted(str(file) for file in place.glob(f"*{ending}"))
        if inside:
            return Foreign("it is a folder without a TensorFlow checkpoint", f"name a file in it: `{inside[0]}`")
    return Foreign("it is a folder without a TensorFlow checkpoint")


def _cannot_write(path: str, cause: str, near: list[str]) -> SpecError:
    endings = ", ".join(f"`{ending}`" for ending in _ENDINGS.values())
    helps = [f"did you mean `{near[0]}`?"] if near else []
    helps.append(f"name the output with one of the endings {endings}, or say `--format {'|'.join(_ENDINGS)}`")
    return file_error("MIG508", path, cause, helps=helps)
