"""What a run makes."""

from __future__ import annotations

from dataclasses import dataclass

from migspec.expression import Expression


@dataclass(frozen=True, slots=True)
class Target:
    """A variable to be written, and what its value is."""

    name: str
    expression: Expression
