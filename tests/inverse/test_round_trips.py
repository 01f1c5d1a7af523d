"""A TensorFlow 1 checkpoint into Keras and back by the inverse: equal byte for byte, but for a forget bias that was shifted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tensorflow = pytest.importorskip("tensorflow", reason="needs TensorFlow, which writes the checkpoint")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")

import migspec  # noqa: E402
from migspec.compiler import read_spec  # noqa: E402
from migspec.invert import invert  # noqa: E402

SPEC = """
use    tf1/conv_2d     conv -> conv
use    tf1/batch_norm  norm -> norm
use    tf1/basic_lstm  rnn/multi_rnn_cell/cell_{i}/basic_lstm_cell -> lstm{_i}/lstm_cell
rename softmax/softmax_w -> head/kernel
rename softmax/softmax_b -> head/bias
drop   global_step  because "training state"
"""
SHAPES = {
    "conv/kernel": (3, 3, 2, 4),
    "conv/bias": (4,),
    **{f"norm/{name}": (4,) for name in ("gamma", "beta", "moving_mean", "moving_variance")},
    "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel": (4 + 6, 24),
    "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/bias": (24,),
    "rnn/multi_rnn_cell/cell_1/basic_lstm_cell/kernel": (6 + 5, 20),
    "rnn/multi_rnn_cell/cell_1/basic_lstm_cell/bias": (20,),
    "softmax/softmax_w": (5, 7),
    "softmax/softmax_b": (7,),
}


def checkpoint(folder: Path) -> dict[str, numpy.ndarray]:
    """A checkpoint of any bits that are finite floats, written by TensorFlow; returns its values."""
    generator = numpy.random.default_rng(0)
    values: dict[str, Any] = {
        name: (generator.standard_normal(shape) * 10.0 ** generator.integers(-9, 9, shape)).astype(numpy.float32)
        for name, shape in SHAPES.items()
    }
    values["global_step"] = numpy.int64(1234)
    names = sorted(values)
    tensorflow.raw_ops.SaveV2(
        prefix=str(folder / "old.ckpt"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[values[n] for n in names],
    )
    return values


def model() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((5, 5, 2)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Reshape((9, 4)),
            layers.LSTM(6, return_sequences=True, name="lstm"),
            layers.LSTM(5, name="lstm_1"),
            layers.Dense(7, name="head"),
        ]
    )


@pytest.mark.parametrize("output", ["new.weights.h5", "new.keras", "new.safetensors"])
def test_there_and_back(tmp_path: Path, output: str) -> None:
    values = checkpoint(tmp_path)
    (tmp_path / "there.mig").write_text(SPEC)
    (tmp_path / "back.mig").write_text(invert(read_spec(str(tmp_path / "there.mig"))).text.content)
    live = model()
    migspec.compile(tmp_path / "there.mig", source=tmp_path / "old.ckpt", target=live).apply()
    if output.endswith(".safetensors"):
        migspec.compile(tmp_path / "there.mig", source=tmp_path / "old.ckpt", target=live).apply(out=tmp_path / output)
    else:
        (live.save_weights if output.endswith(".weights.h5") else live.save)(tmp_path / output)
    back = migspec.compile(tmp_path / "back.mig", source=tmp_path / output, target=tmp_path / "old.ckpt")
    back.apply(out=tmp_path / "back.ckpt")
    reader = tensorflow.train.load_checkpoint(str(tmp_path / "back.ckpt"))
    assert set(reader.get_variable_to_shape_map()) == set(values)
    for name, value in values.items():
        again = reader.get_tensor(name)
        if not name.endswith("basic_lstm_cell/bias"):
            assert again.tobytes() == value.tobytes(), name
            continue
        # The forget bias went on and came off again: each rounds once, to half a unit in the last place.
        forget = numpy.s_[len(value) // 2 : 3 * len(value) // 4]  # of i c f o
        others = numpy.delete(numpy.arange(len(value)), numpy.arange(len(value))[forget])
        assert again[others].tobytes() == value[others].tobytes()
        bound = (2 * numpy.abs(value[forget].astype(float)) + 1.0) * 2**-24
        assert (numpy.abs(again[forget].astype(float) - value[forget]) <= bound).all()
