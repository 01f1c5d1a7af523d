"""Keras loads what is written, and finds the values in it."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import keras_file_models
import numpy
import pytest
from keras_file_models import keras

from migspec import dtypes
from migspec.diagnostics.model import SpecError
from migspec.formats.base import Reader, Writer
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer
from migspec.variables import Variable, VariableMap


def new_values(reader: Reader) -> dict[str, numpy.ndarray]:
    """Values that depend on a variable's place in the HDF5 file alone: the same for a `.keras` and a `.weights.h5` file."""
    values = {}
    for variable in reader.variables:
        place = variable.aliases[-1] if variable.aliases else variable.name
        random = numpy.random.default_rng(zlib.crc32(place.encode()))
        values[variable.name] = numpy.asarray(random.uniform(0.1, 1, variable.shape)).astype(dtypes.numpy_dtype(variable.dtype))
    return values


def write_all(writer: Writer, values: dict[str, numpy.ndarray]) -> None:
    for name, value in values.items():
        data = memoryview(numpy.frombuffer(value.tobytes(), numpy.uint8))
        cut = len(data) // 2 // value.itemsize * value.itemsize
        for start, end in ((0, cut), (cut, len(data))):
            if end > start:
                writer.write(name, start, data[start:end])
    writer.commit()


def values_of(reader: Reader) -> dict[str, bytes]:
    return {variable.name: reader.read(variable.name).tobytes() for variable in reader.variables}


@pytest.mark.parametrize("name", ["sequential", "convolutions", "nested", "attention", "wrapped", "subclassed", "loss_scaled"])
def test_keras_loads_what_was_written(name: str, tmp_path: Path) -> None:
    """Each value is in its variable, and the model loaded from `.keras` computes what the live one does with `.weights.h5`."""
    model = keras_file_models.build(name)
    model.save(tmp_path / "old.keras")
    model.save_weights(tmp_path / "old.weights.h5")
    for ending in ("keras", "weights.h5"):
        template = open_reader(str(tmp_path / f"old.{ending}"))
        values = new_values(template)
        write_all(create_writer(Destination(str(tmp_path / f"new.{ending}")), template.variables, template=template), values)
        template.close()
    model.load_weights(tmp_path / "new.weights.h5")
    live = _live(model)
    known = live.keys() & values.keys()
    assert len(known) > len(live) // 2  # the others are random state, or go by their numbers
    for key in known:
        numpy.testing.assert_array_equal(live[key], values[key])
    shape = (2, 4) if name == "subclassed" else (2, *model.inputs[0].shape[1:])
    inputs = numpy.random.default_rng(0).integers(0, 5, shape).astype("float32")
    numpy.testing.assert_array_equal(keras.saving.load_model(tmp_path / "new.keras")(inputs), model(inputs))


def _live(model: keras.Model) -> dict[str, numpy.ndarray]:
    return {variable.path.removeprefix(f"{model.name}/"): variable.numpy() for variable in model.variables}


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_everything_else_is_the_templates(ending: str, tmp_path: Path) -> None:
    """Variables that are not written, attributes, the config: all but the values asked for."""
    model = keras_file_models.build("adam")
    path = tmp_path / f"template.{ending}"
    (model.save if ending == "keras" else model.save_weights)(path)
    template = open_reader(str(path))
    old, new = values_of(template), new_values(template)
    chosen = [variable for variable in template.variables if variable.name.startswith("lstm")]
    writer = create_writer(Destination(str(tmp_path / f"out.{ending}")), VariableMap.of("x", chosen), template=template)
    write_all(writer, {variable.name: new[variable.name] for variable in chosen})
    out = open_reader(str(tmp_path / f"out.{ending}"))
    assert out.variables.variables == template.variables.variables
    expected = old | {variable.name: new[variable.name].tobytes() for variable in chosen}
    assert values_of(out) == expected
    out.close()
    template.close()
    if ending == "keras":
        with zipfile.ZipFile(path) as before, zipfile.ZipFile(tmp_path / "out.keras") as after:
            assert after.testzip() is None
            assert set(after.namelist()) == set(before.namelist())
            assert after.read("config.json") == before.read("config.json")
            assert after.getinfo("model.weights.h5").compress_type == zipfile.ZIP_STORED


def test_an_archive_serves_as_template_of_a_weights_file(tmp_path: Path) -> None:
    model = keras_file_models.build("sequential")
    model.save(tmp_path / "template.keras")
    template = open_reader(str(tmp_path / "template.keras"))
    values = new_values(template)
    write_all(create_writer(Destination(str(tmp_path / "a.weights.h5")), template.variables, template=template), values)
    template.close()
    model.load_weights(tmp_path / "a.weights.h5")
    live = _live(model)
    assert all(numpy.array_equal(live[name], value) for name, value in values.items())


def test_a_compressed_archive_is_read_and_written(tmp_path: Path) -> None:
    model = keras_file_models.build("sequential")
    model.save(tmp_path / "stored.keras")
    with zipfile.ZipFile(tmp_path / "stored.keras") as stored, zipfile.ZipFile(tmp_path / "packed.keras", "w", 8) as packed:
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    stored_reader, template = open_reader(str(tmp_path / "stored.keras")), open_reader(str(tmp_path / "packed.keras"))
    assert template.variables.variables == stored_reader.variables.variables
    assert values_of(template) == values_of(stored_reader)
    assert template.extent("dense/kernel") is None
    write_all(
        create_writer(Destination(str(tmp_path / "a.keras")), template.variables, template=template), new_values(template)
    )
    template.close()
    stored_reader.close()
    keras.saving.load_model(tmp_path / "a.keras")


@pytest.mark.parametrize(
    "variable",
    [Variable("dense/kernel", (2, 5), "float32"), Variable("dense/kernel", (5, 2), "float16"), Variable("x", (), "int8")],
)
def test_what_the_template_does_not_have_is_refused(variable: Variable, tmp_path: Path) -> None:
    keras_file_models.build("sequential").save_weights(tmp_path / "t.weights.h5")
    template = open_reader(str(tmp_path / "t.weights.h5"))
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / "a.weights.h5")), VariableMap.of("x", [variable]), template=template)
    assert caught.value.diagnostics[0].code == "MIG508"
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / "a.keras")), template.variables, template=template)
    assert "is written after a `.keras` file" in caught.value.diagnostics[0].message
    template.close()
    assert [path.name for path in tmp_path.iterdir()] == ["t.weights.h5"]
