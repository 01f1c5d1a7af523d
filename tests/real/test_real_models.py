"""Published checkpoints into Keras models, judged by the outputs that TensorFlow computed from the original graphs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow as Keras' backend")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, which is the oracle")

from character_model import build  # noqa: E402
from shared_data import HERE, shared  # noqa: E402

import migspec  # noqa: E402
from migspec.cli.main import run_with  # noqa: E402

layers = keras.layers

CHARACTERS = 65

ALONE = """
import sys
import keras, numpy
model = keras.models.load_model(sys.argv[1])
truth = numpy.load(sys.argv[2])
answers = numpy.asarray(model(numpy.eye(65, dtype="float32")[truth["x"]]))
assert not [name for name in sys.modules if name.partition(".")[0] == "migspec"]
numpy.save(sys.argv[3], answers)
"""


@pytest.fixture
def char_rnn() -> Iterator[tuple[str, str, dict[str, numpy.ndarray]]]:
    """The checkpoint, what names the model that it goes into, and the recorded inputs and outputs."""
    source = shared("char_rnn/model-85340")
    with numpy.load(shared("char_rnn/truth.npz")) as truth:
        yield source, "character_model:build", dict(truth)


def answers(model: Any, truth: dict[str, numpy.ndarray]) -> numpy.ndarray:
    return numpy.asarray(model(numpy.eye(CHARACTERS, dtype="float32")[truth["x"]]))


def with_forget_bias(folder: Path, value: str) -> Path:
    text = (HERE / "char_rnn.mig").read_text()
    assert text.count("add 0.0 to f") == 1
    spec = folder / "changed.mig"
    spec.write_text(text.replace("add 0.0 to f", f"add {value} to f"))
    return spec


Char = tuple[str, str, dict[str, numpy.ndarray]]


def test_the_spec_is_short() -> None:
    assert len((HERE / "char_rnn.mig").read_text().splitlines()) <= 12


def test_char_rnn_from_the_command_line(tmp_path: Path, char_rnn: Char, capfd: pytest.CaptureFixture[str]) -> None:
    """inspect, check, plan, apply; then Keras alone, in a process of its own, gives the graph's numbers."""
    source, target, truth = char_rnn
    spec, out = str(HERE / "char_rnn.mig"), str(tmp_path / "char_rnn.keras")
    both = [spec, "--source", source, "--target", target]

    assert run_with(["inspect", source]) == 0
    shown = capfd.readouterr().out
    assert "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel " in shown and "float32 [193, 512]" in shown
    assert run_with(["check", *both]) == 0
    assert capfd.readouterr().out == ""
    assert run_with(["plan", *both]) == 0
    shown = capfd.readouterr().out
    assert "-> lstm_1/lstm_cell/recurrent_kernel  float32 [128, 512]" in shown and "8 moved" in shown
    assert run_with(["apply", *both, "--out", out]) == 0
    assert "wrote" in capfd.readouterr().err

    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    subprocess.run(
        [sys.executable, str(script), out, shared("char_rnn/truth.npz"), str(tmp_path / "answers.npy")], check=True, timeout=300
    )
    assert numpy.abs(numpy.load(tmp_path / "answers.npy") - truth["p"]).max() <= 1e-5


def test_char_rnn_from_python(tmp_path: Path, char_rnn: Char) -> None:
    """The live model is filled in place; with a forget bias that the cells were not built with, the outputs are others."""
    source, _, truth = char_rnn
    model = build()
    assert numpy.abs(answers(model, truth) - truth["p"]).max() > 0.1
    migspec.compile(HERE / "char_rnn.mig", source, model).apply()
    assert numpy.abs(answers(model, truth) - truth["p"]).max() <= 1e-5

    migspec.compile(with_forget_bias(tmp_path, "1.0"), source, model).apply()
    assert numpy.abs(answers(model, truth) - truth["p"]).max() > 0.5


def test_char_rnn_by_the_spec_of_the_library(tmp_path: Path, char_rnn: Char) -> None:
    source, _, truth = char_rnn
    text = (HERE / "char_rnn.mig").read_text()
    rest = text[text.index("rename softmax") :]
    use = "use tf1/basic_lstm rnn/multi_rnn_cell/cell_{i}/basic_lstm_cell -> lstm{_i}/lstm_cell with forget_bias = 0.0"
    (tmp_path / "mounted.mig").write_text(f"{use}\n{rest}")
    model = build()
    migspec.compile(tmp_path / "mounted.mig", source, model).apply()
    assert numpy.abs(answers(model, truth) - truth["p"]).max() <= 1e-5


@pytest.mark.parametrize("ending", [".weights.h5", ".safetensors", ".npz"])
def test_char_rnn_into_every_format(tmp_path: Path, char_rnn: Char, ending: str) -> None:
    """Each file, read back into a fresh model, gives the graph's numbers; `.weights.h5` by Keras itself."""
    source, target, truth = char_rnn
    out = tmp_path / f"char_rnn{ending}"
    assert run_with(["apply", str(HERE / "char_rnn.mig"), "-s", source, "-t", target, "-o", str(out), "-q"]) == 0
    model = build()
    if ending == ".weights.h5":
        model.load_weights(out)
    else:
        (tmp_path / "same.mig").write_text("same **\n")
        migspec.compile(tmp_path / "same.mig", out, model).apply()
    assert numpy.abs(answers(model, truth) - truth["p"]).max() <= 1e-5


def test_a_trained_layer_left_out_is_refused(tmp_path: Path, char_rnn: Char, capfd: pytest.CaptureFixture[str]) -> None:
    source, target, _ = char_rnn
    text = (HERE / "char_rnn.mig").read_text()
    spec = tmp_path / "short.mig"
    spec.write_text(text.replace("rename softmax/softmax_b -> logits/bias\n", ""))
    out = tmp_path / "out.keras"
    assert run_with(["apply", str(spec), "-s", source, "-t", target, "-o", str(out)]) == 1
    told = capfd.readouterr().err
    assert "MIG201" in told and "softmax/softmax_b" in told and "MIG202" in told and "logits/bias" in told
    assert not out.exists()


def musicnn_vgg() -> Any:
    """The layers of github.com/jordipons/musicnn's `vgg`, with the names that github.com/Quint-e/musicnn_keras gives them."""
    inputs = keras.Input((187, 96))
    values = layers.BatchNormalization(name="bn_input")(layers.Reshape((187, 96, 1))(inputs))
    for number, (window, step) in enumerate([((4, 1), 2), (2, 2), (2, 2), (2, 2), (4, 4)], 1):
        values = layers.Conv2D(128, 3, padding="same", activation="relu", name=f"{number}CNN")(values)
        values = layers.BatchNormalization(name=f"bn_conv{number}")(values)
        values = layers.MaxPooling2D(window, step)(values)
    return keras.Model(inputs, layers.Dense(50, activation="sigmoid", name="output")(layers.Flatten()(values)))


def test_musicnn_computes_what_its_graph_did() -> None:
    source = shared("musicnn_mtt_vgg/")
    model = musicnn_vgg()
    migspec.compile(HERE / "musicnn.mig", source, model).apply()
    with numpy.load(shared("musicnn_mtt_vgg/truth.npz")) as truth:
        assert numpy.abs(numpy.asarray(model(truth["x"], training=False)) - truth["y"]).max() <= 1e-5
