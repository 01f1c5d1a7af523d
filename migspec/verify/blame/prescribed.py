"""What the spec makes of the old weights, held against what the new model has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy

from migspec.evaluate import evaluate
from migspec.verify.blame.correction import Change, Correction
from migspec.verify.blame.suspects import Suspect, scopes

if TYPE_CHECKING:
    from migspec.expression import Read
    from migspec.formats.base import Reader
    from migspec.verify.running import Values

WORDS = "not what the spec makes of the old model"


def prescribed(suspects: Sequence[Suspect], source: Reader, target: Reader, now: Values) -> tuple[list[Suspect], Values]:
    """The variables whose values are not those that the spec makes, up to rounding, and what it makes of them."""

    def read(node: Read) -> numpy.ndarray:
        return (source if node.side == "source" else target).read(node.variable)

    strangers, values = [], {}
    for one in suspects:
        value = evaluate(one.expression, read)
        if not numpy.allclose(value.astype("float64"), now[one.name].astype("float64"), rtol=1e-6, atol=1e-9, equal_nan=True):
            strangers.append(one)
            values[one.name] = value
    return strangers, values


def as_prescribed(strangers: Sequence[Suspect], values: Values) -> Iterator[Correction]:
    """Their values replaced by those that the spec makes: each alone, those of one statement, all."""
    for group in reversed(list(scopes(strangers))):
        yield Correction(group, WORDS, _replaced({one.name: values[one.name] for one in group}))


def _replaced(wanted: Values) -> Change:
    return lambda values: {name: wanted[name] for name in wanted if name in values}
