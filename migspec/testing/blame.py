"""Which rules are to blame if the outputs of the old layer and the new one differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy

from migspec.bind.types import Bound
from migspec.ops import Add, Pad
from migspec.rules import Rule
from migspec.testing.trial import Trial, Values

Differ = Callable[[Values], bool]
"""Whether the outputs differ if the source has these values."""


@dataclass(frozen=True, slots=True)
class Blame:
    """The rules that are wrong, as far as outputs show it, in the order of the spec; and what shows it, as a note."""

    rules: tuple[Rule, ...]
    reason: str


def blamed(trial: Trial, differ: Differ) -> Blame:
    """Look for the rules to blame, by what the outputs do where weights are zero."""
    moving: dict[Rule, list[Bound]] = {}
    for bound in trial.held.binding.bound:
        moving.setdefault(bound.instance.rule, []).append(bound)
    sources = {rule: {source.name for bound in bounds for source in bound.sources} for rule, bounds in moving.items()}
    if differ(_zeroed(trial.source, trial.source)):
        return Blame(_constant(moving), "the outputs differ where all weights are zero, too: one side adds something")
    alone = [rule for rule, names in sources.items() if differ(_zeroed(trial.source, trial.source.keys() - names))]
    if alone and len(alone) < len(moving):
        return Blame(tuple(alone), "the outputs still differ if all other weights are zero")
    without = [rule for rule, names in sources.items() if names and not differ(_zeroed(trial.source, names))]
    if without and len(without) < len(moving):
        return Blame(tuple(without), "the outputs agree if the weights of this rule are zero")
    return Blame(tuple(alone or without or moving), "any of these rules may be the cause")


def _constant(moving: Mapping[Rule, Sequence[Bound]]) -> tuple[Rule, ...]:
    """The rules that bring something in that is no weight; if none says so, those of biases: what has the fewest axes."""
    saying = [
        rule
        for rule in moving
        if rule.kind == "fill" or any(isinstance(operation.word, Add | Pad) for operation in rule.operations)
    ]
    fewest = min(len(bound.target.shape) for bounds in moving.values() for bound in bounds)
    return tuple(saying) or tuple(
        rule for rule, bounds in moving.items() if any(len(bound.target.shape) == fewest for bound in bounds)
    )


def _zeroed(values: Values, names: Iterable[str]) -> dict[str, numpy.ndarray]:
    gone = set(names)
    return {name: numpy.zeros_like(value) if name in gone else value for name, value in values.items()}
