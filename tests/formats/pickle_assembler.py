"""Pickles put together by hand: they may name what is not installed, contradict themselves, and be of any generation.

`pickled` writes protocol 2 of Python 3, or, with `python2`, strings and bytes as Python 2 does. A call is written as `Call`, whatever it
names; nothing is imported.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy


@dataclass(frozen=True)
class Name:
    """A class or function, by module and name."""

    module: str
    name: str


@dataclass
class Call:
    """A call of something by name, and then what it is built from, and its entries."""

    module: str
    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    entries: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Persistent:
    """What stands for something that is not in the pickle."""

    identifier: Any


def pickled(value: object, *, python2: bool = False) -> bytes:
    return b"\x80\x02" + _value(value, python2) + b"."


def _value(value: Any, python2: bool) -> bytes:
    def inner(*parts: Any) -> bytes:
        return b"".join(_value(part, python2) for part in parts)

    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(content)]) + content
        case float():
            return b"G" + struct.pack(">d", value)
        case str() if python2:
            return b"U" + bytes([len(value.encode())]) + value.encode()
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case bytes() if python2:
            return b"T" + struct.pack("<I", len(value)) + value
        case bytes():
            return inner(Call("_codecs", "encode", (value.decode("latin-1"), "latin1")))
        case tuple():
            return b"(" + inner(*value) + b"t"
        case list():
            return b"](" + inner(*value) + b"e"
        case Mapping():
            return b"}(" + b"".join(inner(key, entry) for key, entry in value.items()) + b"u"
        case Name():
            return f"c{value.module}\n{value.name}\n".encode()
        case Persistent():
            return inner(value.identifier) + b"Q"
        case Call():
            made = inner(Name(value.module, value.name), value.arguments) + b"R"
            if value.entries:
                made += b"(" + b"".join(inner(key, entry) for key, entry in value.entries.items()) + b"u"
            return made + (b"" if value.state is None else inner(value.state) + b"b")
    raise TypeError(value)


def array_call(value: numpy.ndarray, *, core: str = "numpy.core") -> Call:
    """The calls that make an array, as numpy pickles it; `core` is `numpy._core` since numpy 2."""
    order = "|" if value.itemsize == 1 else value.dtype.str[0]
    dtype = Call("numpy", "dtype", (value.dtype.str[1:], 0, 1), (3, order, None, None, None, -1, -1, 0))
    fortran = value.flags.f_contiguous and not value.flags.c_contiguous
    content = value.tobytes("F" if fortran else "C")
    state = (1, value.shape, dtype, fortran, content)
    return Call(f"{core}.multiarray", "_reconstruct", (Name("numpy", "ndarray"), (0,), b"b"), state)


def object_npy(content: bytes) -> bytes:
    """A `.npy` of one object, behind whose header lies this pickle."""
    stream = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": ()})
    return stream.getvalue() + content


def storage(key: str, length: int, kind: str = "FloatStorage", location: str = "cpu", *view: object) -> Persistent:
    return Persistent(("storage", Name("torch", kind), key, location, length, *view))


def tensor(where: Persistent, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, first: int = 0) -> Call:
    """The call that makes a tensor, in C order if nothing else is said."""
    if strides is None:
        strides = tuple(int(numpy.prod(shape[axis + 1 :], dtype=object)) for axis in range(len(shape)))
    return Call("torch._utils", "_rebuild_tensor_v2", (where, first, shape, strides, False, Call("collections", "OrderedDict")))


def write_torch_zip(
    path: Path, value: object, storages: Mapping[str, bytes], *, folder: str = "archive/", byteorder: bytes | None = b"little",
    deflated: bool = False,
) -> None:  # fmt: skip
    """A file as `torch.save` writes it, but for the alignment of the storages."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{folder}data.pkl", value if isinstance(value, bytes) else pickled(value))
        if byteorder is not None:
            archive.writestr(f"{folder}byteorder", byteorder)
        for key, content in storages.items():
            archive.writestr(f"{folder}data/{key}", content)
        archive.writestr(f"{folder}version", b"3\n")


def legacy_torch(value: object, storages: Mapping[str, tuple[int, bytes]], *, python2: bool = False) -> bytes:
    """A file as `torch.save` wrote it before PyTorch 1.6; each storage with its number of elements."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}, value, list(storages)]
    content = b"".join(pickled(part, python2=python2) for part in parts)
    return content + b"".join(struct.pack("<q", count) + stored for count, stored in storages.values())
