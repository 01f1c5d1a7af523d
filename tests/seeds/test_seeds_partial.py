"""Seeds d and e: a part of a checkpoint, and an altered architecture. Each spec stands beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from migrations import HERE, edited, keras, layers, migrate, refusal, run, values_of

import migspec


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
            (("fill adapter/*  with zeros\n", ""), {"MIG202"}),
            (("same conv2/bias, head/*", "same conv2/bias"), {"MIG201", "MIG202"}),
        ],
    )
    def test_each_part_is_needed(self, tmp_path: Path, change: tuple[str, str], codes: set[str]) -> None:
        self.old(tmp_path)
        spec = edited(tmp_path, "altered.mig", change)
        errors = refusal(spec, tmp_path / "old.weights.h5", self.model("stem", 64, adapter=True))
        assert {code for code, _ in errors} == codes
