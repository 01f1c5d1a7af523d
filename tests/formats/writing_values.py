"""Values brought to a writer as the engine brings them: in bands, in ascending order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy

from migspec.formats.base import Writer
from migspec.variables import Variable, VariableMap


def map_of(values: Mapping[str, numpy.ndarray]) -> VariableMap:
    """The variables that these values are of; arrays of objects are strings."""
    return VariableMap.of(
        "values",
        [
            Variable(name, value.shape, "string" if value.dtype == object else value.dtype.name)
            for name, value in values.items()
        ],
    )


def write_values(writer: Writer, values: Mapping[str, numpy.ndarray], band: int = 1 << 20) -> None:
    """All values, in bands of so many bytes."""
    for name, value in values.items():
        if value.dtype == object:
            writer.write_strings(name, value)
            continue
        data = memoryview(bytearray(value.tobytes()))
        for start in range(0, len(data), band):
            writer.write(name, start, data[start : start + band])
