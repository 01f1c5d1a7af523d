"""The published character model goes on training in Keras as its TensorFlow 1 graph would have done, from its own Adam slots."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow, which runs the old graph")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, which is filled")

from shared_data import shared  # noqa: E402

import migspec  # noqa: E402

SPEC = """
rename rnn/multi_rnn_cell/cell_{i}/basic_lstm_cell/kernel -> lstm{_i}/kernel  split gates ifco
rename rnn/multi_rnn_cell/cell_{i}/basic_lstm_cell/bias   -> lstm{_i}/bias    gates icfo -> ifco  add 0.0 to f
rename softmax/softmax_w -> logits/kernel
rename softmax/softmax_b -> logits/bias
slots {weight}/Adam   -> adam/{weight:_}_momentum
slots {weight}/Adam_1 -> adam/{weight:_}_velocity
fill  adam/iteration with 85340  # `global_step`, which this model kept as a float
keep  adam/learning_rate
drop  global_step, training/**, validation/**, evaluation/**  because "monitors; Keras computes the powers of beta"
"""
CHARACTERS, STEPS = 65, 20
TOLERANCE = 1e-4  # Adam divides by what is near zero for some elements of the kernels; most differ by less than 1e-6


class Graph:
    """The old graph, as its `.meta` file has it, in training."""

    def __init__(self, path: str) -> None:
        import tensorflow

        v1 = tensorflow.compat.v1
        self.graph = tensorflow.Graph()
        with self.graph.as_default():
            saver = v1.train.import_meta_graph(f"{path}.meta", clear_devices=True)
            self.session = v1.Session()
            saver.restore(self.session, path)
            (self._train,) = v1.get_collection("train_op")
            self._weights = {variable.op.name: variable for variable in v1.trainable_variables()}

    def number(self, name: str) -> float:
        return float(self.session.run(f"{name}:0"))

    def step(self, x: numpy.ndarray, y: numpy.ndarray) -> None:
        self.session.run(self._train, {"training/inputs:0": x, "training/targets:0": y})

    @property
    def batch(self) -> tuple[int, int]:
        rows, columns = self.graph.get_tensor_by_name("training/inputs:0").shape.as_list()
        return rows, columns

    def weights(self) -> dict[str, numpy.ndarray]:
        found: dict[str, numpy.ndarray] = self.session.run(self._weights)
        return found


def compiled(graph: Graph) -> Any:
    layers = keras.layers
    inputs = keras.Input((None, CHARACTERS))
    values = layers.LSTM(128, return_sequences=True, name="lstm")(inputs)
    values = layers.LSTM(128, return_sequences=True, name="lstm_1")(values)
    model = keras.Model(inputs, layers.Dense(CHARACTERS, name="logits")(values))
    optimizer = keras.optimizers.Adam(
        graph.number("training/Const"),
        graph.number("training/Adam/beta1"),
        graph.number("training/Adam/beta2"),
        graph.number("training/Adam/epsilon"),
        global_clipnorm=graph.number("training/clip_by_global_norm/truediv_1/y"),
        name="adam",
    )
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    return model


def through_files(spec: Path, source: str, graph: Graph, folder: Path) -> Any:
    keras.utils.clear_session()
    compiled(graph).save(folder / "new.keras")
    migspec.compile(spec, source, folder / "new.keras").apply(folder / "out.keras", overwrite=True)
    return keras.models.load_model(folder / "out.keras")


def live(spec: Path, source: str, graph: Graph) -> Any:
    keras.utils.clear_session()
    model = compiled(graph)
    migspec.compile(spec, source, model).apply(verify=True)
    return model


def test_twenty_more_steps_of_the_character_model(tmp_path: Path) -> None:
    source = shared("char_rnn/model-85340")
    graph = Graph(source)
    generator = numpy.random.default_rng(7)
    batches = [generator.integers(0, CHARACTERS, (2, *graph.batch)) for _ in range(STEPS)]
    spec, fresh = tmp_path / "spec.mig", tmp_path / "fresh.mig"
    spec.write_text(SPEC)
    fresh.write_text(f"{SPEC[: SPEC.index('slots')]}drop **\n")  # it does not speak of the new optimizer, which begins anew
    from_file, filled, anew = (
        through_files(spec, source, graph, tmp_path),
        live(spec, source, graph),
        live(fresh, source, graph),
    )
    for x, y in batches:
        graph.step(x, y)
        for one in (from_file, filled, anew):
            one.train_on_batch(numpy.eye(CHARACTERS, dtype=numpy.float32)[x], y)
    expected = graph.weights()

    def difference(one: Any) -> float:
        values = {variable.path: variable.numpy() for variable in one.trainable_variables}
        pairs = [("softmax/softmax_w", "logits/kernel"), ("softmax/softmax_b", "logits/bias")]
        largest = max(float(numpy.abs(expected[old] - values[new]).max()) for old, new in pairs)
        for cell, layer in (("cell_0", "lstm"), ("cell_1", "lstm_1")):
            kernels = [values[f"{layer}/lstm_cell/{name}"] for name in ("kernel", "recurrent_kernel")]
            fused = numpy.split(numpy.concatenate(kernels), 4, axis=1)
            old = expected[f"rnn/multi_rnn_cell/{cell}/basic_lstm_cell/kernel"]
            new = numpy.concatenate([fused[gate] for gate in (0, 2, 1, 3)], axis=1)
            largest = max(largest, float(numpy.abs(old - new).max()))
        return largest

    assert difference(from_file) <= TOLERANCE
    assert difference(filled) <= TOLERANCE
    assert difference(anew) >= 1000 * TOLERANCE
