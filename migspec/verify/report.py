"""The answer of a verification, as data."""

from __future__ import annotations

from dataclasses import dataclass

from migspec.diagnostics import Diagnostic
from migspec.verify.comparison import OutputComparison


@dataclass(frozen=True, slots=True)
class Ran:
    """One side: what the user called it, and what it is."""

    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class UsedInput:
    """An input of the run: its name on each side (None where a side has none), and where its value is from."""

    old: str | None
    new: str | None
    dtype: str
    shape: tuple[int, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Report:
    """What two models computed from the same inputs. `notes` are what the reader should know; `diagnostics` are empty if all outputs
    agree, else MIG601 and what was found of the cause."""

    old: Ran
    new: Ran
    inputs: tuple[UsedInput, ...]
    outputs: tuple[OutputComparison, ...]
    notes: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.outputs)
