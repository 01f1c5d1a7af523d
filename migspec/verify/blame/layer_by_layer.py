"""Where two models part: layer by layer, by what they compute on the way.

Layers have other names on the other side, and their outputs other layouts, so they are found by their values: two tensors are one if
their sorted values agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from migspec.diagnostics import SpecError
from migspec.verify.running import Values
from migspec.verify.side import Layered, Side

_NEAR = 1e-4


@dataclass(frozen=True, slots=True)
class Parting:
    """The last layer of the new model whose output the old one has too (None if there is none), and the first after it that differs."""

    agreeing: str | None
    differing: str


def parting(old: Side, new: Side, fed_old: Values, fed_new: Values) -> Parting | None:
    """Where the new model leaves the old one; None if a side does not show what it computes, or if all layers agree."""
    if not isinstance(old, Layered) or not isinstance(new, Layered):
        return None
    try:
        there, here = old.activations(fed_old), new.activations(fed_new)
    except SpecError:
        return None
    if not there or not here:
        return None
    known: dict[int, list[numpy.ndarray]] = {}
    for _, value in there:
        if value.size > 1 and value.dtype.kind == "f":
            known.setdefault(value.size, []).append(numpy.sort(value.astype("float64"), axis=None))
    agree = [_is_known(value, known.get(value.size, ())) for _, value in here]
    last = max((place for place, same in enumerate(agree) if same), default=-1)
    if last + 1 == len(here):
        return None
    return Parting(here[last][0] if last >= 0 else None, here[last + 1][0])


def _is_known(value: numpy.ndarray, others: Sequence[numpy.ndarray]) -> bool:
    if value.size < 2 or value.dtype.kind != "f":
        return False
    mine = numpy.sort(value.astype("float64"), axis=None)
    if mine[0] == mine[-1]:  # one value everywhere tells nothing
        return False
    return any(
        numpy.allclose(mine, other, rtol=_NEAR, atol=_NEAR * max(1.0, float(numpy.abs(other).max()))) for other in others
    )
