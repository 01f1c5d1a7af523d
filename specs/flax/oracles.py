"""What the layers of Flax (linen) compute with the old weights, and Keras' layers with the new ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from migspec.testing import Case

_BATCH, _STEPS = 3, 4


def dense(case: Case) -> tuple[Any, Any]:
    """Dense and Dense on a batch of vectors."""
    import keras
    from flax import linen

    bias, x = "bias" in case.source, _uniform(case, (_BATCH, case.sizes["inputs"]))
    new = _filled(keras.layers.Dense(case.sizes["units"], use_bias=bias), case.target, x)
    return _run(linen.Dense(case.sizes["units"], use_bias=bias), case.source, x), new(x)


def conv_1d(case: Case) -> tuple[Any, Any]:
    """Conv on one axis and Conv1D, with strides, groups and both paddings."""
    import keras

    return _convolution(case, keras.layers.Conv1D, ("width",))


def conv_2d(case: Case) -> tuple[Any, Any]:
    """Conv on two axes and Conv2D, with strides, groups and both paddings."""
    import keras

    return _convolution(case, keras.layers.Conv2D, ("height", "width"))


def conv_3d(case: Case) -> tuple[Any, Any]:
    """Conv on three axes and Conv3D, with strides, groups and both paddings."""
    import keras

    return _convolution(case, keras.layers.Conv3D, ("depth", "height", "width"))


def batch_norm(case: Case) -> tuple[Any, Any]:
    """BatchNorm and BatchNormalization, not training, with Flax's epsilon."""
    import keras
    from flax import linen

    scale, bias = "scale" in case.source, "bias" in case.source
    x = _uniform(case, (_BATCH, 2, _STEPS, case.sizes["channels"]))
    old = linen.BatchNorm(use_running_average=True, use_scale=scale, use_bias=bias)
    new = keras.layers.BatchNormalization(epsilon=1e-5, center=bias, scale=scale)
    expected = _run(old, case.source, x, collections={"mean": "batch_stats", "var": "batch_stats"})
    return expected, _filled(new, case.target, x)(x, training=False)


def layer_norm(case: Case) -> tuple[Any, Any]:
    """LayerNorm and LayerNormalization over the last axis, with Flax's epsilon."""
    import keras
    from flax import linen

    scale, bias = "scale" in case.source, "bias" in case.source
    x = _spread(case, (_BATCH, _STEPS, case.sizes["channels"]))
    new = _filled(keras.layers.LayerNormalization(epsilon=1e-6, center=bias, scale=scale), case.target, x)
    return _run(linen.LayerNorm(use_scale=scale, use_bias=bias), case.source, x), new(x)


def embedding(case: Case) -> tuple[Any, Any]:
    """The rows of tokens."""
    import keras
    from flax import linen

    tokens, channels = case.sizes["tokens"], case.sizes["channels"]
    x = case.random.permutation(numpy.arange(2 * tokens) % tokens).reshape(2, tokens)
    new = _filled(keras.layers.Embedding(tokens, channels), case.target, x)
    return _run(linen.Embed(tokens, channels), case.source, x), new(x)


def lstm(case: Case) -> tuple[Any, Any]:
    """LSTMCell and OptimizedLSTMCell in turn, run step by step, and an LSTM: outputs and last states."""
    import keras
    from flax import linen

    cell = linen.LSTMCell if case.random.integers(2) else linen.OptimizedLSTMCell
    return _recurrent(case, cell, keras.layers.LSTM, states=2)


def gru(case: Case) -> tuple[Any, Any]:
    """GRUCell, run step by step, and a GRU: outputs and last state."""
    import keras
    from flax import linen

    return _recurrent(case, linen.GRUCell, keras.layers.GRU, states=1)


def multi_head_attention(case: Case) -> tuple[Any, Any]:
    """Attention over queries, keys and values of different sizes: outputs."""
    import keras
    from flax import linen

    sizes, bias = case.sizes, "query/bias" in case.source
    heads, dim, outputs = sizes["heads"], sizes["dim"], sizes["outputs"]
    # More steps than heads: where they are as many, and heads have the size 1, Keras 3.15 on TensorFlow takes a bias [heads, 1]
    # for one of the steps (`add` in keras/src/backend/tensorflow/numpy.py).
    query = _uniform(case, (_BATCH, heads + 1, sizes["queries"]))
    key, value = (_uniform(case, (_BATCH, heads + 2, sizes[name])) for name in ("keys", "values"))
    old = linen.MultiHeadDotProductAttention(heads, qkv_features=heads * dim, out_features=outputs, use_bias=bias)
    new = keras.layers.MultiHeadAttention(heads, dim, output_shape=outputs, use_bias=bias)
    return _run(old, case.source, query, key, value), _filled(new, case.target, query, value, key)(query, value, key)


def _convolution(case: Case, new: Any, axes: tuple[str, ...]) -> tuple[Any, Any]:
    from flax import linen

    sizes, bias = case.sizes, "bias" in case.source
    window, filters = tuple(sizes[axis] for axis in axes), sizes["filters"]
    groups = int(case.random.choice([one for one in range(1, filters + 1) if filters % one == 0]))
    stride, padding = int(case.random.integers(1, 3)), str(case.random.choice(["same", "valid"]))
    shape = (2, *(length + int(case.random.integers(1, 4)) for length in window), groups * sizes["inputs"])
    x, strides = _uniform(case, shape), (stride,) * len(axes)
    old = linen.Conv(filters, window, strides, padding.upper(), feature_group_count=groups, use_bias=bias)
    layer = _filled(new(filters, window, stride, padding, groups=groups, use_bias=bias), case.target, x)
    return _run(old, case.source, x), layer(x)


def _recurrent(case: Case, cell: Any, layer: Any, states: int) -> tuple[Any, Any]:
    import jax

    units = case.sizes["units"]
    x = _uniform(case, (_BATCH, _STEPS, case.sizes["inputs"]))
    first = [_uniform(case, (_BATCH, units)) for _ in range(states)]
    new = _filled(layer(units, return_sequences=True, return_state=True), case.target, x)
    old = cell(units)
    carry = (first[1], first[0]) if states > 1 else first[0]  # Flax's is (c, h)
    variables = _variables(old, case.source, {}, carry, x[:, 0])
    outputs = []
    step = jax.jit(old.apply)
    for place in range(_STEPS):
        carry, output = step(variables, carry, x[:, place])
        outputs.append(output)
    last = [carry[1], carry[0]] if states > 1 else [carry]
    expected = [numpy.stack(outputs, 1), *last]
    return [numpy.asarray(one) for one in expected], new(x, initial_state=first)


def _variables(module: Any, values: Mapping[str, Any], collections: Mapping[str, str], *inputs: Any) -> dict[str, Any]:
    """The variables of a Flax module, which are these values and no others by name and shape. A value lies below `params`, or
    where `collections` says."""
    import jax

    variables: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = (collections.get(name, "params"), *name.split("/"))
        place = variables
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    assert jax.tree.map(numpy.shape, variables) == jax.tree.map(numpy.shape, dict(shapes)), f"{module} has {shapes}"
    return variables


def _run(module: Any, values: Mapping[str, Any], *inputs: Any, collections: Mapping[str, str] | None = None) -> Any:
    """What a Flax module computes with these values."""
    import jax

    variables = _variables(module, values, collections or {}, *inputs)
    return numpy.asarray(jax.jit(module.apply)(variables, *inputs))


def _filled(layer: Any, values: Mapping[str, Any], *inputs: Any) -> Any:
    """A Keras layer, built for these inputs, with these values under its own names, no more and no fewer."""
    layer.build(*(one.shape for one in inputs))
    named = {re.sub("^[^/]*/|(lstm|gru)_cell/", "", weight.path): weight for weight in layer.weights}
    assert values.keys() == named.keys(), f"{sorted(values)} are not {sorted(named)}"
    for name, weight in named.items():
        assert values[name].shape == tuple(weight.shape), f"{name} is {tuple(weight.shape)}, not {values[name].shape}"
        weight.assign(values[name])
    return layer


def _uniform(case: Case, shape: tuple[int, ...]) -> Any:
    return case.random.uniform(-1, 1, shape).astype(numpy.float32)


def _spread(case: Case, shape: tuple[int, ...]) -> Any:
    """Random inputs whose last axis is never nearly constant (one place alone is nearly 0): there a norm divides by next to
    nothing, and rounding is all that is left."""
    length = shape[-1]
    steps = numpy.broadcast_to((2 * numpy.arange(length) + 1) / length - 1, shape)
    return (case.random.permuted(steps, axis=-1) + case.random.uniform(-0.02, 0.02, shape)).astype(numpy.float32)
