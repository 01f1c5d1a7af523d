"""Where single elements go: each rule moves all that it should, as often as it says, and makes the values that it says.

Every source element gets a number of its own, and the numbers are followed through the expressions. What must come of them is taken from
the words of the rule, not from the expressions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy

from migspec import arithmetic
from migspec.bind.side import span_of
from migspec.bind.types import Bound, Instance
from migspec.diagnostics import Diagnostic, Label
from migspec.ops import Crop, Pad, Remap, Repeat, SliceOf
from migspec.testing.element_values import misvalued
from migspec.testing.following import NEW, Layers, Numbers, followed, numbered
from migspec.testing.trial import Trial


@dataclass(frozen=True, slots=True)
class _Wrong:
    """What is wrong with an element of one target variable: a headline, and a fact."""

    bound: Bound
    message: str
    note: str


@dataclass(frozen=True, slots=True)
class _Moved:
    """One instance of a rule: what it fills, and the source elements that come to be there."""

    instance: Instance
    bounds: Sequence[Bound]
    layers: Sequence[Layers]


def misplaced(trial: Trial) -> Iterator[Diagnostic]:
    """What rules do to elements and do not say, each rule once."""
    numbers = numbered(trial.held.example.source)
    by_instance: dict[Instance, list[Bound]] = {}
    for bound in trial.held.binding.bound:
        if bound.instance.follows is None:
            by_instance.setdefault(bound.instance, []).append(bound)
    reported = set()
    for instance, bounds in by_instance.items():
        moved = _Moved(instance, bounds, [followed(bound.expression, numbers) for bound in bounds])
        wrong = _wrong_count(moved, numbers) or _wrong_place(moved, numbers) or _wrong_value(trial, moved)
        if wrong is not None and instance.rule not in reported:
            reported.add(instance.rule)
            yield _described(instance, wrong)


def _wrong_count(moved: _Moved, numbers: Mapping[str, Numbers]) -> _Wrong | None:
    """An element that is moved more or less often than the rule says, or one that comes from nowhere."""
    instance = moved.instance
    if instance.rule.kind == "fill":
        return None
    words = [operation.word for operation in instance.operations]
    times = prod(_count(instance, word) for word in words if isinstance(word, Repeat))
    if instance.rule.kind == "copy" and len({bound.expression for bound in moved.bounds}) == 1:
        times *= len(moved.bounds)
    cut = any(isinstance(word, SliceOf | Crop | Remap) for word in words)
    grown = any(isinstance(word, Pad | Remap) for word in words)
    found = numpy.concatenate([one.reshape(-1) for several in moved.layers for one in several])
    if not grown and (found == NEW).any():
        return _Wrong(
            moved.bounds[0], "an element of the target comes from no source", "no word of the rule makes elements anew"
        )
    size = sum(one.size for one in numbers.values())
    counted = numpy.bincount(found[found >= 0], minlength=size)
    for element in instance.sources:
        often = counted[numbers[element.variable.name].reshape(-1)]
        wrong = (often != times) & ((often != 0) | (not cut))
        if wrong.any():
            place = int(wrong.argmax())
            said = f"{_times(times)}, or never" if cut else _times(times)
            return _Wrong(
                moved.bounds[0],
                f"an element of `{element.variable.name}` is moved {_times(int(often[place]))}; the rule says {said}",
                f"it is the element at {_index(place, element.variable.shape)}",
            )
    return None


def _wrong_place(moved: _Moved, numbers: Mapping[str, Numbers]) -> _Wrong | None:
    """Of a rule with one word, which loses or adds elements: an element elsewhere than where numpy puts it."""
    instance = moved.instance
    if len(instance.operations) != 1 or len(instance.sources) != len(moved.bounds):
        return None
    operation = instance.operations[0]
    for element, bound, layers in zip(instance.sources, moved.bounds, moved.layers, strict=True):
        mine = numbers[element.variable.name]
        match operation.word:
            case SliceOf(axis, start, stop):
                ends = [None if end is None else int(arithmetic.value_of(end, instance.scope.values)) for end in (start, stop)]
                expected = mine.take(range(mine.shape[axis])[slice(*ends)], axis=axis)
            case Crop():
                expected = mine[tuple(slice(length) for length in bound.target.shape)]
            case Repeat(axis) as word:
                expected = numpy.repeat(mine, _count(instance, word), axis)
            case Pad():
                grown = [(0, max(0, new - old)) for old, new in zip(mine.shape, bound.target.shape, strict=True)]
                expected = numpy.pad(mine, grown, constant_values=NEW)
            case _:
                return None
        if len(layers) != 1 or not numpy.array_equal(layers[0], expected):
            return _Wrong(bound, f"`{operation.span.content}` does not do what numpy does", "an element is at another place")
    return None


def _wrong_value(trial: Trial, moved: _Moved) -> _Wrong | None:
    """An element that has another value than the words of the rule make of its sources."""
    for bound, layers in zip(moved.bounds, moved.layers, strict=True):
        place = misvalued(trial, bound, layers)
        if place is not None:
            message = f"an element of `{bound.target.name}` has not the value that the rule says"
            return _Wrong(bound, message, f"it is the element at {_index(place, bound.target.shape)}")
    return None


def _count(instance: Instance, word: Repeat) -> int:
    return int(arithmetic.value_of(word.count, instance.scope.values))


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _index(place: int, shape: tuple[int, ...]) -> list[int]:
    return [int(one) for one in numpy.unravel_index(place, shape)]


def _described(instance: Instance, wrong: _Wrong) -> Diagnostic:
    element = next((one for one in instance.targets if one.variable.name == wrong.bound.target.name), instance.targets[0])
    return Diagnostic(
        "MIG713",
        wrong.message,
        Label(span_of(element.pattern)),
        tuple(Label(operation.span) for operation in instance.operations),
        notes=(wrong.note,),
        helps=("this is a bug in migspec: please report it with the spec",),
        uses=instance.scope.uses,
    )
