"""`.keras` files of models with layers inside layers: Keras loads them under shorter paths than they were saved under."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from old_and_new import keras, layers, randomised

from migspec.cli.main import run_with
from migspec.formats.registry import open_reader
from migspec.models.recognition import open_model
from migspec.verify.opening import open_side_to_run
from migspec.verify.side import Settable

MODELS = """
import numpy, keras
from keras import layers

W = numpy.load("old.npz")

def _sigmoid(x):
    return 1 / (1 + numpy.exp(-x))

def _lstm(x, name):  # the gates stand as i c f o
    h = c = numpy.zeros((len(x), 4), "float32")
    found = []
    for step in range(x.shape[1]):
        i, c_new, f, o = numpy.split(x[:, step] @ W[name + ".w"] + h @ W[name + ".u"] + W[name + ".b"], 4, 1)
        c = _sigmoid(f) * c + _sigmoid(i) * numpy.tanh(c_new)
        h = _sigmoid(o) * numpy.tanh(c)
        found.append(h)
    return numpy.stack(found, 1)

def old_tagger():
    def tag(x):
        both = [_lstm(x, "forward"), _lstm(x[:, ::-1], "backward")[:, ::-1]]
        return {"head": (numpy.concatenate(both, -1) @ W["head.w"] + W["head.b"]).astype("float32")}
    return tag

def tagger():
    lstm = layers.LSTM(4, return_sequences=True, name="lstm")
    return keras.Sequential(
        [keras.Input((5, 3), name="x"), layers.Bidirectional(lstm, name="rnn"), layers.Dense(2, name="head")], name="tagger"
    )

def old_nested():
    def body(x):
        for name in ("one", "two"):
            x = numpy.tanh(x @ W[name + ".w"] + W[name + ".b"])
        return {"head": x @ W["out.w"] + W["out.b"]}
    return body

def nested():
    x = keras.Input((4,), name="x")
    body = keras.Sequential([layers.Dense(4, "tanh", name="dense")], name="body")
    y = keras.Input((4,))
    inner = keras.Model(y, layers.Dense(4, "tanh", name="dense")(y), name="inner")
    return keras.Model(x, layers.Dense(2, name="head")(inner(body(x))), name="outer")

def old_steps():
    return lambda x: {"head": numpy.tanh(x @ W["one.w"] + W["one.b"]) @ W["out.w"] + W["out.b"]}

def steps():
    each = layers.TimeDistributed(layers.Dense(4, "tanh", name="dense"), name="each")
    return keras.Sequential([keras.Input((5, 4), name="x"), each, layers.Dense(2, name="head")], name="steps")
"""

TAGGER = """
rename {way}.w -> rnn/{way}_lstm/lstm_cell/kernel  gates icfo -> ifco
rename {way}.u -> rnn/{way}_lstm/lstm_cell/recurrent_kernel  gates icfo -> ifco
rename {way}.b -> rnn/{way}_lstm/lstm_cell/bias  gates icfo -> ifco
rename head.w -> head/kernel
rename head.b -> head/bias
"""

NESTED = """
rename one.w -> body/dense/kernel  as is
rename one.b -> body/dense/bias
rename two.w -> dense/kernel  as is
rename two.b -> dense/bias
rename out.w -> head/kernel
rename out.b -> head/bias
"""

STEPS = """
rename one.w -> each/dense/kernel  as is
rename one.b -> each/dense/bias
rename out.w -> head/kernel
rename out.b -> head/bias
"""

BOTH_WAYS = {
    f"rnn/{way}_lstm/lstm_cell/{name}" for way in ("forward", "backward") for name in ("kernel", "recurrent_kernel", "bias")
}

WEIGHTS = {
    "tagger": {"head.w": (8, 2), "head.b": (2,)}
    | {
        f"{way}.{name}": shape
        for way in ("forward", "backward")
        for name, shape in {"w": (3, 16), "u": (4, 16), "b": (16,)}.items()
    },
    "nested": {"one.w": (4, 4), "one.b": (4,), "two.w": (4, 4), "two.b": (4,), "out.w": (4, 2), "out.b": (2,)},
    "steps": {"one.w": (4, 4), "one.b": (4,), "out.w": (4, 2), "out.b": (2,)},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the test is in, with the module that builds all models."""
    (tmp_path / "nested_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "nested_models", raising=False)
    return tmp_path


def _migrated_and_verified(folder: Path, name: str, spec: str) -> int:
    rng = numpy.random.default_rng(4)
    old: dict[str, Any] = {key: rng.normal(0, 0.8, shape).astype("float32") for key, shape in WEIGHTS[name].items()}
    numpy.savez(folder / "old.npz", **old)
    (folder / "spec.mig").write_text(f"mig 1\n{spec}")
    target = ["-s", "old.npz", "-t", f"nested_models:{name}"]
    assert run_with(["apply", "spec.mig", *target, "-o", "new.keras", "-q"]) == 0
    return run_with(["verify", f"nested_models:old_{name}", "new.keras", "--spec", "spec.mig", "--old-weights", "old.npz"])


@pytest.mark.parametrize(("name", "spec"), [("tagger", TAGGER), ("nested", NESTED), ("steps", STEPS)])
def test_the_right_spec(folder: Path, name: str, spec: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert _migrated_and_verified(folder, name, spec) == 0, capfd.readouterr()
    assert "1 output: agrees" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "spec", "blamed"),
    [
        ("tagger", TAGGER.replace("gates icfo", "gates ifco"), BOTH_WAYS),
        ("nested", NESTED.replace("body/dense/kernel  as is", "body/dense/kernel  transpose"), {"body/dense/kernel"}),
        ("nested", NESTED.replace(" dense/kernel  as is", " dense/kernel  transpose"), {"dense/kernel"}),
        ("steps", STEPS.replace("as is", "transpose"), {"each/dense/kernel"}),
    ],
)
def test_the_blame_is_by_the_names_of_the_file(
    folder: Path, name: str, spec: str, blamed: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert _migrated_and_verified(folder, name, spec) == 1
    message = capfd.readouterr().err.partition("note[MIG605]: ")[2].partition("\n")[0]
    assert set(re.findall(r"`([^` ]*/[^` ]*)`", message)) == blamed, message


@keras.saving.register_keras_serializable("test_verify_nested_keras")
class Scale(layers.Layer):  # type: ignore[misc]
    """A layer whose code alone knows what its weight is called."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=shape[-1:], name="factor")

    def call(self, x: Any, training: bool = False) -> Any:
        return x * self.factor


def _stacked() -> Any:
    cells = [layers.LSTMCell(4, name="lower"), layers.LSTMCell(4, name="upper")]
    return keras.Sequential([keras.Input((5, 3)), layers.RNN(layers.StackedRNNCells(cells), name="rnn")], name="m")


def _compiled() -> Any:
    both = layers.Bidirectional(layers.GRU(4, name="gru"), name="rnn")
    model = keras.Sequential([keras.Input((5, 3)), both, layers.Dense(2, name="head")], name="m")
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def _of_own_layers() -> Any:
    inner = keras.Sequential([Scale(name="scale"), Scale(name="again")], name="body")
    return keras.Sequential([keras.Input((5, 3)), inner, Scale(name="scale"), layers.Dense(2, name="head")], name="m")


def _twice_the_same() -> Any:
    """Two functional models, whose layers have the same paths: only the path in the file tells them apart."""
    x = y = keras.Input((4,))
    for name in ("one", "two"):
        z = keras.Input((4,))
        y = keras.Model(z, layers.Dense(4, name="dense")(z), name=name)(y)
    return keras.Model(x, layers.Dense(2, name="head")(y), name="m")


@pytest.mark.parametrize("build", [_stacked, _compiled, _of_own_layers, _twice_the_same])
def test_a_loaded_model_has_the_names_of_the_saved_one(build: Callable[[], Any], tmp_path: Path) -> None:
    path = str(tmp_path / "model.keras")
    saved = randomised(build())
    saved.save(path)
    side = open_side_to_run(path).side
    assert isinstance(side, Settable)
    found, expected = side.live(), open_model(saved, "saved")
    assert found is not None

    def told(names: Any) -> dict[str, Any]:
        return {one.name: one for one in names if not one.name.endswith("/seed_generator_state")}

    assert told(found.variables).keys() == told(expected.variables).keys()
    for name, one in told(expected.variables).items():
        loaded = found.variables[name]
        assert (loaded.shape, loaded.dtype, loaded.of_optimizer) == (one.shape, one.dtype, one.of_optimizer)
        assert set(one.aliases) <= set(loaded.aliases), name
        assert numpy.array_equal(found.read(name), expected.read(name))
    reader = open_reader(path)
    try:
        for one in reader.variables:
            assert any(one.name in (other.name, *other.aliases) for other in found.variables), one.name
    finally:
        reader.close()
