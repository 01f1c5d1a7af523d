"""What the objects in a PyTorch pickle are: tensors, whole modules, and what else may hold tensors."""

from __future__ import annotations

from collections.abc import Iterator

from migspec.formats.pickled.place import Place
from migspec.formats.pickled.stand_ins import PickledObject, attributes, mapping_pairs, text_of
from migspec.formats.pickled.walk import Interpret, Interpretation, interpret_object
from migspec.formats.pytorch.storages import StorageReference, Storages
from migspec.formats.pytorch.tensors import storage_array, tensor_of


def torch_interpretation(place: Place, storages: Storages) -> Interpret:
    """What an object is for a reader that knows PyTorch and numpy."""

    def interpret(value: object) -> Interpretation:
        if isinstance(value, StorageReference):
            return storage_array(value, storages, place)
        if not isinstance(value, PickledObject):
            return None
        tensor = tensor_of(value, storages, place)
        if tensor is not None:
            return tensor
        parts = dict(_module_parts(value))
        if "_parameters" in parts and "_modules" in parts:
            return list(_state_dict(parts))
        return interpret_object(value, place)

    return interpret


def _module_parts(value: PickledObject) -> Iterator[tuple[str, object]]:
    """The attributes of a pickled `nn.Module` that its state dict is made of."""
    for key, part in attributes(value):
        name = text_of(key)
        if name in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            yield name, part


def _state_dict(parts: dict[str, object]) -> Iterator[tuple[object, object]]:
    """Parameters, persistent buffers and submodules, as `Module.state_dict` in torch/nn/modules/module.py goes through them."""
    buffers = mapping_pairs(parts.get("_buffers")) or ()
    passing = _texts_in(parts.get("_non_persistent_buffers_set"), len(buffers))
    yield from mapping_pairs(parts.get("_parameters")) or ()
    yield from ((key, part) for key, part in buffers if text_of(key) not in passing)
    yield from mapping_pairs(parts.get("_modules")) or ()


def _texts_in(value: object, most: int) -> set[str | None]:
    """The first `most` texts in a set: `EMPTY_SET`, or in protocol 2 the call of `set` with a list."""
    if isinstance(value, PickledObject):
        value = value.arguments[0] if value.path == "builtins.set" and value.arguments else []
    return {text_of(element) for element in value[:most]} if isinstance(value, list) else set()
