"""Live tf_keras models against tf_keras itself: names as in Keras 3, values, files, and refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from filling import fill, refusal, restores_after_each_failure, values_of
from keras_layers import new_model
from old_layers import NAMES, tf

import migspec
from migspec.formats.output import Destination
from migspec.models.recognition import open_model

legacy = pytest.importorskip("tf_keras", reason="needs tf_keras, which is Keras 2")
layers = legacy.layers


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    legacy.backend.clear_session()  # automatic names (`dense_7`) start anew
    legacy.utils.set_random_seed(3)


class Blocks(legacy.Model):  # type: ignore[misc]
    """A subclassed model with layers in lists and dicts, and a weight of its own."""

    def __init__(self) -> None:
        super().__init__(name="blocks")
        self.blocks = [layers.Dense(3), layers.Dense(3), [layers.Dense(2)]]
        self.tables = {"words": layers.Embedding(5, 3)}
        self.scale = self.add_weight(shape=(3,), name="scale", initializer="ones")

    def call(self, tokens: Any) -> Any:
        values = self.tables["words"](tokens)
        for block in self.blocks[:2]:
            values = block(values)
        return self.blocks[2][0](values * self.scale)


class Custom(layers.Layer):  # type: ignore[misc]
    """A layer with a weight and two layers of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first, self.second = layers.Dense(2, name="first"), layers.Dense(2, name="second")

    def build(self, shape: Any) -> None:
        self.gain = self.add_weight(shape=(2,), name="scaling/gain", initializer="ones")
        super().build(shape)

    def call(self, values: Any) -> Any:
        return self.second(self.first(values)) * self.gain


def sequential() -> Any:
    return legacy.Sequential(
        [
            legacy.Input((5, 4)),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.LSTM(2, return_sequences=True, name="second"),
            layers.GRU(2, return_sequences=True, name="gated"),
            layers.TimeDistributed(layers.Dense(2, name="inner")),
            Custom(name="custom"),
            layers.BatchNormalization(scale=False),
            layers.Dropout(0.5),
            layers.Dense(2, name="head"),
        ]
    )


def functional() -> Any:
    inputs = legacy.Input((5, 4))
    shared = layers.Dense(4, name="shared")
    values = shared(shared(inputs))
    values = layers.MultiHeadAttention(2, 3)(values, values)
    values = layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], name="stack")(values)
    return legacy.Model(inputs, values, name="shared")


def subclassed() -> Any:
    model = Blocks()
    model(numpy.zeros((2, 4), "int32"))
    return model


def nested() -> Any:
    def tower(name: str) -> Any:
        inputs = legacy.Input((4,))
        return legacy.Model(inputs, layers.Dense(4, name="a")(inputs), name=name)

    late = legacy.Sequential([layers.Dense(4, name="a")], name="late")
    inputs = legacy.Input((4,))
    alone = legacy.Model(inputs, layers.Dense(4, name="b")(inputs), name="alone")
    return legacy.Sequential([legacy.Input((4,)), tower("one"), tower("two"), late, alone, layers.Dense(2, name="head")])


MODELS: list[Callable[[], Any]] = [sequential, functional, subclassed, nested]


def aliases(model: Any) -> dict[str, tuple[str, ...]]:
    return {variable.name: variable.aliases for variable in open_model(model, "model").variables}


def test_a_sequential_model() -> None:
    found = aliases(sequential())
    assert found["bidirectional/forward_lstm/lstm_cell/kernel"][0] == "bidirectional/forward_lstm/kernel"
    assert found["second/lstm_cell/bias"][0] == "second/bias"
    assert found["gated/gru_cell/bias"][0] == "gated/bias"
    assert "time_distributed/kernel" in found["time_distributed/inner/kernel"]
    assert {"custom/scaling/gain", "custom/first/kernel", "custom/second/bias"} <= set(found)
    assert "batch_normalization/moving_variance" in found
    assert "layer_with_weights-6/kernel" in found["head/kernel"]


def test_a_functional_model_with_a_shared_layer() -> None:
    found = aliases(functional())
    assert {"shared/kernel", "multi_head_attention/query/kernel", "stack/stacked_rnn_cells/lstm_cell_1/kernel"} <= set(found)
    assert found["stack/stacked_rnn_cells/lstm_cell_1/kernel"][0] == "stack/lstm_cell_1/kernel"


def test_a_subclassed_model() -> None:
    found = aliases(subclassed())
    assert set(found) == {
        "scale",
        "embedding/embeddings",
        *(f"{name}/{part}" for name in ("dense", "dense_1", "dense_2") for part in ("kernel", "bias")),
    }
    assert "blocks/dense/kernel" in found["dense/kernel"]
    assert "tables/words/embeddings" in found["embedding/embeddings"]


def test_nested_models() -> None:
    found = aliases(nested())
    assert {"one/a/kernel", "two/a/kernel", "late/a/kernel", "b/kernel", "head/kernel"} <= set(found)
    assert "alone/b/kernel" in found["b/kernel"]
    assert all("a/kernel" not in names for names in found.values())  # three variables have that name


def test_layers_of_one_name_in_a_list() -> None:
    model = legacy.Sequential([legacy.Input((2,)), Custom(name="same")])
    model.layers[0].second._name = "first"
    found = aliases(model)
    assert {"layer_with_weights-0/first/kernel", "layer_with_weights-0/second/kernel"} <= set(found)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_of_keras_3(name: str) -> None:
    keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")
    ours = {one.name for one in open_model(new_model(legacy, name), "model").variables}
    theirs = {one.name for one in open_model(new_model(keras, name), "model").variables}
    assert ours == {name for name in theirs if not name.endswith("seed_generator_state")}


@pytest.mark.parametrize("make", MODELS)
def test_what_is_written_is_what_the_model_has(make: Callable[[], Any]) -> None:
    model = make()
    live = open_model(model, "model")
    random = numpy.random.default_rng(1)
    values = [random.normal(size=variable.shape).astype("float32") for variable in model.variables]
    fill(live, {variable.name: value for variable, value in zip(live.variables, values, strict=True)})
    assert len(live.variables) == len(model.variables)
    for variable, one, value in zip(model.variables, live.variables, values, strict=True):
        assert numpy.array_equal(variable.numpy(), value) and numpy.array_equal(live.read(one.name), value)


@pytest.mark.parametrize("make", MODELS)
def test_every_variable_of_a_checkpoint_is_known_by_its_path(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    model.save_weights(str(tmp_path / "weights"), save_format="tf")
    live = open_model(model, "model")
    called = {name: one.name for one in live.variables for name in (one.name, *one.aliases)}
    with migspec.open(tmp_path / "weights") as stored:
        for variable in stored.variables:
            if variable.name != "save_counter":
                ours = {called[name] for name in (variable.name, *variable.aliases) if name in called}
                assert len(ours) == 1
                assert live.read(ours.pop()).tobytes() == stored[variable.name].tobytes()


@pytest.mark.parametrize("make", [sequential, functional, nested])
def test_every_variable_of_a_legacy_file_is_known_by_its_path(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    live = open_model(model, "model")
    live.save(Destination(str(tmp_path / "model.h5")), "keras-h5")
    called = {name: one.name for one in live.variables for name in (one.name, *one.aliases)}
    with migspec.open(tmp_path / "model.h5") as stored:
        assert len(stored) == len(live.variables)
        for variable in stored.variables:
            (ours,) = {called[name] for name in (variable.name, *variable.aliases) if name in called}
            assert live.read(ours).tobytes() == stored[variable.name].tobytes()


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failure_at_any_variable_changes_nothing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    model = subclassed()
    restores_after_each_failure(open_model(model, "model"), monkeypatch, type(model.variables[0]), "assign", error)


def test_the_optimizer_keeps_its_values() -> None:
    model = legacy.Sequential([legacy.Input((2,)), layers.Dense(1)])
    before = set(aliases(model))
    model.compile("adam", "mse")
    model.fit(numpy.ones((4, 2)), numpy.ones((4, 1)), verbose=0)
    slots_of_adam = {f"Adam/{slot}/dense/{name}" for slot in "mv" for name in ("kernel", "bias")}
    assert set(aliases(model)) == before | {"iteration"} | slots_of_adam
    slots = [variable.numpy().tolist() for variable in model.optimizer.variables]
    fill(open_model(model, "model"), {"dense/kernel": numpy.ones((2, 1), "float32")})
    assert [variable.numpy().tolist() for variable in model.optimizer.variables] == slots
    model.fit(numpy.ones((4, 2)), numpy.ones((4, 1)), verbose=0)  # the compiled step goes on with what was filled
    assert model.layers[0].kernel.numpy()[0, 0] != 1


def test_mixed_precision_keeps_its_variables() -> None:
    model = legacy.Sequential([legacy.Input((2,)), layers.Dense(1, dtype="mixed_float16")])
    live = open_model(model, "model")
    assert live.variables["dense/kernel"].dtype == "float32"
    fill(live, {"dense/kernel": numpy.full((2, 1), 0.1, "float32")})
    assert model.layers[0].kernel.numpy().tolist() == numpy.full((2, 1), 0.1, "float32").tolist()
    assert model(numpy.ones((1, 2))).dtype == tf.float16


def test_normalization_computes_with_what_was_written() -> None:
    model = legacy.Sequential([legacy.Input((2,)), layers.Normalization()])
    new = {"normalization/mean": numpy.array([1, 2], "float32"), "normalization/variance": numpy.array([4, 9], "float32")}
    fill(open_model(model, "model"), new)
    assert numpy.allclose(model(numpy.array([[3.0, 5.0]], "float32")), [[1.0, 1.0]])


@pytest.mark.parametrize("ending", [".h5", ".hdf5", ".keras", ".weights.h5", ".npz", ".safetensors", ".ckpt"])
def test_filled_and_saved(tmp_path: Path, ending: str) -> None:
    model = legacy.Sequential([legacy.Input((2,)), layers.Dense(2, name="new")])
    numpy.savez(tmp_path / "old.npz", w=numpy.full((2, 2), 7, "float32"), b=numpy.ones(2, "float32"))
    (tmp_path / "spec.mig").write_text("rename w -> new/kernel as is\nrename b -> new/bias\n")
    path = tmp_path / f"out{ending}"
    migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", model).apply(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(
        ["old.npz", "spec.mig", *([path.name] if ending != ".ckpt" else _bundle(path.name))]
    )
    expected = values_of(open_model(model, "model"))
    if ending in (".h5", ".hdf5", ".keras"):
        assert values_of(open_model(legacy.models.load_model(path), "loaded")) == expected
    elif ending == ".weights.h5":
        other = legacy.Sequential([legacy.Input((2,)), layers.Dense(2, name="new")])
        other.load_weights(path)
        assert values_of(open_model(other, "loaded")) == expected
    else:
        with migspec.open(path) as written:
            assert {name: value.tolist() for name, value in written.items()} == expected


def _bundle(name: str) -> list[str]:
    return [f"{name}.index", f"{name}.data-00000-of-00001"]


def test_a_model_that_cannot_be_saved(tmp_path: Path) -> None:
    live = open_model(subclassed(), "model")
    found = refusal(lambda: live.save(Destination(str(tmp_path / "out.h5")), "keras-h5"))
    assert found.code == "MIG508" and found.message == "the live tf_keras model cannot be saved as `.h5`"
    early = refusal(lambda: live.refuse_saving(Destination(str(tmp_path / "out.h5")), "keras-h5"))
    assert (early.code, early.message) == (found.code, found.message) and "subclassed" in early.notes[0]
    live.refuse_saving(Destination(str(tmp_path / "out.weights.h5")), "weights.h5")
    assert list(tmp_path.iterdir()) == []


def test_an_unbuilt_model_is_told_how_to_be_built() -> None:
    found = refusal(lambda: open_model(legacy.Sequential([layers.Dense(3)]), "model"))
    assert found.code == "MIG512" and "tf_keras.Input" in found.helps[0]
    assert "call the model once" in refusal(lambda: open_model(Blocks(), "model")).helps[0]
    empty = legacy.Sequential([legacy.Input((2,)), layers.ReLU()])
    assert refusal(lambda: open_model(empty, "model")).message == f"the model `{empty.name}` has no variables"
    built = legacy.Sequential([layers.Dense(3, name="dense")])
    built.build((None, 2))
    assert set(aliases(built)) == {"dense/kernel", "dense/bias"}


def test_a_layer_alone_is_no_model() -> None:
    found = refusal(lambda: open_model(layers.Dense(2), "model"))
    assert found.code == "MIG511" and found.helps == ("return a model with this layer: `tf_keras.Sequential([layer])`",)


GRAPH_MODE = """
import os
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy, tensorflow as tf
from migspec import SpecError
from migspec.models.recognition import open_model
tf.compat.v1.disable_v2_behavior()
layer = tf.keras.layers.Dense(2, name="dense")
model = tf.keras.Sequential([tf.keras.Input((2,)), layer])
try:
    open_model(model, "model")
    raise SystemExit("a model in graph mode was opened")
except SpecError as error:
    assert error.diagnostics[0].code == "MIG511" and "tf.compat.v1.Session" in error.diagnostics[0].helps[0]
live = open_model(tf.compat.v1.keras.backend.get_session(), "session")
from filling import fill
fill(live, {"dense/kernel": numpy.full((2, 2), 3, "float32"), "dense/bias": numpy.ones(2, "float32")})
assert model.predict(numpy.ones((1, 2))).tolist() == [[7, 7]]
"""


def test_keras_2_through_tf_keras_in_graph_mode(tmp_path: Path) -> None:
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parents[1]}"}
    command = [sys.executable, "-c", GRAPH_MODE]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
