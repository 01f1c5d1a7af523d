"""What the new model computes with other values in its variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy

from migspec.diagnostics import SpecError
from migspec.verify.assigning import assign
from migspec.verify.running import Run, Values
from migspec.verify.side import Repeating, Side

if TYPE_CHECKING:
    from migspec.models.base import LiveModel


@dataclass(frozen=True, slots=True)
class Score:
    """How near the outputs are: whether all agree, and what is left of the difference, 1 as it was at first, 0 nothing."""

    passed: bool
    left: float

    @property
    def explained(self) -> float:
        """The share of the difference, by its root mean square, that has gone."""
        return 1.0 - self.left


class Scale:
    """Measures what is left of the difference of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._first = [self._apart(one, other) for one, other, _ in self._outputs(run.old, run.new)]

    def score(self, new: Values, old: Values | None = None) -> Score:
        """The score of other outputs of one of the sides."""
        from dataclasses import replace

        run = self._run if old is None else replace(self._run, old=old)
        passed = not any(one.differs for one in run.compared(new))  # what proves nothing can be mended by no weight
        shares = []
        for (one, other, allowed), first in zip(self._outputs(run.old, new), self._first, strict=True):
            shares.append((self._apart(one, other) / max(first, allowed, 1e-300)) ** 2)
        return Score(passed, float(numpy.sqrt(numpy.mean(shares))) if shares else 0.0)

    def _outputs(self, old: Values, new: Values) -> Iterable[tuple[numpy.ndarray, numpy.ndarray, float]]:
        """Each pair in float64, and the root mean square of what is allowed between them."""
        for pair, compared in zip(self._run.pairs, self._run.compared(), strict=True):
            if "string" in compared.dtypes:
                continue
            one = _real(old[pair.old.name])
            other = _real(new[pair.new.name]).reshape(one.shape)
            finite = one[numpy.isfinite(one)]
            allowed = numpy.sqrt(numpy.mean((compared.atol + compared.rtol * numpy.abs(finite)) ** 2)) if finite.size else 0.0
            yield one, other, float(allowed)

    def _apart(self, one: numpy.ndarray, other: numpy.ndarray) -> float:
        """The root mean square of the difference. What is no number is as far from a number as the largest of both and more."""
        if not one.size:
            return 0.0
        with numpy.errstate(all="ignore"):
            difference = numpy.where((one == other) | (numpy.isnan(one) & numpy.isnan(other)), 0.0, other - one)
        finite = difference[numpy.isfinite(difference)]
        far = 1e3 * (1.0 + (float(numpy.abs(finite).max()) if finite.size else 0.0))
        difference = numpy.clip(numpy.where(numpy.isfinite(difference), difference, far), -1e150, 1e150)
        return float(numpy.sqrt(numpy.mean(difference**2)))


def _real(value: numpy.ndarray) -> numpy.ndarray:
    """In float64; a complex number is two."""
    if value.dtype.kind == "c":
        return numpy.stack([value.real, value.imag]).astype("float64")
    return value.astype("float64")


class Experiment:
    """The new model, whose variables are changed, measured, and in the end given their own values back."""

    def __init__(self, side: Side, feeds: Values, live: LiveModel, names: Iterable[str], scale: Scale, run: Run) -> None:
        self._side = side
        self._feeds = feeds
        self._live = live
        self._scale = scale
        self._outputs = [pair.new.name for pair in run.pairs]
        self._variables = {name: live.variables[name] for name in names}
        self.values: Values = {name: live.read(name) for name in self._variables}
        self._changed: set[str] = set()
        self._prepared = side.prepared(feeds) if isinstance(side, Repeating) else None
        self.runs = 0

    def score(self, values: Mapping[str, numpy.ndarray]) -> Score | None:
        """The score with these values, all others being what they were at first; None if the model cannot run with them."""
        self._set(values)
        self.runs += 1
        try:
            return self._scale.score(self._run())
        except SpecError:
            return None

    def restore(self) -> None:
        """Give every variable its own value back."""
        self._set({})

    def _run(self) -> Values:
        return self._side.run(self._feeds, self._outputs) if self._prepared is None else self._prepared()

    def _set(self, values: Mapping[str, numpy.ndarray]) -> None:
        wanted = dict(values)
        for name in self._changed - set(wanted):
            wanted[name] = self.values[name]
        if wanted:
            self._changed = set(values)
            assign(self._live, [self._variables[name] for name in wanted], wanted.__getitem__)
