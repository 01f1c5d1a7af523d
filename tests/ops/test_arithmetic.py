"""Arithmetic on sizes and numbers: values, linear forms, and the text of an expression."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.arithmetic import NotYetKnown, UnknownName, linear_of, references, value_of
from migspec.syntax.parse import parse
from migspec.syntax.spelling import arithmetic_text
from migspec.syntax.tree import Arithmetic, Binary, Negative, Number, Reference
from migspec.text import Text

NAMES = ("a", "b", "c")
expressions = st.recursive(
    st.builds(Number, st.integers(0, 12)) | st.builds(Reference, st.sampled_from(NAMES)),
    lambda inner: st.builds(Negative, inner) | st.builds(Binary, st.sampled_from("+-*/"), inner, inner),
    max_leaves=8,
)
sizes = st.fixed_dictionaries({name: st.integers(1, 9) for name in NAMES})


def exact(expression: Arithmetic, values: dict[str, int]) -> Fraction:
    """The value in fractions: an oracle that rounds nothing."""
    if isinstance(expression, Number):
        return Fraction(expression.value)
    if isinstance(expression, Reference):
        return Fraction(values[expression.name])
    if isinstance(expression, Negative):
        return -exact(expression.operand, values)
    left, right = exact(expression.left, values), exact(expression.right, values)
    if expression.operator == "/":
        return left / right
    return {"+": left + right, "-": left - right, "*": left * right}[expression.operator]


def read(text: str) -> Arithmetic:
    spec, problems = parse(Text("t.mig", f"rename x -> y scale {text}\n"))
    assert not problems, text
    return spec.statements[0].body.ops[0].argument("value")  # type: ignore[union-attr,return-value]


@given(expressions, sizes)
@settings(max_examples=150, deadline=None)
def test_a_value_is_what_fractions_say(expression, values) -> None:
    try:
        expected = exact(expression, values)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            value_of(expression, values)
        return
    try:
        result = value_of(expression, values)
    except ZeroDivisionError:
        # a float that rounded to zero: only where the exact divisor is a difference of fractions
        assert any(operator in arithmetic_text(expression) for operator in "+-")
        return
    assert result == pytest.approx(float(expected), abs=1e-9)
    if isinstance(result, int):
        assert result == expected


@given(expressions, sizes, st.sets(st.sampled_from(NAMES)))
@settings(max_examples=150, deadline=None)
def test_a_linear_form_has_the_expression_s_value_everywhere(expression, values, unknown) -> None:
    known = {name: None if name in unknown else value for name, value in values.items()}
    form = linear_of(expression, known)
    mentioned = {reference.name for reference in references(expression)}
    if form is None:
        # only a product or a quotient of unknowns, or a division by zero, is not linear
        assert "*" in arithmetic_text(expression) or "/" in arithmetic_text(expression)
        return
    assert {name for name, _ in form.coefficients} <= mentioned & unknown
    assert all(coefficient for _, coefficient in form.coefficients)
    total = form.constant + sum(coefficient * values[name] for name, coefficient in form.coefficients)
    try:
        assert total == exact(expression, values)
    except ZeroDivisionError:
        assert "/" in arithmetic_text(expression)


@given(expressions, sizes)
@settings(max_examples=150, deadline=None)
def test_the_text_of_an_expression_reads_as_one_of_the_same_value(expression, values) -> None:
    again = read(arithmetic_text(expression))
    try:
        expected = exact(expression, values)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            exact(again, values)
        return
    assert exact(again, values) == expected


def test_whole_numbers_stay_whole() -> None:
    assert value_of(read("6 / 3"), {}) == 2
    assert isinstance(value_of(read("6 / 3"), {}), int)
    assert value_of(read("7 / 2"), {}) == 3.5
    assert value_of(read("2 + 3 * 4 - 1"), {}) == 13
    assert value_of(read("10 - 3 - 2"), {}) == 5
    assert value_of(read("-(2 + 3) * 2"), {}) == -10


def test_a_name_is_unknown_or_not_known_yet() -> None:
    with pytest.raises(UnknownName) as unknown:
        value_of(read("2 * units"), {})
    assert unknown.value.reference.name == "units"
    with pytest.raises(NotYetKnown) as open_size:
        value_of(read("2 * units"), {"units": None})
    assert open_size.value.name == "units"
    with pytest.raises(UnknownName):
        linear_of(read("2 * units"), {})


def test_references_come_in_the_order_written() -> None:
    assert [reference.name for reference in references(read("b + a * -(c - a)"))] == ["b", "a", "c", "a"]
