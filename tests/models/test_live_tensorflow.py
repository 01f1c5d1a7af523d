"""`tf.Module`, `tf.train.Checkpoint` and what `tf.saved_model.load` returns, against TensorFlow itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from filling import fill, refusal, restores_after_each_failure, values_of
from old_layers import tf

import migspec
from migspec.models.live_variables import LiveVariables
from migspec.models.recognition import open_model


class Linear(tf.Module):
    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.w = tf.Variable(tf.ones([2, 2]), name="w")
        self.b = tf.Variable(tf.zeros([2]))


class Net(tf.Module):
    """Layers in a list, a dict and a tuple, a variable under two attributes, one that a name of its own tells apart."""

    def __init__(self) -> None:
        super().__init__(name="net")
        self.layers = [Linear(), Linear()]
        self.tables = {"words": Linear(), "a/b": (Linear(),)}
        with self.name_scope:
            self.scale = tf.Variable([1.0, 2.0], name="scale")
        self.same = self.scale


def names_of(model: Any) -> dict[str, tuple[str, ...]]:
    return {variable.name: variable.aliases for variable in open_model(model, "net").variables}


def test_the_names_of_a_module() -> None:
    found = names_of(Net())
    assert found["net/scale"] == ("scale", "same")
    assert found["layers/0/w"] == () and found["layers/1/b"] == ()
    assert found["tables/words/w"] == () and found["tables/a.Sb/0/w"] == ()
    assert len(found) == 9


@pytest.mark.parametrize("before", ["saved once", "not saved"])
def test_names_and_values_are_those_of_the_checkpoint(tmp_path: Path, before: str) -> None:
    checkpoint = tf.train.Checkpoint(net=Net(), step=tf.Variable(7, dtype=tf.int64))
    if before == "saved once":
        checkpoint.save(str(tmp_path / "first"))  # from then on it has a `save_counter`
    prefix = checkpoint.write(str(tmp_path / "ckpt"))
    live = open_model(checkpoint, "live")
    with migspec.open(prefix) as stored:
        assert {one.name for one in live.variables} == set(stored)
        for variable in live.variables:
            there = stored.variables[variable.name]
            assert (variable.shape, variable.dtype) == (there.shape, there.dtype)
            assert set(there.aliases) <= set(variable.aliases)
            assert live.read(variable.name).tobytes() == stored[variable.name].tobytes()


def test_names_and_values_are_those_of_the_saved_model(tmp_path: Path) -> None:
    tf.saved_model.save(Net(), str(tmp_path / "saved"))
    live = open_model(tf.saved_model.load(str(tmp_path / "saved")), "live")
    with migspec.open(str(tmp_path / "saved")) as stored:
        assert set(stored) == {one.name for one in live.variables}
        assert all(live.read(name).tobytes() == value.tobytes() for name, value in stored.items())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "int8", "uint16", "int64", "bool", "complex64"])
@pytest.mark.parametrize("length", [0, 3, 50_000])
def test_every_dtype_at_every_size(dtype: str, length: int) -> None:
    module = tf.Module()
    module.v = tf.Variable(tf.zeros([length], dtype))
    live = open_model(module, "live")
    new = numpy.arange(length).astype(live.variables["Variable"].dtype if dtype != "bfloat16" else tf.bfloat16.as_numpy_dtype)
    fill(live, {"Variable": new})
    assert module.v.numpy().tobytes() == new.tobytes()
    assert live.read("Variable").tobytes() == new.tobytes()


def test_a_filled_variable_is_trained_like_any_other() -> None:
    module = tf.Module()
    module.v = tf.Variable(tf.zeros([100_000]))
    live = open_model(module, "live")
    fill(live, {"Variable": numpy.full(100_000, 3, "float32")})
    kept = module.v.read_value()
    tf.raw_ops.ResourceScatterUpdate(resource=module.v.handle, indices=[1], updates=[5.0])  # from now on it is read by copying
    module.v.assign_add(tf.ones(100_000))
    assert module.v[:3].numpy().tolist() == [4.0, 6.0, 4.0] and kept[:3].numpy().tolist() == [3.0] * 3
    fill(live, {"Variable": numpy.full(100_000, 9, "float32")})
    assert module.v[:3].numpy().tolist() == [9.0] * 3


def test_a_value_that_was_read_does_not_change_with_the_model() -> None:
    module = Linear()
    live = open_model(module, "live")
    value = live.read("w")
    module.w.assign_add(tf.ones([2, 2]))
    assert value.tolist() == [[1, 1], [1, 1]] and live.extent("w") is None and live.files == ()


def test_strings_are_read_and_never_filled() -> None:
    module = tf.Module()
    module.words = tf.Variable(["a", "bc"], name="words")
    live = open_model(module, "live")
    assert live.variables["words"].dtype == "string" and live.read("words").tolist() == [b"a", b"bc"]
    assert refusal(lambda: live.writer(live.variables)).code == "MIG516"


def loaded(folder: Path) -> Any:
    tf.saved_model.save(Net(), str(folder / "saved"))
    return tf.saved_model.load(str(folder / "saved"))


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("make", [lambda folder: Net(), lambda folder: tf.train.Checkpoint(net=Net()), loaded])
def test_a_failure_at_any_variable_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Any], error: BaseException, tmp_path: Path
) -> None:
    live = open_model(make(tmp_path), "live")
    assert isinstance(live, LiveVariables) and len(live.variables) == 9
    (owner,) = {type(variable.identity) for variable in live._live.values()}  # what is loaded has a class of its own
    restores_after_each_failure(live, monkeypatch, owner, "assign", error)


def test_variables_on_several_devices_stay_there(tmp_path: Path) -> None:
    code = """
import importlib.util, sys
import numpy, tensorflow as tf
from migspec.models.recognition import open_model
from filling import fill
packages, resource = [], sys.argv[1] == "resource"
for name in ("keras", "tf_keras"):
    if importlib.util.find_spec(name):
        packages.append(importlib.import_module(name))
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
module = tf.Module()
with strategy.scope():
    module.both = tf.Variable(tf.zeros([30_000]), name="both")
with tf.device("CPU:1"):
    module.second = tf.Variable(tf.zeros([30_000]), name="second")
live = open_model(module, "live")
assert {one.name for one in live.variables} == {"both", "second"}
new = numpy.arange(30_000, dtype="float32")
fill(live, {"both": new, "second": -new})
parts = strategy.experimental_local_results(module.both)
assert [part.device[-5:] for part in parts] == ["CPU:0", "CPU:1"], parts
assert all(numpy.array_equal(part.numpy(), new) for part in parts)
parts[0].assign_add(tf.ones([30_000]))
assert numpy.array_equal(parts[1].numpy(), new)  # the two do not share what they were given
assert module.second.device.endswith("CPU:1") and numpy.array_equal(module.second.numpy(), -new)

for keras in packages:  # models of Keras, compiled, on both devices
    with strategy.scope():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
        model.compile("sgd", "mse")
    live = open_model(model, "live")
    kernel = numpy.arange(6, dtype="float32").reshape(3, 2)
    fill(live, {"head/kernel": kernel})
    variable = model.layers[-1].kernel
    parts = strategy.experimental_local_results(getattr(variable, "value", variable) if keras.__version__ >= "3" else variable)
    assert [part.device[-5:] for part in parts] == ["CPU:0", "CPU:1"], parts
    assert all(numpy.array_equal(part.numpy(), kernel) for part in parts)
    assert numpy.array_equal(live.read("head/kernel"), kernel)

v1 = tf.compat.v1
with tf.Graph().as_default() as graph:
    with tf.device("/cpu:1"):
        placed = v1.get_variable("placed", [3], use_resource=resource)
    with v1.Session(graph=graph) as session:
        session.run(placed.initializer)
        fill(open_model(session, "live"), {"placed": numpy.ones(3, "float32")})
        trace = v1.RunMetadata()
        assert session.run(placed, options=v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE), run_metadata=trace).tolist() == [1] * 3
        assert any(one.device.lower().endswith("cpu:1") and one.node_stats for one in trace.step_stats.dev_stats)
"""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code, "resource"],
        env=_environment(here),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _environment(here: Path) -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parents[1]}"}


def test_a_keras_model_in_a_checkpoint_is_whole() -> None:
    keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")

    class Blocks(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="blocks_of_layers")
            self.blocks = [keras.layers.Dense(2, name="hidden")]
            self.head = keras.layers.Dense(2, name="head")

        def call(self, values: Any) -> Any:
            return self.head(self.blocks[0](values))

    model = Blocks()
    model(numpy.zeros((1, 2), "float32"))
    found = names_of(tf.train.Checkpoint(model=model))
    assert {"blocks_of_layers/head/kernel", "blocks_of_layers/hidden/kernel"} <= set(found) and len(found) == 4
    live = open_model(tf.train.Checkpoint(model=model), "live")
    assert live.shares_variables(open_model(model, "the same")) and not live.shares_variables(open_model(Net(), "another"))
    fill(live, {"blocks_of_layers/hidden/kernel": numpy.full((2, 2), 4, "float32")})
    assert model.blocks[0].kernel.numpy().tolist() == [[4, 4], [4, 4]]


def test_the_copies_of_a_keras_export_are_filled_too(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")], name="exported")
    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    live = open_model(loaded, "live")
    assert [one.name for one in live.variables] == ["exported/head/kernel", "exported/head/bias"]
    fill(live, {"exported/head/kernel": numpy.array([[1], [2]], "float32")})
    assert loaded._all_variables[0].numpy().tolist() == loaded.variables[0].numpy().tolist() == [[1], [2]]
    assert loaded.serve(tf.constant([[1.0, 10.0]])).numpy().tolist() == [[21.0]]


def test_saving_has_no_format_of_its_own(tmp_path: Path) -> None:
    from migspec.formats.output import Destination

    live = open_model(Linear(), "live")
    assert not live.saves
    found = refusal(lambda: live.save(Destination(str(tmp_path / "out.keras")), "keras"))
    assert found.code == "MIG508" and found.helps == ("name the file `.npz` or `.safetensors`",)


@pytest.mark.parametrize("out", ["out.npz", "out.safetensors", "out.ckpt"])
def test_what_is_filled_and_written_is_the_same(tmp_path: Path, out: str) -> None:
    module = Linear()
    numpy.savez(tmp_path / "old.npz", w=numpy.full((2, 2), 7, "float32"), b=numpy.ones(2, "float32"))
    (tmp_path / "spec.mig").write_text("rename w -> w\nrename b -> b\n")
    migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", module).apply(tmp_path / out)
    with migspec.open(tmp_path / out) as written:
        assert {name: value.tolist() for name, value in written.items()} == values_of(open_model(module, "live"))


def test_a_module_without_variables() -> None:
    found = refusal(lambda: open_model(tf.Module(), "live"))
    assert found.code == "MIG512" and "call it once" in found.helps[0]


def test_a_dict_that_tensorflow_does_not_track_any_more() -> None:
    module = tf.Module()
    behind: dict[str, Any] = {}
    module.table = behind
    behind["late"] = tf.Variable(1.0)
    found = refusal(lambda: open_model(module, "live"))
    assert found.code == "MIG511" and "dependency" in found.notes[0]


def test_a_saved_model_whose_variables_tensorflow_2_does_not_show(tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        given = v1.placeholder(tf.float32, [None, 2])
        result = given @ v1.get_variable("w", [2, 2], use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "old"), {"x": given}, {"y": result})
    found = refusal(lambda: open_model(tf.saved_model.load(str(tmp_path / "old")), "live"))
    assert found.code == "MIG512" and "load it into a session" in found.helps[0]


@pytest.mark.parametrize(
    ("make", "help"),
    [
        (lambda: tf.Graph(), "return the session"),
        (lambda: {"w": tf.Variable(1.0)}, "tf.train.Checkpoint(**variables)"),
        (lambda: tf.Variable(1.0), "save it to a checkpoint"),
    ],
)
def test_what_is_no_model(make: Callable[[], Any], help: str) -> None:
    found = refusal(lambda: open_model(make(), "live"))
    assert found.code == "MIG511" and help in found.helps[0] and "tf.Module" in found.notes[0]
