"""What a live Keras model's variables are called, against Keras' own paths and the files that it writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from keras_models import MODELS, functional, keras, layers, nested, opened, randomise, sequential, subclassed

h5py = pytest.importorskip("h5py", reason="needs h5py to look into what Keras saved")


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    keras.utils.clear_session(free_memory=False)  # automatic names (`dense_7`) start anew
    keras.utils.set_random_seed(3)


def aliases(model: Any) -> dict[str, tuple[str, ...]]:
    return {variable.name: variable.aliases for variable in opened(model).variables}


def saved_values(model: Any, path: Path) -> dict[str, numpy.ndarray]:
    """Every dataset of the `.weights.h5` that Keras writes."""
    model.save_weights(path)
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, node: found.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None)
    return found


def test_a_sequential_model() -> None:
    found = aliases(sequential())
    assert found["lstm_1/lstm_cell/kernel"] == (
        "lstm_1/kernel",
        "sequential/lstm_1/lstm_cell/kernel",
        "layers/lstm/cell/vars/0",  # `Bidirectional` used up the name `lstm`, not the key
    )
    assert found["second/lstm_cell/bias"] == ("second/bias", "sequential/second/lstm_cell/bias", "layers/lstm_1/cell/vars/2")
    assert found["bidirectional/backward_lstm/lstm_cell/recurrent_kernel"] == (
        "bidirectional/backward_lstm/recurrent_kernel",
        "sequential/bidirectional/backward_lstm/lstm_cell/recurrent_kernel",
        "layers/bidirectional/backward_layer/cell/vars/1",
    )
    assert found["gru/gru_cell/bias"][0] == "gru/bias"
    assert found["time_distributed/dense/kernel"] == (
        "sequential/time_distributed/dense/kernel",
        "layers/time_distributed/layer/vars/0",
    )
    assert found["batch_normalization/beta"][-1] == "layers/batch_normalization/vars/0"
    assert "batch_normalization/moving_variance" in found
    assert sum(name.endswith("/seed_generator_state") for name in found) == 6


def test_a_functional_model_does_not_stand_in_its_paths() -> None:
    found = aliases(functional())
    assert found["shared/kernel"] == ("layers/dense/vars/0",)  # the model is called `shared` as well
    assert found["multi_head_attention/query/kernel"] == ("layers/multi_head_attention/query_dense/vars/0",)
    assert found["stack/stacked_rnn_cells/lstm_cell_1/kernel"] == (
        "stack/lstm_cell_1/kernel",
        "layers/rnn/cell/cells/lstm_cell_1/vars/0",
    )


def test_a_subclassed_model_with_layers_in_lists() -> None:
    assert aliases(subclassed()) == {
        "scale": ("blocks/scale", "vars/0"),
        "dense/kernel": ("blocks/dense/kernel", "blocks/dense/vars/0"),
        "dense/bias": ("blocks/dense/bias", "blocks/dense/vars/1"),
        "dense_1/kernel": ("blocks/dense_1/kernel", "blocks/dense_1/vars/0"),
        "dense_1/bias": ("blocks/dense_1/bias", "blocks/dense_1/vars/1"),
        "dense_2/kernel": ("blocks/dense_2/kernel", "blocks/container/dense/vars/0"),
        "dense_2/bias": ("blocks/dense_2/bias", "blocks/container/dense/vars/1"),
        "embedding/embeddings": (
            "blocks/embedding/embeddings",
            "layers/embedding/vars/0",
        ),  # Keras looks at `layers` before `tables`
    }


def test_nested_models_and_what_was_built_before() -> None:
    found = aliases(nested())
    assert found["tower/a/kernel"] == ("layers/sequential/layers/dense/vars/0",)
    assert found["late/a/kernel"] == ("whole/late/a/kernel", "layers/sequential_1/layers/dense/vars/0")
    assert found["head/bias"] == ("whole/head/bias", "layers/dense/vars/1")


def test_a_model_taken_out_of_another() -> None:
    late = nested().layers[1]
    assert late.name == "late"
    assert aliases(late)["a/kernel"] == ("whole/late/a/kernel", "layers/dense/vars/0")


def test_one_path_for_two_variables_is_nobodys_name() -> None:
    inputs = keras.Input((3,))
    inner = keras.Model(inputs, layers.Dense(3, name="a")(inputs), name="inner")  # adds no segment
    outer = keras.Input((3,))
    found = aliases(keras.Model(outer, layers.Dense(3, name="a")(layers.Dense(3, name="b")(inner(outer)))))
    assert found == {
        "layers/functional/layers/dense/vars/0": (),
        "layers/functional/layers/dense/vars/1": (),
        "b/kernel": ("layers/dense/vars/0",),
        "b/bias": ("layers/dense/vars/1",),
        "layers/dense_1/vars/0": (),
        "layers/dense_1/vars/1": (),
    }


def test_one_path_for_two_variables_that_no_file_holds() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.1), layers.Dropout(0.1), layers.Dense(1)])
    for layer in model.layers[:2]:
        layer.seed_generator.state._path = "same/seed_generator_state"
    assert list(aliases(model))[:2] == ["variables/0/seed_generator_state", "variables/1/seed_generator_state"]


def test_an_alias_that_is_anothers_name_is_no_alias() -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.first, self.second = layers.Dense(3, name="d"), layers.Dense(3, name="net")
            self.second.build((None, 3))  # its path is `net/kernel`, and the first one's whole path is `net/d/kernel`
            self.extra = self.add_weight(shape=(3,), name="kernel")  # its whole path is `net/kernel` as well

        def call(self, values: Any) -> Any:
            return self.second(self.first(values)) * self.extra

    model = Model()
    model(numpy.zeros((1, 3)))
    found = aliases(model)
    assert found["net/kernel"] == ("layers/dense_1/vars/0",)  # not `second/vars/0`: Keras looks at `layers` before `second`
    assert found["kernel"] == ("vars/0",)
    assert found["d/kernel"] == ("net/d/kernel", "first/vars/0")


def test_a_compiled_and_trained_model_shows_its_weights_and_its_optimizer_and_no_metric() -> None:
    model = subclassed()
    before = aliases(model)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(numpy.zeros((2, 4), "int32"), numpy.zeros((2, 4, 2)), verbose=0)
    assert len(model.optimizer.variables) > 2
    trained = aliases(model)
    assert {name: trained[name] for name in before} == before
    assert set(trained) - set(before) == {variable.path for variable in model.optimizer.variables}


def test_dtypes_are_the_variables_own() -> None:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, dtype="mixed_float16"),
            layers.Dense(2, dtype="bfloat16"),
            layers.Dense(2, dtype="float64"),
            layers.Normalization(),
        ]
    )
    dtypes = {variable.name: variable.dtype for variable in opened(model).variables}
    assert dtypes["dense/kernel"] == "float32"
    assert dtypes["dense_1/kernel"] == "bfloat16"
    assert dtypes["dense_2/kernel"] == "float64"
    assert dtypes["normalization/count"] in ("int32", "int64")


def test_a_merged_weight_has_no_place_in_the_file() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model.layers[0].enable_lora(2)
    found = aliases(model)
    assert found["dense/kernel"] == ("sequential/dense/kernel",)
    assert found["dense/bias"] == ("sequential/dense/bias", "layers/dense/vars/1")


@pytest.mark.parametrize("make", MODELS)
def test_names_paths_and_values_agree_with_keras(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    randomise(model)
    live = opened(model)
    stored = saved_values(model, tmp_path / "m.weights.h5")
    by_path = {variable.path: variable for variable in model.variables}
    assert len(live.variables) == len(model.variables) == len(by_path)
    seen = []
    for variable in live.variables:
        original = by_path[variable.name if variable.name in by_path else f"{model.name}/{variable.name}"]
        value = live.read(variable.name)
        assert (variable.shape, variable.dtype) == (original.shape, original.dtype)
        assert value.dtype.name == variable.dtype and value.shape == variable.shape
        assert numpy.array_equal(value, keras.ops.convert_to_numpy(original))
        if not variable.name.endswith("seed_generator_state"):
            path = variable.aliases[-1]
            assert numpy.array_equal(stored[path], value)
            seen.append(path)
    assert sorted(seen) == sorted(stored)  # every dataset of the file is some variable's alias
