"""Source elements by number, followed through expressions to where they go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, assert_never

import numpy

from migspec.expression import Affine, Cast, Concat, Expression, Fill, Permute, Read, Reshape, Slice, Sum, Take
from migspec.variables import VariableMap

NEW, NONE = -1, -2
"""What stands for an element made anew, and for no further summand."""

Numbers: TypeAlias = numpy.ndarray
Layers: TypeAlias = tuple[Numbers, ...]
"""The number of the source element that each element is; of sums several, one layer for each summand."""


def numbered(variables: VariableMap) -> dict[str, Numbers]:
    """A number of its own for each element of all variables, counted from 0 in the order of the map."""
    numbers, start = {}, 0
    for variable in variables:
        numbers[variable.name] = numpy.arange(start, start + variable.size).reshape(variable.shape)
        start += variable.size
    return numbers


def followed(expression: Expression, numbers: Mapping[str, Numbers]) -> Layers:
    """The layers of an expression; `numbers` are those of the elements of each source variable."""
    match expression:
        case Read(variable, shape, _, side):
            return (numbers[variable] if side == "source" else numpy.full(shape, NEW),)
        case Fill(_, shape, _):
            return (numpy.full(shape, NEW),)
        case Permute(tensor, axes):
            return tuple(one.transpose(axes) for one in followed(tensor, numbers))
        case Reshape(tensor, shape):
            return tuple(one.reshape(shape) for one in followed(tensor, numbers))
        case Slice(tensor, axis, start, count, step):
            return tuple(one.take(start + step * numpy.arange(count), axis=axis) for one in followed(tensor, numbers))
        case Take(tensor, axis, places):
            wanted = numpy.frombuffer(places.packed, numpy.int64)
            return tuple(one.take(wanted, axis=axis) for one in followed(tensor, numbers))
        case Concat(inputs, axis):
            parts = [followed(one, numbers) for one in inputs]
            depth = max(map(len, parts))
            filled = [(*part, *[numpy.full(part[0].shape, NONE)] * (depth - len(part))) for part in parts]
            return tuple(numpy.concatenate(row, axis=axis) for row in zip(*filled, strict=True))
        case Cast(tensor) | Affine(tensor):
            return followed(tensor, numbers)
        case Sum(inputs):
            return tuple(one for tensor in inputs for one in followed(tensor, numbers))
        case _:
            assert_never(expression)
