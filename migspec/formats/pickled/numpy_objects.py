"""numpy's arrays in a pickle: which calls make them, and what these say of shape, dtype and values.

The calls: `ndarray.__reduce__`, `__reduce_ex__`, `__setstate__` and `numpy.dtype.__reduce__`, in numpy's
numpy/_core/src/multiarray/methods.c and descriptor.c; `numpy.core` is the name of `numpy._core` before numpy 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy

from migspec import dtypes
from migspec.formats.input import check_shape, damaged
from migspec.formats.pickled.place import Place
from migspec.formats.pickled.stand_ins import Global, PickledBytes, PickledObject, is_sizes, text_of
from migspec.formats.pickled.stored_array import (
    AnyArray,
    EncodedBytes,
    KnownBytes,
    PlacedBytes,
    StoredArray,
    UnreadableArray,
    Values,
    c_strides,
)  # fmt: skip
from migspec.variables import Variable

_NAMES = {
    "?": "bool", "b1": "bool", "f2": "float16", "f4": "float32", "f8": "float64", "c8": "complex64", "c16": "complex128",
    "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64",
}  # fmt: skip

_CODE = re.compile(r"[?biufcmMSUVOa]\d{0,9}")

_RECONSTRUCT = "numpy.core.multiarray._reconstruct"

_JAX_ARRAYS = re.compile(r"jax\b.*\.(_?reconstruct_array|reconstruct_device_array)")
"""What makes a jax array out of the numpy array that it was: `_reconstruct_array` in jax's jax/_src/array.py, and its ancestor."""


@dataclass(frozen=True, slots=True)
class ObjectArray:
    """An array of objects: each with its index."""

    elements: tuple[tuple[tuple[int, ...], object], ...]


@dataclass(frozen=True, slots=True)
class _Dtype:
    """A dtype of migspec, or what numpy calls another one; None stands for objects."""

    name: str | None
    byte_order: Literal["little", "big"]


def array_of(value: PickledObject, place: Place) -> AnyArray | ObjectArray | None:
    """The array that these calls would make; None if they make something else. MIG503 if they contradict themselves."""
    match value.path, value.arguments:
        case path, _ if path == _RECONSTRUCT:
            return _from_state(value.state, place)
        case "numpy.core.multiarray.scalar", (dtype, content):
            return _array((), _dtype(dtype, place), False, content, place)
        case "numpy.core.numeric._frombuffer", (content, dtype, shape, order):
            return _array(shape, _dtype(dtype, place), text_of(order) == "F", content, place)
        case path, (function, tuple(arguments), state, *_) if _JAX_ARRAYS.fullmatch(path):
            inner = PickledObject(function, arguments, state)
            return _from_state(state, place) if inner.path == _RECONSTRUCT else None
    return None


def bytes_of(value: object, place: Place) -> Values | None:
    """The bytes that a value of a pickle stands for, unless their length is still to be found out; None if it stands for none."""
    match value:
        case PickledBytes(coding="bytes"):
            return PlacedBytes(place, value.offset, value.length)
        case PickledBytes(content=bytes(content)):
            return KnownBytes(content)
        case PickledObject(path="_codecs.encode", arguments=(str(text), *_)):
            return KnownBytes(text.encode("latin-1"))
        case PickledObject(path="builtins.bytes" | "builtins.bytearray", arguments=()):
            return KnownBytes(b"")
    return None


def _from_state(state: object, place: Place) -> AnyArray | ObjectArray:
    match state:
        case (int(), shape, dtype, fortran, content) | (shape, dtype, fortran, content):
            return _array(shape, _dtype(dtype, place), bool(fortran), content, place)
    raise damaged(place.path, "an array in its pickle does not say what it holds")


def _array(shape: object, dtype: _Dtype, fortran: bool, content: object, place: Place) -> AnyArray | ObjectArray:
    if not isinstance(shape, tuple) or not is_sizes(shape):
        raise damaged(place.path, "an array in its pickle has no shape that an array can have")
    check_shape(place.path, Variable("an array in its pickle", shape, ""))
    if dtype.name is None:
        return _objects(shape, content, place)
    if dtype.name not in dtypes.NAMES:
        return UnreadableArray(shape, dtype.name, "convert it with numpy first")
    values = _values(content, Variable("", shape, dtype.name).nbytes, place)
    return StoredArray(shape, dtype.name, values, dtype.byte_order, strides=c_strides(shape, fortran))


def _values(content: object, length: int, place: Place) -> Values:
    try:
        values = bytes_of(content, place)
    except UnicodeEncodeError as error:
        raise damaged(place.path, "the values of an array in its pickle are a text that stands for no bytes") from error
    match content:
        case PickledObject(path="_codecs.encode", arguments=(PickledBytes() as written, *_)):
            content = written
    if values is None and isinstance(content, PickledBytes) and length <= content.length:
        return EncodedBytes(place, content, length)
    if values is None or values.length != length:
        has = "none" if values is None else str(values.length)
        raise damaged(place.path, f"an array in its pickle needs {length} bytes of values, and has {has}")
    return values


def _objects(shape: tuple[int, ...], content: object, place: Place) -> ObjectArray:
    """The objects are listed in C order, also where numpy says that the array is in Fortran order."""
    elements = content if isinstance(content, list) else [content]
    if Variable("", shape, "").size != len(elements):
        raise damaged(place.path, f"an array of objects in its pickle has the shape {list(shape)} and {len(elements)} elements")
    if len(shape) < 2:
        return ObjectArray(tuple(((number,)[: len(shape)], element) for number, element in enumerate(elements)))
    places = numpy.unravel_index(numpy.arange(len(elements)), shape)
    indices = zip(*(axis.tolist() for axis in places), strict=True)
    return ObjectArray(tuple(zip(indices, elements, strict=True)))


def _dtype(value: object, place: Place) -> _Dtype:
    if not isinstance(value, PickledObject) or value.path != "numpy.dtype" or not value.arguments:
        raise damaged(place.path, "an array in its pickle has no dtype")
    code = value.arguments[0]
    state = value.state if isinstance(value.state, tuple) else ()
    found = _Dtype(None, "big" if len(state) > 1 and text_of(state[1]) == ">" else "little")
    if isinstance(code, Global):
        return replace(found, name=code.name if code.path.startswith("ml_dtypes.") else code.path)
    text = text_of(code)
    if text is None or not _CODE.fullmatch(text):
        raise damaged(place.path, "an array in its pickle has a dtype that numpy does not have")
    if text.startswith("O"):
        return found
    is_compound = any(part is not None for part in state[2:4])  # a subarray, or fields
    return replace(found, name=_NAMES.get(text, text) if not is_compound else f"structured {text}")
