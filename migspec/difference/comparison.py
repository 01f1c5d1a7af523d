"""Two sides compared in one pass and flat memory: what should be is made by the engine, and held against what is there.

What should be is a variable of the left side, or what a plan makes of it. It is given to a `Writer` that writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy

from migspec.difference.measure import Measure, is_measurable
from migspec.difference.pairing import Pairing, lone, paired
from migspec.difference.result import Compared, Difference, OnlyIn, Tolerance, Verdict
from migspec.dtypes import itemsize
from migspec.engine.files import Files
from migspec.engine.run import run
from migspec.engine.stored import StoredValues
from migspec.engine.target import Target
from migspec.expression import Expression, Read, Side, reads
from migspec.formats.base import AnnouncedReader, Reader
from migspec.plan import Left, Plan
from migspec.sides import is_live
from migspec.variables import Variable

_PIECE = 1 << 17  # elements that are measured at once: in float64 they stay in the cache

Chosen = Callable[[Variable], bool]
"""Whether a variable is looked at; a pair is if one of the two is."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two variables to compare, and what makes the value of the left one."""

    left: Variable
    right: Variable
    expression: Expression
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of which everything is known but the values."""

    found: Difference
    pairs: tuple[_Pair, ...]
    readers: Mapping[Side, Reader]
    output: Reader

    @property
    def nbytes(self) -> int:
        """How many bytes `run` will report."""
        return sum(pair.left.nbytes for pair in self.pairs if self._is_measured(pair))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say of any variable."""
        found = self.found
        return not (self.pairs or found.only_left.variables or found.only_right.variables or found.kept or found.dropped)

    def run(self, executor: Executor | None = None, progress: Callable[[int], None] | None = None) -> Difference:
        """Compare. `executor` and `progress` are those of `migspec.engine.run.run`.

        Recorded checksums of both sides are verified on the way. Raises SpecError as the readers do: MIG501, MIG503, MIG504.
        Memory: bands and pieces for each thread, and what a reader can only give whole.
        """
        measured = [pair for pair in self.pairs if self._is_measured(pair)]
        measures = {
            pair.left.name: Measure(pair.left.shape, pair.left.dtype, pair.right.dtype, self.found.tolerance)
            for pair in measured
        }
        called = {pair.left.name: pair.right for pair in measured}
        with ExitStack() as opened:
            files = opened.enter_context(Files())
            is_source = any(reader is self.output for reader in self.readers.values())  # then the engine tells it
            if isinstance(self.output, AnnouncedReader) and not is_source:
                opened.enter_context(self.output.read_ahead(tuple(pair.right.name for pair in measured)))
            writer = _Measuring(measures, called, StoredValues(self.output, called, files))
            targets = [Target(pair.left.name, pair.expression) for pair in measured]
            run(targets, self.readers, writer, executor=executor, progress=progress)
        compared = tuple(self._judged(pair, measures.get(pair.left.name)) for pair in self.pairs)
        return replace(self.found, compared=compared)

    def _is_measured(self, pair: _Pair) -> bool:
        return (
            not self.found.without_values
            and pair.left.shape == pair.right.shape
            and is_measurable(pair.left.dtype, pair.right.dtype)
        )

    def _judged(self, pair: _Pair, measure: Measure | None) -> Compared:
        verdict: Verdict
        measurement = measure.result() if measure else None
        if measure is not None and measurement is not None:
            if measurement.beyond:
                verdict = "different"
            else:
                verdict = "equal" if measure.has_one_dtype and not measurement.differing else "close"
        elif pair.left.shape != pair.right.shape or pair.left.dtype != pair.right.dtype:
            verdict = "different"
        else:
            verdict = "alike" if self.found.without_values else "unreadable"
        return Compared(pair.left, pair.right, verdict, measurement, pair.sources)


def between(left: Reader, right: Reader, *, tolerance: Tolerance, chosen: Chosen | None = None) -> Comparison:
    """Compare the variables of two sides that have one name. The optimizer of a live model is nothing that the other side lacks."""
    whole = paired(left.variables, right.variables)
    pairing = _narrowed(replace(whole, only_left=_weights(whole.only_left), only_right=_weights(whole.only_right)), chosen)
    pairs = tuple(_Pair(one, other, _read(one, "source")) for one, other in pairing.pairs)
    found = _unmeasured(left, left, right, pairing, tolerance)
    return Comparison(found, pairs, {"source": left}, right)


def through_plan(
    plan: Plan,
    left: Reader,
    right: Reader,
    *,
    spec: str,
    named: Reader | None = None,
    tolerance: Tolerance,
    chosen: Chosen | None = None,
) -> Comparison:
    """Compare what a plan makes of the left side with the right side. `spec` is what the plan is called.

    The plan fills the variables of the right side; or those of `named`, if the right side calls them otherwise. The two are then
    paired, and what is kept is compared as well, if `named` is a file with values. (Those of a live model that was just built may be
    others each time.)
    """
    target = named or right
    has_old_values = named is not None and named.variables.has_values and not is_live(named)
    kept = {one.variable for one in plan.kept if has_old_values and one.unasked is None}
    moves = {move.target: move for move in plan.moves}
    whole = paired(target.variables, right.variables)
    pairing = Pairing(
        tuple(pair for pair in whole.pairs if pair[0].name in moves or pair[0].name in kept),
        tuple(one for one in whole.only_left if one.name in moves or one.name in kept),
        _weights(whole.only_right),
    )
    pairing = _narrowed(pairing, chosen)
    pairs = tuple(
        _Pair(one, other, moves[one.name].expression, moves[one.name].sources)
        if one.name in moves
        else _Pair(one, other, _read(one, "target"))
        for one, other in pairing.pairs
    )
    found = replace(
        _unmeasured(left, target, right, pairing, tolerance),
        spec=spec,
        kept=tuple(one for one in plan.kept if one.variable not in kept and _is_chosen(target, one, chosen)),
        dropped=tuple(one for one in plan.dropped if _is_chosen(left, one, chosen)),
    )
    is_read = any(read.side == "target" for pair in pairs for read in reads(pair.expression))
    return Comparison(found, pairs, {"source": left, "target": target} if is_read else {"source": left}, right)


class _Measuring:
    """A `Writer` that writes nothing, and measures what it is given against what is there."""

    def __init__(self, measures: Mapping[str, Measure], called: Mapping[str, Variable], stored: StoredValues) -> None:
        self._measures = measures
        self._called = called
        self._stored = stored

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        measure, right = self._measures[name], self._called[name]
        width = itemsize(right.dtype)
        given = numpy.frombuffer(data, numpy.uint8)
        step = _PIECE * measure.width
        for begin in range(0, given.size, step):
            piece = given[begin : begin + step]
            place = (offset + begin) // measure.width * width
            there = self._stored.fetch(name, place, piece.size // measure.width * width)
            checksum = self._stored[name].checksum
            if checksum is not None:
                checksum.saw(place, there.data)
            measure.add(piece, there)
        if measure.size == right.size:
            self._stored.close(name)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        self._measures[name].add_strings(values, self._stored.read(name))

    def commit(self) -> None:
        """Nothing was written."""

    def abort(self) -> None:
        """Nothing was written."""


def _read(variable: Variable, side: Side) -> Read:
    return Read(variable.name, variable.shape, variable.dtype, side)


def _unmeasured(left: Reader, named: Reader, right: Reader, pairing: Pairing, tolerance: Tolerance) -> Difference:
    """What is found before a value is read."""
    without = tuple(dict.fromkeys(side.variables.label for side in (left, right) if not side.variables.has_values))
    return Difference(
        left.variables.label,
        right.variables.label,
        None,
        tolerance,
        (),
        OnlyIn(named.variables.label, lone(pairing.only_left, pairing.only_right)),
        OnlyIn(right.variables.label, lone(pairing.only_right, pairing.only_left)),
        without_values=without,
    )


def _narrowed(pairing: Pairing, chosen: Chosen | None) -> Pairing:
    if chosen is None:
        return pairing
    return Pairing(
        tuple(pair for pair in pairing.pairs if chosen(pair[0]) or chosen(pair[1])),
        tuple(filter(chosen, pairing.only_left)),
        tuple(filter(chosen, pairing.only_right)),
    )


def _is_chosen(side: Reader, left: Left, chosen: Chosen | None) -> bool:
    return chosen is None or chosen(side.variables[left.variable])


def _weights(variables: tuple[Variable, ...]) -> tuple[Variable, ...]:
    return tuple(one for one in variables if not one.of_optimizer)
