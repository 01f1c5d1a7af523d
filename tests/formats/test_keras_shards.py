"""Keras weights in several files (`.weights.json`), against Keras' own."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import keras_file_models
import numpy
import pytest
from keras_file_models import keras

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.base import Reader
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer


def save(model: keras.Model, path: Path) -> None:
    """In files that hold the largest weight each, and little more."""
    largest = max(variable.numpy().nbytes for variable in model.variables)
    model.save_weights(path, max_shard_size=largest * 1.5 / 1024**3)
    assert len(list(path.parent.glob("*_0*.weights.h5"))) > 2


def values_of(reader: Reader) -> dict[str, numpy.ndarray]:
    return {variable.name: reader.read(variable.name) for variable in reader.variables}


def refused(path: Path) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        open_reader(str(path))
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("name", ["sequential", "recurrent", "nested", "adam_nested"])
def test_several_files_are_read_as_one(name: str, tmp_path: Path) -> None:
    model = keras_file_models.build(name)
    model.save_weights(tmp_path / "one.weights.h5")
    save(model, tmp_path / "more.weights.json")
    one, more = open_reader(str(tmp_path / "one.weights.h5")), open_reader(str(tmp_path / "more.weights.json"))
    assert more.format == "weights.json"
    assert {variable.name: variable for variable in more.variables} == {variable.name: variable for variable in one.variables}
    for key, value in values_of(one).items():
        numpy.testing.assert_array_equal(more.read(key), value)
        extent = more.extent(key)
        assert extent is not None
        assert Path(extent.path).read_bytes()[extent.offset : extent.offset + extent.length] == value.tobytes()
    assert set(more.files) == {str(path) for path in tmp_path.glob("more*")}
    one.close()
    more.close()


def write(template: Reader, out: Path, values: dict[str, numpy.ndarray], *, overwrite: bool = False) -> None:
    writer = create_writer(Destination(str(out), overwrite=overwrite), template.variables, template=template)
    for name, value in values.items():
        writer.write(name, 0, memoryview(value.tobytes()))
    writer.commit()


def test_keras_loads_what_was_written(tmp_path: Path) -> None:
    """As several files, and as one."""
    model = keras_file_models.build("recurrent")
    save(model, tmp_path / "old.weights.json")
    template = open_reader(str(tmp_path / "old.weights.json"))
    values = {name: value + 1 for name, value in values_of(template).items()}
    for out in ("new.weights.json", "new.weights.h5"):
        write(template, tmp_path / out, values)
        for variable in model.variables:
            variable.assign(numpy.zeros(variable.shape))
        model.load_weights(tmp_path / out)
        for variable in model.variables:
            if "seed_generator" not in variable.path:
                numpy.testing.assert_array_equal(variable.numpy(), values[variable.path])
    template.close()
    assert (tmp_path / "new_00000.weights.h5").exists()


def test_an_output_in_several_files_replaces_another(tmp_path: Path) -> None:
    model = keras_file_models.build("sequential")
    save(model, tmp_path / "old.weights.json")
    model.save_weights(tmp_path / "new.weights.json", max_shard_size=420 / 1024**3)
    files = set(tmp_path.glob("new*"))
    template = open_reader(str(tmp_path / "old.weights.json"))
    values = values_of(template)
    with pytest.raises(SpecError) as caught:
        write(template, tmp_path / "new.weights.json", values)
    assert caught.value.diagnostics[0].code == "MIG506"
    write(template, tmp_path / "new.weights.json", values, overwrite=True)
    assert set(tmp_path.glob("new*")) < files
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / "a.json")), template.variables, format="weights.json", template=template)
    assert "must end in" in caught.value.diagnostics[0].message or "ends in" in caught.value.diagnostics[0].message
    template.close()
    model.load_weights(tmp_path / "new.weights.json")


def test_an_index_that_lies(tmp_path: Path) -> None:
    model = keras_file_models.build("sequential")
    path = tmp_path / "a.weights.json"
    save(model, path)
    good = json.loads(path.read_text())
    group = next(iter(good["weight_map"]))

    def with_files(names: object, group: str = group) -> Path:
        path.write_text(json.dumps({"metadata": {}, "weight_map": {**good["weight_map"], group: names}}))
        return path

    assert refused(with_files("gone.weights.h5")).code == "MIG501"
    assert refused(with_files([])).code == "MIG503"
    assert refused(with_files(3)).code == "MIG503"
    for outside in ("../a_00000.weights.h5", str(tmp_path / "a_00000.weights.h5"), "..", "b\\c.h5"):
        diagnostic = refused(with_files(outside))
        assert diagnostic.code == "MIG505"
        assert repr(outside) in diagnostic.message
    diagnostic = refused(with_files("a_00000.weights.h5", group="/layers/gone/vars"))
    assert (diagnostic.code, "/layers/gone/vars" in diagnostic.message) == ("MIG503", True)
    path.write_text('{"weight_map": {"/layers/a/vars": "a.h5"')
    assert refused(path).code == "MIG503"
    path.write_text('{"weight_map": ["a.h5"]}')
    assert refused(path).code == "MIG503"


def test_one_weight_in_two_files(tmp_path: Path) -> None:
    for number in range(2):
        with h5py.File(tmp_path / f"a_0000{number}.weights.h5", "w") as file:
            file["layers/dense/vars/0"] = numpy.zeros(3)
    names = ["a_00000.weights.h5", "a_00001.weights.h5"]
    (tmp_path / "a.weights.json").write_text(json.dumps({"weight_map": {"/layers/dense/vars": names}}))
    assert "two of its files" in refused(tmp_path / "a.weights.json").message
