"""One case that a spec is tried in: its variables, what it is compiled to there, and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy

from migspec import dtypes
from migspec.bind.types import Bound
from migspec.evaluate import evaluate
from migspec.interface.check import case_text
from migspec.interface.held import Held
from migspec.patterns import text_of
from migspec.testing.case import Case
from migspec.testing.settings import Settings
from migspec.testing.subject import Subject
from migspec.variables import Variable

Values = Mapping[str, numpy.ndarray]
"""Variable -> value, by the names that the variables have in this case."""

_INTEGERS = (0, 100)
_STRINGS = 10**6


@dataclass(frozen=True, repr=False)
class Trial:
    """A spec at chosen sizes. `seed` is what all values follow from; the same seed gives the same values."""

    subject: Subject
    held: Held
    seed: int

    def __repr__(self) -> str:
        """The case in words; all that it is made of would be too long to read."""
        return f"Trial({case_text(self.subject.program, self.held.example.choice)}; seed {self.seed})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis shows (the protocol of `IPython.lib.pretty`)."""
        del cycle
        printer.text(repr(self))

    @cached_property
    def source(self) -> Values:
        """Random values of the source variables, within the ranges of the settings."""
        example = self.held.example
        return {
            variable.name: _drawn(variable, self._range(variable), numpy.random.default_rng([self.seed, place]))
            for place, variable in enumerate(example.source)
        }

    @cached_property
    def target(self) -> Values:
        """What the spec makes of them."""
        return self.migrated(self.source)

    def migrated(self, source: Values) -> Values:
        """What the spec makes of these values: all target variables but those that it keeps."""
        return {bound.target.name: evaluated(bound, source) for bound in self.held.binding.bound}

    @property
    def case(self) -> Case:
        """The case as an oracle is given it."""
        return self.case_of(self.source)

    def case_of(self, source: Values) -> Case:
        """The case with other source values."""
        example, program = self.held.example, self.subject.program
        sizes = {name: int(value) for name, value in example.values.items() if name in program.sizes}
        numbers = {name: value for name, value in example.values.items() if name in program.numbers}
        return Case(
            sizes,
            numbers,
            {example.called["source", name]: value for name, value in source.items()},
            {example.called["target", name]: value for name, value in self.migrated(source).items()},
            numpy.random.default_rng([self.seed, len(example.source)]),
        )

    def _range(self, variable: Variable) -> tuple[float, float] | None:
        example, settings = self.held.example, self.subject.settings
        line, _ = self.subject.program.interface[example.lines["source", variable.name]]
        return range_of(settings, example.called["source", variable.name], text_of(line.names[0]))


def range_of(settings: Settings, *names: str) -> tuple[float, float] | None:
    """The range of a variable's values, under the first of its names that the settings know."""
    return next((settings.values[name] for name in names if name in settings.values), None)


def evaluated(bound: Bound, values: Values) -> numpy.ndarray:
    """The value of one target variable."""
    return evaluate(bound.expression, lambda read: values[read.variable])


def _drawn(variable: Variable, given: tuple[float, float] | None, generator: numpy.random.Generator) -> numpy.ndarray:
    kind = dtypes.kind(variable.dtype)
    dtype = dtypes.numpy_dtype(variable.dtype)
    low, high = given or (-1.0, 1.0)
    match kind:
        case "integer":
            low, high = given or _INTEGERS
            return generator.integers(int(low), int(high), variable.shape, endpoint=True).astype(dtype)
        case "boolean":
            return generator.integers(0, 1, variable.shape, endpoint=True).astype(dtype)
        case "complex":
            return (generator.uniform(low, high, variable.shape) + 1j * generator.uniform(low, high, variable.shape)).astype(
                dtype
            )
        case "string" | "opaque":
            texts = numpy.empty(variable.shape, dtype)
            texts.reshape(-1)[:] = [str(number).encode() for number in generator.integers(0, _STRINGS, variable.size)]
            return texts
        case _:
            return generator.uniform(low, high, variable.shape).astype(dtype)
