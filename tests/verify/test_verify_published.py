"""Published models against their migrations, and against what TensorFlow once recorded of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from old_and_new import keras, layers

import migspec
from migspec.verify import verify

REAL = Path(__file__).parents[1] / "real"
sys.path.insert(0, str(REAL))

from shared_data import shared  # noqa: E402


def characters() -> Any:
    """The published character model in Keras, from characters on."""
    inputs = keras.Input([None], dtype="int64", name="characters")
    values = keras.ops.one_hot(inputs, 65)
    for name in ("lstm", "lstm_1"):
        values = layers.LSTM(128, return_sequences=True, name=name)(values)
    return keras.Model(inputs, layers.Dense(65, activation="softmax", name="logits")(values))


def test_char_rnn(tmp_path: Path) -> None:
    """Against the graph on made characters, against the recording; and with a forget bias that the cells were not built with."""
    prefix, truth = shared("char_rnn/model-85340"), shared("char_rnn/truth.npz")
    new = characters()
    migspec.compile(REAL / "char_rnn.mig", prefix, new).apply()
    outputs = {"training/softmax/Softmax": "logits"}
    report = verify(prefix, new, output_pairs=outputs)
    assert report.passed and report.inputs[0].origin == "made: whole numbers from 0 to 64"
    report = verify(truth, new, atol=1e-5, rtol=0.0)
    assert report.passed and report.outputs[0].shape == (20, 10, 65)
    report = verify(
        truth, prefix, input_pairs={"x": "training/inputs"}, output_pairs={"p": "training/softmax/Softmax"}, atol=1e-5
    )
    assert report.passed

    spec = tmp_path / "wrong.mig"
    spec.write_text((REAL / "char_rnn.mig").read_text().replace("add 0.0 to f", "add 1.0 to f"))
    migspec.compile(spec, prefix, new).apply()
    report = verify(prefix, new, output_pairs=outputs, spec=str(spec))
    assert [one.code for one in report.diagnostics] == ["MIG601", "MIG605"]
    assert "`lstm/lstm_cell/bias`, `lstm_1/lstm_cell/bias`: a forget bias of 1 was added" in report.diagnostics[1].message
    assert report.diagnostics[1].primary is not None and report.diagnostics[1].primary.span.line == 5


def musicnn(epsilon: float) -> Any:
    inputs = keras.Input([187, 96])
    values = layers.BatchNormalization(name="bn_input", epsilon=epsilon)(layers.Reshape([187, 96, 1])(inputs))
    for number, (window, step) in enumerate([((4, 1), 2), (2, 2), (2, 2), (2, 2), (4, 4)], 1):
        values = layers.Conv2D(128, 3, padding="same", activation="relu", name=f"{number}CNN")(values)
        values = layers.BatchNormalization(name=f"bn_conv{number}", epsilon=epsilon)(values)
        values = layers.MaxPooling2D(window, step)(values)
    return keras.Model(inputs, layers.Dense(50, activation="sigmoid", name="output")(layers.Flatten()(values)))


def test_musicnn(tmp_path: Path) -> None:
    """Today's importer refuses the graph, whose batch norms are in branches that an unfed flag chooses."""
    prefix, truth = shared("musicnn_mtt_vgg/"), shared("musicnn_mtt_vgg/truth.npz")
    new = musicnn(1e-3)
    migspec.compile(REAL / "musicnn.mig", prefix, new).apply()
    feeds = {"constants": {"model/Placeholder_2": "false"}, "samples": 2}
    report = verify(prefix, new, **feeds)
    assert report.passed and [(one.old_name, one.new_name) for one in report.outputs] == [("model/Sigmoid", "output")]
    assert verify(truth, new).passed
    other = musicnn(1e-5)
    migspec.compile(REAL / "musicnn.mig", prefix, other).apply()
    report = verify(prefix, other, **feeds)
    assert "epsilon of BatchNormalization is 1e-05 in the new model, and 0.001 in the other" in report.diagnostics[1].message


def test_the_keras_file_that_another_author_made_of_musicnn() -> None:
    pytest.importorskip("tf_keras", reason="needs tf_keras, which is Keras 2: its author wrote the file with that")
    file, truth = shared("musicnn_mtt_vgg/MTT_vgg.h5"), shared("musicnn_mtt_vgg/truth.npz")
    report = verify(truth, file, input_pairs={"x": "input_1"})
    assert "the old output is the sigmoid of the new one" in report.diagnostics[1].message


@pytest.mark.parametrize("name", ["saved_model_tf1", "saved_model_tf2"])
def test_half_plus_two(name: str) -> None:
    """TensorFlow Serving's example computes x / 2 + 2, in SavedModels of both generations."""
    assert verify(shared(f"serving/{name}/"), lambda x: 0.5 * x + 2).passed


def half_plus_two(x: Any) -> Any:
    return 0.5 * x + 2


def test_a_graph_of_2016_with_a_checkpoint_of_the_first_version() -> None:
    assert verify(shared("serving/v1_single/export.meta"), half_plus_two, shapes={"x": (4,)}).passed


def test_a_graph_that_reads_serialized_examples_is_fed_behind_them() -> None:
    """TensorFlow 0.12 wrote it, with a version that is none: `tf_example` is parsed to `x`, which is fed instead."""
    graph, weights = shared("serving/v1_sharded/export.meta"), shared("serving/v1_sharded/export")
    report = verify(graph, half_plus_two, old_weights=weights, input_pairs={"x": "x"})
    assert report.passed and report.inputs[0].shape == (4, 1)
