"""Which rules are to blame if the outputs of the old layer and the new one differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy

from migspec.rules import Rule
from migspec.testing.trial import Trial, Values

Differ = Callable[[Values], bool]
"""Whether the outputs differ if the source has these values."""


def blamed(trial: Trial, differ: Differ) -> tuple[Rule, ...]:
    """The rules that are wrong, as far as outputs show it, in the order of the spec; all that move something if none stands out.

    With every source zero but those of one rule, the outputs differ if that rule is wrong. That fails where such a layer computes
    nothing; then it is asked the other way round: without the sources of a rule the outputs agree if that rule alone is wrong.
    """
    moving: dict[Rule, set[str]] = {}
    for bound in trial.held.binding.bound:
        moving.setdefault(bound.instance.rule, set()).update(source.name for source in bound.sources)
    alone = [rule for rule, names in moving.items() if differ(_zeroed(trial.source, trial.source.keys() - names))]
    if alone and len(alone) < len(moving):
        return tuple(alone)
    without = [rule for rule, names in moving.items() if names and not differ(_zeroed(trial.source, names))]
    return tuple(without or alone or moving)


def _zeroed(values: Values, names: Iterable[str]) -> dict[str, numpy.ndarray]:
    gone = set(names)
    return {name: numpy.zeros_like(value) if name in gone else value for name, value in values.items()}
