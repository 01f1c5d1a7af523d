"""Sizes solved from equations: one is settled when exactly one unknown remains and enters linearly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migspec import arithmetic
from migspec.bind.types import Scope, Solved
from migspec.syntax import tree
from migspec.syntax.spelling import arithmetic_text
from migspec.text import Span

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Equation:
    """`expression` has this value, as the statement or op at `span` says; `origin` tells in words where the value comes from."""

    expression: tree.Arithmetic
    value: int | float
    span: Span
    origin: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """An equation that the values settled before do not fulfil; `value` is what they give, None if no whole number >= 1 can."""

    equation: Equation
    value: int | float | None


def solve(scope: Scope, equations: Iterable[Equation]) -> tuple[bool, list[Contradiction]]:
    """Settle every size of a scope that the equations settle, and those that its definitions link to them.

    Returns whether any was, and the equations that what is settled contradicts.
    """
    from fractions import Fraction  # as in `arithmetic`: most specs need none

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
                    contradictions.append(Contradiction(equation, _number(form.constant)))
                continue
            ((name, coefficient),) = form.coefficients
            value = (Fraction(equation.value) - form.constant) / coefficient
            if value.denominator != 1 or value < 1:
                contradictions.append(Contradiction(equation, None))
                continue
            scope.values[name] = int(value)
            scope.solved[name] = Solved(equation.span, equation.origin)
            changed = progress = True
        waiting = remaining
        changed = _follow_links(scope) or changed
        progress = progress or changed
    return progress, contradictions


def broken_links(scope: Scope) -> list[Contradiction]:
    """The definitions `size inner = 4 * hidden` that what the shapes settled does not fulfil."""
    broken: list[Contradiction] = []
    for definition in scope.linked:
        assert definition.value is not None
        assert definition.span is not None
        value, known = _defined(definition, scope), scope.values[definition.name]
        written = f"`{definition.name} = {arithmetic_text(definition.value)}`"
        if value is not None and value != known:
            name = tree.Reference(definition.name)
            broken.append(Contradiction(Equation(name, value, definition.span, f"its definition {written}"), known))
        elif value is None and known is not None:
            form = arithmetic.linear_of(definition.value, scope.values)
            if form is not None and len(form.coefficients) == 1:
                equation = Equation(
                    definition.value, known, definition.span, f"the definition {written}, where `{definition.name}`"
                )
                broken.append(Contradiction(equation, None))
    return broken


def follow_use(scope: Scope) -> bool:
    """Settle what a `use` passes in, or what of the outer scope it is made of; whether anything was."""
    progress = False
    for binding in scope.passed:
        assert scope.outer is not None
        assert binding.value is not None
        assert binding.span is not None
        known = scope.values[binding.name]
        value = _defined(binding, scope.outer)
        if known is None and value is not None:
            scope.values[binding.name] = value
            scope.solved[binding.name] = Solved(binding.span, f"`{binding.span.content}`")
            progress = True
        elif known is not None and value is None:
            origin = f"`{binding.name}` = {known} in the spec that is used"
            progress |= solve(scope.outer, [Equation(binding.value, known, binding.span, origin)])[0]
    return progress


def broken_uses(scope: Scope) -> list[Contradiction]:
    """What a `use` passes in and the shapes that the used spec sees contradict."""
    broken: list[Contradiction] = []
    for binding in scope.passed:
        assert scope.outer is not None
        value, known = _defined(binding, scope.outer), scope.values[binding.name]
        if value is not None and value != known and binding.span is not None:
            equation = Equation(tree.Reference(binding.name), value, binding.span, f"`{binding.span.content}`")
            broken.append(Contradiction(equation, known))
    return broken


def _follow_links(scope: Scope) -> bool:
    """Settle names by the definitions that link them to others, forward and backward; whether any was."""
    from fractions import Fraction

    changed = False
    for definition in scope.linked:
        assert definition.value is not None
        assert definition.span is not None
        known = scope.values[definition.name]
        settled: tuple[str, int | float] | None = None
        if known is None:
            value = _defined(definition, scope)
            if value is not None and (definition.name in scope.program.numbers or _is_size(value)):
                settled = definition.name, value
        else:
            form = arithmetic.linear_of(definition.value, scope.values)
            if form is not None and len(form.coefficients) == 1:
                ((name, coefficient),) = form.coefficients
                value = _number((Fraction(known) - form.constant) / coefficient)
                settled = (name, value) if _is_size(value) else None
        if settled is not None:
            scope.values[settled[0]] = settled[1]
            scope.solved[settled[0]] = Solved(definition.span, f"the definition of `{definition.name}`")
            changed = True
    return changed


def _defined(definition: tree.Definition, scope: Scope) -> int | float | None:
    """The value that a definition gives its name; None if it is not known yet."""
    assert definition.value is not None
    try:
        return arithmetic.value_of(definition.value, scope.values)
    except (arithmetic.NotYetKnown, ZeroDivisionError):
        return None


def _is_size(value: int | float) -> bool:
    return isinstance(value, int) and value >= 1


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)
