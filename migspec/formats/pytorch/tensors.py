"""PyTorch's tensors in a pickle: which calls make them, and which view of which storage they are.

The calls: `Tensor.__reduce_ex__` in torch/_tensor.py, `Parameter.__reduce_ex__` in torch/nn/parameter.py, and the functions that they
name, in torch/_utils.py.
"""

from __future__ import annotations

import re
from typing import Literal

from migspec import dtypes
from migspec.formats.input import check_shape, damaged
from migspec.formats.pickled.numpy_objects import array_of
from migspec.formats.pickled.place import Place
from migspec.formats.pickled.stand_ins import Global, PickledDict, PickledObject, is_sizes, text_of
from migspec.formats.pickled.stored_array import AnyArray, KnownBytes, StoredArray, UnreadableArray
from migspec.formats.pytorch.storages import StorageReference, Storages
from migspec.variables import Variable

_DEQUANTIZE = "save `.dequantize()` of it, or its integers, `.int_repr()`"
_DENSE = "save `.to_dense()` of it"
_PARTS = "save the tensors in it one by one (`.unbind()`)"
_PLAIN = "save a plain tensor: `.full_tensor()` of a DTensor, `.dequantize()` of a quantized one"
_NO_VALUES = "it was saved from the meta device, without values: save the model after its weights are loaded"
_OTHER_DTYPE = "convert it to another dtype in PyTorch"

_WRAPPERS = frozenset({
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer", "torch.nn.Parameter", "torch.autograd.variable.Variable",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor",
})  # fmt: skip
"""What makes a tensor of its first argument, with the same values."""


_TYPED = frozenset({
    "torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type", "torch.tensor._rebuild_from_type",
})  # fmt: skip
"""What makes a tensor of a subclass, out of a function, the class, the arguments for the function, and attributes."""

_MOST_WRAPPED = 8

_OLD_TENSOR = re.compile(r"torch\.(cuda\.)?[A-Z][a-z]+Tensor")
"""A class of tensors in PyTorch 0.1, made and then built from the view that it is."""


def tensor_of(value: PickledObject, storages: Storages, place: Place) -> AnyArray | None:
    """The tensor that these calls would make; None if they make something else. MIG503 if they contradict themselves."""
    value = _unwrapped(value)
    match value.path, value.arguments:
        case "torch._utils._rebuild_tensor", (storage, first, shape, strides, *_):
            return _view(storage, first, shape, strides, None, None, storages, place)
        case "torch._utils._rebuild_tensor_v2", (storage, first, shape, strides, _, _, *rest):
            return _view(storage, first, shape, strides, None, rest[0] if rest else None, storages, place)
        case "torch._utils._rebuild_tensor_v3", (storage, first, shape, strides, _, _, dtype, *rest):
            return _view(storage, first, shape, strides, dtype, rest[0] if rest else None, storages, place)
        case "torch._utils._rebuild_device_tensor_from_numpy" | "torch._utils._rebuild_xla_tensor", (data, dtype, *_):
            return _from_numpy(data, dtype, place)
        case "torch._utils._rebuild_qtensor", (storage, _, shape, *_):
            return UnreadableArray(_sizes(shape, place), storages(storage).dtype, _DEQUANTIZE)
        case "torch._utils._rebuild_sparse_tensor" | "torch._utils._rebuild_sparse_csr_tensor", (layout, tuple(data)):
            return _sparse(layout, data, place)
        case "torch._utils._rebuild_nested_tensor", _:
            return UnreadableArray((), "nested", _PARTS)
        case "torch._utils._rebuild_meta_tensor_no_storage", (_, shape, *_):
            return UnreadableArray(_sizes(shape, place), "meta", _NO_VALUES)
        case "torch._utils._rebuild_wrapper_subclass", (Global(name=name), _, shape, *_):
            return UnreadableArray(_sizes(shape, place), name, _PLAIN)
    match value.state:
        case (storage, first, shape, strides, *_) if _OLD_TENSOR.fullmatch(value.path):
            return _view(storage, first, shape, strides, None, None, storages, place)
    return None


def storage_array(storage: StorageReference, storages: Storages, place: Place) -> AnyArray:
    """A storage that was saved by itself: an array with one axis."""
    length = storage.length if storage.view is None else storage.view[1]
    return _view(storage, 0, (length,), (1,), None, None, storages, place)


def _unwrapped(value: PickledObject) -> PickledObject:
    """What is left of a tensor without the calls that change none of its values."""
    for _ in range(_MOST_WRAPPED):
        match value.path, value.arguments:
            case path, (PickledObject() as data, *_) if path in _WRAPPERS:
                value = data
            case path, (Global() as function, _, tuple(arguments), _) if path in _TYPED:
                value = PickledObject(function, arguments)
            case _:
                break
    return value


def _view(
    storage: object,
    first: object,
    shape: object,
    strides: object,
    dtype: object,
    metadata: object,
    storages: Storages,
    place: Place,
) -> AnyArray:
    lengths, steps = _sizes(shape, place), _sizes(strides, place)
    if len(lengths) != len(steps) or type(first) is not int or first < 0:
        raise damaged(place.path, "a tensor in its pickle is no view of a storage")
    found = storages(storage)
    name = found.dtype if dtype is None else _dtype_name(dtype, place)
    if name not in dtypes.NAMES:
        return UnreadableArray(lengths, name, _OTHER_DTYPE)
    check_shape(place.path, Variable("a tensor in its pickle", lengths, name))
    array = StoredArray(lengths, name, found.values, found.byte_order, first, steps, _change(metadata))
    limit = found.values.length // dtypes.itemsize(name)
    if array.size and first + array.span > limit:
        raise damaged(
            place.path,
            f"a tensor of the shape {list(lengths)} ends behind its storage `{found.key}`",
            f"it needs {first + array.span} elements, and the storage has {limit}",
        )
    return array if array.size else StoredArray(lengths, name, KnownBytes(b""))


def _sizes(value: object, place: Place) -> tuple[int, ...]:
    if isinstance(value, PickledObject) and value.path == "torch.Size" and value.arguments:
        value = value.arguments[0]
    if not isinstance(value, tuple | list) or not is_sizes(value):
        raise damaged(place.path, "a tensor in its pickle has a shape or strides that no tensor can have")
    return tuple(value)


def _dtype_name(dtype: object, place: Place) -> str:
    if not isinstance(dtype, Global) or dtype.module != "torch":
        raise damaged(place.path, "a tensor in its pickle has no dtype")
    return dtype.name


def _change(metadata: object) -> tuple[Literal["conj", "neg"], ...]:
    """What PyTorch put off when it made the view: `torch._utils.get_tensor_metadata`."""
    pairs = metadata.pairs[:8] if isinstance(metadata, PickledDict) else []
    marked = {text_of(key) for key, value in pairs if value is True}
    return tuple(mark for mark in ("conj", "neg") if mark in marked)


def _from_numpy(data: object, dtype: object, place: Place) -> AnyArray | None:
    """A tensor of a device without storages, saved as a numpy array, which may have another dtype."""
    array = array_of(data, place) if isinstance(data, PickledObject) else None
    if not isinstance(array, StoredArray | UnreadableArray):
        return None
    name = _dtype_name(dtype, place)
    return array if array.dtype == name else UnreadableArray(array.shape, name, "save it from the CPU (`.cpu()`)")


def _sparse(layout: object, data: tuple[object, ...], place: Place) -> AnyArray:
    name = text_of(layout.arguments[0]) if isinstance(layout, PickledObject) and layout.arguments else None
    shapes = [
        part for part in data if isinstance(part, tuple) or (isinstance(part, PickledObject) and part.path == "torch.Size")
    ]
    kind = (name or "torch.sparse").removeprefix("torch.")
    return UnreadableArray(_sizes(shapes[0], place) if shapes else (), kind, _DENSE)
