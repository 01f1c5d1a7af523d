"""Numbers and functions of layers that no checkpoint holds, and by which equal weights give different outputs.

Each is tried on a Keras model by changing the layer, running the model, and changing the layer back: layers look them up
whenever they are called (Keras 3.15, tf_keras 2.21).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

_EPSILONS: Final = (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12, 1e-4, 1e-2)
"""Keras: 1e-3. PyTorch, Flax: 1e-5. `tf.nn.fused_batch_norm` and `tf.contrib`: 1e-3. Transformers: 1e-6 and 1e-12."""

_SLOPES: Final = (0.01, 0.1, 0.2, 0.3)
"""`LeakyReLU`: PyTorch and Flax 0.01, darknet 0.1, `tf.nn.leaky_relu` 0.2, Keras 0.3."""


@dataclass(frozen=True)
class Trap:
    """A setting of some layers with another value. `words` name what differs, with both values."""

    owners: tuple[Any, ...]
    layers: tuple[str, ...]
    attribute: str
    value: Any
    words: str

    @contextmanager
    def sprung(self) -> Iterator[None]:
        """The layers with the other value, for as long as the context lasts."""
        before = [getattr(owner, self.attribute) for owner in self.owners]
        try:
            for owner in self.owners:
                setattr(owner, self.attribute, self.value)
            yield
        finally:
            for owner, value in zip(self.owners, before, strict=True):
                setattr(owner, self.attribute, value)


def usual_traps(model: Any, side: str) -> Iterator[Trap]:
    """Epsilons and slopes of all layers of a kind together, in a Keras model; `side` is `old` or `new`."""
    for kind, layers, attribute, values, what in _numbers(model):
        yield from _other_numbers(kind, layers, side, attribute, values, what)


def other_traps(model: Any, side: str) -> Iterator[Trap]:
    """The same of each layer alone, and activation functions that exist in two forms: the gates' sigmoid, and GELU."""
    for kind, layers, attribute, values, what in _numbers(model):
        for one in layers if len(layers) > 1 else ():
            yield from _other_numbers(kind, [one], side, attribute, values, what)
    for attribute in ("recurrent_activation", "activation"):
        yield from _functions(_layers(model), side, attribute)


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False))


def _numbers(model: Any) -> Iterator[tuple[str, list[Any], str, Sequence[float], str]]:
    """Each kind of layer that has a number: its layers, the attribute, the values that are in use, and what it is called."""
    having: dict[tuple[str, str], list[Any]] = {}
    for layer in _layers(model):
        kind = type(layer).__name__
        for attribute in ("negative_slope", "alpha") if kind == "LeakyReLU" else ("epsilon",):
            if isinstance(getattr(layer, attribute, None), float):
                having.setdefault((kind, attribute), []).append(layer)
    for (kind, attribute), layers in having.items():
        is_epsilon = attribute == "epsilon"
        yield kind, layers, attribute, _EPSILONS if is_epsilon else _SLOPES, "epsilon" if is_epsilon else "slope"


def _other_numbers(
    kind: str, group: Sequence[Any], side: str, attribute: str, values: Sequence[float], what: str
) -> Iterator[Trap]:
    now = float(getattr(group[0], attribute))
    for value in values:
        if value != now:
            words = f"the {what} of {kind} is {now:g} in the {side} model, and {value:g} in the other"
            yield Trap(tuple(group), tuple(str(one.name) for one in group), attribute, value, words)


def _functions(layers: Sequence[Any], side: str, attribute: str) -> Iterator[Trap]:
    having: dict[str, list[Any]] = {}
    for layer in layers:
        if not hasattr(layer, "cell"):  # a recurrent layer hands these on to its cell
            having.setdefault(getattr(getattr(layer, attribute, None), "__name__", ""), []).append(layer)
    for name, owners in having.items():
        for other, function in _variants(name, type(owners[0]).__module__):
            words = f"the {attribute.replace('_', ' ')} of the {side} model is {name}, and {other} in the other"
            for group in [owners, *([one] for one in owners if len(owners) > 1)]:
                yield Trap(tuple(group), tuple(str(one.name) for one in group), attribute, function, words)


def _variants(name: str, module: str) -> list[tuple[str, Callable[..., Any]]]:
    if name not in ("sigmoid", "hard_sigmoid", "gelu"):
        return []
    import importlib

    package = importlib.import_module("tf_keras" if module.startswith("tf_keras") else "keras")
    activations: Mapping[str, Any] = vars(package.activations)
    gelu, ops = activations["gelu"], package.ops if hasattr(package, "ops") else None
    forms: dict[str, list[tuple[str, Callable[..., Any]]]] = {
        "sigmoid": [("hard_sigmoid", activations["hard_sigmoid"])],
        "hard_sigmoid": [("sigmoid", activations["sigmoid"])],
        "gelu": [
            ("gelu by tanh", lambda value: gelu(value, approximate=True)),
            ("exact gelu", lambda value: gelu(value, approximate=False)),
        ],
    }
    if ops is not None:
        # Keras 1 and 2 wrote clip(0.2 x + 0.5); Keras 3 writes relu6(x + 3) / 6.
        older = ("hard_sigmoid of Keras 2", lambda value: ops.clip(0.2 * value + 0.5, 0.0, 1.0))
        forms["sigmoid"].append(older)
        forms["hard_sigmoid"].append(older)
    return forms[name]
