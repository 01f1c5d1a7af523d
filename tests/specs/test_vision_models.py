"""The specs of vision models: TF-slim's own code and Keras' own, random weights, and what both compute.

The nets of TF-slim are those of the package tf-slim, and for the MobileNets those of tensorflow/models, which come with the package
tf-models-research-object-detection (`pip install --no-deps` is enough, and takes nothing else with it).
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tensorflow = pytest.importorskip("tensorflow", reason="needs TensorFlow, which builds the nets of TF-slim")
tf_keras = pytest.importorskip("tf_keras", reason="needs tf_keras, where TensorFlow looks for the batch norm of TF-slim")
tf_slim = pytest.importorskip("tf_slim", reason="needs tf-slim, whose nets are the old side")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, whose applications are the new side")

import migspec  # noqa: E402
from migspec.compiler import compile_spec, read_spec  # noqa: E402
from migspec.invert import invert  # noqa: E402
from migspec.resources import library_path  # noqa: E402
from migspec.text import Text  # noqa: E402
from migspec.variables import Variable, VariableMap  # noqa: E402

v1 = tensorflow.compat.v1
applications = keras.applications
CLASSES = 11


@pytest.fixture(autouse=True)
def _legacy_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow looks for the batch norm of TF-slim in `tf_keras.legacy_tf_layers`, which tf_keras now keeps below `src`."""
    name = "legacy_tf_layers.normalization"
    monkeypatch.setitem(sys.modules, f"tf_keras.{name}", importlib.import_module(f"tf_keras.src.{name}"))


@pytest.fixture
def mobilenets(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """TF-slim's modules `mobilenet_v1` and `mobilenet_v2`."""
    nets = pytest.importorskip(
        "object_detection.nets",
        reason="needs the MobileNets of TF-slim: pip install --no-deps tf-models-research-object-detection",
    )
    monkeypatch.setitem(sys.modules, "nets", nets)  # the name by which its modules import each other
    return importlib.import_module("nets.mobilenet_v1"), importlib.import_module("nets.mobilenet.mobilenet_v2")


class Slim:
    """A net of TF-slim with random weights: its checkpoint, the names of its weights, what it computes of each array of images.

    `biases` is the range of the biases, `gain` what the range of the kernels is multiplied with, `extra` makes further variables.
    """

    def __init__(
        self,
        folder: Path,
        net: Callable[[Any], Any],
        scope: dict[Any, Any],
        *images: Any,
        biases: tuple[float, float] = (-0.3, 0.3),
        gain: float = 1.0,
        extra: Callable[[], object] = v1.train.get_or_create_global_step,
    ) -> None:
        with tensorflow.Graph().as_default():
            inputs = v1.placeholder(tensorflow.float32, images[0].shape if len(images) == 1 else (None, None, None, 3))
            with tf_slim.arg_scope(scope):
                logits = net(inputs)[0]
            self.weights = {variable.op.name for variable in v1.global_variables()}
            extra()
            generator = numpy.random.default_rng(11)
            with v1.Session(config=_once()) as session:
                for variable in v1.global_variables():
                    variable.load(_random(variable, biases, gain, generator), session)
                self.path = v1.train.Saver().save(session, str(folder / "model.ckpt"), write_meta_graph=False)
                self.outputs = [session.run(logits, {inputs: one}).reshape(len(one), -1) for one in images]


def _once() -> Any:
    """No rewriting of graphs that run once."""
    options = v1.ConfigProto()
    options.graph_options.rewrite_options.disable_meta_optimizer = True
    return options


def _random(variable: Any, biases: tuple[float, float], gain: float, generator: numpy.random.Generator) -> Any:
    """Values that neither vanish nor explode on their way through the net (kernels in He's range), variances positive."""
    shape, name = variable.shape.as_list(), variable.op.name.rpartition("/")[2]
    if name == "global_step":
        return 7
    bound = 0.3
    if len(shape) == 4:
        bound = gain * float(numpy.sqrt(6 / numpy.prod(shape[: 2 if name == "depthwise_weights" else 3])))
    low, high = {"gamma": (0.7, 1.3), "moving_variance": (0.7, 1.3), "biases": biases}.get(name, (-bound, bound))
    return low + (high - low) * generator.random(shape, numpy.float32)


def images(size: int, high: float = 1.0) -> Any:
    return numpy.random.default_rng(5).uniform(-high, high, (2, size, size, 3)).astype(numpy.float32)


def migrated(spec: Path | str, slim: Slim, model: Any, left_behind: frozenset[str] = frozenset({"global_step"})) -> Any:
    """The Keras model with slim's weights; nothing is allowed, every weight of the net moves, the rest is dropped by name.

    A spec of the library is turned around, too: its inverse fills every weight of the net, and keeps the rest of the checkpoint.
    """
    path = spec if isinstance(spec, Path) else library_path() / "models" / f"{spec}.mig"
    migration = migspec.compile(path, slim.path, model)
    assert {name for move in migration.plan.moves for name in move.sources} == slim.weights
    assert {left.variable for left in migration.plan.dropped} == left_behind
    assert all(left.variable.endswith("seed_generator_state") for left in migration.plan.kept) and not migration.plan.allowed
    migration.apply()
    if isinstance(spec, str):
        back = compile_spec(invert(read_spec(str(path))).text, migration.target.variables, migration.source.variables).plan
        assert back is not None
        assert {move.target for move in back.moves} == slim.weights
        assert {left.variable for left in back.kept} == left_behind
    return model


def assert_equal_outputs(model: Any, inputs: Any, expected: Any) -> None:
    outputs = numpy.asarray(model(inputs, training=False))
    assert 0.1 <= outputs.std() <= 10, "what is all alike would show nothing, and 1e-4 is meant for outputs of about 1"
    numpy.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-4)


def rebuilt(model: Any, replacement: Callable[[Any], Any | None]) -> Any:
    """The model with some layers replaced: what its specs tell the user to do for equal outputs."""
    return keras.models.clone_model(
        model, clone_function=lambda layer: replacement(layer) or type(layer).from_config(layer.get_config())
    )


def pooled_as_same(layer: Any) -> Any | None:
    """The first pooling padded as TensorFlow's SAME."""
    if layer.name == "pool1_pad":
        return keras.layers.Activation("linear", name=layer.name)
    if layer.name == "pool1_pool":
        return keras.layers.MaxPooling2D(3, 2, padding="same", name=layer.name)
    return None


class PaddedConv2D(keras.layers.Conv2D):
    """A 3x3 convolution of stride 2, padded by 1 at both ends, as TF-slim's `conv2d_same`."""

    def call(self, inputs: Any) -> Any:
        padded = keras.ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
        return keras.ops.conv(padded, self.kernel, strides=2, padding="valid") + self.bias


class SubsampledAdd(keras.layers.Layer):
    """Every second place of the shortcut, plus the residual, as the last unit of a block of TF-slim."""

    def call(self, inputs: Any) -> Any:
        shortcut, residual = inputs
        return shortcut[:, ::2, ::2] + residual


def strides_as_slim(layer: Any) -> Any | None:
    """Stride 2 in the last units of the first three blocks, not in the first units of the last three."""
    if re.fullmatch(r"conv[345]_block1_[01]_conv", layer.name):
        return type(layer).from_config(layer.get_config() | {"strides": 1})
    if re.fullmatch(r"(conv2_block3|conv3_block4|conv4_block6)_2_conv", layer.name):
        return PaddedConv2D.from_config(layer.get_config() | {"strides": 2})
    if re.fullmatch(r"(conv2_block3|conv3_block4|conv4_block6)_add", layer.name):
        return SubsampledAdd(name=layer.name)
    return pooled_as_same(layer)


def resnet(module: str, name: str) -> tuple[Callable[[Any], Any], dict[Any, Any]]:
    found = importlib.import_module(f"tf_slim.nets.{module}")
    return partial(getattr(found, name), num_classes=CLASSES, is_training=False), found.resnet_arg_scope()


def keras_model(constructor: Callable[..., Any], size: int, classes: int = CLASSES, **arguments: Any) -> Any:
    return constructor(weights=None, input_shape=(size, size, 3), classes=classes, classifier_activation=None, **arguments)


def test_resnet_v1_50_with_strides_and_padding_of_slim(tmp_path: Path) -> None:
    def extra() -> None:
        v1.train.get_or_create_global_step()
        v1.get_variable("resnet_v1_50/mean_rgb", [3])
        v1.get_variable("resnet_v1_50/conv1/weights/Momentum", [7, 7, 3, 64])

    slim = Slim(tmp_path, *resnet("resnet_v1", "resnet_v1_50"), images(64), gain=0.7, extra=extra)
    left_behind = frozenset({"global_step", "resnet_v1_50/mean_rgb", "resnet_v1_50/conv1/weights/Momentum"})
    model = migrated("resnet_v1", slim, rebuilt(keras_model(applications.ResNet50, 64), strides_as_slim), left_behind)
    assert_equal_outputs(model, images(64), slim.outputs[0])


def test_resnet_v2_50_as_it_is_on_odd_sizes_and_with_padding_of_slim_on_even_ones(tmp_path: Path) -> None:
    """Small inputs and large biases: whatever the first pooling sees is above the zeros of Keras' padding."""
    odd, even = images(65, 0.1), images(64, 0.1)
    slim = Slim(tmp_path, *resnet("resnet_v2", "resnet_v2_50"), odd, even, gain=0.6, biases=(0.5, 1.0))
    assert_equal_outputs(migrated("resnet_v2", slim, keras_model(applications.ResNet50V2, 65)), odd, slim.outputs[0])
    assert_equal_outputs(
        migrated("resnet_v2", slim, rebuilt(keras_model(applications.ResNet50V2, 64), pooled_as_same)), even, slim.outputs[1]
    )


@pytest.mark.parametrize(
    ("spec", "net", "constructor"),
    [("resnet_v1", "resnet_v1_101", applications.ResNet101), ("vgg", "vgg_19", applications.VGG19)],
)
def test_deeper_nets_are_covered(spec: str, net: str, constructor: Callable[..., Any]) -> None:
    nets = importlib.import_module(f"tf_slim.nets.{spec}")
    with tensorflow.Graph().as_default(), tf_slim.arg_scope(getattr(nets, f"{spec.partition('_')[0]}_arg_scope")()):
        getattr(nets, net)(v1.placeholder(tensorflow.float32, (1, 224, 224, 3)), num_classes=CLASSES, is_training=False)
        old = [Variable(one.op.name, tuple(one.shape.as_list()), "float32") for one in v1.global_variables()]
    new = [Variable(one.path, tuple(one.shape), "float32") for one in keras_model(constructor, 224).variables]
    text = Text(f"{spec}.mig", (library_path() / "models" / f"{spec}.mig").read_text())
    compilation = compile_spec(text, VariableMap.of("slim", old), VariableMap.of("keras", new))
    assert not compilation.diagnostics
    assert compilation.plan is not None and {name for move in compilation.plan.moves for name in move.sources} == {
        one.name for one in old
    }


def test_vgg_16(tmp_path: Path) -> None:
    nets = importlib.import_module("tf_slim.nets.vgg")
    image = images(224)[:1]
    slim = Slim(tmp_path, partial(nets.vgg_16, num_classes=CLASSES, is_training=False), nets.vgg_arg_scope(), image)
    assert_equal_outputs(migrated("vgg", slim, keras_model(applications.VGG16, 224)), image, slim.outputs[0])


def test_mobilenet_v1_with_and_without_background(tmp_path: Path, mobilenets: tuple[ModuleType, ModuleType]) -> None:
    def extra() -> None:
        step = v1.train.get_or_create_global_step()
        tensorflow.train.ExponentialMovingAverage(0.9999, step).apply(v1.global_variables("MobilenetV1/Logits"))

    nets, _ = mobilenets
    net = partial(nets.mobilenet_v1, num_classes=CLASSES, is_training=False, depth_multiplier=0.25)
    slim = Slim(tmp_path, net, nets.mobilenet_v1_arg_scope(is_training=False), images(64), extra=extra)
    logits = "MobilenetV1/Logits/Conv2d_1c_1x1"
    averages = {f"{logits}/{name}/ExponentialMovingAverage" for name in ("weights", "biases")}
    left_behind = frozenset({"global_step", *averages})

    model = migrated("mobilenet_v1", slim, keras_model(applications.MobileNet, 64, alpha=0.25), left_behind)
    assert_equal_outputs(model, images(64), slim.outputs[0])

    text = (library_path() / "models" / "mobilenet_v1.mig").read_text()
    spec = tmp_path / "without_background.mig"
    spec.write_text(re.sub(r"-> conv_preds/(kernel|bias)", r"\g<0>  slice columns [1:]", text))
    model = migrated(spec, slim, keras_model(applications.MobileNet, 64, CLASSES - 1, alpha=0.25), left_behind)
    assert_equal_outputs(model, images(64), slim.outputs[0][:, 1:])


@pytest.mark.parametrize(("variant", "multiplier", "size"), [("mobilenet_v2_035", 0.35, 64), ("mobilenet_v2_140", 1.4, 65)])
def test_mobilenet_v2(
    tmp_path: Path, mobilenets: tuple[ModuleType, ModuleType], variant: str, multiplier: float, size: int
) -> None:
    _, nets = mobilenets
    net = partial(getattr(nets, variant), num_classes=CLASSES, is_training=False)
    slim = Slim(tmp_path, net, nets.training_scope(is_training=False), images(size), gain=0.9)
    model = migrated("mobilenet_v2", slim, keras_model(applications.MobileNetV2, size, alpha=multiplier))
    assert_equal_outputs(model, images(size), slim.outputs[0])
