"""What Keras' own layers call their weights, in the order in which they create and save them.

Source: the `build` and `save_own_variables` methods in keras/src/layers, Keras 3.0 to 3.15; held by tests against real layers.
A class is called as Keras' file keys spell it: `BatchNormalization` is `batch_normalization`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

Shape = tuple[int, ...]
Options = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Weight:
    """One weight of a class. `present` tells from the layer's config whether the layer has it; None: always. Weights with one and
    the same `present` come together or not at all."""

    name: str
    present: Callable[[Options], bool] | None = None
    trainable: bool = True


@dataclass(frozen=True, slots=True)
class LayerClass:
    """A class of layers: its weights in order, and whether shapes can be theirs. `parts` are the sublayers in Keras' own order."""

    weights: tuple[Weight, ...]
    fits: Callable[[Mapping[str, Shape]], bool]
    parts: tuple[str, ...] = ()


def snake_case(name: str) -> str:
    """A class name as Keras turns it into a key: `SeparableConv2D` -> `separable_conv2d` (keras/src/utils/naming.py)."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def weights_of(kind: str | None, shapes: Sequence[Shape], options: Options | None) -> tuple[Weight | None, ...]:
    """Which weight each of a layer's stored arrays is; None for those that are not certain.

    `options` is the layer's config, None if unknown. Every choice of the optional weights that agrees with the number of
    arrays, their shapes and the config is tried, and a position is certain where all choices agree.
    """
    layer = LAYERS.get(kind or "")
    if layer is None:
        return (None,) * len(shapes)
    choices = [
        choice
        for choice in _choices(layer.weights, len(shapes), options)
        if layer.fits({weight.name: shape for weight, shape in zip(choice, shapes, strict=True)})
    ]
    if not choices:
        return (None,) * len(shapes)
    return tuple(column[0] if len(set(column)) == 1 else None for column in zip(*choices, strict=True))


def _choices(weights: Sequence[Weight], count: int, options: Options | None) -> Iterator[tuple[Weight, ...]]:
    if options is not None:
        chosen = tuple(weight for weight in weights if weight.present is None or weight.present(options))
        if len(chosen) == count:
            yield chosen
        return
    options_there_are = list(dict.fromkeys(weight.present for weight in weights if weight.present is not None))
    for number in range(len(options_there_are) + 1):
        for switched_on in combinations(options_there_are, number):
            chosen = tuple(weight for weight in weights if weight.present is None or weight.present in switched_on)
            if len(chosen) == count:
                yield chosen


def _option(key: str, default: bool = True) -> Callable[[Options], bool]:
    return lambda options: bool(options.get(key, default))


def _last_axes(kernel: Shape, bias: Shape | None) -> bool:
    return bias is None or bias == kernel[-1:]


def _dense(shapes: Mapping[str, Shape]) -> bool:
    return len(shapes["kernel"]) == 2 and _last_axes(shapes["kernel"], shapes.get("bias"))


def _einsum_dense(shapes: Mapping[str, Shape]) -> bool:
    bias = shapes.get("bias", ())
    return len(shapes["kernel"]) >= 1 and all(length == 1 or length in shapes["kernel"] for length in bias)


def _convolution(rank: int) -> Callable[[Mapping[str, Shape]], bool]:
    return lambda shapes: len(shapes["kernel"]) == rank + 2 and _last_axes(shapes["kernel"], shapes.get("bias"))


def _transposed(rank: int) -> Callable[[Mapping[str, Shape]], bool]:
    def fits(shapes: Mapping[str, Shape]) -> bool:
        kernel = shapes["kernel"]
        return len(kernel) == rank + 2 and shapes.get("bias", kernel[-2:-1]) == kernel[-2:-1]

    return fits


def _depthwise(rank: int) -> Callable[[Mapping[str, Shape]], bool]:
    def fits(shapes: Mapping[str, Shape]) -> bool:
        kernel = shapes["kernel"]
        return len(kernel) == rank + 2 and shapes.get("bias", (kernel[-2] * kernel[-1],)) == (kernel[-2] * kernel[-1],)

    return fits


def _separable(rank: int) -> Callable[[Mapping[str, Shape]], bool]:
    def fits(shapes: Mapping[str, Shape]) -> bool:
        depthwise, pointwise = shapes["depthwise_kernel"], shapes["pointwise_kernel"]
        if len(depthwise) != rank + 2 or pointwise[:-2] != (1,) * rank:
            return False
        return pointwise[-2] == depthwise[-2] * depthwise[-1] and _last_axes(pointwise, shapes.get("bias"))

    return fits


def _cell(gates: int, biases: int = 1) -> Callable[[Mapping[str, Shape]], bool]:
    """A recurrent cell; `biases` is 2 for one that may keep the biases of input and recurrence apart."""

    def fits(shapes: Mapping[str, Shape]) -> bool:
        kernel, recurrent = shapes["kernel"], shapes["recurrent_kernel"]
        if len(kernel) < 2 or len(kernel) != len(recurrent) or recurrent[-1] != gates * recurrent[-2]:
            return False
        allowed = [recurrent[-1:], (2, recurrent[-1])][:biases]
        return kernel[-1] == recurrent[-1] and shapes.get("bias", allowed[0]) in allowed

    return fits


def _same_shapes(shapes: Mapping[str, Shape]) -> bool:
    return len(set(shapes.values())) == 1


def _one_axis(shapes: Mapping[str, Shape]) -> bool:
    return _same_shapes(shapes) and all(len(shape) == 1 for shape in shapes.values())


def _anything(shapes: Mapping[str, Shape]) -> bool:  # noqa: ARG001
    return True


def _embedding(shapes: Mapping[str, Shape]) -> bool:
    table = shapes["embeddings"]
    return len(table) == 2 and shapes.get("reverse_embeddings", table[::-1]) == table[::-1]


_KERNEL = (Weight("kernel"), Weight("bias", _option("use_bias")))
_RECURRENT = (Weight("kernel"), Weight("recurrent_kernel"), Weight("bias", _option("use_bias")))
_SEPARABLE = (Weight("depthwise_kernel"), Weight("pointwise_kernel"), Weight("bias", _option("use_bias")))
_GAMMA = Weight("gamma", _option("scale"))
_BETA = Weight("beta", _option("center"))
_MOVING = (Weight("moving_mean", trainable=False), Weight("moving_variance", trainable=False))
_RENORM = _option("renorm", False)
_RENORMALIZED = tuple(Weight(name, _RENORM, False) for name in ("moving_stddev", "renorm_mean", "renorm_stddev"))
_LAYER_NORM = (
    Weight("gamma", lambda options: bool(options.get("scale", True) or options.get("rms_scaling", False))),
    Weight("beta", lambda options: bool(options.get("center", True) and not options.get("rms_scaling", False))),
)
_EINSUM_DENSE = (Weight("kernel"), Weight("bias", lambda options: options.get("bias_axes") is not None))
_ATTENTION = (
    Weight("scale", _option("use_scale", False)),
    Weight("concat_score_weight", lambda options: options.get("score_mode") == "concat"),
)
_STATISTICS = (Weight("mean", trainable=False), Weight("variance", trainable=False), Weight("count", trainable=False))
_EMBEDDING = Weight("embeddings")
_REVERSE = Weight("reverse_embeddings", lambda options: not options.get("tie_weights", True))
_HEADS = ("query_dense", "key_dense", "value_dense", "output_dense")
_GROUPED = ("grouped_query_attention", "group_query_attention")  # by the file's key, and by its public name in a config
_CELL = ("cell",)

LAYERS: dict[str, LayerClass] = {
    "dense": LayerClass(_KERNEL, _dense),
    "einsum_dense": LayerClass(_EINSUM_DENSE, _einsum_dense),
    "embedding": LayerClass((_EMBEDDING,), _embedding),
    "reversible_embedding": LayerClass((_EMBEDDING, _REVERSE), _embedding),
    "batch_normalization": LayerClass((_GAMMA, _BETA, *_MOVING, *_RENORMALIZED), _one_axis),
    "layer_normalization": LayerClass(_LAYER_NORM, _same_shapes),
    "group_normalization": LayerClass((_GAMMA, _BETA), _one_axis),
    "rms_normalization": LayerClass((Weight("scale"),), _anything),
    "normalization": LayerClass(_STATISTICS, lambda shapes: shapes["mean"] == shapes["variance"] and shapes["count"] == ()),
    "spectral_normalization": LayerClass(
        (Weight("kernel"), Weight("vector_u", trainable=False)), lambda shapes: len(shapes["vector_u"]) == 2, ("layer",)
    ),
    "p_re_lu": LayerClass((Weight("alpha"),), _anything),
    "attention": LayerClass(_ATTENTION, lambda shapes: all(shape == () for shape in shapes.values())),
    "additive_attention": LayerClass((Weight("scale", _option("use_scale")),), _one_axis),
    "lstm_cell": LayerClass(_RECURRENT, _cell(4)),
    "gru_cell": LayerClass(_RECURRENT, _cell(3, biases=2)),
    "simple_rnn_cell": LayerClass(_RECURRENT, _cell(1)),
    "conv_lstm_cell": LayerClass(_RECURRENT, _cell(4)),
    "stacked_rnn_cells": LayerClass((), _anything, ("cells",)),
    "multi_head_attention": LayerClass((), _anything, _HEADS),
    **{kind: LayerClass((), _anything, tuple(f"_{head}" for head in _HEADS)) for kind in _GROUPED},
    "bidirectional": LayerClass((), _anything, ("forward_layer", "backward_layer")),
    "time_distributed": LayerClass((), _anything, ("layer",)),
    **{kind: LayerClass((), _anything, _CELL) for kind in ("rnn", "lstm", "gru", "simple_rnn")},
    **{f"conv_lstm{rank}d": LayerClass((), _anything, _CELL) for rank in (1, 2, 3)},
    **{f"conv{rank}d": LayerClass(_KERNEL, _convolution(rank)) for rank in (1, 2, 3)},
    **{f"conv{rank}d_transpose": LayerClass(_KERNEL, _transposed(rank)) for rank in (1, 2, 3)},
    **{f"depthwise_conv{rank}d": LayerClass(_KERNEL, _depthwise(rank)) for rank in (1, 2)},
    **{f"separable_conv{rank}d": LayerClass(_SEPARABLE, _separable(rank)) for rank in (1, 2)},
}
"""Every class of Keras whose weights are known by name."""

PART_CLASSES: dict[tuple[str, str], str] = {
    ("lstm", "cell"): "lstm_cell",
    ("gru", "cell"): "gru_cell",
    ("simple_rnn", "cell"): "simple_rnn_cell",
    **{(f"conv_lstm{rank}d", "cell"): "conv_lstm_cell" for rank in (1, 2, 3)},
    **{("multi_head_attention", head): "einsum_dense" for head in _HEADS},
    **{(kind, f"_{head}"): "einsum_dense" for kind in _GROUPED for head in _HEADS},
}
"""The class of a sublayer that its layer makes itself, by the layer's class and the attribute."""
