"""Storages: the runs of bytes that tensors are views of, and how a pickle refers to them.

The references: `persistent_id` in torch/serialization.py, of the zip format ("storage", type, key, location, elements) and of the
older one, which may add a view of the storage. A `FloatStorage` counts in its elements, an `UntypedStorage` in bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from migspec import dtypes
from migspec.formats.input import damaged, unsupported
from migspec.formats.pickled.stand_ins import Global, is_sizes, text_of
from migspec.formats.pickled.stored_array import PlacedBytes

_DTYPES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
    "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32", "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
}  # fmt: skip

_OTHER_SIZES = {"qint32": 4}  # bytes; the other quantized dtypes take one


@dataclass(frozen=True, slots=True, eq=False)
class StorageReference:
    """A storage as a pickle refers to it: its key, and `length` elements of `dtype`. `view` is a part of it: first element, elements."""

    key: str
    dtype: str
    length: int
    view: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class FoundStorage:
    """A storage: the dtype that it was saved with, and its bytes."""

    key: str
    dtype: str
    values: PlacedBytes
    byte_order: Literal["little", "big"]


Storages: TypeAlias = Callable[[object], FoundStorage]
"""The storage that a tensor is said to be a view of. Raises SpecError, MIG503, if that is none, or it is shorter than it is said
to be."""


def storage_itemsize(dtype: str) -> int:
    """Bytes that an element takes in a storage."""
    return dtypes.itemsize(dtype) or _OTHER_SIZES.get(dtype, 1)


def referenced(path: str, identifier: object) -> StorageReference | Global:
    """What an identifier of a PyTorch pickle stands for: a storage, or, in the older format, a class of modules.

    Raises SpecError: MIG503 if it is malformed, MIG505 for a type of storage that migspec does not know.
    """
    if isinstance(identifier, tuple) and identifier:
        match text_of(identifier[0]), identifier[1:]:
            case "module", (Global() as named, *_):
                return named
            case "storage", (Global() as kind, key, _, int(length)):
                return _storage(path, kind, key, length, None)
            case "storage", (Global() as kind, key, _, int(length), view):
                return _storage(path, kind, key, length, view)
    raise damaged(path, "its pickle refers to a storage in a way that PyTorch does not")


def _storage(path: str, kind: Global, key: object, length: int, view: object) -> StorageReference:
    if kind.name not in _DTYPES:
        raise unsupported(path, f"it has a storage of the kind `{kind.name}`, which migspec does not know")
    name = str(key) if type(key) is int else text_of(key)
    if name is None or not is_sizes((length,)):
        raise damaged(path, "its pickle refers to a storage in a way that PyTorch does not")
    match view:
        case None:
            return StorageReference(name, _DTYPES[kind.name], length)
        case (_, int(first), int(size)) if is_sizes((first, size)) and first + size <= length:
            return StorageReference(name, _DTYPES[kind.name], length, (first, size))
    raise damaged(path, f"its pickle refers to a part of the storage `{name}` that is not there")


def found_storage(
    path: str,
    reference: object,
    whole: Callable[[str], PlacedBytes | None],
    byte_order: Literal["little", "big"] = "little",
) -> FoundStorage:
    """What a reference means, out of all the bytes that `whole` has under its key. MIG503 if they are not there."""
    if not isinstance(reference, StorageReference):
        raise damaged(path, "a tensor in its pickle is no view of a storage")
    values = whole(reference.key)
    if values is None:
        raise damaged(path, f"its pickle refers to the storage `{reference.key}`, which the file does not have")
    itemsize = storage_itemsize(reference.dtype)
    if reference.length * itemsize > values.length:
        raise damaged(
            path,
            f"the storage `{reference.key}` is said to have {reference.length} elements of {reference.dtype}",
            f"it has {values.length} bytes",
        )
    if reference.view is not None:
        first, size = reference.view
        values = PlacedBytes(values.place, values.offset + first * itemsize, size * itemsize)
    return FoundStorage(reference.key, reference.dtype, values, byte_order)
