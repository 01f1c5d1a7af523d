"""npy: one array as `numpy.save` writes it, or a pickled object, as many old files of weights are."""

from __future__ import annotations

import sys
from pathlib import Path

from migspec.formats.input import InputFile, check_shape, damaged
from migspec.formats.npy_header import NpyHeader, dtype_name, is_moved, read_npy_header
from migspec.formats.pickled.array_reader import ArrayReader, NamedArray
from migspec.formats.pickled.object_array import object_arrays
from migspec.formats.pickled.place import FilePlace
from migspec.formats.pickled.stored_array import AnyArray, PlacedBytes, StoredArray, UnreadableArray, c_strides
from migspec.variables import Variable

FORMAT = "npy"


def open_npy(path: str) -> ArrayReader:
    """The reader of a `.npy` file.

    A single array is called as the file without its ending. The arrays of a pickled object are called by their keys and indices:
    `conv1/weights`, `rnet/0`. Raises SpecError: MIG501, MIG503, MIG505.
    """
    file = InputFile(path)
    try:
        header = read_npy_header(path, "it", file.size, lambda length: file.some(length, 0))
        values = FilePlace(file, header.length)
        if header.dtype.kind == "O":
            arrays = [NamedArray("/".join(found.keys) or _stem(path), found.array) for found in object_arrays(values)]
        else:
            arrays = [NamedArray(_stem(path), _single(path, header, values))]
        return ArrayReader(FORMAT, path, arrays, (file.close,))
    except BaseException:
        file.close()
        raise


def _single(path: str, header: NpyHeader, values: FilePlace) -> AnyArray:
    variable = Variable(_stem(path), header.shape, dtype_name(header.dtype))
    check_shape(path, variable, header.dtype.itemsize)
    if not header.dtype.hasobject and variable.size * header.dtype.itemsize != values.size:
        raise damaged(path, f"it is said to be {header.dtype} {list(header.shape)}, but has {values.size} bytes")
    if not is_moved(variable.dtype):
        return UnreadableArray(header.shape, variable.dtype, "convert it with numpy first")
    swapped = header.dtype.newbyteorder("=") != header.dtype
    return StoredArray(
        header.shape,
        variable.dtype,
        PlacedBytes(values, 0, values.size),
        "big" if swapped == (sys.byteorder == "little") else "little",
        strides=c_strides(header.shape, header.fortran),
    )


def _stem(path: str) -> str:
    return Path(path).stem
