"""Outputs of which one is a simple function of the other: one model ends in logits, the other in probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import TYPE_CHECKING

from migspec.verify.ports import family
from migspec.verify.running import Run

if TYPE_CHECKING:
    import numpy

    from migspec.verify.comparison import OutputComparison


def related(run: Run) -> str | None:
    """How the outputs that differ are related, if all of them are in one way: a clause; None if they are not."""
    failed = [one for one in run.compared() if one.differs]
    if any(family(dtype) != "float" for one in failed for dtype in one.dtypes):
        return None
    found: dict[str, None] | None = None
    for one in failed:
        words = dict.fromkeys(_relations(run, one))
        found = words if found is None else {word: None for word in found if word in words}
    return next(iter(found)) if found else None


def _relations(run: Run, compared: OutputComparison) -> Iterator[str]:
    import numpy

    old = run.old[compared.old_name].astype("float64")
    new = run.new[compared.new_name].astype("float64").reshape(old.shape)
    for words, function in _FUNCTIONS.items():
        for first, second, one, other in (("old", "new", old, new), ("new", "old", new, old)):
            with numpy.errstate(all="ignore"):
                if numpy.allclose(function(other), one, rtol=max(compared.rtol, 1e-5), atol=max(compared.atol, 1e-5)):
                    yield words.format(one=first, other=second)
    for axes in permutations(range(old.ndim)):
        moved = new.transpose(axes)
        if axes != tuple(range(old.ndim)) and moved.shape == old.shape and numpy.allclose(moved, old, 1e-5, 1e-5):
            yield f"the old output is the new one with its axes in the order {list(axes)}"


def _softmax(values: numpy.ndarray) -> numpy.ndarray:
    import numpy

    if not values.ndim:
        return values
    powers = numpy.exp(values - values.max(-1, keepdims=True))
    result: numpy.ndarray = powers / powers.sum(-1, keepdims=True)
    return result


def _sigmoid(values: numpy.ndarray) -> numpy.ndarray:
    import numpy

    result: numpy.ndarray = 1 / (1 + numpy.exp(-values))
    return result


def _relu(values: numpy.ndarray) -> numpy.ndarray:
    import numpy

    result: numpy.ndarray = numpy.maximum(values, 0)
    return result


def _tanh(values: numpy.ndarray) -> numpy.ndarray:
    import numpy

    result: numpy.ndarray = numpy.tanh(values)
    return result


_FUNCTIONS: dict[str, Callable[[numpy.ndarray], numpy.ndarray]] = {
    "the {one} output is the softmax of the {other} one: the {other} model gives logits, the {one} one probabilities": _softmax,
    "the {one} output is the sigmoid of the {other} one: the {other} model gives logits, the {one} one probabilities": _sigmoid,
    "the {one} output is the tanh of the {other} one": _tanh,
    "the {one} output is the {other} one with relu applied": _relu,
}
