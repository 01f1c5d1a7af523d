"""Values of single elements: what the words of a rule make of those that it moves, computed by numpy in double precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy

from migspec import arithmetic, dtypes
from migspec.bind.types import Bound, Instance
from migspec.expression import Expression, children
from migspec.ops import Add, CastTo, MeanOf, Pad, Remap, Scale, SumOf
from migspec.syntax.tree import Arithmetic
from migspec.testing.following import NEW, Layers, Numbers
from migspec.testing.trial import Trial, Values, evaluated

_STEPS = 8  # so many steps of the coarsest dtype an element may be off after arithmetic


def misvalued(trial: Trial, bound: Bound, layers: Layers) -> int | None:
    """The place (in C order) of an element of the target that has not its value; None if all have. `layers` are its source elements.

    What a rule only moves has its bits; what it computes is within what its steps round; random fills are not looked at.
    """
    made = evaluated(bound, trial.source)
    if bound.instance.rule.kind == "fill":
        content = bound.instance.rule.content
        if content is None or content.kind != "constant":
            return None
        expected = [numpy.full(made.shape, _number(bound.instance, content.value))]
        known = numpy.ones(made.shape, bool)
    else:
        expected, known = _expected(bound.instance, layers, _flat(trial.source))
    wrong = known & ~reduce(numpy.logical_or, (_close(made, one, bound) for one in expected))
    return int(wrong.argmax()) if wrong.any() else None


def _flat(source: Values) -> numpy.ndarray:
    """The values of all source elements by their numbers: complex, or objects if there are texts among them."""
    values = [one.reshape(-1) for one in source.values()]
    wide = [one if one.dtype == object else one.astype(numpy.complex128) for one in values]
    return numpy.concatenate([numpy.zeros(0, numpy.complex128), *wide])


def _expected(instance: Instance, layers: Layers, flat: numpy.ndarray) -> tuple[list[numpy.ndarray], numpy.ndarray]:
    """What the elements may be: after `add ... to GATE` there are two values for each, with and without what was added. And where
    that is known: not where something random was filled in."""
    fills = [operation.word for operation in instance.operations if isinstance(operation.word, Pad | Remap)]
    content = fills[0].content if len(fills) == 1 else None
    filled = content is not None and content.kind == "constant"
    known = numpy.ones(layers[0].shape, bool) if filled else reduce(numpy.logical_and, (one != NEW for one in layers))
    states = [[_values_of(one, flat) for one in layers]]
    for operation in instance.operations:
        match operation.word:
            case Pad() | Remap() if filled and content is not None:
                value = _number(instance, content.value)
                states = [_with_new(state, layers, value) for state in states]
            case Add(value=amount, gate=gate):
                added = [[one + _number(instance, amount) for one in state] for state in states]
                states = added if gate is None else [*states, *added]
            case Scale(value=factor):
                states = [[one * _number(instance, factor) for one in state] for state in states]
            case SumOf():
                states = [[sum(state[1:], state[0])] for state in states]
            case MeanOf():
                states = [[sum(state[1:], state[0]) / len(state)] for state in states]
            case _:
                pass
    return [state[0] for state in states], known


def _with_new(state: Sequence[numpy.ndarray], layers: Layers, value: float) -> list[numpy.ndarray]:
    return [numpy.where(numbers == NEW, value, one) for one, numbers in zip(state, layers, strict=False)]


def _values_of(numbers: Numbers, flat: numpy.ndarray) -> numpy.ndarray:
    """The values of the elements of these numbers; 0 for what is made anew or is no summand."""
    if not flat.size:
        return numpy.zeros(numbers.shape)
    taken: numpy.ndarray = numpy.where(numbers >= 0, flat[numpy.maximum(numbers, 0)], 0)
    return taken


def _number(instance: Instance, expression: Arithmetic) -> float:
    return float(arithmetic.value_of(expression, instance.scope.values))


def _close(made: numpy.ndarray, expected: numpy.ndarray, bound: Bound) -> numpy.ndarray:
    """Where the values agree: exactly if the rule only moves them, else within what its steps round."""
    if made.dtype == object:
        same: numpy.ndarray = made == expected
        return same
    size = 0.0
    computing = any(
        isinstance(operation.word, Add | Scale | SumOf | MeanOf | CastTo) for operation in bound.instance.operations
    )
    if computing or bound.instance.rule.kind == "fill" or bound.instance.scope.cast_all is not None:
        coarsest = max(step_of(dtype) for dtype in _dtypes_in(bound.expression))
        size = _STEPS * coarsest * max(1.0, float(numpy.abs(expected.astype(numpy.complex128)).max(initial=0.0)))
    near: numpy.ndarray = numpy.abs(made.astype(numpy.complex128) - expected.astype(numpy.complex128)) <= size
    return near


def step_of(dtype: str) -> float:
    """The relative distance of two neighbouring values."""
    if dtypes.kind(dtype) not in ("float", "complex"):
        return 0.0
    if dtype in ("float16", "float32", "float64", "complex64", "complex128"):
        return float(numpy.finfo(dtype).eps)
    import ml_dtypes

    return float(ml_dtypes.finfo(dtypes.numpy_dtype(dtype)).eps)  # type: ignore[no-untyped-call]


def _dtypes_in(expression: Expression) -> Iterator[str]:
    yield expression.dtype
    for child in children(expression):
        yield from _dtypes_in(child)
