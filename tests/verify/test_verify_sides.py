"""Every kind of side runs, and gives what the Keras model that it was made from gives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from old_and_new import (
    IMAGES,
    LANGUAGE_MODEL,
    STEPS,
    WORDS,
    keras,
    keras_images,
    keras_language_model,
    layers,
    randomised,
    tf,
    tf1_images,
    tf1_language_model,
    v1,
)

import migspec
from migspec.diagnostics import SpecError
from migspec.verify import report_text, verify


@pytest.fixture(scope="module")
def dense() -> Any:
    """tanh(x w + b) of 5 numbers, 3 outputs."""
    inputs = keras.Input([5], name="x")
    return randomised(keras.Model(inputs, layers.Dense(3, activation="tanh", name="y")(inputs)))


def agrees(old: object, new: object, **options: Any) -> None:
    report = verify(old, new, **options)
    assert report.passed, report_text(report)
    assert all(one.absolute is not None and one.absolute.size <= 1e-5 for one in report.outputs)


def refused(code: str, old: object, new: object, **options: Any) -> str:
    with pytest.raises(SpecError) as caught:
        verify(old, new, **options)
    [first] = caught.value.diagnostics
    assert first.code == code, str(caught.value)
    return " ".join((first.message, *first.notes, *first.helps))


def saved(session: Any, prefix: Path) -> str:
    with session.graph.as_default():
        return str(v1.train.Saver().save(session, str(prefix)))


def test_meta_graph_and_checkpoint(tmp_path: Path) -> None:
    """The graph keeps its targets and its loss, which nobody has to feed."""
    session = tf1_language_model()
    prefix = saved(session, tmp_path / "model.ckpt")
    new = keras_language_model()
    (tmp_path / "spec.mig").write_text(LANGUAGE_MODEL)
    migspec.compile(tmp_path / "spec.mig", prefix, new).apply()
    new.save(tmp_path / "new.keras")
    agrees(prefix, str(tmp_path / "new.keras"))
    agrees(f"{prefix}.index", new)
    agrees(f"{prefix}.meta", new, output_pairs={"probabilities": "probabilities"})
    Path(f"{prefix}.meta").rename(tmp_path / "graph.meta")
    assert "--old-weights" in refused("MIG501", str(tmp_path / "graph.meta"), new)
    agrees(str(tmp_path / "graph.meta"), new, old_weights=prefix)
    assert "graph" in refused("MIG603", prefix, new)
    report = verify(session, new)
    assert report.passed and [one.origin for one in report.inputs] == [f"made: whole numbers from 0 to {WORDS - 1}"]


def test_a_session_without_values_is_told_so() -> None:
    """No stack trace of TensorFlow's, and which variables have none."""
    session = tf1_images()
    with session.graph.as_default():
        fresh = v1.Session(graph=session.graph)
    told = refused("MIG218", fresh, keras_images())
    assert "`conv/weights`" in told and "global_variables_initializer" in told and "trace" not in told
    first = next(one for one in session.graph.get_collection("variables") if one.op.name == "conv/weights")
    for variable in session.graph.get_collection("variables"):
        if variable is not first:
            fresh.run(variable.initializer)
    assert "`conv/weights` has no value" in refused("MIG218", keras_images(), fresh)


def test_what_tensorflow_raises_is_told_without_its_stack_traces() -> None:
    graph = tf.Graph()
    with graph.as_default():
        numbers = v1.placeholder(tf.float32, [None], name="x")
        tf.reshape(numbers, [7], name="y")
        words = tf.lookup.KeyValueTensorInitializer([1], [2])
        found = tf.lookup.StaticHashTable(words, 0).lookup(tf.cast(numbers, tf.int32))
        tf.identity(found, name="found")
    session = v1.Session(graph=graph)
    told = refused("MIG603", session, session, shapes={"x": (10,)}, output_pairs={"y": "y"})
    assert "Input to reshape is a tensor with 10 values" in told and ".py" not in told
    told = refused("MIG603", session, session, shapes={"x": (10,)}, output_pairs={"found": "found"})
    assert "Table not initialized" in told and ".py" not in told


@pytest.mark.parametrize("back", [False, True], ids=["into Keras", "into PyTorch"])
def test_the_trap_of_a_batch_norms_epsilon_is_named(back: bool, tmp_path: Path) -> None:
    """Equal weights, other outputs: 1e-5 in PyTorch, 1e-3 in Keras. No spec is needed to tell."""
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    module = torch.nn.BatchNorm1d(5).eval()
    inputs = keras.Input([5], name="input")
    model = keras.Model(inputs, layers.BatchNormalization(name="bn")(inputs))
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    for variable in model.weights:
        variable.assign(numpy.random.default_rng(3).uniform(0.01, 0.05, 5))
    with torch.no_grad():
        for parameter in module.state_dict().values():
            parameter.copy_(torch.full_like(parameter, 0.03, dtype=torch.float32))
    moved = [f"bn/{keras_name} -> {name}" if back else f"{name} -> bn/{keras_name}" for name, keras_name in names.items()]
    rest = "keep num_batches_tracked" if back else "drop num_batches_tracked"
    (tmp_path / "spec.mig").write_text("".join(f"rename {one}\n" for one in moved) + f"{rest}\n")
    sides = (model, module) if back else (module, model)
    migspec.compile(tmp_path / "spec.mig", *sides).apply()
    report = verify(*sides)
    assert [one.code for one in report.diagnostics] == ["MIG601", "MIG606"]
    side = "old" if back else "new"
    assert (
        f"the epsilon of BatchNormalization is 0.001 in the {side} model, and 1e-05 in the other"
        in report.diagnostics[1].message
    )


def test_a_spec_that_speaks_of_the_optimizer_finds_the_weights_to_blame(tmp_path: Path) -> None:
    """The new model is loaded with its optimizer, whose slots are to blame for nothing."""

    def made(scopes: tuple[str, str]) -> Any:
        keras.utils.clear_session(free_memory=False)
        inner = [keras.Input([5], name="x"), *(layers.Dense(5, activation="tanh", name=scope) for scope in scopes)]
        model = randomised(keras.Sequential(inner, name="net"))
        model.compile(keras.optimizers.Adam(name="adam"), "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    made(("hidden", "head")).save(tmp_path / "old.keras")
    made(("first", "second")).save(tmp_path / "new.keras")
    spec = tmp_path / "spec.mig"
    spec.write_text(
        "rename hidden/kernel -> first/kernel  transpose\nrename hidden/bias -> first/bias\nrename head/* -> second/*\n"
        "slots adam/{weight:_}_momentum -> adam/{weight:_}_momentum\nslots adam/{weight:_}_velocity -> adam/{weight:_}_velocity\n"
        "same adam/iteration, adam/learning_rate\n"
    )
    migspec.compile(spec, tmp_path / "old.keras", tmp_path / "new.keras").apply(tmp_path / "out.keras")
    report = verify(str(tmp_path / "old.keras"), str(tmp_path / "out.keras"), spec=str(spec))
    assert [one.code for one in report.diagnostics] == ["MIG601", "MIG605"], report_text(report)
    assert "`first/kernel`" in report.diagnostics[1].message + str(report.diagnostics[1].notes)


def test_a_first_generation_checkpoint_without_its_saver(tmp_path: Path) -> None:
    session = tf1_images()
    with session.graph.as_default():
        saver = v1.train.Saver(write_version=v1.train.SaverDef.V1)
        prefix = saver.save(session, str(tmp_path / "old"))
    new = keras_images()
    (tmp_path / "spec.mig").write_text(IMAGES)
    migspec.compile(tmp_path / "spec.mig", prefix, new).apply()
    agrees(f"{prefix}.meta", new)


def test_a_graph_that_todays_importer_refuses(tmp_path: Path) -> None:
    """A stale shape, an attribute and an op that are gone, a version that is none: as TensorFlow 0.12 and 1.x left them."""
    prefix = saved(tf1_images(), tmp_path / "old")
    meta = v1.MetaGraphDef()
    meta.ParseFromString(Path(f"{prefix}.meta").read_bytes())
    meta.meta_info_def.tensorflow_version = "0.12.head"
    relu = next(node for node in meta.graph_def.node if node.op == "Relu")
    relu.attr["_output_shapes"].list.shape.add().dim.add().size = 77
    relu.attr["gone"].b = True
    gone = meta.graph_def.node.add(name="gone/op", op="NoSuchOpToday")
    gone.input.append(relu.name)
    meta.graph_def.node.add(name="gone/after", op="Identity").input.append("gone/op")
    meta.graph_def.node[-1].attr["T"].type = 1
    Path(f"{prefix}.meta").write_bytes(meta.SerializeToString())
    with tf.Graph().as_default(), pytest.raises(Exception):  # noqa: B017 - whichever of the four comes first
        v1.train.import_meta_graph(f"{prefix}.meta")
    new = keras_images()
    (tmp_path / "spec.mig").write_text(IMAGES)
    migspec.compile(tmp_path / "spec.mig", prefix, new).apply()
    report = verify(prefix, new)
    assert report.passed, report_text(report)
    assert any("NoSuchOpToday" in note for note in report.notes) and any("Relu: gone" in note for note in report.notes)


def test_a_graph_that_reads_a_dataset_is_fed_in_its_place() -> None:
    """Nothing is read from the dataset: it would block, or give what the other model does not get."""
    graph = tf.Graph()
    with graph.as_default():
        rows = v1.data.make_one_shot_iterator(
            tf.data.Dataset.from_tensor_slices(numpy.ones([8, 5], "float32")).batch(4)
        ).get_next()
        tf.multiply(rows, 3.0, name="tripled")
    agrees(v1.Session(graph=graph), lambda x: 3 * x, shapes={"x": (2, 5)})


def test_frozen_graph(tmp_path: Path) -> None:
    session = tf1_images()
    frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, ["features"])
    (tmp_path / "frozen.pb").write_bytes(frozen.SerializeToString())
    agrees(session, str(tmp_path / "frozen.pb"))


def test_saved_model_and_its_signatures(tmp_path: Path, dense: Any) -> None:
    dense.export(tmp_path / "exported", verbose=False)
    agrees(str(tmp_path / "exported"), dense)

    class Two(tf.Module):
        def __init__(self) -> None:
            self.w = tf.Variable([[2.0]], name="w")

        @tf.function(input_signature=[tf.TensorSpec([None, 1], name="x")])
        def double(self, x: Any) -> Any:
            return {"y": x @ self.w}

        @tf.function(input_signature=[tf.TensorSpec([None, 1], name="x")])
        def triple(self, x: Any) -> Any:
            return {"y": x * 3}

    module, path = Two(), str(tmp_path / "two")
    tf.saved_model.save(module, path, {"double": module.double, "triple": module.triple})
    assert "`double`, `triple`" in refused("MIG603", path, path)
    agrees(path, lambda x: {"y": 2 * x}, old_signature="double")
    agrees(f"{path}/saved_model.pb", lambda x: {"y": 2 * x}, old_signature="double")
    assert "no signature `double`" in refused("MIG603", path, dense, old_signature="double", new_signature="double")
    assert not verify(path, path, old_signature="double", new_signature="triple").passed


def test_keras_files(tmp_path: Path, dense: Any) -> None:
    dense.save(tmp_path / "model.keras")
    agrees(dense, str(tmp_path / "model.keras"))
    dense.save_weights(tmp_path / "model.weights.h5")
    assert "--new-weights" in refused("MIG603", dense, str(tmp_path / "model.weights.h5"))
    legacy = pytest.importorskip("tf_keras", reason="needs tf_keras, which is Keras 2")
    old = keras_images(legacy)
    old.save(tmp_path / "old.h5")
    new = keras_images()
    (tmp_path / "same.mig").write_text("same **\n")
    migspec.compile(tmp_path / "same.mig", tmp_path / "old.h5", new).apply()
    report = verify(str(tmp_path / "old.h5"), new)
    assert report.passed and report.old.kind == "tf_keras model"
    new.save(tmp_path / "new.h5")  # legacy, and of Keras 3
    report = verify(old, str(tmp_path / "new.h5"))
    assert report.passed and report.new.kind == "Keras model"


def test_tensorflow_lite(tmp_path: Path, dense: Any) -> None:
    converter = tf.lite.TFLiteConverter.from_keras_model(dense)
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    agrees(dense, str(tmp_path / "model.tflite"))
    (tmp_path / "broken.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    refused("MIG603", dense, str(tmp_path / "broken.tflite"))


def onnx_file(path: Path, model: Any) -> str:
    onnx = pytest.importorskip("onnx", reason="needs onnx, which writes the model")
    helper, kernel, bias = onnx.helper, *(one.numpy() for one in model.weights)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "kernel", "bias"], ["sum"]), helper.make_node("Tanh", ["sum"], ["y"])],
        "dense",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 5])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 3])],
        [onnx.numpy_helper.from_array(kernel, "kernel"), onnx.numpy_helper.from_array(bias, "bias")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return str(path)


def test_onnx(tmp_path: Path, dense: Any) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    agrees(onnx_file(tmp_path / "model.onnx", dense), dense)


def test_a_missing_runtime_is_told(tmp_path: Path, dense: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install onnxruntime" in refused("MIG513", onnx_file(tmp_path / "model.onnx", dense), dense)


def test_functions_modules_and_pytorch(tmp_path: Path, dense: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, bias = (one.numpy() for one in dense.weights)
    agrees(lambda x: numpy.tanh(x @ kernel + bias), dense)
    (tmp_path / "written.py").write_text(
        "import numpy\ndef build():\n    w = numpy.load('w.npz')\n    return lambda x: numpy.tanh(x @ w['k'] + w['b'])\n"
        "def number():\n    return 3\ndef broken():\n    def run(x):\n        raise RuntimeError('out of order')\n    return run\n"
    )
    numpy.savez(tmp_path / "w.npz", k=kernel, b=bias)
    monkeypatch.chdir(tmp_path)
    agrees("written:build", dense)
    assert "cannot be run" in refused("MIG603", "written:number", dense)
    assert "out of order" in refused("MIG603", "written:broken", dense)
    torch = pytest.importorskip("torch", reason="needs PyTorch")

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.noise = torch.nn.Linear(5, 3), torch.nn.Dropout(0.5)

        def forward(self, x: Any) -> Any:
            return torch.tanh(self.noise(self.linear(x)))

    module = Module()
    module.load_state_dict({"linear.weight": torch.tensor(kernel.T), "linear.bias": torch.tensor(bias)})
    agrees(module, dense)


def test_a_function_has_no_weights_for_a_spec(tmp_path: Path, dense: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a function is no file in which the old weights could be looked for."""
    kernel, bias = (one.numpy() for one in dense.weights)
    numpy.savez(tmp_path / "plain_weights.npz", w=kernel, b=bias)
    (tmp_path / "computing.py").write_text(
        "import numpy\ndef build():\n    f = numpy.load('plain_weights.npz')\n    return lambda x: numpy.tanh(x @ f['w'] + f['b'])\n"
    )
    (tmp_path / "layer.mig").write_text("rename w -> y/kernel  add 0.1\nrename b -> y/bias\n")
    monkeypatch.chdir(tmp_path)
    new = keras.models.clone_model(dense)
    migspec.compile("layer.mig", "plain_weights.npz", new).apply()
    for old in ("computing:build", lambda x: numpy.tanh(x @ kernel + bias)):
        found = verify(old, new, spec="layer.mig").diagnostics[1]
        assert (
            found.code == "MIG603"
            and "the spec needs the old weights" in found.notes[0]
            and "--old-weights FILE" in found.helps[0]
        )
        assert verify(old, new, spec="layer.mig", old_weights="plain_weights.npz").diagnostics[1].code in ("MIG605", "MIG606")


def test_channels_first_against_channels_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong is told with the way out, and the way out of the how-to is one."""
    fixed = keras.Sequential([keras.Input([8, 8, 3], name="x"), layers.Conv2D(4, 3, activation="relu", name="conv")])
    first = keras.Sequential([keras.Input([3, 8, 8], name="x"), layers.Permute((2, 3, 1)), layers.Conv2D(4, 3)])
    assert "channels" in refused("MIG604", first, fixed, input_pairs={"x": "x"})
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    page = Path(__file__).parent.parent.parent / "docs" / "howto" / "prove-that-the-outputs-agree.md"
    [code] = [part.partition("```")[0] for part in page.read_text(encoding="utf-8").split("```python torch_images.py\n")[1:]]
    (tmp_path / "torch_images.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import torch_images  # type: ignore[import-not-found]

    old = torch_images.build()
    torch.save(old.state_dict(), "old.pt")
    assert "--old-weights" in refused("MIG603", old, fixed)
    assert "--old-weights" not in refused(
        "MIG603", torch.nn.Linear(7, 2), keras.Sequential([keras.Input([5]), layers.Dense(2)])
    )
    grown = keras.Sequential([keras.Input([None, None, 3], name="x"), layers.Conv2D(4, 3, activation="relu", name="conv")])
    assert "--old-weights" in refused("MIG604", old, grown, shapes={"x": (2, 3, 8, 8)})
    (tmp_path / "images.mig").write_text("use torch/conv_2d 0 -> conv\n")
    migspec.compile("images.mig", "old.pt", fixed).apply()
    agrees("torch_images:old", fixed, spec="images.mig", old_weights="old.pt")
    (tmp_path / "wrong.mig").write_text("rename 0/weight -> conv/kernel  permute OIHW -> WHIO\nrename 0/bias -> conv/bias\n")
    migspec.compile("wrong.mig", "old.pt", fixed).apply()
    assert "--old-weights" in verify("torch_images:old", fixed, spec="wrong.mig").diagnostics[1].helps[0]
    assert verify("torch_images:old", fixed, spec="wrong.mig", old_weights="old.pt").diagnostics[1].code == "MIG605"


def test_a_recording(tmp_path: Path, dense: Any) -> None:
    x = numpy.random.default_rng(0).normal(size=[6, 5]).astype("float32")
    numpy.savez(tmp_path / "truth.npz", data=x, result=numpy.asarray(dense(x)))
    agrees(str(tmp_path / "truth.npz"), dense)
    numpy.savez(tmp_path / "wrong.npz", data=x, result=numpy.asarray(dense(x)) + 0.01)
    report = verify(str(tmp_path / "wrong.npz"), dense)
    assert not report.passed and report.outputs[0].beyond == 18
    assert "migspec diff" in refused("MIG603", str(tmp_path / "truth.npz"), str(tmp_path / "wrong.npz"))


def test_weights_are_filled_into_a_model_that_has_none_of_its_own(tmp_path: Path, dense: Any) -> None:
    dense.save_weights(tmp_path / "model.weights.h5")
    fresh = keras.models.clone_model(dense)
    assert not verify(dense, fresh).passed
    agrees(dense, fresh, new_weights=str(tmp_path / "model.weights.h5"))
    numpy.savez(tmp_path / "other.npz", nothing=numpy.zeros(3))
    assert "has no variables" in refused("MIG603", dense, lambda x: x, new_weights=str(tmp_path / "other.npz"))
    refused("MIG501", dense, dense, spec=str(tmp_path / "missing.mig"))
    assert "another model" in refused("MIG603", dense, fresh, new_weights=str(tmp_path / "other.npz"))


def test_what_is_no_model_is_refused(tmp_path: Path, dense: Any) -> None:
    numpy.save(tmp_path / "array.npy", numpy.zeros(3))
    assert "package.module:function" in refused("MIG603", str(tmp_path / "array.npy"), dense)
    refused("MIG501", str(tmp_path / "nowhere"), dense)
    (tmp_path / "damaged.meta").write_bytes(b"\x0a\xff\xff")
    refused("MIG503", str(tmp_path / "damaged.meta"), dense)
    (tmp_path / "folder").mkdir()
    refused("MIG603", str(tmp_path / "folder"), dense)


def test_a_model_with_several_inputs_and_outputs(tmp_path: Path) -> None:
    def build() -> Any:
        words, scale = keras.Input([STEPS], dtype="int32", name="words"), keras.Input([1], name="scale")
        values = layers.Embedding(WORDS, 3, name="table")(words)
        pooled = layers.GlobalAveragePooling1D(name="mean")(values)
        return keras.Model({"w": words, "s": scale}, {"mean": pooled, "scaled": layers.Multiply(name="times")([pooled, scale])})

    old, new = randomised(build()), randomised(build())
    agrees(old, new)
    report = verify(old, randomised(build(), 1))
    assert [(one.old_name, one.passed) for one in report.outputs] == [("mean", False), ("scaled", False)]


def test_a_subclassed_model_takes_what_it_is_given() -> None:
    class Sum(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, left: Any, right: Any, training: bool = False) -> Any:
            assert not training
            return self.dense(left + right)

    model = Sum()
    arrays = {
        name: numpy.random.default_rng(place).normal(size=[3, 4]).astype("float32")
        for place, name in enumerate(("left", "right"))
    }
    model(arrays["left"], arrays["right"])
    kernel, bias = (one.numpy() for one in model.weights)
    agrees(model, lambda left, right: (left + right) @ kernel + bias, inputs=arrays)
    assert "--shape" in refused("MIG604", model, lambda left, right: left)
    agrees(model, lambda left, right: (left + right) @ kernel + bias, shapes={"left": (3, 4), "right": (3, 4)})


def test_a_layer_that_keeps_its_state_begins_anew(dense: Any) -> None:
    inputs = keras.Input(batch_shape=[2, 3, 4], name="x")
    model = keras.Model(inputs, layers.LSTM(3, stateful=True, name="y")(inputs))
    agrees(model, model)


def test_noise_is_told_apart_from_a_mistake(dense: Any) -> None:
    stream = numpy.random.default_rng(0)
    report = verify(dense, lambda x: stream.normal(size=[len(x), 3]))
    assert [one.code for one in report.diagnostics] == ["MIG601", "MIG608"]


def test_a_keras_model_that_returns_none_is_told_so() -> None:
    class Forgetful(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x: Any) -> None:
            self.dense(x)

    model = Forgetful()
    model.dense.build([None, 5])
    model.built = True
    told = refused("MIG603", model, lambda x: x, inputs={"x": numpy.ones([2, 5], "float32")})
    assert "the Keras model returned None" in told and "return an array" in told
