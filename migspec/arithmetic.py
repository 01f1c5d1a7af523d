"""Arithmetic on sizes and numbers: values where all names are known, linear forms where one is not yet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from migspec.syntax.tree import Arithmetic, Binary, Negative, Number, Reference

if TYPE_CHECKING:
    from fractions import Fraction


class UnknownName(Exception):
    """A name that no `size` or `number` statement defines."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(reference.name)
        self.reference = reference


class NotYetKnown(Exception):
    """A size whose value the shapes have not settled (yet)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + the sum of coefficient * name."""

    constant: Fraction
    coefficients: tuple[tuple[str, Fraction], ...]


Values = Mapping[str, int | float | None]
"""Name -> value; None for a size that is not settled yet."""


def references(expression: Arithmetic) -> Iterator[Reference]:
    """Every name in an expression, in the order written."""
    match expression:
        case Number():
            return
        case Reference():
            yield expression
        case Negative(operand=operand):
            yield from references(operand)
        case Binary(left=left, right=right):
            yield from references(left)
            yield from references(right)
        case _:
            assert_never(expression)


def value_of(expression: Arithmetic, values: Values) -> int | float:
    """The value; an int where every step is whole. Raises UnknownName, NotYetKnown, ZeroDivisionError."""
    match expression:
        case Number(value=value):
            return value
        case Reference(name=name):
            if name not in values:
                raise UnknownName(expression)
            known = values[name]
            if known is None:
                raise NotYetKnown(name)
            return known
        case Negative(operand=operand):
            return -value_of(operand, values)
        case Binary(operator=operator, left=left, right=right):
            a, b = value_of(left, values), value_of(right, values)
            if operator == "+":
                return a + b
            if operator == "-":
                return a - b
            if operator == "*":
                return a * b
            if isinstance(a, int) and isinstance(b, int) and b != 0 and a % b == 0:
                return a // b
            try:
                return a / b
            except OverflowError:  # whole numbers whose quotient no float holds
                return math.copysign(math.inf, a) * math.copysign(1, b)
        case _:
            assert_never(expression)


def linear_of(expression: Arithmetic, values: Values) -> Linear | None:
    """The expression as a linear form in what is not known yet; None where an unknown enters otherwise."""
    from fractions import Fraction

    match expression:
        case Number(value=value):
            return Linear(Fraction(value), ())
        case Reference(name=name):
            if name not in values:
                raise UnknownName(expression)
            known = values[name]
            return Linear(Fraction(0), ((name, Fraction(1)),)) if known is None else Linear(Fraction(known), ())
        case Negative(operand=operand):
            form = linear_of(operand, values)
            return None if form is None else _scaled(form, Fraction(-1))
        case Binary(operator=operator, left=left, right=right):
            a, b = linear_of(left, values), linear_of(right, values)
            if a is None or b is None:
                return None
            if operator in "+-":
                return _added(a, b if operator == "+" else _scaled(b, Fraction(-1)))
            if operator == "*":
                if not b.coefficients:
                    return _scaled(a, b.constant)
                return _scaled(b, a.constant) if not a.coefficients else None
            return None if b.coefficients or not b.constant else _scaled(a, 1 / b.constant)
        case _:
            assert_never(expression)


def _scaled(form: Linear, factor: Fraction) -> Linear:
    return Linear(form.constant * factor, tuple((name, value * factor) for name, value in form.coefficients if factor))


def _added(a: Linear, b: Linear) -> Linear:
    total: dict[str, Fraction] = {}
    for name, value in a.coefficients + b.coefficients:
        total[name] = total[name] + value if name in total else value
    return Linear(a.constant + b.constant, tuple((name, value) for name, value in total.items() if value))
