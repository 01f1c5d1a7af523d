"""`.weights.h5` files written from a variable map alone: what `migspec inspect --json` prints is enough."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import keras_file_models
import ml_dtypes
import numpy
import pytest

from migspec import dtypes
from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.base import Reader
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.variable_map_json import to_json
from migspec.formats.writing import create_writer
from migspec.sides import open_side
from migspec.variables import Variable, VariableMap

# Without two layers of one name: they have none in the file, and so no group that says how they are called.
MODELS = (
    "sequential", "built_late", "convolutions", "nested", "recurrent", "attention", "wrapped", "subclassed", "adam", "adam_nested",
    "adafactor", "loss_scaled",
)  # fmt: skip


def as_map(reader: Reader, path: Path) -> Reader:
    """The variables of a reader after a way through JSON."""
    path.write_text(json.dumps(to_json(reader.variables)))
    return open_reader(str(path))


def values_for(reader: Reader) -> dict[str, numpy.ndarray]:
    random = numpy.random.default_rng(3)
    return {
        variable.name: numpy.asarray(random.uniform(0.1, 1, variable.shape)).astype(dtypes.numpy_dtype(variable.dtype))
        for variable in reader.variables
    }


def write(template: Reader, out: Path, values: dict[str, numpy.ndarray]) -> None:
    wanted = VariableMap.of("map", [variable for variable in template.variables if variable.name in values])
    writer = create_writer(Destination(str(out)), wanted, template=template)
    for name, value in values.items():
        data = memoryview(numpy.frombuffer(value.tobytes(), numpy.uint8))
        cut = len(data) // 2 // value.itemsize * value.itemsize
        for start, end in ((0, cut), (cut, len(data))):
            if end > start:
                writer.write(name, start, data[start:end])
    assert not out.exists()
    writer.commit()


def refused(variables: list[Variable], out: str) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(out), VariableMap.of("map.json", variables, has_values=False))
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "MIG508"
    return diagnostic


@pytest.mark.parametrize("name", MODELS)
def test_keras_loads_what_was_written_and_the_names_come_back(name: str, tmp_path: Path) -> None:
    model = keras_file_models.build(name)
    model.save_weights(tmp_path / "old.weights.h5")
    original = open_reader(str(tmp_path / "old.weights.h5"))
    template = as_map(original, tmp_path / "map.json")
    values = values_for(template)
    write(template, tmp_path / "new.weights.h5", values)
    model.load_weights(tmp_path / "new.weights.h5")
    live = {variable.path.removeprefix(f"{model.name}/"): variable.numpy() for variable in model.variables}
    known = live.keys() & values.keys()
    assert len(known) > len(live) // 2  # the others are random state, or go by their numbers
    for key in known:
        numpy.testing.assert_array_equal(live[key], values[key])
    again = open_reader(str(tmp_path / "new.weights.h5"))
    assert {variable.name for variable in again.variables} == {variable.name for variable in original.variables}
    for key, value in values.items():
        assert again.read(key).tobytes() == value.tobytes()
    again.close()
    original.close()


def test_the_map_of_a_live_model_is_enough_too(tmp_path: Path) -> None:
    model = keras_file_models.build("recurrent")
    template = as_map(open_side(model), tmp_path / "map.json")
    values = {name: value for name, value in values_for(template).items() if "seed_generator" not in name}
    write(template, tmp_path / "new.weights.h5", values)
    model.load_weights(tmp_path / "new.weights.h5")
    for variable in model.variables:
        if variable.path in values:
            numpy.testing.assert_array_equal(variable.numpy(), values[variable.path])


def test_an_optimizer_that_wraps_another_is_loaded_with_all_that_keras_saves_twice(tmp_path: Path) -> None:
    model = keras_file_models.build("loss_scaled")
    model.save_weights(tmp_path / "old.weights.h5")
    template = as_map(open_reader(str(tmp_path / "old.weights.h5")), tmp_path / "map.json")
    write(template, tmp_path / "new.weights.h5", values_for(template))
    with h5py.File(tmp_path / "old.weights.h5") as old, h5py.File(tmp_path / "new.weights.h5") as new:
        found: list[str] = []
        old.visititems(lambda name, member: found.append(name) if isinstance(member, h5py.Dataset) else None)
        assert len(found) > 10
        assert all(new[name].shape == old[name].shape and new[name].dtype == old[name].dtype for name in found)


def test_every_dtype_that_keras_reads(tmp_path: Path) -> None:
    from keras.src.saving.saving_lib import H5IOStore

    names = [name for name in dtypes.NAMES if name != "string" and not name.startswith("float8")]
    variables = [Variable(f"layers/holder/vars/{number}", (2, 3), dtype) for number, dtype in enumerate(names)]
    variables += [Variable("layers/holder/vars/99", (), "float32"), Variable("layers/holder/vars/100", (0, 4), "float32")]
    template = VariableMap.of("map", variables)
    writer = create_writer(Destination(str(tmp_path / "a.weights.h5")), template)
    values = {}
    for variable in variables:
        value = numpy.arange(variable.size).reshape(variable.shape).astype(dtypes.numpy_dtype(variable.dtype))
        values[variable.name.rpartition("/")[2]] = value
        if value.size:
            writer.write(variable.name, 0, memoryview(value.tobytes()))
    writer.commit()
    store = H5IOStore(tmp_path / "a.weights.h5", mode="r")
    entry = store.get("layers/holder")
    for key, value in values.items():
        read = numpy.asarray(entry[key])
        assert (read.dtype, read.shape, read.tobytes()) == (value.dtype, value.shape, value.tobytes())
    assert numpy.asarray(entry[str(names.index("bfloat16"))]).dtype == ml_dtypes.bfloat16
    store.close()


def test_the_same_map_and_values_give_the_same_bytes(tmp_path: Path) -> None:
    keras_file_models.build("nested").save_weights(tmp_path / "old.weights.h5")
    template = as_map(open_reader(str(tmp_path / "old.weights.h5")), tmp_path / "map.json")
    for out in "ab":
        write(template, tmp_path / f"{out}.weights.h5", values_for(template))
    assert (tmp_path / "a.weights.h5").read_bytes() == (tmp_path / "b.weights.h5").read_bytes()


def test_a_map_that_does_not_say_where(tmp_path: Path) -> None:
    out = str(tmp_path / "a.weights.h5")
    diagnostic = refused([Variable("dense/kernel", (2,), "float32")], out)
    assert "does not say where `dense/kernel` lies" in diagnostic.message
    assert any("inspect model.weights.h5 --json" in text for text in diagnostic.helps)
    assert "configuration" in refused([Variable("layers/dense/vars/0", (2,), "float32")], str(tmp_path / "a.keras")).notes[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "variables",
    [
        [Variable("a", (2,), "float32", ("layers/d/vars/0",)), Variable("b", (2,), "float32", ("layers/d/vars/0",))],
        [Variable("layers/d/vars/0", (2,), "float32"), Variable("layers/d/vars/0/vars/1", (2,), "float32")],
        [Variable("layers//vars/0", (2,), "float32")],
        [Variable("../vars/0", (2,), "float32")],
        [Variable("layers/./vars/0", (2,), "float32")],
        [Variable("layers/d/vars/0", (2,), "string")],
        [Variable("layers/d/vars/0", (2,), "float8_e5m2")],
    ],
)
def test_a_map_that_no_file_can_follow(variables: list[Variable], tmp_path: Path) -> None:
    refused(variables, str(tmp_path / "a.weights.h5"))
    assert list(tmp_path.iterdir()) == []


def test_an_aborted_output_leaves_nothing(tmp_path: Path) -> None:
    variables = VariableMap.of("map", [Variable("layers/d/vars/0", (2,), "float32")])
    writer = create_writer(Destination(str(tmp_path / "a.weights.h5")), variables)
    writer.abort()
    writer.abort()
    assert list(tmp_path.iterdir()) == []
