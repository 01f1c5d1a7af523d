"""What PyTorch's layers compute with the old weights, and Keras' layers with the new ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from migspec.testing import Case

_BATCH, _STEPS = 3, 4


def linear(case: Case) -> tuple[Any, Any]:
    """Linear and Dense on a batch of vectors."""
    import keras
    import torch

    sizes, bias = case.sizes, "bias" in case.source
    x = _uniform(case, (_BATCH, sizes["inputs"]))
    old = _loaded(torch.nn.Linear(sizes["inputs"], sizes["units"], bias=bias), case.source)
    new = _filled(keras.layers.Dense(sizes["units"], use_bias=bias), case.target, x)
    return _run(old, x), new(x)


def conv_1d(case: Case) -> tuple[Any, Any]:
    """Conv1d and Conv1D, with strides and groups."""
    import keras
    import torch

    return _convolution(case, torch.nn.Conv1d, keras.layers.Conv1D, ("width",))


def conv_2d(case: Case) -> tuple[Any, Any]:
    """Conv2d and Conv2D, with strides and groups."""
    import keras
    import torch

    return _convolution(case, torch.nn.Conv2d, keras.layers.Conv2D, ("height", "width"))


def conv_3d(case: Case) -> tuple[Any, Any]:
    """Conv3d and Conv3D, with strides and groups."""
    import keras
    import torch

    return _convolution(case, torch.nn.Conv3d, keras.layers.Conv3D, ("depth", "height", "width"))


def depthwise_conv(case: Case) -> tuple[Any, Any]:
    """Conv2d with a group for each channel, and DepthwiseConv2D."""
    import keras
    import torch

    sizes, bias = case.sizes, "bias" in case.source
    channels, window = sizes["channels"], (sizes["height"], sizes["width"])
    filters, stride = sizes["multiplier"] * channels, int(case.random.integers(1, 3))
    x = _image(case, window, channels)
    old = torch.nn.Conv2d(channels, filters, window, stride, groups=channels, bias=bias)
    new = keras.layers.DepthwiseConv2D(window, stride, depth_multiplier=sizes["multiplier"], use_bias=bias)
    return _on_channels_first(_loaded(old, case.source), x), _filled(new, case.target, x)(x)


def transposed_conv_1d(case: Case) -> tuple[Any, Any]:
    """ConvTranspose1d and Conv1DTranspose, with strides up to the window."""
    import keras
    import torch

    return _transposed(case, torch.nn.ConvTranspose1d, keras.layers.Conv1DTranspose, ("width",))


def transposed_conv_2d(case: Case) -> tuple[Any, Any]:
    """ConvTranspose2d and Conv2DTranspose, with strides up to the window."""
    import keras
    import torch

    return _transposed(case, torch.nn.ConvTranspose2d, keras.layers.Conv2DTranspose, ("height", "width"))


def batch_norm(case: Case) -> tuple[Any, Any]:
    """BatchNorm2d and BatchNormalization, not training, with PyTorch's epsilon."""
    import keras
    import torch

    affine, x = "weight" in case.source, _image(case, (2, 3), case.sizes["channels"])
    old = _loaded(torch.nn.BatchNorm2d(case.sizes["channels"], affine=affine), case.source, ("num_batches_tracked",))
    new = keras.layers.BatchNormalization(epsilon=1e-5, center=affine, scale=affine)
    return _on_channels_first(old, x), _filled(new, case.target, x)(x, training=False)


def layer_norm(case: Case) -> tuple[Any, Any]:
    """LayerNorm and LayerNormalization over the last axis, with PyTorch's epsilon."""
    import keras
    import torch

    bias, x = "bias" in case.source, _spread(case, (_BATCH, _STEPS, case.sizes["channels"]))
    old = _loaded(torch.nn.LayerNorm(case.sizes["channels"], bias=bias), case.source)
    return _run(old, x), _filled(keras.layers.LayerNormalization(epsilon=1e-5, center=bias), case.target, x)(x)


def rms_norm(case: Case) -> tuple[Any, Any]:
    """RMSNorm and RMSNormalization over the last axis, with one epsilon."""
    import keras
    import torch

    x = _uniform(case, (_BATCH, _STEPS, case.sizes["channels"]))
    old = _loaded(torch.nn.RMSNorm(case.sizes["channels"], eps=1e-5), case.source)
    return _run(old, x), _filled(keras.layers.RMSNormalization(epsilon=1e-5), case.target, x)(x)


def group_norm(case: Case) -> tuple[Any, Any]:
    """GroupNorm and GroupNormalization, with PyTorch's epsilon and any number of groups."""
    import keras
    import torch

    channels = case.sizes["channels"]
    groups, x = _divisor(case, channels), _image(case, (2, 3), channels)
    old = _loaded(torch.nn.GroupNorm(groups, channels), case.source)
    return _on_channels_first(old, x), _filled(keras.layers.GroupNormalization(groups, epsilon=1e-5), case.target, x)(x)


def embedding(case: Case) -> tuple[Any, Any]:
    """The rows of tokens."""
    import keras
    import torch

    tokens, channels = case.sizes["tokens"], case.sizes["channels"]
    x = case.random.permutation(numpy.arange(2 * tokens) % tokens).reshape(2, tokens)
    old = _loaded(torch.nn.Embedding(tokens, channels), case.source)
    return _run(old, x), _filled(keras.layers.Embedding(tokens, channels), case.target, x)(x)


def lstm(case: Case) -> tuple[Any, Any]:
    """One LSTM on sequences, from random states: outputs and last states."""
    import keras
    import torch

    return _recurrent(case, torch.nn.LSTM, keras.layers.LSTM, states=2)


def gru(case: Case) -> tuple[Any, Any]:
    """One GRU on sequences, from a random state: outputs and last state."""
    import keras
    import torch

    return _recurrent(case, torch.nn.GRU, keras.layers.GRU, states=1)


def lstm_layers(case: Case) -> tuple[Any, Any]:
    """An LSTM of several layers, and as many LSTMs: outputs and last states of all."""
    import keras
    import torch

    return _stack(case, torch.nn.LSTM, keras.layers.LSTM, states=2)


def gru_layers(case: Case) -> tuple[Any, Any]:
    """A GRU of several layers, and as many GRUs: outputs and last states of all."""
    import keras
    import torch

    return _stack(case, torch.nn.GRU, keras.layers.GRU, states=1)


def bidirectional_lstm(case: Case) -> tuple[Any, Any]:
    """A bidirectional LSTM, and Bidirectional around an LSTM: outputs and last states."""
    import keras
    import torch

    return _bidirectional(case, torch.nn.LSTM, keras.layers.LSTM, states=2)


def bidirectional_gru(case: Case) -> tuple[Any, Any]:
    """A bidirectional GRU, and Bidirectional around a GRU: outputs and last states."""
    import keras
    import torch

    return _bidirectional(case, torch.nn.GRU, keras.layers.GRU, states=1)


def multi_head_attention(case: Case) -> tuple[Any, Any]:
    """Attention over other queries than keys than values, all of one size: outputs and scores."""
    embed = case.sizes["heads"] * case.sizes["dim"]
    return _attention(case, embed, embed, case.source)


def multi_head_attention_separate(case: Case) -> tuple[Any, Any]:
    """Attention over queries, keys and values of different sizes: outputs and scores."""
    keys, values = case.sizes["keys"], case.sizes["values"]
    source, embed = dict(case.source), case.sizes["heads"] * case.sizes["dim"]
    if keys == values == embed:  # by chance; here PyTorch packs the three
        source["in_proj_weight"] = numpy.concatenate([source.pop(f"{letter}_proj_weight") for letter in "qkv"])
    return _attention(case, keys, values, source)


def _convolution(case: Case, old: Any, new: Any, axes: tuple[str, ...]) -> tuple[Any, Any]:
    sizes, bias = case.sizes, "bias" in case.source
    window = tuple(sizes[axis] for axis in axes)
    groups, stride = _divisor(case, sizes["filters"]), int(case.random.integers(1, 3))
    x = _image(case, window, groups * sizes["inputs"])
    module = old(groups * sizes["inputs"], sizes["filters"], window, stride, groups=groups, bias=bias)
    layer = new(sizes["filters"], window, stride, groups=groups, use_bias=bias)
    return _on_channels_first(_loaded(module, case.source), x), _filled(layer, case.target, x)(x)


def _transposed(case: Case, old: Any, new: Any, axes: tuple[str, ...]) -> tuple[Any, Any]:
    sizes, bias = case.sizes, "bias" in case.source
    window = tuple(sizes[axis] for axis in axes)
    stride = tuple(int(case.random.integers(1, length, endpoint=True)) for length in window)
    x = _image(case, window, sizes["inputs"])
    module = _loaded(old(sizes["inputs"], sizes["filters"], window, stride, bias=bias), case.source)
    layer = _filled(new(sizes["filters"], window, stride, use_bias=bias), case.target, x)
    return _on_channels_first(module, x), layer(x)


def _recurrent(case: Case, old: Any, new: Any, states: int) -> tuple[Any, Any]:
    sizes, bias = case.sizes, "bias_ih_l0" in case.source
    x = _uniform(case, (_BATCH, _STEPS, sizes["inputs"]))
    first = [_uniform(case, (_BATCH, sizes["units"])) for _ in range(states)]
    module = _loaded(old(sizes["inputs"], sizes["units"], bias=bias, batch_first=True), case.source)
    layer = _filled(new(sizes["units"], use_bias=bias, return_sequences=True, return_state=True), case.target, x)
    outputs, last = _run_recurrent(module, x, [state[None] for state in first])
    return [outputs, *(state[0] for state in last)], layer(x, initial_state=first)


def _stack(case: Case, old: Any, new: Any, states: int) -> tuple[Any, Any]:
    sizes, bias = case.sizes, "bias_ih_l0" in case.source
    x = _uniform(case, (_BATCH, _STEPS, sizes["inputs"]))
    first = [_uniform(case, (sizes["layers"], _BATCH, sizes["units"])) for _ in range(states)]
    module = old(sizes["inputs"], sizes["units"], sizes["layers"], bias=bias, batch_first=True)
    outputs, last = _run_recurrent(_loaded(module, case.source), x, first)
    sequence, ends, used = x, [], set()
    for number in range(sizes["layers"]):
        name = f"{new.__name__.lower()}_{number}" if number else new.__name__.lower()
        values = {key.removeprefix(f"{name}/"): value for key, value in case.target.items() if key.startswith(f"{name}/")}
        used |= {f"{name}/{key}" for key in values}
        layer = new(sizes["units"], use_bias=bias, return_sequences=True, return_state=True, name=name)
        sequence, *end = _filled(layer, values, sequence)(sequence, initial_state=[state[number] for state in first])
        ends.append(end)
    assert used == case.target.keys()
    return [outputs, *last], [sequence, *(numpy.stack(kind) for kind in zip(*ends, strict=True))]


def _bidirectional(case: Case, old: Any, new: Any, states: int) -> tuple[Any, Any]:
    import keras

    sizes, bias = case.sizes, any("bias" in name for name in case.source)
    x = _uniform(case, (_BATCH, _STEPS, sizes["inputs"]))
    first = [_uniform(case, (2, _BATCH, sizes["units"])) for _ in range(states)]
    module = old(sizes["inputs"], sizes["units"], bias=bias, batch_first=True, bidirectional=True)
    outputs, last = _run_recurrent(_loaded(module, case.source, _OPTIONAL), x, first)
    one = new(sizes["units"], use_bias=bias, return_sequences=True, return_state=True, name=new.__name__.lower())
    layer = _filled(keras.layers.Bidirectional(one), case.target, x, may_lack=_OPTIONAL)
    expected = [outputs, *(state[direction] for direction in range(2) for state in last)]
    return expected, layer(x, initial_state=[state[direction] for direction in range(2) for state in first])


def _attention(case: Case, keys: int, values: int, source: Mapping[str, Any]) -> tuple[Any, Any]:
    import keras
    import torch

    heads, dim = case.sizes["heads"], case.sizes["dim"]
    bias = any("bias" in name for name in source)
    # More steps than heads: where they are as many, and heads have the size 1, Keras 3.15 on TensorFlow takes a bias [heads, 1]
    # for one of the steps (`add` in keras/src/backend/tensorflow/numpy.py).
    query = _uniform(case, (_BATCH, heads + 1, heads * dim))
    key, value = (_uniform(case, (_BATCH, heads + 2, length)) for length in (keys, values))
    old = torch.nn.MultiheadAttention(heads * dim, heads, bias=bias, kdim=keys, vdim=values, batch_first=True)
    _loaded(old, source, _OPTIONAL)
    with torch.no_grad():
        expected = old(*(torch.from_numpy(one) for one in (query, key, value)), average_attn_weights=False)
    new = keras.layers.MultiHeadAttention(heads, dim, use_bias=bias)
    _filled(new, case.target, query, value, key, may_lack=_OPTIONAL)
    return [one.numpy() for one in expected], new(query, value, key, return_attention_scores=True)


_OPTIONAL = ("bias", "bias_ih_l0", "bias_hh_l0", "bias_ih_l0_reverse", "bias_hh_l0_reverse", "in_proj_bias")


def _loaded(module: Any, values: Mapping[str, Any], may_lack: tuple[str, ...] = ()) -> Any:
    """A PyTorch module with these values under its own names, no more and no fewer; what may be lacking is zero. In
    evaluation mode."""
    import torch

    state = {name: torch.from_numpy(numpy.array(value)) for name, value in values.items()}
    for name, tensor in module.state_dict().items():
        if name not in state and name.rpartition(".")[2] in may_lack:
            state[name] = torch.zeros_like(tensor)
    module.load_state_dict(state, strict=True)
    return module.eval()


def _filled(layer: Any, values: Mapping[str, Any], *inputs: Any, may_lack: tuple[str, ...] = ()) -> Any:
    """A Keras layer, built for these inputs, with these values under its own names; what may be lacking is zero."""
    layer.build(*(one.shape for one in inputs))
    named = {re.sub("^[^/]*/|(lstm|gru)_cell/", "", weight.path): weight for weight in layer.weights}
    assert values.keys() <= named.keys(), f"{sorted(values)} are not all in {sorted(named)}"
    for name, weight in named.items():
        assert name in values or name.rpartition("/")[2] in may_lack, f"{name} has no value"
        value = values.get(name, numpy.zeros(weight.shape, numpy.float32))
        assert value.shape == tuple(weight.shape), f"{name} is {tuple(weight.shape)}, not {value.shape}"
        weight.assign(value)
    return layer


def _run(module: Any, x: Any) -> Any:
    import torch

    with torch.no_grad():
        return module(torch.from_numpy(numpy.ascontiguousarray(x))).numpy()


def _run_recurrent(module: Any, x: Any, first: list[Any]) -> tuple[Any, list[Any]]:
    """The outputs of a recurrent module, and its last states, h and perhaps c."""
    import torch

    states = tuple(torch.from_numpy(state) for state in first)
    with torch.no_grad():
        outputs, last = module(torch.from_numpy(x), states if len(states) > 1 else states[0])
    return outputs.numpy(), [state.numpy() for state in (last if len(states) > 1 else (last,))]


def _on_channels_first(module: Any, x: Any) -> Any:
    """What a module makes of inputs with the channels last, which it sees first."""
    return numpy.moveaxis(_run(module, numpy.moveaxis(x, -1, 1)), 1, -1)


def _uniform(case: Case, shape: tuple[int, ...]) -> Any:
    return case.random.uniform(-1, 1, shape).astype(numpy.float32)


def _spread(case: Case, shape: tuple[int, ...]) -> Any:
    """Random inputs whose last axis is never nearly constant (one place alone is nearly 0): there a norm divides by next to
    nothing, and rounding is all that is left."""
    length = shape[-1]
    steps = numpy.broadcast_to((2 * numpy.arange(length) + 1) / length - 1, shape)
    return (case.random.permuted(steps, axis=-1) + case.random.uniform(-0.02, 0.02, shape)).astype(numpy.float32)


def _image(case: Case, window: tuple[int, ...], channels: int) -> Any:
    """Random inputs, channels last, in which the window has room."""
    return _uniform(case, (2, *(length + int(case.random.integers(1, 4)) for length in window), channels))


def _divisor(case: Case, number: int) -> int:
    """A random number of groups into which so many channels can be cut."""
    return int(case.random.choice([one for one in range(1, number + 1) if number % one == 0]))
