"""Which adapter writes an output: by the format that is asked for, by the ending of its name, or as the target is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migspec.diagnostics.model import SpecError, file_error
from migspec.diagnostics.suggest import nearest
from migspec.formats.base import Reader, Writer
from migspec.formats.output import Destination
from migspec.variables import VariableMap

if TYPE_CHECKING:
    from migspec.formats.keras.reader import KerasReader

_ENDINGS: dict[str, tuple[str, ...]] = {
    "npz": (".npz",),
    "safetensors": (".safetensors",),
    "weights.h5": (".weights.h5",),
    "keras": (".keras",),
}
"""The formats that are written, with the endings that a name of each may have; the first is the usual one."""

_NAMED_FREELY: tuple[str, ...] = ()
"""Those whose outputs often have no such ending: a target of one of them says what a name leaves open."""


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
    if path.endswith((".h5", ".hdf5")):
        help_text = f"call it `{path.removesuffix('.hdf5').removesuffix('.h5')}.weights.h5` for Keras 3's format"
        raise file_error("MIG508", path, "the legacy Keras format `.h5` is not written by this version", helps=[help_text])
    if template is not None and template.format in _NAMED_FREELY:
        return template.format
    raise _cannot_write(path, f"the name `{path}` does not say in which format to write", [])


def create_writer(
    destination: Destination, variables: VariableMap, *, format: str | None = None, template: Reader | None = None
) -> Writer:
    """A writer for `variables` into a new output.

    `template` is an open file whose structure the output takes over: of the same format, or a `.keras` file for a
    `.weights.h5` output. Its variables that are not in `variables` keep their values. It must stay open until `commit`.
    Raises `SpecError` before anything is written: MIG506 and MIG507 as `Destination.refuse`, MIG508 if the format cannot hold a
    variable or needs a template, MIG514 if the file cannot be created.
    """
    chosen = format_of(destination.path, format, template)
    destination.refuse()
    match chosen:
        case "npz":
            from migspec.formats.npz import NpzWriter

            return NpzWriter(destination, variables)
        case "safetensors":
            from migspec.formats.safetensors import SafetensorsReader, SafetensorsWriter

            metadata = template.metadata if isinstance(template, SafetensorsReader) else None
            return SafetensorsWriter(destination, variables, metadata)
        case _:
            from migspec.formats.keras.writer import KerasWriter

            keras = _keras_template(destination.path, chosen, template)
            return KerasWriter(destination, variables, keras, archive=chosen == "keras")


def _keras_template(path: str, format: str, template: Reader | None) -> KerasReader:
    from migspec.formats.keras.reader import KerasReader

    if isinstance(template, KerasReader) and (format == "weights.h5" or template.format == "keras"):
        return template
    wanted = "a `.keras` file" if format == "keras" else "a `.weights.h5` or `.keras` file"
    raise file_error(
        "MIG508",
        path,
        f"a `{_ENDINGS[format][0]}` file is written after {wanted}, and the target is none",
        helps=["name such a file, or a live Keras model, as the target", "write npz or safetensors, which need no template"],
    )


def _cannot_write(path: str, cause: str, near: list[str]) -> SpecError:
    endings = ", ".join(f"`{ending}`" for endings in _ENDINGS.values() for ending in endings)
    helps = [f"did you mean `{near[0]}`?"] if near else []
    helps.append(f"name the output with one of the endings {endings}, or say `--format {'|'.join(_ENDINGS)}`")
    return file_error("MIG508", path, cause, helps=helps)
