"""What the variables of a legacy Keras file (`.h5`, `.hdf5`) are called: the layer, and the weight's name below it.

The file has one group a layer, in the root or, for a whole model, in `model_weights`; its attribute `layer_names` lists the layers, and
`weight_names` of each group the datasets in it (tf_keras/src/saving/legacy/hdf5_format.py; keras/src/legacy/saving/legacy_h5_format.py).
What stands in `weight_names` is the variable's own name at the time: `dense/kernel:0`, in a subclassed model
`my_model/dense/kernel:0`, in Keras 3 a path or only `kernel`, in Keras 1 `dense_1_W`. TensorFlow 1 put numbers behind names that its graph
had already: `dense/kernel_1:0`, `dense_1/kernel:0` in the layer `dense`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from migspec.formats.input import damaged
from migspec.formats.keras.candidates import Candidate, NamedArray, settled
from migspec.formats.keras.hdf5 import Hdf5File
from migspec.formats.keras.layers import LAYERS
from migspec.formats.keras.tree import Group, StoredArray

_MODEL = "model_weights"
_OPTIMIZER = "optimizer_weights"
_TOP = "top_level_model_weights"  # the group of the weights that belong to no layer
_CELL = re.compile(r"/(?:lstm|gru|simple_rnn|conv_lstm)_cell(_\d+)?(?=/[^/]+$)")
_STACKED = re.compile(r"/stacked_rnn_cells(?:_\d+)?(?=/)")
_NUMBERED = re.compile(r"(.+/)([^/]+?)_\d+")
_OWN_NAMES = frozenset(weight.name for layer in LAYERS.values() for weight in layer.weights)


@dataclass(frozen=True, slots=True)
class _Listed:
    """One entry of a layer's `weight_names`. `written` is the name there without `:0`, `path` that below the model."""

    array: StoredArray
    written: str
    path: str


def weights_group(file: Hdf5File) -> str | None:
    """The group of a legacy file that holds its layers (`""` is the root), None if the file is no legacy Keras file."""
    if file.texts("", "layer_names") is not None:
        return ""
    if file.has_group(_MODEL) and file.texts(_MODEL, "layer_names") is not None:
        return _MODEL
    return None


def legacy_arrays(file: Hdf5File, root: Group, group: str) -> tuple[NamedArray, ...]:
    """Every variable of a legacy file whose layers lie in `group`, in the order of the model, then the optimizer's, then the rest.

    MIG503 if the file lists a layer or a weight that is not in it.
    """
    arrays = {array.path: array for array in root.walk()}
    prefix = f"{group}/" if group else ""
    candidates: list[Candidate] = []
    for listed in _without_model(_layers(file, arrays, prefix)):
        candidates += _layer(listed, prefix)
    candidates += _optimizer(file, arrays)
    candidates += (Candidate(array, (), array.path, ()) for array in arrays.values())
    return settled(candidates)


def _layers(file: Hdf5File, arrays: dict[str, StoredArray], prefix: str) -> Iterator[tuple[str, list[_Listed]]]:
    """Each layer with its weights, which are taken out of `arrays`."""
    layers = file.texts(prefix.removesuffix("/"), "layer_names") or ()
    for layer in dict.fromkeys((*layers, _TOP)):
        if not file.has_group(prefix + layer):
            if layer == _TOP:
                continue
            raise damaged(file.path, f"it lists the layer `{layer}`, and has no such group")
        names = file.texts(prefix + layer, "weight_names") or ()
        scopes = {name.partition("/")[0] for name in names}
        listed = []
        for name in names:
            array = _take(file, arrays, f"{prefix}{layer}/{name}")
            written = _without_zero(name)
            listed.append(_Listed(array, written, _below_model(layer, written, len(scopes) == 1)))
        yield layer, listed


def _take(file: Hdf5File, arrays: dict[str, StoredArray], place: str) -> StoredArray:
    array = arrays.pop(place, None)
    if array is None:
        raise damaged(file.path, f"it lists the weight `{place}`, and has no such dataset, or lists it twice")
    return array


def _below_model(layer: str, written: str, is_only_scope: bool) -> str:
    """A weight's path below the model, from the layer that it was saved with and its own name at that time."""
    if layer == _TOP or written.startswith(f"{layer}/"):
        return written
    if "/" not in written:
        return f"{layer}/{written.removeprefix(f'{layer}_')}"
    place = f"/{written}".find(f"/{layer}/")
    if place >= 0:
        return written[place:]
    scope, _, rest = written.partition("/")
    if is_only_scope and scope.startswith(f"{layer}_") and scope[len(layer) + 1 :].isdigit():
        return f"{layer}/{rest}"
    return written  # of a layer inside a nested model, which stands in no name


def _without_model(layers: Iterator[tuple[str, list[_Listed]]]) -> Iterator[list[_Listed]]:
    """The weights layer by layer; the model's name, known from the layers', is taken from those of the model's own weights too."""
    models: set[str] = set()
    for layer, listed in layers:
        if layer != _TOP:
            models |= {
                weight.written.removesuffix(weight.path) for weight in listed if weight.written.endswith(f"/{weight.path}")
            }
            yield listed
        else:
            [model] = models if len(models) == 1 else {""}
            yield [_Listed(weight.array, weight.written, weight.path.removeprefix(model)) for weight in listed]


def _layer(listed: list[_Listed], prefix: str) -> Iterator[Candidate]:
    plain = [_without_number(weight.path) for weight in listed]
    uses = Counter([*plain, *(weight.path for weight in listed)])
    for weight, name in zip(listed, plain, strict=True):
        path = name if uses[name] == 1 else weight.path
        place = _without_zero(weight.array.path)
        short = _STACKED.sub("", path) if _STACKED.search(path) else _CELL.sub("", path)
        cell = _CELL.sub(lambda found: found[0].removesuffix(found[1] or ""), path)
        yield Candidate(weight.array, (), path, (short, cell, weight.written, place.removeprefix(prefix), place))


def _without_number(path: str) -> str:
    """`dense/kernel_1` as `dense/kernel`; only the names of Keras' own weights, as others may well end in a number."""
    match = _NUMBERED.fullmatch(path)
    return match[1] + match[2] if match and match[2] in _OWN_NAMES else path


def _optimizer(file: Hdf5File, arrays: dict[str, StoredArray]) -> Iterator[Candidate]:
    if not file.has_group(_OPTIMIZER):
        return
    for name in file.texts(_OPTIMIZER, "weight_names") or ():
        place = f"{_OPTIMIZER}/{name}"
        yield Candidate(_take(file, arrays, place), (), _without_zero(name), (_without_zero(place),))


def _without_zero(name: str) -> str:
    return name.removesuffix(":0")
