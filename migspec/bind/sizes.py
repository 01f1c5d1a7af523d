"""Sizes solved from equations: one is settled when exactly one unknown remains and enters linearly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migspec import arithmetic
from migspec.bind.types import Scope, Solved
from migspec.syntax import tree
from migspec.text import Span


@dataclass(frozen=True, slots=True)
class Equation:
    """`expression` has this value, as the statement or op at `span` says; `origin` tells in words where the value comes from."""

    expression: tree.Arithmetic
    value: int
    span: Span
    origin: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """An equation that the values settled before do not fulfil; `value` is what they give, None if no whole number >= 1 can."""

    equation: Equation
    value: int | float | None


def solve(scope: Scope, equations: Iterable[Equation]) -> tuple[bool, list[Contradiction]]:
    """Settle every size of a scope that the equations settle.

    Returns whether any was, and the equations that what is settled contradicts.
    """
    waiting = list(equations)
    progress = False
    contradictions: list[Contradiction] = []
    changed = True
    while changed:
        changed = False
        remaining: list[Equation] = []
        for equation in waiting:
            form = arithmetic.linear_of(equation.expression, scope.values)
            if form is None or len(form.coefficients) > 1:
                remaining.append(equation)
                continue
            if not form.coefficients:
                if form.constant != equation.value:
                    contradictions.append(Contradiction(equation, _number(float(form.constant))))
                continue
            ((name, coefficient),) = form.coefficients
            value = (equation.value - form.constant) / coefficient
            if value.denominator != 1 or value < 1:
                contradictions.append(Contradiction(equation, None))
                continue
            scope.values[name] = int(value)
            scope.solved[name] = Solved(equation.span, equation.origin)
            changed = progress = True
        waiting = remaining
    return progress, contradictions


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value
