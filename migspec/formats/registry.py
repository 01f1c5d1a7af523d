"""Which adapter opens a path."""

from __future__ import annotations

from pathlib import Path

from migspec.diagnostics.model import SpecError, file_error
from migspec.diagnostics.suggest import nearest
from migspec.formats.base import Reader
from migspec.formats.input import reading_failed
from migspec.formats.live_names import live_name_help
from migspec.formats.recognition import Foreign, Recognised, recognise

_READ = (
    "TensorFlow V2 or V1 checkpoint, or SavedModel (its prefix or folder)",
    "frozen TensorFlow graph `.pb`",
    "ONNX `.onnx`",
    "Keras 3 `.weights.h5`, `.weights.json` and `.keras`",
    "legacy Keras `.h5`, and any other HDF5 file",
    "`.safetensors`",
    "`.npz`, `.npy`, and pickles of numpy arrays",
    "PyTorch `.pt`, `.pth`, `.bin`, `.ckpt`",
    "a variable map in JSON",
)


_ENDINGS_OF_FILES = (
    ".npz",
    ".npy",
    ".pt",
    ".pth",
    ".ckpt",
    ".safetensors",
    ".weights.h5",
    ".keras",
    ".h5",
    ".hdf5",
)  # that a folder may hold, named in errors


def format_names() -> tuple[str, ...]:
    """Every format that is read, as `Reader.format` spells it."""
    return (
        "tensorflow-bundle",
        "saved-model",
        "tensorflow-v1",
        "graphdef",
        "onnx",
        "npz",
        "safetensors",
        "weights.h5",
        "weights.json",
        "keras",
        "keras-h5",
        "hdf5",
        "npy",
        "pickle",
        "torch",
        "flax",
        "orbax",
        "variable-map",
    )


def open_reader(path: str) -> Reader:
    """The reader for a checkpoint, model file or variable map, chosen by what it holds, whatever it is called.

    Raises `SpecError`: MIG501 if nothing is there, MIG502 if it is of no known format, or what the format's reader finds wrong.
    """
    from migspec.formats.tensorflow_bundle import is_bundle, open_bundle
    from migspec.formats.tensorflow_v1.location import find_shards

    place = Path(path)
    try:
        is_folder, is_there = place.is_dir(), path != "" and place.exists()
        if path != "" and is_bundle(path):
            if is_folder:
                _refuse_a_second(place)
            return open_bundle(path)
        if path != "" and find_shards(path):
            return _open("tensorflow-v1", path)
        if not is_there:
            index = f"{path}.index.json"  # what several files are called together
            if path.endswith(".safetensors") and Path(index).is_file():
                return open_reader(index)
            raise _not_found(path)
        if is_folder:
            return _open_folder(place)
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
        case "npy":
            from migspec.formats.npy import open_npy

            return open_npy(path)
        case "torch":
            from migspec.formats.pytorch.reader import open_zip

            return open_zip(path)
        case "torch-legacy":
            from migspec.formats.pytorch.reader import open_legacy

            return open_legacy(path)
        case "pickle":
            from migspec.formats.pytorch.reader import open_pickle

            return open_pickle(path)
        case "tensorflow-v1":
            from migspec.formats.tensorflow_v1.reader import open_v1

            return open_v1(path)
        case "graphdef":
            from migspec.formats.graphdef import GraphDefReader

            return GraphDefReader(path)
        case "onnx":
            from migspec.formats.onnx import OnnxReader

            return OnnxReader(path)
        case "safetensors":
            from migspec.formats.safetensors import SafetensorsReader

            return SafetensorsReader(path)
        case "safetensors-index":
            from migspec.formats.safetensors import ShardedSafetensorsReader

            return ShardedSafetensorsReader(path)
        case "flax":
            from migspec.formats.flax.reader import FlaxReader

            return FlaxReader(path)
        case "orbax":
            from migspec.formats.orbax.reader import OrbaxReader

            return OrbaxReader(str(Path(path).parent))
        case "hdf5":
            from migspec.formats.keras.reader import open_hdf5

            return open_hdf5(path)
        case "weights.json":
            from migspec.formats.keras.reader import open_shards

            return open_shards(path)
        case "keras":
            from migspec.formats.keras.reader import open_archive

            return open_archive(path)
        case _:
            from migspec.formats.variable_map_json import VariableMapReader

            return VariableMapReader(path)


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


def _open_folder(place: Path) -> Reader:
    """A folder that is a checkpoint, or that holds one whose name everybody knows."""
    from migspec.formats.orbax.location import find_orbax
    from migspec.formats.safetensors.folder import checkpoint_in

    if (orbax := find_orbax(place)) is not None:
        from migspec.formats.orbax.reader import OrbaxReader

        return OrbaxReader(str(orbax))
    if (inside := checkpoint_in(place)) is not None:
        return open_reader(inside)
    raise _not_recognised(str(place), _folder(place))


def _refuse_a_second(place: Path) -> None:
    """MIG502 if a folder holds safetensors files beside a TensorFlow checkpoint, and nothing says that the latter is the one to open."""
    from migspec.formats.checkpoint_state import STATE_FILE

    said = (place / STATE_FILE, place / "saved_model.pb", place / "saved_model.pbtxt")
    other = next(iter(sorted(place.glob("*.safetensors"))), None)
    if other is None or any(file.is_file() for file in said):
        return
    message = f"the folder `{place}` holds a TensorFlow checkpoint and a safetensors one"
    index = next(iter(sorted(place.glob("*.index"))), place / "variables")
    raise file_error("MIG502", str(place), message, helps=[f"name the one that you mean: `{index}` or `{other}`"])


def _folder(place: Path) -> Foreign:
    if (place / "model.weights.h5").is_file():
        return Foreign("it is an unpacked `.keras` folder", f"name the file in it: `{place / 'model.weights.h5'}`")
    for ending in _ENDINGS_OF_FILES:
        inside = sorted(str(file) for file in place.glob(f"*{ending}"))
        if inside:
            return Foreign("it is a folder without a TensorFlow checkpoint", f"name a file in it: `{inside[0]}`")
    return Foreign("it is a folder without a TensorFlow checkpoint")
