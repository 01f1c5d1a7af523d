"""What TensorFlow 1's feed-forward layers compute, and what Keras' do: one oracle for each spec of this folder.

An old layer is built in a graph of its own and run in a session, as it was meant to be. `tf.layers` is taken from tf_keras, which
is what `tf.compat.v1.layers` stands for when TF_USE_LEGACY_KERAS is set. tf.contrib.layers lives on as TF-slim.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from migspec.testing import Case

_Outputs = tuple[Any, Any]

_SLIM = {"kernel": "weights", "bias": "biases"}
_SLIM_DEPTHWISE = {"depthwise_weights": "depthwise_weights", "biases": "biases"}
_SLIM_SEPARABLE = {"depthwise_kernel": "depthwise_weights", "pointwise_kernel": "pointwise_weights", "bias": "biases"}


def _in_session(
    layer: Callable[[Any], Any],
    inputs: numpy.ndarray,
    values: Mapping[str, numpy.ndarray],
    names: Mapping[str, str] | None = None,
) -> numpy.ndarray:
    """The output of `layer` for `inputs`, its variables being `values`; `names` says what it calls them, if not by their key.

    The names and shapes of the variables that the layer makes must be exactly those.
    """
    import tensorflow

    v1 = tensorflow.compat.v1
    expected = {(names or {}).get(key, key): value for key, value in values.items()}
    with warnings.catch_warnings(), tensorflow.Graph().as_default(), v1.Session() as session:
        warnings.simplefilter("ignore")  # both libraries call what has since been deprecated
        output = layer(tensorflow.constant(inputs))
        variables = {variable.op.name.rsplit("/", 1)[-1]: variable for variable in v1.global_variables()}
        found = {name: tuple(variable.shape) for name, variable in variables.items()}
        assert found == {name: value.shape for name, value in expected.items()}, (found, list(expected))
        session.run([v1.assign(variable, expected[name]) for name, variable in variables.items()])
        result: numpy.ndarray = session.run(output)
    return result


def _in_keras(layer: Any, inputs: numpy.ndarray, values: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
    """The output of a Keras layer, of which `values` must be all the variables, by their own names."""
    import keras

    layer.build(inputs.shape)
    found = {variable.name: tuple(variable.shape) for variable in layer.variables}
    assert found == {name: value.shape for name, value in values.items()}, (found, list(values))
    for variable in layer.variables:
        variable.assign(values[variable.name])
    result: numpy.ndarray = keras.ops.convert_to_numpy(layer(inputs, training=False))
    return result


def _tf_layers() -> Any:
    """`tf.compat.v1.layers`."""
    from tf_keras.api._v1.keras.__internal__.legacy import layers

    return layers


def _slim() -> Any:
    """TF-slim, once tf.contrib.slim and tf.contrib.layers."""
    import tf_slim

    return tf_slim


def dense(case: Case) -> _Outputs:
    """`tf.layers.Dense` and `slim.fully_connected`, on vectors and on sequences."""
    import keras

    units, bias = case.sizes["units"], "bias" in case.source
    vectors = case.random.normal(size=(4, case.sizes["inputs"])).astype("float32")
    sequences = case.random.normal(size=(2, 3, case.sizes["inputs"])).astype("float32")
    fully = _slim().fully_connected
    old = [
        _in_session(_tf_layers().Dense(units, use_bias=bias), vectors, case.source),
        _in_session(lambda x: fully(x, units, activation_fn=None, **_no_biases(bias)), sequences, case.source, _SLIM),
    ]
    return old, [_in_keras(keras.layers.Dense(units, use_bias=bias), inputs, case.target) for inputs in (vectors, sequences)]


def conv_1d(case: Case) -> _Outputs:
    """`tf.layers.Conv1D` and `slim.conv1d`."""
    return _convolution(case, ("width",), "Conv1D", "conv1d")


def conv_2d(case: Case) -> _Outputs:
    """`tf.layers.Conv2D` and `slim.conv2d`."""
    return _convolution(case, ("height", "width"), "Conv2D", "conv2d")


def conv_3d(case: Case) -> _Outputs:
    """`tf.layers.Conv3D` and `slim.conv3d`."""
    return _convolution(case, ("depth", "height", "width"), "Conv3D", "conv3d")


def transposed_conv(case: Case) -> _Outputs:
    """`tf.layers.Conv2DTranspose` and `slim.conv2d_transpose`."""
    return _convolution(case, ("height", "width"), "Conv2DTranspose", "conv2d_transpose")


def transposed_conv_3d(case: Case) -> _Outputs:
    """`tf.layers.Conv3DTranspose` and `slim.conv3d_transpose`."""
    return _convolution(case, ("depth", "height", "width"), "Conv3DTranspose", "conv3d_transpose")


def _convolution(case: Case, axes: tuple[str, ...], layer_class: str, function: str) -> _Outputs:
    """A convolution of `tf.layers`, padded "valid", and one of TF-slim, padded "SAME" with a stride of 2."""
    import keras

    filters, bias, window = case.sizes["filters"], "bias" in case.source, tuple(case.sizes[axis] for axis in axes)
    images = _images(case, window)
    of_slim = getattr(_slim(), function)
    options: dict[str, Any] = {"padding": "SAME", "stride": 2, "activation_fn": None, **_no_biases(bias)}
    old = [
        _in_session(getattr(_tf_layers(), layer_class)(filters, window, use_bias=bias), images, case.source),
        _in_session(lambda x: of_slim(x, filters, window, **options), images, case.source, _SLIM),
    ]
    new = getattr(keras.layers, layer_class)
    same = new(filters, window, padding="same", strides=2, use_bias=bias)
    return old, [_in_keras(layer, images, case.target) for layer in (new(filters, window, use_bias=bias), same)]


def depthwise_conv(case: Case) -> _Outputs:
    """`tf.nn.depthwise_conv2d`, DepthwiseConv2D of Keras 2, and `slim.separable_conv2d` without its pointwise part."""
    import keras
    import tensorflow
    import tf_keras

    window, multiplier, bias = (case.sizes["height"], case.sizes["width"]), case.sizes["multiplier"], "biases" in case.source
    images = _images(case, window)
    separable = _slim().separable_conv2d
    options: dict[str, Any] = {"padding": "SAME", "stride": 2, "activation_fn": None, **_no_biases(bias)}

    def operation(x: Any) -> Any:
        weights = tensorflow.compat.v1.get_variable("depthwise_weights", (*window, case.sizes["inputs"], multiplier))
        result = tensorflow.compat.v1.nn.depthwise_conv2d(x, weights, strides=[1, 1, 1, 1], padding="VALID")
        return result + tensorflow.compat.v1.get_variable("biases", result.shape[-1:]) if bias else result

    arguments: dict[str, Any] = {"kernel_size": window, "depth_multiplier": multiplier, "use_bias": bias}
    keras_2 = {"depthwise_weights": "depthwise_kernel", "biases": "bias"}
    old = [
        _in_session(operation, images, case.source),
        _in_session(tf_keras.layers.DepthwiseConv2D(**arguments), images, case.source, keras_2),
        _in_session(lambda x: separable(x, None, window, multiplier, **options), images, case.source, _SLIM_DEPTHWISE),
    ]
    new = _in_keras(keras.layers.DepthwiseConv2D(**arguments), images, case.target)
    same = _in_keras(keras.layers.DepthwiseConv2D(padding="same", strides=2, **arguments), images, case.target)
    return old, [new, new, same]


def separable_conv(case: Case) -> _Outputs:
    """`tf.layers.SeparableConv2D` and `slim.separable_conv2d`."""
    import keras

    window, multiplier, bias = (case.sizes["height"], case.sizes["width"]), case.sizes["multiplier"], "bias" in case.source
    filters = case.sizes["filters"]
    images = _images(case, window)
    separable = _slim().separable_conv2d
    options: dict[str, Any] = {"padding": "SAME", "stride": 2, "activation_fn": None, **_no_biases(bias)}
    arguments: dict[str, Any] = {"filters": filters, "kernel_size": window, "depth_multiplier": multiplier, "use_bias": bias}
    old = [
        _in_session(_tf_layers().SeparableConv2D(**arguments), images, case.source),
        _in_session(lambda x: separable(x, filters, window, multiplier, **options), images, case.source, _SLIM_SEPARABLE),
    ]
    new = keras.layers.SeparableConv2D
    same = new(padding="same", strides=2, **arguments)
    return old, [_in_keras(layer, images, case.target) for layer in (new(**arguments), same)]


def separable_conv_1d(case: Case) -> _Outputs:
    """`tf.layers.SeparableConv1D`, padded both ways."""
    import keras

    images = _images(case, (case.sizes["width"],))
    arguments: dict[str, Any] = {
        "filters": case.sizes["filters"],
        "kernel_size": case.sizes["width"],
        "depth_multiplier": case.sizes["multiplier"],
        "use_bias": "bias" in case.source,
    }
    both: list[dict[str, Any]] = [arguments, {**arguments, "padding": "same", "strides": 2}]
    old = [_in_session(_tf_layers().SeparableConv1D(**one), images, case.source) for one in both]
    return old, [_in_keras(keras.layers.SeparableConv1D(**one), images, case.target) for one in both]


def batch_norm(case: Case) -> _Outputs:
    """`tf.layers.BatchNormalization`, fused for images and not for sequences.

    `slim.batch_norm` builds this layer, too; its code for rarer settings no longer runs with the TensorFlow of today.
    """
    import keras

    center, scale = "beta" in case.source, "gamma" in case.source
    images = case.random.normal(size=(2, 4, 3, case.sizes["channels"])).astype("float32")
    both = (images, images[0])
    old = [_in_session(_tf_layers().BatchNormalization(center=center, scale=scale), inputs, case.source) for inputs in both]
    new = keras.layers.BatchNormalization
    return old, [_in_keras(new(center=center, scale=scale), inputs, case.target) for inputs in both]


def layer_norm(case: Case) -> _Outputs:
    """`slim.layer_norm` over the last axis, as in BERT, and over all axes but the batch."""
    import keras

    units, center, scale = case.sizes["units"], "beta" in case.source, "gamma" in case.source
    # Never nearly equal along an axis: an epsilon of 1e-12 lets rounding grow with the inverse of the deviation.
    shuffled = case.random.permuted(numpy.tile(numpy.linspace(-1, 1, units), (2, 3, 1)), axis=-1)
    inputs = (shuffled + case.random.uniform(-0.1, 0.1, shuffled.shape) / units).astype("float32")
    of_slim = _slim().layer_norm
    options: dict[str, Any] = {"center": center, "scale": scale}
    old = [
        _in_session(lambda x: of_slim(x, begin_norm_axis=-1, **options), inputs, case.source),
        _in_session(lambda x: of_slim(x, **options), inputs, case.source),
    ]
    last = keras.layers.LayerNormalization(epsilon=1e-12, **options)
    every = keras.layers.GroupNormalization(groups=1, epsilon=1e-12, **options)
    return old, [_in_keras(layer, inputs, case.target) for layer in (last, every)]


def embedding(case: Case) -> _Outputs:
    """`tf.nn.embedding_lookup`: every token once, and some again."""
    import keras
    import tensorflow

    tokens, units = case.sizes["tokens"], case.sizes["units"]
    indices = case.random.permutation(numpy.concatenate([numpy.arange(tokens), case.random.integers(tokens, size=3)]))[None]

    def lookup(x: Any) -> Any:
        return tensorflow.compat.v1.nn.embedding_lookup(tensorflow.compat.v1.get_variable("embeddings", (tokens, units)), x)

    old = _in_session(lookup, indices, case.source)
    return old, _in_keras(keras.layers.Embedding(tokens, units), indices, case.target)


def _images(case: Case, window: tuple[int, ...]) -> numpy.ndarray:
    """Two images, each axis somewhat longer than the window and no two alike."""
    lengths = (length + 2 + axis for axis, length in enumerate(window))
    images: numpy.ndarray = case.random.normal(size=(2, *lengths, case.sizes["inputs"])).astype("float32")
    return images


def _no_biases(bias: bool) -> dict[str, Any]:
    """What tells TF-slim to make no `biases`."""
    return {} if bias else {"biases_initializer": None}
