"""What the variables of a live Keras model are called.

Keras gives each variable a path. Measured on Keras 3.15, and held by the tests:

- Sequential and subclassed models stand in front of their variables' paths (`sequential/dense/kernel`), functional ones do
  not, and a nested functional model adds no segment. A layer that was built before it was put into a model has a path
  without it. So has one inside a layer of a model that Keras loaded from a file (`stored_names.py`).
- An RNN layer's weights belong to its cell (`lstm/lstm_cell/kernel`), also below `Bidirectional`
  (`bidirectional/forward_lstm/lstm_cell/kernel`).
- The state of a random generator stands under the generator's own name, which Keras counts through the process
  (`seed_generator_3/seed_generator_state`).
- Two variables may have one path: two nested functional models with a layer `dense` each, or two layers of one name in a list.
- An optimizer's variables stand under its name (`adam/iteration`), its slots with their weight's whole path
  (`adam/sequential_dense_kernel_momentum`), but for a few that it gives no name of their own (Adafactor's, one of Nadam's).
  Those of an optimizer inside another one have its name in front if training made them, and not if `build` did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from migspec.models.keras.file_paths import file_paths
from migspec.models.keras.stored_names import StoredNames
from migspec.models.naming import Candidates, named
from migspec.variables import Variable


class KerasVariable(Protocol):
    """What is used of `keras.Variable`."""

    name: str
    path: str
    shape: tuple[int, ...]
    dtype: str
    value: Any

    def assign(self, value: Any) -> Any: ...


def named_variables(model: Any, loaded_from: StoredNames | None = None) -> list[tuple[Variable, KerasVariable]]:
    """Every variable of a built Keras model once, in the order of `model.variables`, named as the language says.

    The name is the path below the model. Where several variables share that, each is called by its path in the file instead,
    and one that Keras saves in no file by its place among the model's variables: `variables/7/seed_generator_state`. The
    aliases are the path without the RNN cell, the whole path, and the path in the file, each only where it stands for one
    variable and is no other's name. Metrics are not part of it.

    The variables of a compiled model's optimizer stand behind those of the model, marked as such, under the names that a `.keras`
    file of the model gives them: their paths, and the path in the file where that does not tell them apart.

    `loaded_from` is what the file that the model was loaded from calls its variables, which then goes first.
    """
    variables: list[KerasVariable] = list({id(variable): variable for variable in model.variables}.values())
    optimizer = getattr(model, "optimizer", None)
    state: list[KerasVariable] = [] if optimizer is None else list(optimizer.variables)
    paths = _Paths(model)
    in_file = file_paths(model, (*variables, *state))
    candidates = []
    for place, variable in enumerate(variables):
        below, stored = paths.below(variable), in_file.get(id(variable))
        names = (below, *([] if stored is None else [stored]), f"variables/{place}/{variable.name}")
        aliases = (paths.without_cell(variable), variable.path, stored)
        shape = tuple(int(length) for length in variable.shape)
        candidates.append(Candidates(shape, str(variable.dtype), names, aliases))
    candidates += _of_optimizer(optimizer, state, in_file)
    every = (*variables, *state)
    if loaded_from is not None:
        candidates = [  # the last name is the path of an optimizer's variable, and no path of what no file holds
            loaded_from.instead(one, in_file.get(id(variable), one.names[-1]))
            for one, variable in zip(candidates, every, strict=True)
        ]
    return list(zip(named(candidates), every, strict=True))


def _of_optimizer(optimizer: Any, state: Sequence[KerasVariable], in_file: Mapping[int, str]) -> Iterator[Candidates]:
    inner = getattr(optimizer, "inner_optimizer", None)
    for place, variable in enumerate(state):
        stored = in_file.get(id(variable), f"optimizer/vars/{place}")
        own = (variable.path,) if "/" in variable.path else ()
        other = None if inner is None else _otherwise(variable.path, optimizer.name, inner.name)
        shape = tuple(int(length) for length in variable.shape)
        yield Candidates(shape, str(variable.dtype), (*own, stored), (other, stored), of_optimizer=True)


def _otherwise(path: str, outer: str, inner: str) -> str | None:
    """The path that a variable of an inner optimizer would have, had it been made the other way."""
    if path.startswith(f"{outer}/{inner}/"):
        return path.removeprefix(f"{outer}/")
    return f"{outer}/{path}" if path.startswith(f"{inner}/") else None


class _Paths:
    """The paths of one model's variables, with and without what Keras puts into them."""

    def __init__(self, model: Any) -> None:
        import keras

        layers = model._flatten_layers(
            include_self=False
        )  # every layer below, however deep; not public, the same since Keras 3.0
        self._model = str(model.path or model.name)  # a model taken out of another one keeps the other's name in front
        self._outside: set[int] = set()  # below a layer that is called as the model is: the segment is the layer's
        self._cells: dict[int, str] = {}
        for layer in layers:
            if layer.path == self._model:
                self._outside.update(id(variable) for variable in layer.variables)
            cell = layer.cell if isinstance(layer, keras.layers.RNN) else None
            if isinstance(cell, keras.layers.Layer) and cell.path:
                self._cells.update((id(variable), cell.path) for variable in cell.variables)

    def below(self, variable: KerasVariable) -> str:
        return self._cut(variable, variable.path)

    def without_cell(self, variable: KerasVariable) -> str | None:
        cell = self._cells.get(id(variable))
        if cell is None or not variable.path.startswith(f"{cell}/"):
            return None
        layer = cell.rpartition("/")[0]
        rest = variable.path.removeprefix(f"{cell}/")
        return self._cut(variable, f"{layer}/{rest}") if layer else None

    def _cut(self, variable: KerasVariable, path: str) -> str:
        return path if id(variable) in self._outside else path.removeprefix(f"{self._model}/")
