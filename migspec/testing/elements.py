"""Where single elements go: each rule moves all that it should, as often as it says, and makes the values that it says.

Every source element gets a number of its own, and the numbers are followed through the expressions. What must come of them is taken from
the words of the rule, not from the expressions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import zip_longest
from typing import TYPE_CHECKING, assert_never

import numpy

from migspec import arithmetic, dtypes
from migspec.bind.side import span_of
from migspec.bind.types import Bound, Instance
from migspec.diagnostics import Diagnostic, Label
from migspec.expression import Affine, Cast, Concat, Expression, Fill, Permute, Read, Reshape, Slice, Sum, Take
from migspec.ops import Add, CastTo, Crop, MeanOf, Pad, Remap, Repeat, Scale, SliceOf, SumOf
from migspec.testing.trial import evaluated

if TYPE_CHECKING:
    from migspec.testing.trial import Trial

_NEW, _NONE = -1, -2
"""What stands for an element made anew, and for no further summand."""

Numbers = numpy.ndarray
Layers = tuple[Numbers, ...]
"""The number of the source element that each element is; of sums several, one layer for each summand."""


def misplaced(trial: Trial) -> Iterator[Diagnostic]:
    """What rules do to elements and do not say, each rule once."""
    numbers, flat = _numbered(trial)
    by_instance: dict[Instance, list[Bound]] = {}
    for bound in trial.held.binding.bound:
        if bound.instance.follows is None:
            by_instance.setdefault(bound.instance, []).append(bound)
    reported = set()
    for instance, bounds in by_instance.items():
        layers = [followed(bound.expression, numbers) for bound in bounds]
        problem = (
            _wrong_count(instance, bounds, layers, numbers)
            or _wrong_place(instance, bounds, layers, numbers)
            or _wrong_values(trial, instance, bounds, layers, flat)
        )
        if problem is not None and instance.rule not in reported:
            reported.add(instance.rule)
            yield _described(instance, *problem)


def followed(expression: Expression, numbers: Mapping[str, Numbers]) -> Layers:
    """The layers of an expression; `numbers` are those of the elements of each source variable."""
    match expression:
        case Read(variable, shape, _, side):
            return (numbers[variable] if side == "source" else numpy.full(shape, _NEW),)
        case Fill(_, shape, _):
            return (numpy.full(shape, _NEW),)
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
            filled = [(*part, *[numpy.full(part[0].shape, _NONE)] * (depth - len(part))) for part in parts]
            return tuple(numpy.concatenate(row, axis=axis) for row in zip(*filled, strict=True))
        case Cast(tensor) | Affine(tensor):
            return followed(tensor, numbers)
        case Sum(inputs):
            return tuple(one for tensor in inputs for one in followed(tensor, numbers))
        case _:
            assert_never(expression)


def _numbered(trial: Trial) -> tuple[dict[str, Numbers], numpy.ndarray]:
    """A number for each element of all source variables, and the values by these numbers, as objects."""
    numbers, start = {}, 0
    values: list[numpy.ndarray] = []
    for variable in trial.held.example.source:
        numbers[variable.name] = numpy.arange(start, start + variable.size).reshape(variable.shape)
        start += variable.size
        values.append(trial.source[variable.name].reshape(-1).astype(object))
    return numbers, numpy.concatenate(values) if values else numpy.empty(0, object)


def _words(instance: Instance) -> list[type]:
    return [type(operation.word) for operation in instance.operations]


def _wrong_count(
    instance: Instance, bounds: Sequence[Bound], layers: Sequence[Layers], numbers: Mapping[str, Numbers]
) -> tuple[Bound, str, str] | None:
    """An element that is moved more or less often than the rule says, or one that comes from nowhere."""
    if instance.rule.kind == "fill":
        return None
    words = _words(instance)
    times = reduce(
        lambda product, operation: product * _count(instance, operation.word),
        (operation for operation in instance.operations if isinstance(operation.word, Repeat)),
        1,
    )
    if instance.rule.kind == "copy" and len({bound.expression for bound in bounds}) == 1:
        times *= len(bounds)
    cut = any(word in (SliceOf, Crop, Remap) for word in words)
    grown = any(word in (Pad, Remap) for word in words)
    found = numpy.concatenate([one.reshape(-1) for several in layers for one in several])
    if not grown and (found == _NEW).any():
        return bounds[0], "an element of the target comes from no source", "no word of the rule makes elements anew"
    counted = numpy.bincount(found[found >= 0], minlength=1)
    for element in instance.sources:
        mine = numbers[element.variable.name].reshape(-1)
        often = numpy.array([counted[number] if number < len(counted) else 0 for number in mine])
        wrong = (often > times) | (((often != times) & (often != 0)) if cut else often != times)
        if wrong.any():
            place = int(wrong.argmax())
            index = [int(one) for one in numpy.unravel_index(place, element.variable.shape)]
            said = f"at most {_times(times)}" if cut else _times(times)
            return (
                bounds[0],
                f"an element of `{element.variable.name}` is moved {_times(int(often[place]))}, and not {said}",
                f"the element at {index}",
            )
    return None


def _count(instance: Instance, word: Repeat) -> int:
    return int(arithmetic.value_of(word.count, instance.scope.values))


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _wrong_place(
    instance: Instance, bounds: Sequence[Bound], layers: Sequence[Layers], numbers: Mapping[str, Numbers]
) -> tuple[Bound, str, str] | None:
    """Of a rule with one word that loses or adds elements, and nothing else: where numpy puts them."""
    if len(instance.operations) != 1 or len(instance.sources) != len(bounds):
        return None
    word = instance.operations[0].word
    for element, bound, several in zip(instance.sources, bounds, layers, strict=True):
        mine = numbers[element.variable.name]
        match word:
            case SliceOf(axis, start, stop):
                ends = [None if end is None else int(arithmetic.value_of(end, instance.scope.values)) for end in (start, stop)]
                expected = mine.take(range(mine.shape[axis])[slice(*ends)], axis=axis)
            case Crop():
                expected = mine[tuple(slice(length) for length in bound.target.shape)]
            case Repeat(axis):
                expected = numpy.repeat(mine, _count(instance, word), axis)
            case Pad():
                grown = [(0, max(0, new - old)) for old, new in zip(mine.shape, bound.target.shape, strict=True)]
                expected = numpy.pad(mine, grown, constant_values=_NEW)
            case _:
                return None
        if len(several) != 1 or not numpy.array_equal(several[0], expected):
            return bound, f"`{instance.operations[0].span.content}` does not do what numpy does", "an element is at another place"
    return None


def _wrong_values(
    trial: Trial, instance: Instance, bounds: Sequence[Bound], layers: Sequence[Layers], flat: numpy.ndarray
) -> tuple[Bound, str, str] | None:
    """An element whose value is not that of its sources after what the rule says is done to values."""
    for bound, several in zip(bounds, layers, strict=True):
        made = evaluated(bound, trial.source)
        if instance.rule.kind == "fill":
            content = instance.rule.content
            assert content is not None
            if content.kind != "constant":
                continue
            value = float(arithmetic.value_of(content.value, instance.scope.values))
            wrong = ~_close(made, numpy.full(made.shape, value), bound)
        else:
            shown = _of_words(instance, several, flat)
            wrong = ~reduce(numpy.logical_or, (_close(made, one, bound, known) for one, known in shown))
        if wrong.any():
            index = [int(one) for one in numpy.unravel_index(int(wrong.argmax()), made.shape)]
            return bound, f"an element of `{bound.target.name}` has not the value that the rule says", f"the element at {index}"
    return None


def _of_words(
    instance: Instance, layers: Layers, flat: numpy.ndarray
) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    """The values that the words of a rule make of the elements, each with where they are known: those drawn at random are not.

    After `add ... to GATE` there are two for each element, with and without what was added.
    """
    states = [[_values_of(one, flat) for one in layers]]
    known = layers[0] != _NEW
    for operation in instance.operations:
        match operation.word:
            case Pad(content) | Remap(content=content) if content is not None and content.kind == "constant" and not known.all():
                value = float(arithmetic.value_of(content.value, instance.scope.values))
                states = [[numpy.where(known, state[0], value), *state[1:]] for state in states]
                known = numpy.ones_like(known)
            case Add(value, gate):
                amount = float(arithmetic.value_of(value, instance.scope.values))
                added = [[one + amount for one in state] for state in states]
                states = added if gate is None else [*states, *added]
            case Scale(value):
                factor = float(arithmetic.value_of(value, instance.scope.values))
                states = [[one * factor for one in state] for state in states]
            case SumOf():
                states = [[sum(state[1:], state[0])] for state in states]
            case MeanOf():
                states = [[sum(state[1:], state[0]) / len(state)] for state in states]
            case _:
                pass
    return [(state[0], known) for state in states]


def _values_of(numbers: Numbers, flat: numpy.ndarray) -> numpy.ndarray:
    """The values of the elements of these numbers; 0 for what is made anew or is no summand."""
    if not len(flat):
        return numpy.zeros(numbers.shape)
    taken = flat[numpy.maximum(numbers, 0)]
    if not taken.size or isinstance(taken.reshape(-1)[0], bytes):
        return taken
    values: numpy.ndarray = numpy.where(numbers >= 0, taken.astype(numpy.complex128), 0)
    return values


def _close(
    made: numpy.ndarray, expected: numpy.ndarray, bound: Bound, known: numpy.ndarray | None = None
) -> numpy.ndarray:
    """Where the values agree: exactly if the rule only moves them, else within what its steps round."""
    if made.dtype == object or expected.dtype == object:
        agree = made == expected
    else:
        wide = made.astype(numpy.complex128)
        size = 0.0
        if any(isinstance(word.word, Add | Scale | SumOf | MeanOf | CastTo) for word in bound.instance.operations) or (
            bound.instance.rule.kind == "fill" or bound.instance.scope.cast_all is not None
        ):
            size = _rounding(bound) * float(max(1.0, numpy.abs(expected).max(initial=0.0)))
        agree = numpy.abs(wide - expected) <= size
    result: numpy.ndarray = agree if known is None else agree | ~known
    return result


def _rounding(bound: Bound) -> float:
    """A bound on what the steps of a rule round, relative to the largest value: eight times the coarsest step of its dtypes."""
    steps = [_step(dtype) for dtype in _dtypes(bound.expression)]
    return 8 * max(steps, default=0.0)


def _step(dtype: str) -> float:
    if dtypes.kind(dtype) == "float":
        import ml_dtypes

        return float(ml_dtypes.finfo(dtypes.numpy_dtype(dtype)).eps)
    return 1e-6


def _dtypes(expression: Expression) -> Iterator[str]:
    from migspec.expression import children

    yield expression.dtype
    for child in children(expression):
        yield from _dtypes(child)


def _described(instance: Instance, bound: Bound, message: str, note: str) -> Diagnostic:
    element = next((one for one in instance.targets if one.variable.name == bound.target.name), instance.targets[0])
    secondary = tuple(Label(operation.span) for operation in instance.operations)
    return Diagnostic(
        "MIG713",
        message,
        Label(span_of(element.pattern)),
        secondary,
        notes=(note, f"the rule: `{instance.rule.span.content.strip()}`"),
        uses=instance.scope.uses,
    )
