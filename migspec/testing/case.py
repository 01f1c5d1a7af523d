"""What an oracle is given: one case of a spec, with the values of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """One case of a reusable spec.

    `sizes` and `numbers` are all that the spec defines, by name. `source` are random values of the variables of its `source` lines,
    `target` what the spec makes of them: arrays by the first name of the line (`kernel`, or `layer_0/w` of a family). What is optional
    and absent in this case is missing, and so is what the spec keeps. `random` is for whatever else an oracle draws, its inputs
    first of all; the same case has the same one.
    """

    sizes: Mapping[str, int]
    numbers: Mapping[str, int | float]
    source: Mapping[str, numpy.ndarray]
    target: Mapping[str, numpy.ndarray]
    random: numpy.random.Generator

    def __repr__(self) -> str:
        """The sizes, numbers and names, as a test that fails shows them; the values would be too long to read."""
        values = ", ".join(f"{name}={value:g}" for name, value in (*self.sizes.items(), *self.numbers.items()))
        return f"Case({values}; source {', '.join(self.source)}; target {', '.join(self.target)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis shows (the protocol of `IPython.lib.pretty`)."""
        del cycle
        printer.text(repr(self))
