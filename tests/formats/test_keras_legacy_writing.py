"""Keras 2 and Keras 3 load the legacy files that are written, and compute with the new values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import keras_file_models
import numpy
import pytest
from keras.src.legacy.saving.legacy_h5_format import load_optimizer_weights_from_hdf5_group
from keras_file_models import keras

from migspec import dtypes
from migspec.diagnostics.model import SpecError
from migspec.formats.base import Reader
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer


def new_values(reader: Reader) -> dict[str, numpy.ndarray]:
    random = numpy.random.default_rng(5)
    return {
        variable.name: numpy.asarray(random.uniform(0.1, 1, variable.shape)).astype(dtypes.numpy_dtype(variable.dtype))
        for variable in reader.variables
    }


def write(template: Reader, path: Path, values: dict[str, numpy.ndarray]) -> None:
    writer = create_writer(Destination(str(path)), template.variables, template=template)
    for name, value in values.items():
        data = memoryview(numpy.frombuffer(value.tobytes(), numpy.uint8))
        cut = len(data) // 3 // value.itemsize * value.itemsize
        for start, end in ((0, cut), (cut, len(data))):
            if end > start:
                writer.write(name, start, data[start:end])
    writer.commit()


def migrated(path: Path, out: Path) -> dict[str, numpy.ndarray]:
    """Write `out` after the template at `path`; the new values."""
    template = open_reader(str(path))
    values = new_values(template)
    write(template, out, values)
    template.close()
    again = open_reader(str(out))
    assert again.variables.variables == template.variables.variables
    again.close()
    return values


def assert_same_outputs(loaded: Any, live: Any) -> None:
    declared = getattr(live, "inputs", None)
    shape = (2, *(length or 8 for length in declared[0].shape[1:])) if declared else (2, 4)
    inputs = numpy.random.default_rng(0).integers(0, 5, shape).astype("float32")
    numpy.testing.assert_array_equal(loaded(inputs), live(inputs))


@pytest.mark.parametrize("name", ["sequential", "convolutions", "nested", "recurrent", "attention", "adam", "subclassed"])
def test_keras_3_loads_what_was_written(name: str, tmp_path: Path) -> None:
    model = keras_file_models.build(name)
    if name == "adam":
        model.compile(model.optimizer, keras.losses.MeanSquaredError())
    model.save(tmp_path / "old.h5")
    values = migrated(tmp_path / "old.h5", tmp_path / "new.h5")
    for variable in model.variables:
        if "seed_generator" not in variable.path:
            variable.assign(values[variable.path.removeprefix(f"{model.name}/")])
    if name in ("subclassed", "attention"):  # Keras saves them whole, and loads their weights only
        loaded = keras_file_models.build(name)
        loaded.load_weights(tmp_path / "new.h5")
    else:
        loaded = keras.saving.load_model(tmp_path / "new.h5")
    assert_same_outputs(loaded, model)
    if name == "adam":  # Keras reads these values, and drops them: its optimizer is not built at that time
        with h5py.File(tmp_path / "new.h5") as file:
            slots = load_optimizer_weights_from_hdf5_group(file)
            assert len(slots) > 20
            assert all(numpy.array_equal(values[slot.name.removeprefix("/optimizer_weights/")], slot) for slot in slots)


@pytest.mark.parametrize("name", ["sequential", "built_late", "convolutions", "nested", "recurrent", "subclassed", "trained"])
def test_keras_2_loads_what_was_written(name: str, tmp_path: Path) -> None:
    models = pytest.importorskip("legacy_keras_models", reason="Keras 2 is not installed")
    model = models.build(name)
    is_whole = name != "subclassed"
    (model.save if is_whole else model.save_weights)(tmp_path / "old.h5")
    values = migrated(tmp_path / "old.h5", tmp_path / "new.h5")
    if is_whole:
        loaded = models.tf_keras.models.load_model(tmp_path / "new.h5")
    else:
        loaded = models.subclassed()
        loaded.load_weights(tmp_path / "new.h5")
    for variable in model.variables:
        variable.assign(values[variable.name.removesuffix(":0").removeprefix(f"{model.name}/")])
    assert_same_outputs(loaded, model)
    model.load_weights(tmp_path / "new.h5")
    assert_same_outputs(loaded, model)
    if name == "trained":
        # A loaded optimizer calls its slots `m/dense/kernel`, one that has trained `Adam/m/dense/kernel`.
        moments = {variable.name.removesuffix(":0"): variable.numpy() for variable in loaded.optimizer.variables}
        saved = {slot.removeprefix("Adam/"): value for slot, value in values.items()}
        assert len(moments) > 10
        assert all(numpy.array_equal(saved[slot], value) for slot, value in moments.items())


def test_a_packed_template_gives_a_packed_output(tmp_path: Path) -> None:
    """Datasets in chunks, compressed and big-endian, larger than what is handed to HDF5 at once."""
    values = numpy.random.default_rng(0).standard_normal((700, 900)).astype("float32")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        group = file.create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0", b"dense/step:0", b"dense/tall:0"]
        group.create_dataset("dense/kernel:0", data=values * 0, chunks=(100, 70), compression="gzip", shuffle=True)
        group.create_dataset("dense/bias:0", data=values[0].astype(">f4"))
        group.create_dataset("dense/step:0", (), "i8")
        group.create_dataset("dense/tall:0", (700_000,), "f4", chunks=(999,))
    template = open_reader(str(tmp_path / "old.h5"))
    new = {
        "dense/kernel": values,
        "dense/bias": values[1],
        "dense/step": numpy.array(7),
        "dense/tall": numpy.resize(values, 700_000),
    }
    write(template, tmp_path / "new.h5", new)
    template.close()
    reader = open_reader(str(tmp_path / "new.h5"))
    for name, value in new.items():
        numpy.testing.assert_array_equal(reader.read(name), value)
    reader.close()
    with h5py.File(tmp_path / "new.h5") as file:
        dataset = file["dense/dense/kernel:0"]
        assert (dataset.chunks, dataset.compression, dataset.shuffle) == ((100, 70), "gzip", True)
        assert file["dense/dense/bias:0"].dtype == ">f4"


def test_any_other_hdf5_file_serves_as_template(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.hdf5", "w") as file:
        file.attrs["title"] = "mine"
        file["a/b"] = numpy.zeros(3, "f4")
    template = open_reader(str(tmp_path / "old.hdf5"))
    write(template, tmp_path / "new.hdf5", {"a/b": numpy.arange(3, dtype="f4")})
    template.close()
    with h5py.File(tmp_path / "new.hdf5") as file:
        assert file.attrs["title"] == "mine"
        assert file["a/b"][()].tolist() == [0, 1, 2]


def test_what_the_template_must_be(tmp_path: Path) -> None:
    model = keras_file_models.build("sequential")
    model.save(tmp_path / "legacy.h5")
    model.save_weights(tmp_path / "new.weights.h5")
    for template_name, out, says in (
        ("new.weights.h5", "out.h5", "out.weights.h5"),
        ("new.weights.h5", "out.hdf5", "legacy Keras or other HDF5 file as the target"),
        ("legacy.h5", "out.weights.h5", "--format keras-h5"),
        ("legacy.h5", "out.keras", "a `.keras` file as the target"),
        ("legacy.h5", "out.weights.json", "such an index"),
    ):
        template = open_reader(str(tmp_path / template_name))
        with pytest.raises(SpecError) as caught:
            create_writer(Destination(str(tmp_path / out)), template.variables, template=template)
        template.close()
        [diagnostic] = caught.value.diagnostics
        assert diagnostic.code == "MIG508"
        assert any(says in text for text in diagnostic.helps), diagnostic.helps
    assert sorted(path.name for path in tmp_path.iterdir()) == ["legacy.h5", "new.weights.h5"]


def test_two_datasets_in_the_same_bytes_are_no_template(tmp_path: Path) -> None:
    """A damaged file: HDF5 itself never makes one. Which of two values would stay, nobody could say."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name in "ab":
            file.create_dataset(name, data=numpy.arange(100, dtype="f4"))
        first, second = (file[name].id.get_offset() for name in "ab")
    content = path.read_bytes()
    assert content.count(second.to_bytes(8, "little")) == 1
    path.write_bytes(content.replace(second.to_bytes(8, "little"), (first + 4).to_bytes(8, "little")))
    template = open_reader(str(path))
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / "out.h5")), template.variables, template=template)
    template.close()
    assert caught.value.diagnostics[0].code == "MIG503"
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]
