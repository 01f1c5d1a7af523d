"""What an expression means, in numpy: short, slow, whole tensors in memory.

The engine is tested against this, bit for bit, and what has no layout in bytes (strings) is moved by it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import assert_never

import numpy

from migspec.elementwise import Convert, affine_steps, apply_step, convert
from migspec.expression import (
    Affine,
    Cast,
    Concat,
    Constant,
    Distribution,
    Expression,
    Fill,
    Permute,
    Read,
    Reshape,
    Slice,
    Sum,
    Take,
    size_of,
)
from migspec.random_fill import draw


def evaluate(expression: Expression, read: Callable[[Read], numpy.ndarray]) -> numpy.ndarray:
    """The value of an expression, in C order; `read` gives the value of a variable, of the shape and dtype that it says."""
    return numpy.ascontiguousarray(_value(expression, read)).reshape(expression.shape)


def _value(node: Expression, read: Callable[[Read], numpy.ndarray]) -> numpy.ndarray:
    match node:
        case Read():
            return read(node)
        case Fill(distribution, shape, dtype):
            return convert(_drawn(distribution, size_of(shape)), dtype).reshape(shape)
        case Permute(tensor, axes):
            return _value(tensor, read).transpose(axes)
        case Reshape(tensor, shape):
            return _value(tensor, read).reshape(shape, order="C")
        case Slice(tensor, axis, start, count, step):
            indices = start + step * numpy.arange(count)
            return _value(tensor, read).take(indices, axis=axis)
        case Take(tensor, axis, places):
            return _value(tensor, read).take(numpy.frombuffer(places.packed, numpy.int64), axis=axis)
        case Concat(inputs, axis):
            return numpy.concatenate([_value(tensor, read) for tensor in inputs], axis=axis)
        case Cast(tensor, dtype):
            return apply_step(_value(tensor, read), Convert(dtype))
        case Affine(tensor):
            return reduce(apply_step, affine_steps(node.dtype, node.scale, node.offset), _value(tensor, read))
        case Sum(inputs):
            with numpy.errstate(all="ignore"):
                return reduce(numpy.add, (_value(tensor, read) for tensor in inputs))
        case _:
            assert_never(node)


def _drawn(distribution: Distribution, size: int) -> numpy.ndarray:
    if isinstance(distribution, Constant):
        return numpy.full(size, distribution.value, numpy.float64)
    return draw(distribution, 0, size)
