"""The oracle itself: its cell is TF1's cell, and its checkpoints hold the names that TF1 gives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is the oracle")

sys.path.insert(0, str(Path(__file__).parents[1]))
from oracles import tf1_lstm  # noqa: E402


def stored(prefix: str) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in tf.train.list_variables(prefix)}


def block_lstm(recording: tf1_lstm.Recording, scope: str, units: int, forget_bias: float) -> numpy.ndarray:
    """The same weights through TensorFlow's fused op for the TF1 cell."""
    weights = tf.train.load_checkpoint(recording.prefix)
    batch, steps, _ = recording.inputs.shape
    nothing, zeros = numpy.zeros([units], "float32"), numpy.zeros([batch, units], "float32")
    *_, outputs = tf.raw_ops.BlockLSTM(
        seq_len_max=steps,
        x=recording.inputs.transpose(1, 0, 2),
        cs_prev=zeros,
        h_prev=zeros,
        w=weights.get_tensor(f"{scope}/kernel"),
        wci=nothing,
        wcf=nothing,
        wco=nothing,
        b=weights.get_tensor(f"{scope}/bias"),
        forget_bias=forget_bias,
        cell_clip=-1.0,
        use_peephole=False,
    )
    return outputs.numpy().transpose(1, 0, 2)


@pytest.mark.parametrize("forget_bias", [1.0, 0.0])
def test_the_cell_is_tf1s_fused_cell(tmp_path: Path, forget_bias: float) -> None:
    recording = tf1_lstm.lstm(tmp_path, forget_bias=forget_bias)
    expected = block_lstm(recording, "lstm/basic_lstm_cell", 100, forget_bias)
    numpy.testing.assert_allclose(recording.outputs, expected, atol=1e-6)
    other = block_lstm(recording, "lstm/basic_lstm_cell", 100, 1.0 - forget_bias)
    assert numpy.abs(recording.outputs - other).max() > 0.01  # the forget bias shows


def test_the_cell_is_tf1s_basic_lstm_cell(tmp_path: Path) -> None:
    legacy_cells = pytest.importorskip("tf_keras.src.layers.rnn.legacy_cells", reason="needs tf_keras, which has TF1's cells")
    recording = tf1_lstm.lstm(tmp_path, forget_bias=0.7)
    with tf.Graph().as_default():
        cell = legacy_cells.BasicLSTMCell(100, forget_bias=0.7)
        outputs, _ = tf.compat.v1.nn.dynamic_rnn(cell, tf.constant(recording.inputs), dtype=tf.float32, scope="lstm")
        assert [variable.op.name for variable in tf.compat.v1.global_variables()] == [
            "lstm/basic_lstm_cell/kernel",
            "lstm/basic_lstm_cell/bias",
        ]
        with tf.compat.v1.Session() as session:
            tf.compat.v1.train.Saver().restore(session, recording.prefix)
            numpy.testing.assert_allclose(recording.outputs, session.run(outputs), atol=1e-6)


def test_names_and_shapes_of_two_lstms(tmp_path: Path) -> None:
    recording = tf1_lstm.stacked_lstm(tmp_path)
    assert stored(recording.prefix) == {
        "dense/bias": (7,),
        "dense/kernel": (150, 7),
        "lstm_0/basic_lstm_cell/bias": (400,),
        "lstm_0/basic_lstm_cell/kernel": (120, 400),
        "lstm_1/basic_lstm_cell/bias": (600,),
        "lstm_1/basic_lstm_cell/kernel": (250, 600),
    }
    assert recording.outputs.shape == (3, 7)


def test_adam_slots_are_trained(tmp_path: Path) -> None:
    recording = tf1_lstm.lstm(tmp_path, units=4, adam=True)
    names = set(stored(recording.prefix))
    assert names == {
        "beta1_power",
        "beta2_power",
        "global_step",
        *(f"lstm/basic_lstm_cell/{name}{slot}" for name in ("kernel", "bias") for slot in ("", "/Adam", "/Adam_1")),
    }
    moments = tf.train.load_checkpoint(recording.prefix).get_tensor("lstm/basic_lstm_cell/kernel/Adam")
    assert numpy.abs(moments).max() > 0
    numpy.testing.assert_allclose(recording.outputs, block_lstm(recording, "lstm/basic_lstm_cell", 4, 1.0), atol=1e-6)


def test_a_dense_stack_computes_what_its_checkpoint_says(tmp_path: Path) -> None:
    recording = tf1_lstm.dense_stack(tmp_path)
    assert list(stored(recording.prefix)) == [
        f"{name}/{part}" for name in ("dense", "dense_1", "dense_2") for part in ("bias", "kernel")
    ]
    weights = tf.train.load_checkpoint(recording.prefix)
    values = recording.inputs
    for name in ("dense", "dense_1", "dense_2"):
        values = numpy.maximum(values, 0) if name != "dense" else values
        values = values @ weights.get_tensor(f"{name}/kernel") + weights.get_tensor(f"{name}/bias")
    numpy.testing.assert_allclose(recording.outputs, values, atol=1e-5)


def test_a_conv_net_has_tf1s_names(tmp_path: Path) -> None:
    recording = tf1_lstm.conv_net(tmp_path)
    assert stored(recording.prefix) == {
        "batch_normalization/beta": (8,),
        "batch_normalization/gamma": (8,),
        "batch_normalization/moving_mean": (8,),
        "batch_normalization/moving_variance": (8,),
        "conv2d/bias": (8,),
        "conv2d/kernel": (3, 3, 3, 8),
        "dense/bias": (6,),
        "dense/kernel": (128, 6),
    }
    assert recording.outputs.shape == (2, 6)


def test_one_seed_gives_one_model(tmp_path: Path) -> None:
    first = tf1_lstm.dense_stack(tmp_path / "a", seed=9)
    again = tf1_lstm.dense_stack(tmp_path / "b", seed=9)
    other = tf1_lstm.dense_stack(tmp_path / "c", seed=10)
    assert first.inputs.tobytes() == again.inputs.tobytes() and first.outputs.tobytes() == again.outputs.tobytes()
    assert first.outputs.tobytes() != other.outputs.tobytes()
