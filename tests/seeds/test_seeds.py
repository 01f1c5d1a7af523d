"""The migrations that this project was started for: each spec beside this file, run on real models, judged by their outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow, which is the oracle")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, which is the oracle")

from oracles import tf1_lstm  # noqa: E402

import migspec  # noqa: E402

layers = keras.layers
HERE = Path(__file__).parent


def migrate(spec: str | Path, source: object, target: object) -> None:
    """Run a spec beside this file, or one of the test's own, into a live model."""
    migspec.compile(HERE / spec, source, target).apply()


def refusal(spec: str | Path, source: object, target: object) -> list[tuple[str, str]]:
    """The code of each error that stops a spec, and all that it says."""
    with pytest.raises(migspec.SpecError) as caught:
        migspec.compile(HERE / spec, source, target)
    return [(one.code, "\n".join((one.message, *one.notes, *one.helps))) for one in caught.value.diagnostics]


def edited(folder: Path, spec: str, *changes: tuple[str, str]) -> Path:
    """A copy of a spec beside this file with something else in it."""
    text = (HERE / spec).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / spec
    path.write_text(text, encoding="utf-8")
    return path


def values_of(model: Any) -> dict[str, numpy.ndarray]:
    return {variable.path: numpy.array(variable) for variable in model.variables}


def run(model: Any, inputs: numpy.ndarray) -> numpy.ndarray:
    return numpy.asarray(model(inputs, training=False))


def difference(model: Any, recording: tf1_lstm.Recording) -> float:
    return float(numpy.abs(run(model, recording.inputs) - recording.outputs).max())


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
        assert code == "MIG301" and "transpose 2 3 1 0" in message

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


class TestOneLstm:
    """c. `lstm/basic_lstm_cell` (inputs 20, units 100) into one Keras LSTM."""

    @staticmethod
    def model(units: int = 100) -> Any:
        return keras.Sequential([keras.Input((6, 20)), layers.LSTM(units, return_sequences=True, name="lstm")])

    @pytest.mark.parametrize("spec", ["one_lstm.mig", "one_lstm_mounted.mig"])
    def test_outputs_are_those_of_the_graph(self, tmp_path: Path, spec: str) -> None:
        recording, model = tf1_lstm.lstm(tmp_path), self.model()
        assert recording.outputs.shape == (3, 6, 100)
        migrate(spec, recording.prefix, model)
        assert difference(model, recording) <= 1e-5

    @pytest.mark.parametrize(
        ("spec", "change"),
        [
            ("one_lstm.mig", ("add 1.0 to f", "add 0.3 to f")),
            ("one_lstm_mounted.mig", ("lstm_cell\n", "lstm_cell with forget_bias = 0.3\n")),
        ],
    )
    def test_a_cell_with_a_forget_bias_of_its_own(self, tmp_path: Path, spec: str, change: tuple[str, str]) -> None:
        recording, model = tf1_lstm.lstm(tmp_path, forget_bias=0.3), self.model()
        migrate(edited(tmp_path, spec, change), recording.prefix, model)
        assert difference(model, recording) <= 1e-5
        migrate(spec, recording.prefix, model)
        assert difference(model, recording) > 0.05

    def test_the_trainers_state_must_be_left_behind_by_name(self, tmp_path: Path) -> None:
        recording, model = tf1_lstm.lstm(tmp_path, adam=True), self.model()
        errors = refusal("one_lstm.mig", recording.prefix, model)
        assert {code for code, _ in errors} == {"MIG201"}
        spec = edited(tmp_path, "one_lstm.mig", ("mig 1\n", "mig 1\ndrop **/Adam*, beta*_power, global_step\n"))
        migrate(spec, recording.prefix, model)
        assert difference(model, recording) <= 1e-5

    @pytest.mark.parametrize(
        ("spec", "code", "message"),
        [
            ("gate_blocks.mig", "MIG301", "shapes differ after `gates icfo -> ifco`"),
            ("four_gate_blocks.mig", "MIG303", "the rule ends in 4 tensors for 2 targets"),
        ],
    )
    def test_a_kernel_split_by_gate_blocks_is_refused(self, tmp_path: Path, spec: str, code: str, message: str) -> None:
        recording, model = tf1_lstm.lstm(tmp_path), self.model()
        before = values_of(model)
        ((found, text),) = refusal(spec, recording.prefix, model)
        assert found == code and text.startswith(message)
        assert "`split rows` cuts it into exactly these targets: 120 rows are 20 + 100" in text
        after = values_of(model)
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)

    def test_the_refusal_of_gate_blocks_shows_the_shapes_and_the_way_out(self, tmp_path: Path) -> None:
        from migspec.diagnostics.render import render

        recording, model = tf1_lstm.lstm(tmp_path), self.model()
        with pytest.raises(migspec.SpecError) as caught:
            migspec.compile(HERE / "gate_blocks.mig", recording.prefix, model)
        shown = render(caught.value.diagnostics, "full")
        for fact in (
            "[120, 400]",
            "[120, 100]",
            "[20, 400]",
            "lstm/basic_lstm_cell/kernel",
            "lstm/lstm_cell/kernel",
            "model.ckpt",
        ):
            assert fact in shown

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ([("kernel split gates ifco", "kernel split gates ifc")], "MIG404"),
            ([("kernel split gates ifco", "kernel, lstm/recurrent_kernel split rows")], "MIG403"),
            ([("kernel split gates ifco", "kernel, lstm/recurrent_kernel split rows gates icfo -> zrho")], "MIG404"),
            ([("bias gates icfo -> ifco add 1.0 to f", "bias add 1.0 to f")], "MIG408"),
            ([("add 1.0 to f", "add 1.0 to i")], "MIG405"),
            ([(" add 1.0 to f", "")], "MIG405"),
            ([("add 1.0 to f", "add 1.0 to z")], "MIG408"),
        ],
    )
    def test_gates_and_forget_bias_left_unsaid_or_said_wrong_are_refused(
        self, tmp_path: Path, changes: list[tuple[str, str]], code: str
    ) -> None:
        recording = tf1_lstm.lstm(tmp_path)
        errors = refusal(edited(tmp_path, "one_lstm.mig", *changes), recording.prefix, self.model())
        assert [one for one, _ in errors] == [code]

    @pytest.mark.parametrize(
        ("changes", "least"),
        [
            ([("kernel split gates ifco", "kernel, lstm/recurrent_kernel split rows gates ifco -> ifco")], 0.5),
            ([("bias gates icfo -> ifco", "bias gates ifco -> ifco")], 0.1),
            ([("add 1.0 to f", "add 0.0 to f")], 0.1),
        ],
    )
    def test_a_wrong_order_that_is_spelt_out_shows_in_the_outputs(
        self, tmp_path: Path, changes: list[tuple[str, str]], least: float
    ) -> None:
        recording, model = tf1_lstm.lstm(tmp_path), self.model()
        migrate(edited(tmp_path, "one_lstm.mig", *changes), recording.prefix, model)
        assert difference(model, recording) > least

    @pytest.mark.parametrize(("spec", "codes"), [("one_lstm.mig", ["MIG302", "MIG301"]), ("one_lstm_mounted.mig", ["MIG307"])])
    def test_a_layer_of_another_size_is_refused(self, tmp_path: Path, spec: str, codes: list[str]) -> None:
        recording = tf1_lstm.lstm(tmp_path)
        errors = refusal(spec, recording.prefix, self.model(units=99))
        assert [code for code, _ in errors] == codes  # one for the kernel's rule and one for the bias'; one for the whole spec
        assert "20 + 99 = 119, the axis has 120" in errors[0][1] or "`units` = 100" in errors[0][1]


class TestTwoLstms:
    """c. `lstm_0` (100 units) and `lstm_1` (150 units), one on the other, and a dense layer."""

    @staticmethod
    def model() -> Any:
        return keras.Sequential(
            [
                keras.Input((5, 20)),
                layers.LSTM(100, return_sequences=True, name="lstm_0"),
                layers.LSTM(150, name="lstm_1"),
                layers.Dense(7, name="dense"),
            ]
        )

    @pytest.mark.parametrize("spec", ["two_lstms.mig", "two_lstms_mounted.mig"])
    def test_outputs_are_those_of_the_graph(self, tmp_path: Path, spec: str) -> None:
        recording, model = tf1_lstm.stacked_lstm(tmp_path), self.model()
        migrate(spec, recording.prefix, model)
        assert difference(model, recording) <= 1e-5

    @pytest.mark.parametrize("cell", ["lstm_cell", "lstm_block_cell"])
    def test_other_classes_of_the_cell(self, tmp_path: Path, cell: str) -> None:
        recording, model = tf1_lstm.stacked_lstm(tmp_path, cell=cell, seed=8), self.model()
        for spec in ("two_lstms.mig", "two_lstms_mounted.mig"):
            migrate(edited(tmp_path, spec, ("basic_lstm_cell", cell)), recording.prefix, model)
            assert difference(model, recording) <= 1e-5

    def test_layers_in_the_wrong_order_are_refused(self, tmp_path: Path) -> None:
        recording = tf1_lstm.stacked_lstm(tmp_path)
        spec = edited(
            tmp_path,
            "two_lstms.mig",
            (
                "rename lstm_{i}/basic_lstm_cell/kernel -> lstm_{i}/kernel",
                "rename lstm_{0..1}/basic_lstm_cell/kernel -> lstm_1/kernel",
            ),
        )
        assert refusal(spec, recording.prefix, self.model())


class TestSelective:
    """d. Only `conv1` comes from the old file, `new_dense` keeps what it has, and nothing is silent."""

    @staticmethod
    def old(folder: Path) -> tuple[Path, dict[str, numpy.ndarray]]:
        random = numpy.random.default_rng(4)
        shapes = {
            "conv1/kernel": (3, 3, 3, 8),
            "conv1/bias": (8,),
            "conv2/kernel": (3, 3, 8, 8),
            "conv2/bias": (8,),
            "old_dense/kernel": (8, 10),
            "old_dense/bias": (10,),
        }
        weights = {name: random.normal(size=shape).astype("float32") for name, shape in shapes.items()}
        numpy.savez(folder / "old.npz", **weights)
        return folder / "old.npz", weights

    @staticmethod
    def model() -> Any:
        keras.utils.set_random_seed(7)
        inputs = keras.Input((8, 8, 3))
        features = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, name="conv1")(inputs))
        return keras.Model(inputs, layers.Dense(4, name="new_dense")(features))

    def test_conv1_is_the_files_and_new_dense_is_as_it_was(self, tmp_path: Path) -> None:
        source, weights = self.old(tmp_path)
        model = self.model()
        before = values_of(model)
        migrate("selective.mig", source, model)
        after = values_of(model)
        for name in ("conv1/kernel", "conv1/bias"):
            assert after[name].tobytes() == weights[name].tobytes() != before[name].tobytes()
        for name in ("new_dense/kernel", "new_dense/bias"):
            assert after[name].tobytes() == before[name].tobytes()
        assert numpy.abs(after["new_dense/kernel"]).max() > 0
        images = numpy.random.default_rng(5).normal(size=(2, 8, 8, 3)).astype("float32")
        windows = numpy.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2))
        features = numpy.einsum("byxcij,ijco->byxo", windows, weights["conv1/kernel"]) + weights["conv1/bias"]
        expected = features.mean((1, 2)) @ before["new_dense/kernel"] + before["new_dense/bias"]
        numpy.testing.assert_allclose(run(model, images), expected, atol=1e-5)

    @pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".npz", ".safetensors"])
    def test_every_kind_of_output_holds_the_kept_values(self, tmp_path: Path, ending: str) -> None:
        source, weights = self.old(tmp_path)
        model = self.model()
        before = values_of(model)
        out = tmp_path / f"new{ending}"
        migspec.compile(HERE / "selective.mig", source, model).apply(out)
        with migspec.open(out) as written:
            assert set(written) == set(before)
            for name, value in written.items():
                assert value.tobytes() == weights.get(name, before[name]).tobytes()

    def test_a_template_file_keeps_its_values_too(self, tmp_path: Path) -> None:
        source, weights = self.old(tmp_path)
        model = self.model()
        model.save(tmp_path / "template.keras")
        migspec.compile(HERE / "selective.mig", source, tmp_path / "template.keras").apply(tmp_path / "new.keras")
        loaded = keras.models.load_model(tmp_path / "new.keras")
        for name, value in values_of(loaded).items():
            assert value.tobytes() == weights.get(name, values_of(model)[name]).tobytes()

    @pytest.mark.parametrize(
        ("line", "code", "names"),
        [("drop **", "MIG201", ("conv2", "old_dense")), ("keep new_dense/*", "MIG202", ("new_dense",))],
    )
    def test_nothing_is_silent(self, tmp_path: Path, line: str, code: str, names: tuple[str, ...]) -> None:
        source, _ = self.old(tmp_path)
        model = self.model()
        before = values_of(model)
        errors = refusal(edited(tmp_path, "selective.mig", (line, f"# {line}")), source, model)
        assert {one for one, _ in errors} == {code}
        assert all(any(name in text for _, text in errors) for name in names)
        assert all(before[name].tobytes() == value.tobytes() for name, value in values_of(model).items())

    def test_what_was_allowed_is_written_down(self, tmp_path: Path) -> None:
        source, weights = self.old(tmp_path)
        model = self.model()
        before = values_of(model)
        spec = edited(tmp_path, "selective.mig", ("drop **", "# drop"), ("keep new_dense/*", "# keep"))
        migration = migspec.compile(spec, source, model, allow=["MIG201", "MIG202"])
        assert any("MIG201" in one for one in migration.plan.allowed)
        assert any("MIG202" in one for one in migration.plan.allowed)
        assert "conv2" in str(migration) and "new_dense" in str(migration)
        migration.apply()
        assert values_of(model)["conv1/kernel"].tobytes() == weights["conv1/kernel"].tobytes()
        assert values_of(model)["new_dense/kernel"].tobytes() == before["new_dense/kernel"].tobytes()


class TestAltered:
    """e. A layer renamed, a layer added, a convolution widened from 32 to 64 filters."""

    @staticmethod
    def model(first: str, filters: int, adapter: bool) -> Any:
        inputs = keras.Input((8, 8, 3))
        wide = layers.Conv2D(filters, 3, activation="relu", name=first)(inputs)
        features = layers.BatchNormalization(name="norm")(wide)
        features = layers.Conv2D(16, 3, activation="relu", name="conv2")(features)
        features = layers.GlobalAveragePooling2D()(features)
        if adapter:
            features = layers.Add()([features, layers.Dense(16, name="adapter")(features)])
        outputs = layers.Dense(5, name="head")(features)
        return keras.Model(inputs, [outputs, wide])

    def old(self, folder: Path) -> Any:
        model = self.model("conv", 32, adapter=False)
        random = numpy.random.default_rng(6)
        for variable in model.variables:
            low = 0.5 if "variance" in variable.path else -0.5
            variable.assign(random.uniform(low, 1.0, variable.shape).astype("float32"))
        model.save_weights(folder / "old.weights.h5")
        return model

    def test_the_new_model_computes_what_the_old_one_did(self, tmp_path: Path) -> None:
        old, new = self.old(tmp_path), self.model("stem", 64, adapter=True)
        images = numpy.random.default_rng(8).normal(size=(2, 8, 8, 3)).astype("float32")
        before, before_wide = (numpy.asarray(one) for one in old(images, training=False))
        migrate("altered.mig", tmp_path / "old.weights.h5", new)
        after, after_wide = (numpy.asarray(one) for one in new(images, training=False))
        assert after_wide.shape[-1] == 64
        numpy.testing.assert_allclose(after_wide[..., :32], before_wide, atol=1e-5)
        assert not after_wide[..., 32:].any()
        numpy.testing.assert_allclose(after, before, atol=1e-4, rtol=1e-5)
        assert not numpy.array(new.get_layer("adapter").kernel).any()

    def test_random_new_filters_leave_the_first_ones_alone(self, tmp_path: Path) -> None:
        """What follows is padded with zeros, so it does not look at the new filters, whatever they hold."""
        old, new = self.old(tmp_path), self.model("stem", 64, adapter=True)
        images = numpy.random.default_rng(8).normal(size=(2, 8, 8, 3)).astype("float32")
        spec = edited(tmp_path, "altered.mig", ("stem/{name}  pad zeros", "stem/{name}  pad normal 0.1 seed 3"))
        migrate(spec, tmp_path / "old.weights.h5", new)
        before, before_wide = (numpy.asarray(one) for one in old(images, training=False))
        after, after_wide = (numpy.asarray(one) for one in new(images, training=False))
        numpy.testing.assert_allclose(after_wide[..., :32], before_wide, atol=1e-5)
        assert after_wide[..., 32:].any()
        numpy.testing.assert_allclose(after, before, atol=1e-4, rtol=1e-5)
        first = values_of(new)["stem/kernel"]
        assert 0.08 < first[..., 32:].std() < 0.12
        again = self.model("stem", 64, adapter=True)
        migrate(spec, tmp_path / "old.weights.h5", again)
        assert values_of(again)["stem/kernel"].tobytes() == first.tobytes()

    @pytest.mark.parametrize(
        ("change", "codes"),
        [
            (("stem/{name}  pad zeros", "stem/{name}"), {"MIG301"}),
            (("conv2/kernel  pad zeros", "conv2/kernel"), {"MIG301"}),
            (("fill   adapter/* with zeros\n", ""), {"MIG202"}),
            (("same   conv2/bias, head/*", "same conv2/bias"), {"MIG201", "MIG202"}),
        ],
    )
    def test_each_part_is_needed(self, tmp_path: Path, change: tuple[str, str], codes: set[str]) -> None:
        self.old(tmp_path)
        spec = edited(tmp_path, "altered.mig", change)
        errors = refusal(spec, tmp_path / "old.weights.h5", self.model("stem", 64, adapter=True))
        assert {code for code, _ in errors} == codes
