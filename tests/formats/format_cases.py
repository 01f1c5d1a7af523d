"""Each format with its framework's own writer and reader, the oracles of the conformance suite."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Arrays = Mapping[str, numpy.ndarray]

NUMPY_DTYPES = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool",
)  # fmt: skip
SMALL_FLOATS = ("bfloat16", "float8_e4m3fn", "float8_e5m2")


@dataclass(frozen=True)
class FormatCase:
    """A format: `save` and `load` are the framework's; `path` is what a user names, `files` what lies on the disk."""

    name: str
    file: str
    dtypes: tuple[str, ...]
    save: Callable[[Path, Arrays], None]
    load: Callable[[Path], Arrays] | None
    writable: bool = True
    files: tuple[str, ...] = ()
    mutations: int = 1000

    def on_disk(self, folder: Path) -> list[Path]:
        return [folder / name for name in self.files or (self.file,)]


def dtype_of(name: str) -> numpy.dtype:
    return numpy.dtype(getattr(ml_dtypes, name) if name in SMALL_FLOATS else name)


def sample(dtype: str, shape: tuple[int, ...], seed: int = 0) -> numpy.ndarray:
    """Reproducible values of a dtype."""
    values = numpy.random.default_rng(seed).uniform(-60, 60, shape)
    if dtype.startswith("complex"):
        return (values + 1j * values[::-1]).astype(dtype) if shape else numpy.asarray(values + 2j).astype(dtype)
    if dtype == "bool":
        return numpy.asarray(values > 0)
    return (
        numpy.abs(values).astype(dtype_of(dtype)) if dtype.startswith("uint") else numpy.asarray(values).astype(dtype_of(dtype))
    )


def _save_npz(path: Path, arrays: Arrays) -> None:
    numpy.savez(path, **arrays)


def _save_compressed(path: Path, arrays: Arrays) -> None:
    numpy.savez_compressed(path, **arrays)


def _load_npz(path: Path) -> Arrays:
    with numpy.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _save_safetensors(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save_file

    save_file({name: numpy.array(value, order="C", ndmin=0) for name, value in arrays.items()}, str(path))


def _load_safetensors(path: Path) -> Arrays:
    from safetensors.numpy import load_file

    return load_file(str(path))


def _fill(store: object, arrays: Arrays) -> None:
    entry = store.make("layers/holder", metadata={"name": "holder"})  # type: ignore[attr-defined]
    for name, value in arrays.items():
        entry[name.removeprefix("holder/")] = value


def _save_weights(path: Path, arrays: Arrays) -> None:
    from keras.src.saving.saving_lib import H5IOStore

    store = H5IOStore(path, mode="w")
    _fill(store, arrays)
    store.close()


def _load_weights(path: Path) -> Arrays:
    from keras.src.saving.saving_lib import H5IOStore

    store = H5IOStore(path, mode="r")
    entry = store.get("layers/holder")
    arrays = {f"holder/{key}": numpy.array(entry[key]) for key in entry.keys()}  # noqa: SIM118
    store.close()
    return arrays


def _save_archive(path: Path, arrays: Arrays) -> None:
    from keras.src.saving.saving_lib import H5IOStore

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        store = H5IOStore("model.weights.h5", archive=archive, mode="w")
        _fill(store, arrays)
        store.close()


def _load_archive(path: Path) -> Arrays:
    from keras.src.saving.saving_lib import H5IOStore

    with zipfile.ZipFile(path) as archive:
        store = H5IOStore("model.weights.h5", archive=archive, mode="r")
        entry = store.get("layers/holder")
        arrays = {f"holder/{key}": numpy.array(entry[key]) for key in entry.keys()}  # noqa: SIM118
        store.close()
    return arrays


def _save_bundle(path: Path, arrays: Arrays) -> None:
    import tensorflow as tf

    tensors = [tf.constant(value) for value in arrays.values()]
    tf.raw_ops.SaveV2(prefix=str(path), tensor_names=list(arrays), shape_and_slices=[""] * len(arrays), tensors=tensors)


CASES = (
    FormatCase("npz", "a.npz", (*NUMPY_DTYPES, "complex64", "complex128"), _save_npz, _load_npz),
    FormatCase("npz", "deflated.npz", (*NUMPY_DTYPES, "complex64"), _save_compressed, _load_npz, mutations=300),
    FormatCase("safetensors", "a.safetensors", (*NUMPY_DTYPES, "complex64"), _save_safetensors, _load_safetensors),
    FormatCase("weights.h5", "a.weights.h5", (*NUMPY_DTYPES, "bfloat16"), _save_weights, _load_weights),
    FormatCase("keras", "a.keras", (*NUMPY_DTYPES, "bfloat16"), _save_archive, _load_archive),
    FormatCase(
        "tensorflow-bundle", "model-1", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), _save_bundle, None,
        writable=False, files=("model-1.index", "model-1.data-00000-of-00001"),
    ),
)  # fmt: skip
