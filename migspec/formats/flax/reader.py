"""Reading flax msgpack files."""

from __future__ import annotations

import struct

import numpy

from migspec import dtypes
from migspec.formats.base import Extent
from migspec.formats.flax.elements import Window, element_at
from migspec.formats.flax.tree import Leaf, leaves
from migspec.formats.input import InputFile, unsupported
from migspec.variables import VariableMap

FORMAT = "flax"


class FlaxReader:
    """An open flax msgpack file. Names are the keys, joined with `/`; an index of a list is a key too.

    Numbers and booleans of Python are variables without axes (`int64`, `float64`, `bool`), texts are strings. `leaves` are the
    variables with their places, in the order of the file.
    """

    def __init__(self, path: str) -> None:
        self.file = InputFile(path)
        try:
            self.leaves = leaves(Window(self.file))
        except BaseException:
            self.file.close()
            raise
        self._by_name = {leaf.variable.name: leaf for leaf in self.leaves}
        self._map = VariableMap.of(path, [leaf.variable for leaf in self.leaves])

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def files(self) -> tuple[str, ...]:
        return (self.file.path,)

    @property
    def variables(self) -> VariableMap:
        return self._map

    def extent(self, name: str) -> Extent | None:
        leaf = self._by_name[name]
        if leaf.form != "array" or len(leaf.parts) != 1:
            return None
        [(place, length)] = leaf.parts
        return Extent(self.path, place, length)

    def read(self, name: str) -> numpy.ndarray:
        leaf = self._by_name[name]
        if leaf.form == "array":
            return self._array(leaf)
        if leaf.form == "opaque":
            raise unsupported(self.path, f"`{name}` has the dtype {leaf.variable.dtype}, which migspec lists but does not read")
        [(place, length)] = leaf.parts
        window = Window(self.file)
        element = element_at(window, place)
        if leaf.form in ("text", "bytes"):
            value = numpy.empty((), object)
            value[()] = window.at(element.place, element.length)
            return value
        number: complex = element.number
        if leaf.form == "complex":
            real, imaginary = struct.unpack(">xxdxd", window.at(place + length - 19, 19))
            number = complex(real, imaginary)
        return numpy.array(number, dtypes.numpy_dtype(leaf.variable.dtype))

    def close(self) -> None:
        self.file.close()

    def _array(self, leaf: Leaf) -> numpy.ndarray:
        variable = leaf.variable
        values = numpy.empty(variable.nbytes, numpy.uint8)
        begin = 0
        for place, length in leaf.parts:
            values[begin : begin + length] = numpy.frombuffer(self.file.exactly(length, place), numpy.uint8)
            begin += length
        dtype = dtypes.numpy_dtype(variable.dtype)
        return values.view(dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(variable.shape)
