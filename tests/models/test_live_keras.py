"""Live Keras models against Keras itself: read, filled all or none, saved, and refused with what would mend it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from filling import fill, restores_after_each_failure
from keras_models import MODELS, Blocks, keras, layers, nested, opened, randomise, refusal, subclassed

import migspec
from migspec.formats.output import Destination
from migspec.variables import VariableMap


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    keras.utils.clear_session(free_memory=False)  # automatic names (`dense_7`) start anew
    keras.utils.set_random_seed(3)


@pytest.mark.parametrize("make", MODELS)
def test_what_is_written_is_what_keras_has(make: Callable[[], Any]) -> None:
    model, donor = make(), make()
    randomise(donor)
    values = [keras.ops.convert_to_numpy(variable) for variable in donor.variables]
    live = opened(model)
    writer = live.writer(live.variables)
    for variable, value in zip(live.variables, values, strict=True):
        writer.write(variable.name, 0, memoryview(value.tobytes()))
    writer.commit()
    for variable, value in zip(model.variables, values, strict=True):
        assert numpy.array_equal(keras.ops.convert_to_numpy(variable), value)


def test_a_value_that_was_read_does_not_change_with_the_model() -> None:
    model = nested()
    live = opened(model)
    before = live.read("head/kernel")
    kept = before.copy()
    model.layers[-1].kernel.assign(kept + 1)
    assert numpy.array_equal(before, kept)
    assert live.extent("head/kernel") is None and live.files == ()


def test_a_failure_at_any_variable_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = subclassed()
    randomise(model)
    live = opened(model)
    before = {variable.name: live.read(variable.name) for variable in live.variables}
    real = type(model.variables[0])._direct_assign
    for failing, variable in zip(model.variables, live.variables, strict=True):
        writer = live.writer(live.variables)
        for name, value in before.items():
            writer.write(name, 0, memoryview((value + 1).tobytes()))
        failed = []

        def fail_once(self: Any, value: Any, failing: Any = failing, failed: list[Any] = failed) -> None:
            if self is failing and not failed:
                failed.append(self)
                raise MemoryError("no room on the device")
            real(self, value)

        monkeypatch.setattr(type(failing), "_direct_assign", fail_once)
        found = refusal(writer.commit)
        assert (found.code, found.message) == ("MIG516", f"`{variable.name}` cannot be assigned")
        assert failed == [failing]
        for name, value in before.items():
            assert numpy.array_equal(live.read(name), value)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_whoever_fails_at_any_variable_changes_nothing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    model = nested()
    restores_after_each_failure(opened(model), monkeypatch, type(model.variables[0].value), "assign", error)


def test_variables_stay_what_they_are() -> None:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, name="mixed", dtype="mixed_float16"),
            layers.Dense(3, name="fixed", trainable=False),
            layers.Dense(3, name="quantized"),
        ]
    )
    model.layers[-1].quantize("int8")
    live = opened(model)
    before = [(variable.dtype, variable.trainable, variable.value.device) for variable in model.variables]
    assert {one.name: one.dtype for one in live.variables if one.name.startswith("quantized")} == {
        "quantized/kernel": "int8",
        "quantized/kernel_scale": "float32",
        "quantized/bias": "float32",
    }
    new = {one.name: numpy.ones(one.shape, one.dtype) for one in live.variables}
    fill(live, new)
    assert [(variable.dtype, variable.trainable, variable.value.device) for variable in model.variables] == before
    assert all(numpy.array_equal(variable, numpy.ones(variable.shape)) for variable in model.variables)
    assert model(numpy.ones((1, 4), "float32")).dtype == "float32"


def test_big_variables_own_what_they_were_given() -> None:
    model = keras.Sequential([keras.Input((300,)), layers.Dense(300, name="big"), layers.Dense(300, name="other")])
    live = opened(model)
    new = {name: numpy.full((300, 300), number, "float32") for number, name in enumerate(("big/kernel", "other/kernel"))}
    fill(live, new)
    model.layers[0].kernel.assign_add(keras.ops.ones((300, 300)))
    fill(live, {"other/kernel": numpy.full((300, 300), 9, "float32")})
    assert live.read("big/kernel")[0, 0] == 1 and live.read("other/kernel")[0, 0] == 9


def test_normalization_computes_with_what_was_written() -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Normalization()])
    live = opened(model)
    new = {"normalization/mean": numpy.array([1, 2], "float32"), "normalization/variance": numpy.array([4, 9], "float32")}
    writer = live.writer(VariableMap.of("new", (variable for variable in live.variables if variable.name in new)))
    for name, value in new.items():
        writer.write(name, 0, memoryview(value.tobytes()))
    writer.commit()
    assert numpy.allclose(model(numpy.array([[3.0, 5.0]], "float32")), [[1.0, 1.0]])


@pytest.mark.parametrize(("format", "ending"), [("keras", ".keras"), ("weights.h5", ".weights.h5")])
def test_what_is_saved_keras_loads_alone(tmp_path: Path, format: str, ending: str) -> None:
    model = subclassed()
    randomise(model)
    path = tmp_path / f"out{ending}"
    path.write_bytes(b"an older file")
    opened(model).save(Destination(str(path), overwrite=True), format)
    assert list(tmp_path.iterdir()) == [path]
    if ending == ".keras":
        loaded = keras.saving.load_model(path)
    else:
        loaded = subclassed()
        loaded.load_weights(path)
    tokens = numpy.array([[0, 1, 2, 3], [4, 3, 2, 1]], "int32")
    assert numpy.array_equal(loaded(tokens), model(tokens))


def test_a_failure_to_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nested()
    path = tmp_path / "out.keras"
    path.write_bytes(b"an older file")

    def half_saved(target: Path, **options: Any) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save", half_saved)
    found = refusal(lambda: opened(model).save(Destination(str(path), overwrite=True), "keras"))
    assert found.code == "MIG514" and "no space left" in found.message
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"an older file"


def test_a_layer_that_cannot_be_saved(tmp_path: Path) -> None:
    class Stubborn(layers.Dense):
        def get_config(self) -> dict[str, Any]:
            raise ValueError("I have no config")

    model = keras.Sequential([keras.Input((2,)), Stubborn(2)])
    found = refusal(lambda: opened(model).save(Destination(str(tmp_path / "out.keras")), "keras"))
    assert found.code == "MIG508" and "I have no config" in found.notes[0]
    assert list(tmp_path.iterdir()) == []


class Wordless(layers.Layer):
    """Takes an argument of which Keras knows no text, and does not say how to write it down."""

    def __init__(self, thing: object) -> None:
        super().__init__(name="wordless")
        self.thing = thing


class Failing(layers.Layer):
    def get_config(self) -> dict[str, Any]:
        raise RuntimeError("I have no config")


@pytest.mark.parametrize("made", [lambda: Wordless(object()), lambda: Failing(name="failing")], ids=["wordless", "failing"])
def test_a_layer_that_cannot_be_saved_is_found_before_the_model_is_filled(tmp_path: Path, made: Any) -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="head"), made()])
    before = [variable.numpy().tolist() for variable in model.variables]
    numpy.savez(tmp_path / "old.npz", kernel=numpy.ones((2, 1), "float32"))
    (tmp_path / "spec.mig").write_text("rename kernel -> head/kernel\nfill head/bias with ones\n")
    migration = migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", model)
    found = refusal(lambda: migration.apply(tmp_path / "out.keras"))
    assert found.code == "MIG508" and found.message == "the live Keras model cannot be saved as `.keras`"
    assert found.notes and ".weights.h5" in found.helps[0]
    assert [variable.numpy().tolist() for variable in model.variables] == before
    migration.apply(tmp_path / "out.weights.h5")  # which the help proposes
    assert [variable.numpy().tolist() for variable in model.variables] == [[[1.0], [1.0]], [1.0]]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    found = refusal(lambda: opened(nested()).save(Destination(str(tmp_path / "none" / "out.keras")), "keras"))
    assert found.code == "MIG514"


@pytest.mark.parametrize(("name", "format"), [("out.npz", "npz"), ("out.h5", "weights.h5"), ("out.weights.h5", "keras")])
def test_a_format_that_keras_does_not_save(tmp_path: Path, name: str, format: str) -> None:
    found = refusal(lambda: opened(nested()).save(Destination(str(tmp_path / name)), format))
    assert found.code == "MIG508" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "format"),
    [("out.npz", "keras"), ("out.weights.h5", "keras"), ("out.keras", "weights.h5"), ("out.keras", "none"), ("out", None)],
)
def test_a_format_that_is_refused_leaves_the_model_alone(tmp_path: Path, name: str, format: str | None) -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="head")])
    before = [variable.numpy().tolist() for variable in model.variables]
    numpy.savez(tmp_path / "old.npz", kernel=numpy.ones((2, 1), "float32"))
    (tmp_path / "spec.mig").write_text("rename kernel -> head/kernel\nfill head/bias with ones\n")
    migration = migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", model)
    assert refusal(lambda: migration.apply(tmp_path / name, format=format)).code == "MIG508"
    assert [variable.numpy().tolist() for variable in model.variables] == before
    assert not (tmp_path / name).exists()


@pytest.mark.filterwarnings("ignore:.*quantize")
def test_a_model_quantized_as_a_whole(tmp_path: Path) -> None:
    """Integers and their scales go over as they are, and the model computes with them."""

    def made() -> Any:
        inner = [keras.Input((4,), dtype="int32"), layers.Embedding(9, 6, name="table"), layers.Dense(5, name="hidden")]
        model = keras.Sequential([*inner, layers.Dense(3, name="head")])
        randomise(model)
        model.quantize("int8")
        return model

    keras.utils.set_random_seed(1)
    old = made()
    keras.utils.set_random_seed(2)
    new = made()
    (tmp_path / "spec.mig").write_text("same **\n")
    tokens = numpy.array([[0, 1, 2, 8]], "int32")
    for variable in old.variables:
        if "int8" not in variable.dtype:
            variable.assign(variable + 0.25)
    assert not numpy.array_equal(new(tokens), old(tokens))
    before = [(variable.dtype, variable.trainable) for variable in new.variables]
    migspec.compile(tmp_path / "spec.mig", old, new).apply(verify=True)
    assert [(variable.dtype, variable.trainable) for variable in new.variables] == before
    assert {dtype for dtype, _ in before} == {"int8", "float32"}
    assert numpy.array_equal(new(tokens), old(tokens))


def test_mixed_precision_computes_in_half_from_whole_weights(tmp_path: Path) -> None:
    inner = [keras.Input((4,)), layers.Dense(3, dtype="mixed_float16", name="head")]
    model = keras.Sequential(inner)
    kernel = numpy.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    numpy.savez(tmp_path / "old.npz", kernel=kernel, bias=numpy.zeros(3, "float32"))
    (tmp_path / "spec.mig").write_text("rename * -> head/*\n")
    migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", model).apply()
    assert model.layers[0].kernel.dtype == "float32" and numpy.array_equal(model.layers[0].kernel.numpy(), kernel)
    outputs = model(numpy.ones((1, 4), "float32"))
    assert outputs.dtype == "float16"
    assert numpy.abs(numpy.asarray(outputs) - kernel.sum(0)).max() < 1e-2


def test_an_unbuilt_model_is_told_how_to_be_built() -> None:
    found = refusal(lambda: opened(keras.Sequential([layers.Dense(3)])))
    assert (found.code, found.file) == ("MIG512", "model")
    assert "keras.Input" in found.helps[0] and "model.build((None, ...))" in found.helps[0]
    assert "call the model once" in refusal(lambda: opened(Blocks())).helps[0]


def test_the_ways_to_build_a_model_that_the_help_names() -> None:
    by_build = keras.Sequential([layers.Dense(3)])
    by_build.build((None, 2))
    assert len(opened(by_build).variables) == 2
    assert len(opened(keras.Sequential([keras.Input((2,)), layers.Dense(3)])).variables) == 2
    by_call = Blocks()
    by_call(keras.ops.zeros((1, 4), "int32"))
    assert len(opened(by_call).variables) == 8


@pytest.mark.filterwarnings("ignore:.*build")
def test_a_model_that_only_says_that_it_is_built() -> None:
    model = Blocks()
    model.build((None, 4))  # Keras warns, marks it as built, and builds nothing
    assert model.built
    found = refusal(lambda: opened(model))
    assert found.code == "MIG512"
    assert found.notes == ("these layers are not built yet: `dense`, `dense_1`, `dense_2` and 1 more",)


def test_a_layer_alone_is_no_model() -> None:
    found = refusal(lambda: opened(layers.Dense(2)))
    assert found.code == "MIG511" and "keras.Sequential([layer])" in found.helps[0]


def test_a_model_without_variables_is_not_told_to_be_built() -> None:
    given = keras.Input((3,))
    sequence = keras.Sequential([keras.Input((3,)), layers.ReLU()])
    for model in (sequence, keras.Model(given, keras.ops.relu(given))):
        found = refusal(lambda model=model: opened(model))
        assert found.code == "MIG512" and found.message == f"the model `{model.name}` has no variables"
        assert not any("build" in help_text for help_text in found.helps)
