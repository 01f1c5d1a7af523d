"""Checkpoints into altered architectures: what the old part of a model computes stays as it was, on real Keras layers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow as Keras' backend")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, whose layers are the oracle")

import migspec  # noqa: E402

layers = keras.layers
RANDOM_STATE = "drop **/seed_generator_state\n"  # what the dropout of a recurrent layer draws from
RANDOM = numpy.random.default_rng(0)


def network(shape: tuple[int | None, ...], *parts: Any, dtype: str = "float32") -> Any:
    return keras.Sequential([keras.Input(shape, dtype=dtype), *parts])


def migrated(folder: Path, spec: str, old: Any, new: Any) -> Any:
    for variable in (*old.trainable_variables, *new.trainable_variables):
        variable.assign(RANDOM.standard_normal(variable.shape))
    (folder / "spec.mig").write_text(spec)
    migspec.compile(folder / "spec.mig", old, new).apply()
    return new


def inputs(*shape: int) -> numpy.ndarray:
    return RANDOM.standard_normal(shape).astype(numpy.float32)


def assert_close(new: Any, old: Any) -> None:
    numpy.testing.assert_allclose(numpy.asarray(new), numpy.asarray(old), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("content", ["zeros", "normal 0.02 seed 7"])
def test_a_widened_convolution_keeps_its_first_filters(tmp_path: Path, content: str) -> None:
    old = network((8, 8, 3), layers.Conv2D(32, 3, name="conv"))
    new = network((8, 8, 3), layers.Conv2D(48, 3, name="conv"))
    spec = f"rename conv/kernel -> conv/kernel pad {content}\nrename conv/bias -> conv/bias pad zeros\n"
    migrated(tmp_path, spec, old, new)
    x = inputs(2, 8, 8, 3)
    assert_close(new(x)[..., :32], old(x))
    rest = numpy.asarray(new(x))[..., 32:]
    assert (rest == 0).all() if content == "zeros" else numpy.ptp(rest) > 0


def test_a_convolution_that_sees_more_channels_ignores_the_new_ones_at_first(tmp_path: Path) -> None:
    old = network((8, 8, 3), layers.Conv2D(4, 3, name="conv"))
    new = network((8, 8, 5), layers.Conv2D(4, 3, name="conv"))
    migrated(tmp_path, "rename conv/kernel -> conv/kernel  pad zeros\nsame conv/bias\n", old, new)
    x = inputs(2, 8, 8, 5)
    assert_close(new(x), old(x[..., :3]))


def test_a_cropped_convolution_is_the_first_filters(tmp_path: Path) -> None:
    old = network((8, 8, 3), layers.Conv2D(6, 3, name="conv"))
    new = network((8, 8, 3), layers.Conv2D(4, 3, name="conv"))
    migrated(tmp_path, "rename conv/* -> conv/*  crop\n", old, new)
    x = inputs(2, 8, 8, 3)
    assert_close(new(x), old(x)[..., :4])


@pytest.mark.parametrize(("cell", "gates"), [("LSTM", "ifco"), ("GRU", "zrh")])
def test_a_recurrent_cell_grows_gate_by_gate(tmp_path: Path, cell: str, gates: str) -> None:
    """The new units of a cell that is padded with zeros stay silent, so the old ones compute what they did."""
    old = network((None, 3), getattr(layers, cell)(4, return_sequences=True, name="rnn"))
    new = network((None, 3), getattr(layers, cell)(6, return_sequences=True, name="rnn"))
    migrated(tmp_path, f"rename rnn/* -> rnn/*  gates {gates} -> {gates}  pad zeros\n" + RANDOM_STATE, old, new)
    x = inputs(2, 7, 3)
    assert_close(new(x)[..., :4], old(x))


@pytest.mark.parametrize(("cell", "gates"), [("LSTM", "ifco"), ("GRU", "zrh")])
def test_a_recurrent_cell_is_cropped_gate_by_gate(tmp_path: Path, cell: str, gates: str) -> None:
    """Back to its first units, if those that go had been silent."""
    old = network((None, 3), getattr(layers, cell)(4, return_sequences=True, name="rnn"))
    wide = network((None, 3), getattr(layers, cell)(6, return_sequences=True, name="rnn"))
    again = network((None, 3), getattr(layers, cell)(4, return_sequences=True, name="rnn"))
    migrated(tmp_path, f"rename rnn/* -> rnn/*  gates {gates} -> {gates}  pad zeros\n" + RANDOM_STATE, old, wide)
    (tmp_path / "back.mig").write_text(f"rename rnn/* -> rnn/*  gates {gates} -> {gates}  crop\n" + RANDOM_STATE)
    migspec.compile(tmp_path / "back.mig", wide, again).apply()
    x = inputs(2, 7, 3)
    assert_close(again(x), old(x))


def test_a_pad_without_its_gates_would_be_wrong(tmp_path: Path) -> None:
    """That is why it is an error: the shapes fit."""
    old = network((None, 3), layers.LSTM(4, name="rnn"))
    new = network((None, 3), layers.LSTM(6, name="rnn"))
    with pytest.raises(migspec.SpecError, match="MIG403"):
        migrated(tmp_path, "rename rnn/* -> rnn/*  pad zeros\n" + RANDOM_STATE, old, new)


def trunk(*names: str) -> list[Any]:
    return [layers.Dense(5, "tanh", name=name) for name in names]


def test_more_layers_and_a_new_head(tmp_path: Path) -> None:
    old = network((4,), *trunk("layer_0", "layer_1"), layers.Dense(3, name="head"))
    new = network((4,), *trunk("layer_0", "layer_1", "layer_2"), layers.Dense(7, name="classes"))
    migrated(
        tmp_path,
        "same layer_*/**\nfill layer_2/kernel, classes/kernel with normal 0.05 seed 7\n"
        'fill layer_2/bias, classes/bias with zeros\ndrop head/* because "other classes"\n',
        old,
        new,
    )
    x = inputs(6, 4)
    middle = [keras.Model(model.inputs[0], model.get_layer("layer_1").output) for model in (old, new)]
    assert_close(middle[1](x), middle[0](x))
    assert numpy.asarray(new.get_layer("layer_2").kernel).std() == pytest.approx(0.05, rel=0.3)


def test_fewer_layers(tmp_path: Path) -> None:
    old = network((4,), layers.Dense(5, "tanh", name="stem"), *trunk("layer_0", "layer_1", "layer_2"))
    new = network((4,), layers.Dense(5, "tanh", name="stem"), *trunk("block_0", "block_1"))
    spec = 'same stem/*\nrename layer_{2*i}/* -> block_{i}/*\ndrop layer_1/* because "every other layer"\n'
    migrated(tmp_path, spec, old, new)
    x = inputs(6, 4)
    expected = old.get_layer("layer_2")(old.get_layer("layer_0")(old.get_layer("stem")(x)))
    assert_close(new(x), expected)


def test_a_residual_block_that_is_new_does_nothing_at_first(tmp_path: Path) -> None:
    def network_of(blocks: int) -> Any:
        start = values = keras.Input((5,))
        for number in range(blocks):
            inner = layers.Dense(8, "relu", name=f"block_{number}_in")(values)
            values = layers.Add()([values, layers.Dense(5, name=f"block_{number}_out")(inner)])
        return keras.Model(start, values)

    old, new = network_of(1), network_of(2)
    spec = "same block_0*/**\nfill block_1_in/* with normal 0.05 seed 7\nfill block_1_out/* with zeros\n"
    migrated(tmp_path, spec, old, new)
    x = inputs(6, 5)
    assert_close(new(x), old(x))


def test_changed_classes_keep_the_logits_of_those_that_stay(tmp_path: Path) -> None:
    old_classes, new_classes = ["cat", "dog", "bird", "fish"], ["horse", "fish", "cat"]
    (tmp_path / "old.txt").write_text("\n".join(old_classes) + "\n")
    (tmp_path / "new.txt").write_text("\n".join(new_classes) + "\n")
    old = network((4,), layers.Dense(4, name="head"))
    new = network((4,), layers.Dense(3, name="head"))
    files = 'from "old.txt" to "new.txt"'
    spec = f"rename head/kernel -> head/kernel  remap columns {files} else normal 0.02 seed 7\n"
    migrated(tmp_path, spec + f"rename head/bias -> head/bias  remap rows {files} else -4.5\n", old, new)
    x = inputs(6, 4)
    for name in ("fish", "cat"):
        assert_close(new(x)[:, new_classes.index(name)], old(x)[:, old_classes.index(name)])
    assert float(new.get_layer("head").bias[0]) == -4.5


def test_an_embedding_gives_each_word_its_old_vector(tmp_path: Path) -> None:
    old_words = [f"word{number}" for number in range(200)]
    new_words = [old_words[place] for place in RANDOM.permutation(200)[:150]] + ["new", "newer"]
    (tmp_path / "old.txt").write_text("\n".join(old_words))
    (tmp_path / "new.txt").write_text("\n".join(new_words))
    old = network((None,), layers.Embedding(201, 8, name="words"), dtype="int32")
    new = network((None,), layers.Embedding(154, 8, name="words"), dtype="int32")
    spec = 'rename words/* -> words/*  remap rows from "old.txt" oov 1 to "new.txt" oov 2 else zeros\n'
    migrated(tmp_path, spec, old, new)
    text = [word for word in new_words if word in old_words]
    numbers = [numpy.array([[words.index(word) for word in text]]) for words in (old_words, new_words)]
    assert_close(new(numbers[1]), old(numbers[0]))
    assert_close(new(numpy.array([[152]])), old(numpy.array([[200]])))  # the first place for what is out of the vocabulary
    assert not numpy.asarray(new(numpy.array([[150, 151, 153]]))).any()
