"""A variable has one name, the same in a live model and in every file that the model is saved to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import keras_file_models
import numpy
import pytest
from keras_file_models import keras

from migspec.formats.registry import open_reader

# What a file of weights alone does not tell: which of gamma and beta a normalization with one of them has, the own weights of
# classes that are not Keras', sublayers that are called as their user liked, and two layers of one name.
NOT_IN_WEIGHTS = {
    "convolutions": {"batch_normalization/beta", "batch_normalization_1/gamma"},
    "sgd": {"batch_normalization/beta", "batch_normalization_1/gamma"},
}
NOT_IN_EITHER = {
    "subclassed": {f"block{number}/{name}" for number in (0, 1) for name in ("gain", "projection/kernel", "projection/bias")},
    "one_name_twice": {"dense/kernel", "dense/bias"},
}
SLOTS_NOT_IN_ARCHIVE = {"nadam": {"variable"}}


def below(model: keras.Model, path: str) -> str:
    return path.removeprefix(f"{model.name}/")


def live_values(model: keras.Model) -> dict[str, numpy.ndarray]:
    """What Keras calls each variable that it saves, with its value; paths that two variables share are left out."""
    variables = list({id(variable): variable for variable in model.variables}.values())
    paths = Counter(variable.path for variable in variables)
    return {
        below(model, variable.path): variable.numpy()
        for variable in variables
        if "seed_generator" not in variable.path and paths[variable.path] == 1
    }


def live_slots(model: keras.Model) -> dict[str, numpy.ndarray]:
    variables = model.optimizer.variables if getattr(model, "optimizer", None) else []
    paths = Counter(variable.path for variable in {id(variable): variable for variable in variables}.values())
    return {variable.path: variable.numpy() for variable in variables if paths[variable.path] == 1}


@pytest.mark.parametrize("name", keras_file_models.MODELS)
def test_a_file_calls_a_variable_as_the_live_model_does(name: str, tmp_path: Path) -> None:
    model = keras_file_models.build(name)
    live, slots = live_values(model), live_slots(model)
    model.save_weights(tmp_path / "a.weights.h5")
    model.save(tmp_path / "a.keras")
    either = NOT_IN_EITHER.get(name, set())
    for file, missing in (("a.weights.h5", either | NOT_IN_WEIGHTS.get(name, set())), ("a.keras", either)):
        reader = open_reader(str(tmp_path / file))
        names = {variable.name for variable in reader.variables}
        assert set(live) - names == missing - (set() if name != "one_name_twice" else missing)
        for other in names - set(live) - set(slots):
            assert other.startswith(("optimizer/vars/", "layers/")) or other.rpartition("/")[2].isdigit()
        for same in names & set(live):
            numpy.testing.assert_array_equal(reader.read(same), live[same])
        for same in names & set(slots):
            numpy.testing.assert_array_equal(reader.read(same), slots[same])
        if file == "a.keras" and name != "adafactor":
            assert set(slots) - names == SLOTS_NOT_IN_ARCHIVE.get(name, set())
        reader.close()


@pytest.mark.parametrize("name", ["sequential", "convolutions", "nested", "recurrent", "attention"])
def test_the_order_is_the_models(name: str, tmp_path: Path) -> None:
    model = keras_file_models.build(name)
    model.save(tmp_path / "a.keras")
    reader = open_reader(str(tmp_path / "a.keras"))
    assert [variable.name for variable in reader.variables] == list(live_values(model))
    reader.close()


def test_aliases_in_the_order_of_the_language(tmp_path: Path) -> None:
    model = keras_file_models.build("sequential")
    model.save(tmp_path / "a.keras")
    reader = open_reader(str(tmp_path / "a.keras"))
    assert reader.variables["lstm_1/lstm_cell/kernel"].aliases == (
        "lstm_1/kernel",
        "sequential/lstm_1/lstm_cell/kernel",
        "layers/lstm_1/cell/vars/0",
    )
    assert reader.variables["dense/bias"].aliases == ("sequential/dense/bias", "layers/dense/vars/1")
    reader.close()


def test_a_functional_model_does_not_stand_in_its_paths(tmp_path: Path) -> None:
    keras_file_models.build("recurrent").save(tmp_path / "a.keras")
    reader = open_reader(str(tmp_path / "a.keras"))
    variable = reader.variables["bidirectional/forward_lstm/lstm_cell/kernel"]
    assert variable.aliases == ("bidirectional/forward_lstm/kernel", "layers/bidirectional/forward_layer/cell/vars/0")
    assert reader.variables["rnn/stacked_rnn_cells/first/bias"].aliases[0] == "rnn/first/bias"
    reader.close()


def test_a_weight_of_an_unknown_class_goes_by_its_number(tmp_path: Path) -> None:
    """What it looks like is an alias, never its name."""
    keras_file_models.build("subclassed").save_weights(tmp_path / "a.weights.h5")
    reader = open_reader(str(tmp_path / "a.weights.h5"))
    assert reader.variables["block0/projection/0"].aliases[0] == "block0/projection/kernel"
    assert reader.variables["block0/0"].shape == (1,)
    assert "inside/kernel" in reader.variables
    reader.close()


def test_two_layers_of_one_name_go_by_their_paths_in_the_file(tmp_path: Path) -> None:
    keras_file_models.build("one_name_twice").save(tmp_path / "a.keras")
    reader = open_reader(str(tmp_path / "a.keras"))
    names = [variable.name for variable in reader.variables]
    assert sum(name.startswith("layers/functional") for name in names) == 4
    assert {"out/kernel", "out/bias"} < set(names)
    reader.close()


def test_a_quantized_layer_has_other_weights(tmp_path: Path) -> None:
    """int8 weights and their scales have shapes that would pass for a kernel and a bias."""
    keras.backend.clear_session()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, use_bias=False)])
    model.quantize("int8")
    model.save_weights(tmp_path / "a.weights.h5")
    reader = open_reader(str(tmp_path / "a.weights.h5"))
    assert {variable.name.rpartition("/")[2] for variable in reader.variables} == {"0", "1"}
    reader.close()


def test_a_weight_that_keras_saves_twice_is_one_variable(tmp_path: Path) -> None:
    keras_file_models.build("wrapped").save_weights(tmp_path / "a.weights.h5")
    reader = open_reader(str(tmp_path / "a.weights.h5"))
    kernels = [variable.name for variable in reader.variables if variable.name.startswith("spectral_normalization/")]
    assert sorted(kernels) == [
        "spectral_normalization/conv2d/bias",
        "spectral_normalization/conv2d/kernel",
        "spectral_normalization/vector_u",
    ]
    reader.close()
