"""Each format with its framework's own writer and reader, the oracles of the conformance suite."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax_files
import ml_dtypes
import numpy
import pytest

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
    scattered: Callable[[str, tuple[int, ...]], bool] = lambda dtype, shape: False
    """Whether the format stores values of this dtype and shape otherwise than they lie in memory."""
    holds_empty: bool = True
    """Whether the format holds arrays without elements."""
    has_unused_bytes: bool = False
    """Whether its files may hold bytes that no value needs."""

    def on_disk(self, folder: Path) -> list[Path]:
        places = [folder / name for name in self.files or (self.file,)]
        return [
            file for place in places for file in (sorted(place.rglob("*")) if place.is_dir() else [place]) if file.is_file()
        ]


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


def _save_pickled_npy(path: Path, arrays: Arrays) -> None:
    numpy.save(path, numpy.array(dict(arrays)), allow_pickle=True)


def _save_pickle(path: Path, arrays: Arrays) -> None:
    path.write_bytes(pickle.dumps(dict(arrays), protocol=4))


def _save_objects_in_npz(path: Path, arrays: Arrays) -> None:
    """Members of objects, each a dict, as `numpy.savez(layer={...})` makes them."""
    nested: dict[str, dict[str, numpy.ndarray]] = {}
    for name, value in arrays.items():
        outer, _, inner = name.rpartition("/")
        nested.setdefault(outer, {})[inner] = value
    numpy.savez(path, **{outer: numpy.array(inner) for outer, inner in nested.items()})


def _tensors(arrays: Arrays) -> dict[str, object]:
    torch = pytest.importorskip("torch", reason="PyTorch writes its own files, and is not installed")
    tensors = {}
    for name, value in arrays.items():
        plain = value.view(f"i{value.itemsize}") if value.dtype.name in SMALL_FLOATS else value
        tensor = torch.from_numpy(numpy.array(plain, order="C", ndmin=0))
        tensors[name] = tensor.view(getattr(torch, value.dtype.name)) if plain is not value else tensor
    return tensors


def _save_torch(path: Path, arrays: Arrays) -> None:
    tensors = _tensors(arrays)
    import torch

    torch.save(tensors, path)


def _save_old_torch(path: Path, arrays: Arrays) -> None:
    tensors = _tensors(arrays)
    import torch

    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def _save_safetensors(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save_file

    save_file({name: numpy.array(value, order="C", ndmin=0) for name, value in arrays.items()}, str(path))


def _load_safetensors(path: Path) -> Arrays:
    from safetensors.numpy import load_file

    return load_file(str(path))


def _save_sharded_safetensors(path: Path, arrays: Arrays) -> None:
    """As Hugging Face's libraries do: half of the variables in each file."""
    names = list(arrays)
    files = [path.with_name(f"a-{number:05d}-of-00002.safetensors") for number in (1, 2)]
    halves = (names[: (len(names) + 1) // 2], names[(len(names) + 1) // 2 :])
    for file, half in zip(files, halves, strict=True):
        _save_safetensors(file, {name: arrays[name] for name in half})
    weight_map = {name: file.name for file, half in zip(files, halves, strict=True) for name in half}
    total = sum(value.nbytes for value in arrays.values())
    path.write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2))


def _load_sharded_safetensors(path: Path) -> Arrays:
    from safetensors import safe_open

    arrays = {}
    for name, file in json.loads(path.read_text())["weight_map"].items():
        with safe_open(str(path.with_name(file)), "numpy") as shard:
            arrays[name] = shard.get_tensor(name)
    return arrays


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


def _save_shards(path: Path, arrays: Arrays) -> None:
    from keras.src.saving.saving_lib import ShardedH5IOStore

    store = ShardedH5IOStore(path, mode="w")
    _fill(store, arrays)
    store.close()


def _load_shards(path: Path) -> Arrays:
    from keras.src.saving.saving_lib import ShardedH5IOStore

    store = ShardedH5IOStore(path, mode="r")
    entry = store.get("layers/holder")
    arrays = {f"holder/{key}": numpy.array(entry[key]) for key in entry.keys()}  # noqa: SIM118
    store.close()
    return arrays


@dataclass(frozen=True)
class _LegacyWeight:
    """What Keras' writer of legacy files asks of a variable."""

    path: str
    value: numpy.ndarray

    def __array__(self, dtype: object = None, copy: object = None) -> numpy.ndarray:
        return numpy.asarray(self.value)


def _save_legacy(path: Path, arrays: Arrays) -> None:
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_attributes_to_hdf5_group(file, "layer_names", [b"holder"])
        weights = [_LegacyWeight(name, value) for name, value in arrays.items()]
        legacy_h5_format.save_subset_weights_to_hdf5_group(file.create_group("holder"), weights)


def _load_legacy(path: Path) -> Arrays:
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path) as file:
        names = legacy_h5_format.load_attributes_from_hdf5_group(file["holder"], "weight_names")
        return dict(zip(names, legacy_h5_format.load_subset_weights_from_hdf5_group(file["holder"]), strict=True))


def _save_hdf5(path: Path, arrays: Arrays) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file[name] = value


def _load_hdf5(path: Path) -> Arrays:
    import h5py

    with h5py.File(path) as file:
        return {f"{group}/{name}": dataset[()] for group, members in file.items() for name, dataset in members.items()}


def _save_bundle(path: Path, arrays: Arrays) -> None:
    import tensorflow as tf

    tensors = [tf.constant(value) for value in arrays.values()]
    tf.raw_ops.SaveV2(prefix=str(path), tensor_names=list(arrays), shape_and_slices=[""] * len(arrays), tensors=tensors)


def _load_bundle(path: Path) -> Arrays:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path))
    return {name: numpy.asarray(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}


def _save_saved_model(path: Path, arrays: Arrays) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.held = [tf.Variable(value, name=name) for name, value in arrays.items()]
    tf.saved_model.save(module, str(path))


def _load_saved_model(path: Path) -> Arrays:
    import tensorflow as tf

    return {variable.name.removesuffix(":0"): variable.numpy() for variable in tf.saved_model.load(str(path)).held}


def _save_v1(path: Path, arrays: Arrays) -> None:
    import tensorflow as tf

    tf.raw_ops.Save(filename=str(path), tensor_names=list(arrays), data=[tf.constant(value) for value in arrays.values()])


def _save_graph(path: Path, arrays: Arrays) -> None:
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        for name, value in arrays.items():
            tf.constant(value, name=name)
    path.write_bytes(graph.as_graph_def().SerializeToString())


def _scattered_in_graph(dtype: str, shape: tuple[int, ...]) -> bool:
    """What `tf.make_tensor_proto` writes as a list of varints."""
    is_list = dtype in ("bool", "uint16") or shape == ()
    return is_list and dtype not in ("float32", "float64", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2")


def _save_onnx(path: Path, arrays: Arrays) -> None:
    from onnx import helper, numpy_helper, save_model

    initializers = [numpy_helper.from_array(numpy.asarray(value), name) for name, value in arrays.items()]
    save_model(helper.make_model(helper.make_graph([], "g", [], [], initializers)), str(path))


CASES = (
    FormatCase("npz", "a.npz", (*NUMPY_DTYPES, "complex64", "complex128"), _save_npz, _load_npz),
    FormatCase("npz", "deflated.npz", (*NUMPY_DTYPES, "complex64"), _save_compressed, _load_npz, mutations=300),
    FormatCase("npz", "objects.npz", (*NUMPY_DTYPES, "complex64"), _save_objects_in_npz, None, writable=False, mutations=300),
    FormatCase(
        "npy", "objects.npy", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), _save_pickled_npy, None, writable=False
    ),
    FormatCase(
        "pickle", "a.pkl", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), _save_pickle, None, writable=False
    ),
    FormatCase(
        "torch", "a.pt", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), _save_torch, None, writable=False
    ),
    FormatCase(
        "torch", "old.pth", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), _save_old_torch, None, writable=False
    ),
    FormatCase("safetensors", "a.safetensors", (*NUMPY_DTYPES, "complex64"), _save_safetensors, _load_safetensors),
    FormatCase(
        "safetensors", "a.safetensors.index.json", (*NUMPY_DTYPES, "complex64"),
        _save_sharded_safetensors, _load_sharded_safetensors,
        files=("a.safetensors.index.json", "a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors"),
    ),
    FormatCase(
        "flax", "a.msgpack", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), jax_files.save_flax, jax_files.load_flax
    ),
    FormatCase(
        "orbax", "checkpoint-1", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), jax_files.save_orbax, jax_files.load_orbax,
        scattered=lambda dtype, shape: True, holds_empty=False, has_unused_bytes=True, mutations=400,
    ),
    FormatCase(
        "orbax", "folders-1", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"),
        jax_files.save_orbax_folders, jax_files.load_orbax, scattered=lambda dtype, shape: True, holds_empty=False, mutations=400,
    ),
    FormatCase("weights.h5", "a.weights.h5", (*NUMPY_DTYPES, "bfloat16"), _save_weights, _load_weights),
    FormatCase("keras", "a.keras", (*NUMPY_DTYPES, "bfloat16"), _save_archive, _load_archive),
    FormatCase(
        "weights.json", "a.weights.json", (*NUMPY_DTYPES, "bfloat16"), _save_shards, _load_shards,
        files=("a.weights.json", "a_00000.weights.h5"),
    ),
    FormatCase("keras-h5", "a.h5", (*NUMPY_DTYPES, "complex64"), _save_legacy, _load_legacy),
    FormatCase("hdf5", "a.hdf5", (*NUMPY_DTYPES, "complex64", "complex128"), _save_hdf5, _load_hdf5, mutations=500),
    FormatCase(
        "tensorflow-bundle", "model-1", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), _save_bundle, _load_bundle,
        files=("model-1.index", "model-1.data-00000-of-00001"),
    ),
    FormatCase(
        "saved-model", "model", (*NUMPY_DTYPES, "bfloat16", "complex64", "complex128"), _save_saved_model, _load_saved_model,
        files=("model/variables/variables.index", "model/variables/variables.data-00000-of-00001"), mutations=500,
    ),
    FormatCase(
        "tensorflow-v1", "model-2",
        ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint16", "uint8", "bool", "complex64", "complex128"),
        _save_v1, None, writable=False, scattered=lambda dtype, shape: not dtype.startswith(("float32", "float64", "complex")),
    ),
    FormatCase(
        "graphdef", "frozen.pb", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), _save_graph, None,
        writable=False, scattered=_scattered_in_graph,
    ),
    FormatCase(
        "onnx", "a.onnx", (*NUMPY_DTYPES, *SMALL_FLOATS, "complex64", "complex128"), _save_onnx, None, writable=False
    ),
)  # fmt: skip
