"""What the variables of a live tf_keras model are called: as in Keras 3, where the layers correspond.

Keras 2 has no paths, only names of variables, which are neither unique nor complete. Measured on tf_keras 2.21, and held by the
tests:

- The names of two nested models' variables may be the same (`a/kernel:0` and `a/kernel:0`).
- A subclassed model stands in front of its variables' names, Sequential and functional ones do not. `TimeDistributed` takes the
  place of the layer that it wraps (`time_distributed/kernel`; Keras 3: `time_distributed/dense/kernel`).

So a variable is called by the names of the layers on the way to it. As in Keras 3, a nested functional model adds no segment
unless two variables would then share a name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from migspec.models.naming import Candidates, named
from migspec.models.tensorflow.object_paths import find_variables
from migspec.variables import Variable


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a variable lies: the layers on the way to it, the names of their segments, and its own name in the last layer."""

    variable: Any
    layers: tuple[Any, ...]
    own: str

    def below(self, *, functional: bool, cell: bool) -> str:
        """The path below the model, with or without the segments of nested functional models and of RNN cells."""
        segments = []
        for parent, layer in zip((None, *self.layers), self.layers, strict=False):
            if not functional and _is_functional(layer):
                continue
            if not cell and getattr(parent, "cell", None) is layer:
                continue
            segments.append(layer.name)
        return "/".join([*segments, self.own])


def named_variables(model: Any) -> list[tuple[Variable, Any]]:
    """Every variable of a built tf_keras model once, in the order of `model.variables`.

    The name is the path of layers below the model; where several variables share that, with nested functional models as segments;
    else the path in a TensorFlow checkpoint of the model, else the place among the model's variables. The aliases are the path
    without the RNN cell, the variable's own name, the path with nested functional models, and the path in a TensorFlow
    checkpoint (`layer_with_weights-0/kernel`). Metrics are not part of it.

    The variables of a compiled model's optimizer stand behind those of the model, marked as such: under their own names, as in a
    legacy `.h5` file of the model. Aliases are that name with the optimizer's in front or without, and that in a TensorFlow
    checkpoint.
    """
    variables = list({id(variable): variable for variable in model.variables}.values())
    state = _of_optimizer(model)
    places = {id(place.variable): place for place in _walk(model, (), set())}
    object_paths = {id(found.variable): found.path for found in find_variables(model).variables}
    candidates = []
    for number, variable in enumerate(variables):
        name = str(variable.name).removesuffix(":0")
        place = places.get(id(variable), _Place(variable, (), name))
        whole, stored = place.below(functional=True, cell=True), object_paths.get(id(variable))
        names = (
            place.below(functional=False, cell=True),
            whole,
            *([] if stored is None else [stored]),
            f"variables/{number}/{name}",
        )
        aliases = (place.below(functional=False, cell=False), name, whole, stored)
        shape = tuple(int(length) for length in variable.shape)
        candidates.append(Candidates(shape, str(variable.dtype.name), names, aliases))
    for number, variable in enumerate(state):
        own, stored = str(variable.name).removesuffix(":0"), object_paths.get(id(variable))
        names = (own, *([] if stored is None else [stored]), f"optimizer/{number}/{own}")
        around = f"{model.optimizer.name}/"  # stands in front if training made the variable, and not if `build` did
        other = own.removeprefix(around) if own.startswith(around) else around + own
        shape = tuple(int(length) for length in variable.shape)
        candidates.append(Candidates(shape, str(variable.dtype.name), names, (other, stored), of_optimizer=True))
    return list(zip(named(candidates), (*variables, *state), strict=True))


def _of_optimizer(model: Any) -> list[Any]:
    """The variables of a model's optimizer: those that count, not its rates. In tf_keras' older optimizers `variables` is a method."""
    optimizer = getattr(model, "optimizer", None)
    found = getattr(optimizer, "variables", ())
    return list(found() if callable(found) else found)


def _walk(layer: Any, way: tuple[Any, ...], seen: set[int]) -> Iterator[_Place]:
    """The variables below a layer, each at the first place where it is found; those of sublayers first."""
    seen.add(id(layer))
    below: set[int] = set()
    for sublayer in layer._flatten_layers(recursive=False, include_self=False):  # not public; the same since TensorFlow 2.5
        below.update(id(variable) for variable in sublayer.variables)
        if id(sublayer) not in seen:
            yield from _walk(sublayer, (*way, sublayer), seen)
    for variable in layer.variables:
        if id(variable) not in below:
            yield _Place(variable, way, _own_name(variable, layer if way else None))


def _own_name(variable: Any, layer: Any) -> str:
    """What a variable is called inside its layer: what follows the layer's name, or the last segment if that is not there."""
    name = str(variable.name).removesuffix(":0")
    _, found, own = f"/{name}".rpartition(f"/{layer.name}/") if layer is not None else ("", "", "")
    return own if found else name.rpartition("/")[2]


def _is_functional(layer: Any) -> bool:
    """Whether a layer is a functional model: one without a class of its own between, and not Sequential."""
    keras = sys.modules["tf_keras"]
    return isinstance(layer, keras.Model) and type(layer).__name__ == "Functional"
