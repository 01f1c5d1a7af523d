"""A Keras model, of Keras 3 on any backend or of tf_keras."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from migspec.verify.ports import OpenShape, Port
from migspec.verify.returned import check_returned
from migspec.verify.side import cannot_run, named_values, no_such_output
from migspec.verify.sides.keras_ranges import bounds

if TYPE_CHECKING:
    import numpy

    from migspec.models.base import LiveModel

_NOT_DATA = ("self", "training", "mask", "args", "kwargs")


class KerasSide:
    """A built Keras model in inference mode. Recurrent layers that keep their state between calls begin anew in each run."""

    def __init__(self, label: str, model: Any, live: LiveModel | None) -> None:
        self._label = label
        self.model = model
        self._live = live
        self._legacy = type(model).__module__.startswith("tf_keras") or not _is_keras_3(model)
        self._tensors = list(getattr(model, "inputs", None) or ())

    @property
    def label(self) -> str:
        return self._label

    @property
    def kind(self) -> str:
        return "tf_keras model" if self._legacy else "Keras model"

    def live(self) -> LiveModel | None:
        return self._live

    def inputs(self, outputs: Collection[str], named: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002 - all are wanted
        if self._tensors:
            tops = bounds(self.model, self._tensors)
            return tuple(
                Port(name, _open(tensor.shape), _dtype(tensor), below=top)
                for name, tensor, top in zip(self._names(), self._tensors, tops, strict=True)
            )
        return tuple(Port(name) for name in _parameters(self.model.call))

    def outputs(self, fed: Collection[str], wanted: Collection[str]) -> tuple[Port, ...] | None:  # noqa: ARG002
        if not self._tensors:
            return None
        found = list(self.model.outputs)
        names = [name for name, _ in named_values(_placed(self._nest("output"), range(len(found))), self._output_names())]
        return tuple(Port(name, _open(one.shape), _dtype(one)) for name, one in zip(names, found, strict=True))

    def run(self, feeds: Mapping[str, numpy.ndarray], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
        result = self._called(self.model, feeds)
        values = {name: _array(value) for name, value in named_values(result, self._output_names())}
        check_returned(self._label, self.kind, result, values)
        missing = [name for name in outputs if name not in values]
        if missing:
            raise no_such_output(self._label, missing[0], list(values))
        return {name: values[name] for name in outputs or values}

    def prepared(self, feeds: Mapping[str, numpy.ndarray]) -> Callable[[], dict[str, numpy.ndarray]] | None:
        """The call traced once as a `tf.function`, which reads variables anew whenever it runs."""
        if not self._legacy and importlib.import_module("keras").config.backend() != "tensorflow":
            return None
        import tensorflow as tf

        traced = tf.function(lambda fed: dict(named_values(self._called(self.model, fed), self._output_names())))
        fed = {name: tf.constant(value) for name, value in feeds.items()}
        try:
            traced(fed)
        except Exception:  # code of the model's own that works only when called as it is
            return None
        return lambda: {name: _array(value) for name, value in traced(fed).items()}

    def activations(self, feeds: Mapping[str, numpy.ndarray]) -> list[tuple[str, numpy.ndarray]]:
        """The outputs of the layers of a functional or sequential model; none of a model that computes in a method `call`."""
        if not self._tensors:
            return []
        layers = [layer for layer in self.model.layers if not self._is_input(layer)]
        tensors = [(layer.name, one) for layer in layers for one in _flat(_output(layer))]
        inner = self._functional()(self.model.inputs, [one for _, one in tensors])
        found = _flat(self._called(inner, feeds, flat=True))
        return [(name, _array(value)) for (name, _), value in zip(tensors, found, strict=True)]

    def close(self) -> None:
        """Nothing to close."""

    def _called(self, model: Any, feeds: Mapping[str, numpy.ndarray], *, flat: bool = False) -> Any:
        try:
            self._reset()
            if not self._tensors:
                return model(*feeds.values(), training=False) if _takes_training(model) else model(*feeds.values())
            given = [feeds[name] for name in self._names()]
            if flat:
                return model(given, training=False)
            return model(_placed(self._nest("input"), given), training=False)
        except Exception as error:
            raise cannot_run(self._label, error) from error

    def _nest(self, side: str) -> Any:
        """`model.input` or `model.output`, as the model was built with them.

        A Sequential model of Keras 3 has neither before it is called as a part of another: only lists, `inputs` and `outputs`.
        """
        found = getattr(self.model, side, None)
        if found is not None:
            return found
        tensors = list(getattr(self.model, f"{side}s"))
        return tensors[0] if len(tensors) == 1 else tensors

    def _reset(self) -> None:
        for layer in self.model._flatten_layers():
            if getattr(layer, "stateful", False) and hasattr(layer, "cell"):
                reset = getattr(layer, "reset_state", None) or layer.reset_states
                reset()

    def _names(self) -> list[str]:
        return [str(tensor.name).partition(":")[0] for tensor in self._tensors]

    def _output_names(self) -> list[str]:
        if not self._tensors:
            return []
        if len(self.model.outputs) == 1 and self._is_sequential():
            return [self.model.layers[-1].name]
        return [str(name) for name in self.model.output_names]

    def _is_sequential(self) -> bool:
        return type(self.model).__name__ == "Sequential"

    def _is_input(self, layer: Any) -> bool:
        return type(layer).__name__ == "InputLayer"

    def _functional(self) -> Any:
        return importlib.import_module("tf_keras" if self._legacy else "keras").Model


def _is_keras_3(model: Any) -> bool:
    import sys

    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)


def _parameters(call: Any) -> Iterator[str]:
    for name, parameter in inspect.signature(call).parameters.items():
        if name not in _NOT_DATA and parameter.default is inspect.Parameter.empty and "VAR" not in parameter.kind.name:
            yield name


def _takes_training(model: Any) -> bool:
    return "training" in inspect.signature(model.call).parameters


def _placed(structure: Any, values: Sequence[Any]) -> Any:
    """Flat values in the structure that a model takes or gives: one alone, a list, or a dictionary, whose order is that of its keys
    sorted, as in `keras.tree` and `tf.nest`."""
    taken = iter(values)

    def place(part: Any) -> Any:
        if isinstance(part, Mapping):
            found = {key: place(part[key]) for key in sorted(part)}
            return {key: found[key] for key in part}
        if isinstance(part, list | tuple):
            return [place(one) for one in part]
        return next(taken)

    return place(structure)


def _flat(structure: Any) -> list[Any]:
    if isinstance(structure, Mapping):
        return [one for key in sorted(structure) for one in _flat(structure[key])]
    if isinstance(structure, list | tuple):
        return [one for part in structure for one in _flat(part)]
    return [structure]


def _output(layer: Any) -> Any:
    """What a layer gives where it was called first in the model."""
    try:
        return layer.output
    except (AttributeError, ValueError):  # called more than once, or not at all
        return []


def _open(shape: Any) -> OpenShape:
    return tuple(None if length is None else int(length) for length in shape)


def _dtype(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _array(value: Any) -> numpy.ndarray:
    import numpy

    if hasattr(value, "detach"):  # PyTorch as backend
        value = value.detach().cpu()
    return numpy.asarray(value)
