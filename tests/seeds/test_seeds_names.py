"""Seeds a and b: what is named alike. Each spec stands beside this file, and is judged by the outputs of real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from migrations import difference, edited, keras, layers, migrate, refusal, run, tf1_lstm


class TestSameNames:
    """a. npz weights with the model's names; one convolution is stored OIHW."""

    @staticmethod
    def model(filters: int = 5) -> Any:
        inputs = keras.Input((8, 8, 3))
        features = layers.Conv2D(4, 3, activation="relu", name="conv1")(inputs)
        features = layers.Conv2D(filters, 3, activation="relu", name="conv2")(features)
        return keras.Model(inputs, layers.Dense(6, name="dense")(layers.Flatten()(features)))

    @staticmethod
    def weights(filters: int = 5) -> dict[str, numpy.ndarray]:
        random = numpy.random.default_rng(1)
        shapes = {
            "conv1/kernel": (3, 3, 3, 4),
            "conv1/bias": (4,),
            "conv2/kernel": (filters, 4, 3, 3),
            "conv2/bias": (filters,),
            "dense/kernel": (4 * 4 * filters, 6),
            "dense/bias": (6,),
        }
        return {name: random.uniform(-0.5, 0.5, shape).astype("float32") for name, shape in shapes.items()}

    @staticmethod
    def reference(weights: dict[str, numpy.ndarray], images: numpy.ndarray) -> numpy.ndarray:
        """The model in numpy, which takes each kernel in the order of axes that it is stored in."""
        windows = numpy.lib.stride_tricks.sliding_window_view
        first = numpy.einsum("byxcij,ijco->byxo", windows(images, (3, 3), (1, 2)), weights["conv1/kernel"])
        first = numpy.maximum(first + weights["conv1/bias"], 0)
        second = numpy.einsum("byxcij,ocij->byxo", windows(first, (3, 3), (1, 2)), weights["conv2/kernel"])
        second = numpy.maximum(second + weights["conv2/bias"], 0)
        return second.reshape(len(images), -1) @ weights["dense/kernel"] + weights["dense/bias"]

    def test_outputs_are_those_of_the_file(self, tmp_path: Path) -> None:
        weights, model = self.weights(), self.model()
        numpy.savez(tmp_path / "weights.npz", **weights)
        migrate("same_names.mig", tmp_path / "weights.npz", model)
        images = numpy.random.default_rng(2).normal(size=(2, 8, 8, 3)).astype("float32")
        numpy.testing.assert_allclose(run(model, images), self.reference(weights, images), atol=1e-5)

    def test_names_alone_are_refused_for_the_other_layout(self, tmp_path: Path) -> None:
        numpy.savez(tmp_path / "weights.npz", **self.weights())
        (tmp_path / "spec.mig").write_text("same **\n")
        ((code, message),) = refusal(tmp_path / "spec.mig", tmp_path / "weights.npz", self.model())
        assert code == "MIG301" and "permute OIHW -> HWIO" in message

    def test_a_layout_that_is_not_the_files_shows_in_the_outputs(self, tmp_path: Path) -> None:
        """With as many filters as channels both orders fit: what the shapes cannot tell, the outputs do."""
        weights, model = self.weights(filters=4), self.model(filters=4)
        numpy.savez(tmp_path / "weights.npz", **weights)
        images = numpy.random.default_rng(2).normal(size=(2, 8, 8, 3)).astype("float32")
        expected = self.reference(weights, images)
        migrate("same_names.mig", tmp_path / "weights.npz", model)
        numpy.testing.assert_allclose(run(model, images), expected, atol=1e-5)
        migrate(edited(tmp_path, "same_names.mig", ("OIHW ->", "IOHW ->")), tmp_path / "weights.npz", model)
        assert numpy.abs(run(model, images) - expected).max() > 0.1


class TestDirectNames:
    """b. A TF1 checkpoint of dense layers into a Keras Sequential."""

    @staticmethod
    def model(recording: tf1_lstm.Recording) -> Any:
        keras.utils.clear_session()  # so that Keras numbers the layers from `dense` on
        inputs = keras.Input(recording.inputs.shape[1:])
        return keras.Sequential(
            [inputs, layers.Dense(16, activation="relu"), layers.Dense(16, activation="relu"), layers.Dense(5)]
        )

    def test_outputs_are_those_of_the_graph(self, tmp_path: Path) -> None:
        recording = tf1_lstm.dense_stack(tmp_path)
        model = self.model(recording)
        assert difference(model, recording) > 0.1
        migrate("direct_names.mig", recording.prefix, model)
        assert difference(model, recording) <= 1e-5

    @pytest.mark.parametrize("line", ["same **", "rename dense{_i}/{part} -> dense{_i}/{part}"])
    def test_one_line_does_it_too(self, tmp_path: Path, line: str) -> None:
        recording = tf1_lstm.dense_stack(tmp_path)
        model = self.model(recording)
        (tmp_path / "spec.mig").write_text(f"{line}\n")
        migrate(tmp_path / "spec.mig", recording.prefix, model)
        assert difference(model, recording) <= 1e-5

    def test_a_pattern_that_misses_the_first_layer_says_so(self, tmp_path: Path) -> None:
        recording = tf1_lstm.dense_stack(tmp_path)
        (tmp_path / "spec.mig").write_text("rename dense_{i}/{part} -> dense_{i}/{part}\n")
        errors = refusal(tmp_path / "spec.mig", recording.prefix, self.model(recording))
        assert [code for code, _ in errors] == ["MIG201", "MIG202"]
        assert all("`dense{_i}/{part}` takes it along" in text for _, text in errors)
