"""Legacy Keras files (`.h5`): a variable is called as in the live model, whichever Keras wrote the file."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras_file_models
import numpy
import pytest

from migspec.diagnostics.model import SpecError
from migspec.formats.base import Reader
from migspec.formats.registry import open_reader

SHARED = Path(__file__).parents[3] / "shared" / "data"
VALUES = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)

# Without two layers of one name, to which Keras gives the same paths, and Adafactor, whose variables Keras cannot save.
KERAS_MODELS = (
    "sequential", "built_late", "convolutions", "nested", "recurrent", "attention", "wrapped", "subclassed", "adam", "adam_nested",
    "nadam", "loss_scaled",
)  # fmt: skip


def read(path: Path) -> dict[str, numpy.ndarray]:
    reader = open_reader(str(path))
    assert reader.format == "keras-h5"
    values = {variable.name: reader.read(variable.name) for variable in reader.variables}
    assert all(reader.extent(name) is not None for name, value in values.items() if value.size)
    reader.close()
    return values


def assert_same(found: dict[str, numpy.ndarray], expected: dict[str, numpy.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        numpy.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("name", KERAS_MODELS)
def test_keras_3_calls_a_variable_as_its_live_model_does(name: str, tmp_path: Path) -> None:
    model = keras_file_models.build(name)
    model.save(tmp_path / "a.h5")
    saved = [weight for layer in model.layers for weight in (*layer.trainable_weights, *layer.non_trainable_weights)]
    optimizer = model.optimizer.variables if getattr(model, "optimizer", None) else []
    live = {variable.path.removeprefix(f"{model.name}/"): variable.numpy() for variable in saved}
    live |= {variable.path: variable.numpy() for variable in optimizer}
    assert_same(read(tmp_path / "a.h5"), live)


@pytest.mark.parametrize("whole", [True, False], ids=["model", "weights"])
@pytest.mark.parametrize(
    "name",
    ["sequential", "built_late", "convolutions", "nested", "recurrent", "subclassed", "trained", "trained_long_ago"],
)
def test_keras_2_calls_a_variable_as_its_live_model_does(name: str, whole: bool, tmp_path: Path) -> None:
    models = pytest.importorskip("legacy_keras_models", reason="Keras 2 is not installed")
    model = models.build(name)
    if whole and name == "subclassed":
        pytest.skip("Keras 2 saves no whole subclassed models in HDF5")
    (model.save if whole else model.save_weights)(tmp_path / "a.h5")
    saved = [weight for layer in model.layers for weight in (*layer.trainable_weights, *layer.non_trainable_weights)]
    saved += [model.gain] if name == "subclassed" else []
    if whole and model.optimizer:
        saved += model.optimizer.variables if name == "trained" else model.optimizer.weights
    live = {weight.name.removesuffix(":0").removeprefix(f"{model.name}/"): weight.numpy() for weight in saved}
    assert_same(read(tmp_path / "a.h5"), live)


def test_aliases(tmp_path: Path) -> None:
    keras_file_models.build("sequential").save(tmp_path / "a.h5")
    reader = open_reader(str(tmp_path / "a.h5"))
    assert reader.variables["lstm_1/lstm_cell/kernel"].aliases == (
        "lstm_1/kernel",
        "sequential/lstm_1/lstm_cell/kernel",
        "lstm_1/sequential/lstm_1/lstm_cell/kernel",
        "model_weights/lstm_1/sequential/lstm_1/lstm_cell/kernel",
    )
    reader.close()


def save_layers(group: h5py.Group, layers: dict[str, list[str]]) -> None:
    """What Keras 1 and 2 write: the layers in order, each with the names of its weights."""
    group.attrs["layer_names"] = [name.encode() for name in layers]
    for layer, names in layers.items():
        own = group.require_group(layer)
        own.attrs["weight_names"] = numpy.array([name.encode() for name in names])
        for name in names:
            own[name] = VALUES


OLD_NAMES = {
    "keras 2": ({"dense_1": ["dense_1/kernel:0", "dense_1/bias:0"]}, ["dense_1/kernel", "dense_1/bias"]),
    "keras 3 before paths": ({"dense": ["kernel", "bias"]}, ["dense/kernel", "dense/bias"]),
    "keras 1": (
        {"convolution2d_1": ["convolution2d_1_W", "convolution2d_1_b"], "lstm_1": ["lstm_1_W_i:0", "lstm_1_U_i:0"]},
        ["convolution2d_1/W", "convolution2d_1/b", "lstm_1/W_i", "lstm_1/U_i"],
    ),
    "no names yet": ({"dense_1": ["param_0", "param_1"]}, ["dense_1/param_0", "dense_1/param_1"]),
    "weights numbered by a graph": ({"1CNN": ["1CNN/kernel_1:0", "1CNN/bias_1:0"]}, ["1CNN/kernel", "1CNN/bias"]),
    "scope numbered by a graph": ({"dense": ["dense_1/kernel:0", "dense_1/bias:0"]}, ["dense/kernel", "dense/bias"]),
    "own weights with numbers": ({"mix": ["mix/w_1:0", "mix/kernel:0", "mix/kernel_1:0"]}, ["mix/w_1", "mix/kernel", "mix/kernel_1"]),
    "nested without number": ({"model": ["model_1/kernel:0", "dense/kernel:0"]}, ["model_1/kernel", "dense/kernel"]),
    "subclassed": ({"dense": ["net/dense/kernel:0"], "sub": ["net/sub/inner/bias:0"]}, ["dense/kernel", "sub/inner/bias"]),
    "names with slashes": ({"conv1/bn": ["conv1/bn/gamma:0"], "conv1": ["conv1/kernel:0"]}, ["conv1/bn/gamma", "conv1/kernel"]),
    "cells counted": ({"lstm_1": ["lstm_1/lstm_cell_3/kernel:0"]}, ["lstm_1/lstm_cell_3/kernel"]),
    "one name twice": (
        {"a": ["dense/kernel:0"], "b": ["dense/kernel:0"]},
        ["a/dense/kernel:0", "b/dense/kernel:0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OLD_NAMES)
def test_names_of_old_files(case: str, tmp_path: Path) -> None:
    layers, expected = OLD_NAMES[case]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_layers(file, layers)
    assert list(read(tmp_path / "a.h5")) == expected


def test_a_cell_that_keras_2_counted_has_the_name_of_keras_3_as_alias(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_layers(file, {"lstm_1": ["lstm_1/lstm_cell_3/kernel:0"]})
    reader = open_reader(str(tmp_path / "a.h5"))
    assert reader.variables["lstm_1/lstm_cell_3/kernel"].aliases[:2] == ("lstm_1/kernel", "lstm_1/lstm_cell/kernel")
    reader.close()


def test_the_models_own_weights_lose_the_models_name_as_its_layers_do(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_layers(file, {"dense": ["net/dense/kernel"]})
        own = file.create_group("top_level_model_weights")
        own.attrs["weight_names"] = [b"net/gain"]
        own["net/gain"] = VALUES
    assert list(read(tmp_path / "a.h5")) == ["dense/kernel", "gain"]


@pytest.mark.parametrize("kind", ["fixed", "variable", "cut into parts", "none"])
def test_lists_of_names_in_every_form(kind: str, tmp_path: Path) -> None:
    """Old versions of h5py wrote texts of fixed length, newer ones of variable length; a list of more than 64 KiB is cut."""
    names = [f"a_layer_with_a_rather_long_name_{number:04}" for number in range(1700 if kind == "cut into parts" else 3)]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        match kind:
            case "fixed":
                file.attrs["layer_names"] = numpy.array([name.encode() for name in names])
            case "variable":
                file.attrs.create("layer_names", names, dtype=h5py.string_dtype())
            case "cut into parts":
                for number, part in enumerate(numpy.array_split(numpy.array([name.encode() for name in names]), 2)):
                    file.attrs[f"layer_names{number}"] = part
            case _:
                names = []
                file.attrs["layer_names"] = names
        for name in names:
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode()]
            group[f"{name}/kernel:0"] = numpy.float32(1)
    assert list(read(tmp_path / "a.h5")) == [f"{name}/kernel" for name in names]


def test_what_is_not_listed_is_there_too(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_layers(file.create_group("model_weights"), {"dense": ["dense/kernel:0"]})
        file["model_weights/dense/forgotten"] = VALUES
        file["notes/loss"] = VALUES[0]
    assert list(read(tmp_path / "a.h5")) == ["dense/kernel", "model_weights/dense/forgotten", "notes/loss"]


def test_bfloat16_which_legacy_files_do_not_mark(tmp_path: Path) -> None:
    keras_file_models.build("wrapped").save(tmp_path / "a.h5")
    reader = open_reader(str(tmp_path / "a.h5"))
    assert reader.variables["conv1d/kernel"].dtype == "bfloat16"
    reader.close()


@pytest.mark.parametrize("missing", ["layer", "weight", "list"])
def test_a_file_that_lists_what_it_has_not(missing: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_layers(file, {"dense": ["dense/kernel:0"]})
        match missing:
            case "layer":
                file.attrs["layer_names"] = [b"dense", b"gone"]
            case "weight":
                file["dense"].attrs["weight_names"] = [b"dense/kernel:0", b"dense/gone:0"]
            case _:
                file["dense"].attrs["weight_names"] = numpy.arange(4.0)
    with pytest.raises(SpecError) as caught:
        open_reader(str(tmp_path / "a.h5"))
    assert caught.value.diagnostics[0].code == "MIG503"


def test_any_other_hdf5_file_gives_its_datasets_by_path(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        file.attrs["nb_layers"] = 1  # Keras 0.3
        file["layer_0/param_0"] = VALUES
        file["layer_0/param_1"] = VALUES[0]
        file["vars/group/x"] = numpy.array(3)
        file["table"] = numpy.zeros(2, [("a", "f4"), ("b", "i4")])
    reader = open_reader(str(tmp_path / "a.h5"))
    assert reader.format == "hdf5"
    assert [variable.name for variable in reader.variables] == ["table", "layer_0/param_0", "layer_0/param_1", "vars/group/x"]
    numpy.testing.assert_array_equal(reader.read("layer_0/param_0"), VALUES)
    assert reader.read("vars/group/x") == 3
    with pytest.raises(SpecError) as caught:
        reader.read("table")
    assert caught.value.diagnostics[0].code == "MIG505"
    reader.close()


def test_an_hdf5_file_without_datasets_is_no_checkpoint(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("empty")
    with pytest.raises(SpecError) as caught:
        open_reader(str(tmp_path / "a.h5"))
    assert caught.value.diagnostics[0].code == "MIG502"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared checkpoints are not there")
def test_a_real_file_holds_what_the_checkpoint_does_that_it_was_made_from() -> None:
    legacy: Reader = open_reader(str(SHARED / "musicnn_mtt_vgg" / "MTT_vgg.h5"))
    original = open_reader(str(SHARED / "musicnn_mtt_vgg") + "/")
    assert len(legacy.variables) == 36
    values = {original.read(variable.name).tobytes() for variable in original.variables if variable.dtype == "float32"}
    assert all(legacy.read(variable.name).tobytes() in values for variable in legacy.variables)
    assert legacy.variables["1CNN/kernel"].aliases == (
        "1CNN/kernel_1",
        "1CNN/1CNN/kernel_1",
        "model_weights/1CNN/1CNN/kernel_1",
    )
    legacy.close()
    original.close()
