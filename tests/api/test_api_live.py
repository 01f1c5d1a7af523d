"""The Python API with a live model as target: filled in place, all or nothing, and saved."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from unittest import mock

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow as Keras' backend")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, which is the oracle")

import migspec  # noqa: E402

WEIGHTS = {
    "first/kernel": numpy.linspace(-1, 1, 12, dtype="float32").reshape(3, 4),
    "first/bias": numpy.arange(4, dtype="float32"),
    "second/kernel": numpy.linspace(2, 3, 8, dtype="float32").reshape(4, 2),
    "second/bias": numpy.array([0.25, -4.0], "float32"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    numpy.savez(tmp_path / "old.npz", **WEIGHTS)
    (tmp_path / "spec.mig").write_text("same **\n")
    return tmp_path


@pytest.fixture
def model() -> Any:
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2, name="second")(keras.layers.Dense(4, name="first")(inputs)))


def values_of(model: Any) -> dict[str, bytes]:
    return {variable.path: numpy.array(variable).tobytes() for variable in model.variables}


EXPECTED = {name: value.tobytes() for name, value in WEIGHTS.items()}


def test_compiling_touches_nothing_and_applying_fills_all(folder: Path, model: Any) -> None:
    before = values_of(model)
    migration = migspec.compile(folder / "spec.mig", folder / "old.npz", model)
    assert values_of(model) == before
    migration.apply()
    assert values_of(model) == EXPECTED
    inputs = numpy.array([[1.0, 2.0, 3.0]], "float32")
    by_hand = (inputs @ WEIGHTS["first/kernel"] + WEIGHTS["first/bias"]) @ WEIGHTS["second/kernel"] + WEIGHTS["second/bias"]
    numpy.testing.assert_allclose(numpy.asarray(model(inputs)), by_hand, rtol=1e-6)


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".npz", ".safetensors"])
def test_filled_and_saved(folder: Path, model: Any, ending: str) -> None:
    migspec.compile(folder / "spec.mig", folder / "old.npz", model).apply(out=folder / f"new{ending}")
    assert values_of(model) == EXPECTED
    with migspec.open(folder / f"new{ending}") as written:
        assert {name: value.tobytes() for name, value in written.items()} == EXPECTED


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".npz", ".safetensors"])
def test_filled_saved_read_back_and_summed(folder: Path, model: Any, ending: str) -> None:
    out, counts = folder / f"new{ending}", []
    migration = migspec.compile(folder / "spec.mig", folder / "old.npz", model)
    migration.apply(out=out, verify=True, checksum=True, progress=counts.append)
    assert values_of(model) == EXPECTED
    size = sum(map(len, EXPECTED.values()))
    passes = 3 if ending in (".keras", ".weights.h5") else 4  # Keras tells nobody how many bytes it has written
    assert sum(counts) == passes * size + out.stat().st_size
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert Path(f"{out}.sha256").read_text() == f"{digest}  {out.name}\n"


def test_a_model_that_does_not_hold_what_was_assigned(folder: Path, model: Any) -> None:
    last = model.get_layer("second").kernel
    assign = type(last).assign

    def rounded(self: Any, value: Any) -> Any:
        return assign(self, numpy.round(value, 1) if self is last else value)

    migration = migspec.compile(folder / "spec.mig", folder / "old.npz", model)
    with mock.patch.object(type(last), "assign", rounded), pytest.raises(migspec.SpecError) as caught:
        migration.apply(verify=True)
    [found] = caught.value.diagnostics
    assert found.code == "MIG517" and "second/kernel" in found.message
    assert found.notes[0].startswith("element [")


def test_a_file_that_does_not_hold_what_the_model_holds(folder: Path, model: Any) -> None:
    save = type(model).save

    def other(self: Any, path: Any, **options: Any) -> None:
        value = numpy.asarray(self.get_layer("first").bias)
        self.get_layer("first").bias.assign(value + 1)
        save(self, path, **options)
        self.get_layer("first").bias.assign(value)

    migration = migspec.compile(folder / "spec.mig", folder / "old.npz", model)
    with mock.patch.object(type(model), "save", other), pytest.raises(migspec.SpecError) as caught:
        migration.apply(folder / "new.keras", verify=True)
    assert [one.code for one in caught.value.diagnostics] == ["MIG517"]
    assert "first/bias" in caught.value.diagnostics[0].message


def test_a_model_that_is_its_own_source(folder: Path, model: Any) -> None:
    """What was filled cannot be compared with what it was filled from; but an output holds what the model holds then."""
    migspec.compile(folder / "spec.mig", folder / "old.npz", model).apply()
    (folder / "twice.mig").write_text(
        "rename {layer}/kernel -> {layer}/kernel  scale 2.0\nrename {layer}/bias -> {layer}/bias\n"
    )
    migration = migspec.compile(folder / "twice.mig", model, model)
    before = values_of(model)
    with pytest.raises(migspec.SpecError) as caught:
        migration.apply(verify=True)
    assert [one.code for one in caught.value.diagnostics] == ["MIG507"]
    assert values_of(model) == before
    migration.apply(folder / "twice.safetensors")
    with migspec.open(folder / "twice.safetensors") as written:
        kernel = written["first/kernel"]
        assert kernel.tobytes() == (WEIGHTS["first/kernel"] * 2).tobytes()
        assert values_of(model)["first/kernel"] == kernel.tobytes()


def test_a_live_model_as_source(folder: Path, model: Any) -> None:
    migspec.compile(folder / "spec.mig", folder / "old.npz", model).apply()
    migspec.compile(folder / "spec.mig", model, folder / "old.npz").apply(folder / "back.safetensors")
    with migspec.open(folder / "back.safetensors") as written:
        assert {name: value.tobytes() for name, value in written.items()} == EXPECTED
    with migspec.open(model) as weights:
        assert {name: value.tobytes() for name, value in weights.items()} == EXPECTED


@pytest.mark.parametrize(
    ("out", "options", "code"),
    [
        ("there.keras", {}, "MIG506"),
        ("old.npz", {"overwrite": True}, "MIG507"),
        ("old.npz", {"overwrite": True, "format": "keras"}, "MIG507"),
        ("out.unknown", {}, "MIG508"),
        ("nowhere/out.keras", {}, "MIG514"),
        ("nowhere/out.npz", {}, "MIG514"),
    ],
)
def test_an_output_that_cannot_be_leaves_the_model_alone(
    folder: Path, model: Any, out: str, options: dict[str, Any], code: str
) -> None:
    (folder / "there.keras").write_bytes(b"precious")
    files, before = {path: path.read_bytes() for path in folder.iterdir()}, values_of(model)
    migration = migspec.compile(folder / "spec.mig", folder / "old.npz", model)
    with pytest.raises(migspec.SpecError) as caught:
        migration.apply(folder / out, **options)
    assert [one.code for one in caught.value.diagnostics] == [code]
    assert values_of(model) == before
    assert {path: path.read_bytes() for path in folder.iterdir()} == files


def test_a_dtype_that_the_output_cannot_hold_leaves_the_model_alone(folder: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16", name="only")])
    numpy.savez(folder / "small.npz", w=numpy.ones((3, 2), "float32"), b=numpy.ones(2, "float32"))
    (folder / "small.mig").write_text("rename w -> only/kernel  cast\nrename b -> only/bias  cast\n")
    before = values_of(model)
    with pytest.raises(migspec.SpecError) as caught:
        migspec.compile(folder / "small.mig", folder / "small.npz", model).apply(folder / "out.npz")
    assert [one.code for one in caught.value.diagnostics] == ["MIG508"]
    assert values_of(model) == before
    assert not (folder / "out.npz").exists()


def test_a_damaged_source_leaves_the_model_alone(folder: Path, model: Any) -> None:
    content = bytearray((folder / "old.npz").read_bytes())
    content[bytes(content).index(WEIGHTS["second/kernel"].tobytes())] ^= 1
    (folder / "old.npz").write_bytes(bytes(content))
    before = values_of(model)
    with pytest.raises(migspec.SpecError) as caught:
        migspec.compile(folder / "spec.mig", folder / "old.npz", model).apply(folder / "out.keras")
    assert [one.code for one in caught.value.diagnostics] == ["MIG504"]
    assert values_of(model) == before
    assert {path.name for path in folder.iterdir()} == {"old.npz", "spec.mig"}


def test_an_assignment_that_fails_is_taken_back(folder: Path, model: Any) -> None:
    before = values_of(model)
    migration = migspec.compile(folder / "spec.mig", folder / "old.npz", model)
    last = model.get_layer("second").bias
    assign = type(last).assign

    def refuse(self: Any, value: Any) -> Any:
        if self is last and not refused:
            refused.append(True)
            raise ValueError("not this one")
        return assign(self, value)

    refused: list[bool] = []
    with mock.patch.object(type(last), "assign", refuse), pytest.raises(migspec.SpecError) as caught:
        migration.apply()
    assert refused and [one.code for one in caught.value.diagnostics] == ["MIG516"]
    assert "second/bias" in caught.value.diagnostics[0].message
    assert values_of(model) == before


def test_a_model_that_is_not_built(folder: Path) -> None:
    with pytest.raises(migspec.SpecError) as caught:
        migspec.compile(folder / "spec.mig", folder / "old.npz", keras.Sequential([keras.layers.Dense(2)]))
    assert [one.code for one in caught.value.diagnostics] == ["MIG512"]
