"""Parse trees of numbers, sizes and expressions -> `tree.Arithmetic`; and where a parse tree lies in the text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lark import Token, Tree

from migspec.syntax.problem import malformed
from migspec.syntax.tree import Arithmetic, Binary, Dims, Negative, Number, Reference
from migspec.text import Span, Text

Node: TypeAlias = Tree[Token]
Branch: TypeAlias = Node | Token | None

_OPERATORS: dict[str, Literal["+", "-", "*", "/"]] = {"+": "+", "-": "-", "*": "*", "/": "/"}
_DEEPEST = 64
_MOST_DIGITS = 18  # what fits a signed 64-bit integer


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parsed piece of text begins, and the code of what is malformed in it."""

    text: Text
    offset: int
    code: str = "MIG101"

    def span(self, branch: Node | Token) -> Span:
        """The characters that a parse tree or token stands for."""
        if isinstance(branch, Token):
            start = branch.start_pos or 0
            end = start + len(branch)
        else:
            start, end = branch.meta.start_pos, branch.meta.end_pos
        return Span(self.text, self.offset + start, self.offset + end)

    def coded(self, code: str) -> Place:
        """The same place, where what is malformed has another code."""
        return replace(self, code=code)


def token(branch: Branch) -> Token:
    """A child that the grammar says is a token."""
    assert isinstance(branch, Token)
    return branch


def node(branch: Branch) -> Node:
    """A child that the grammar says is a tree."""
    assert isinstance(branch, Tree)
    return branch


def whole(written: Token, place: Place, digits: str | None = None) -> int:
    """The value of an INTEGER, or of these digits in a token."""
    digits = str(written) if digits is None else digits
    if len(digits.lstrip("0")) > _MOST_DIGITS:
        raise malformed(place.code, f"a number of {len(digits)} digits is too large", place.span(written))
    return int(digits)


def signed(branch: Node, place: Place) -> int:
    """The value of an `integer`: digits with an optional minus."""
    minus, digits = branch.children
    value = whole(token(digits), place)
    return value if minus is None else -value


def dims(branch: Node, place: Place) -> Dims:
    """The value of `[a, b, ...]`, which may be empty."""
    return tuple(arithmetic(node(child), place) for child in branch.children if child is not None)


def arithmetic(branch: Node, place: Place, depth: int = 0) -> Arithmetic:
    """The expression of a parse tree; one nested more deeply than anything reasonable is malformed."""
    span = place.span(branch)
    if depth > _DEEPEST:
        raise malformed(place.code, f"an expression of more than {_DEEPEST} levels", span)
    match branch.data:
        case "number":
            return Number(_number(token(branch.children[0]), place), span)
        case "reference":
            return Reference(str(branch.children[0]), span)
        case "negative":
            return Negative(arithmetic(node(branch.children[1]), place, depth + 1), span)
        case "binary":
            left, operator, right = branch.children
            return Binary(
                _OPERATORS[token(operator)],
                arithmetic(node(left), place, depth + 1),
                arithmetic(node(right), place, depth + 1),
                span,
            )
        case other:
            raise AssertionError(other)


def _number(written: Token, place: Place) -> int | float:
    if written.type == "INTEGER":
        return whole(written, place)
    value = float(written)
    if math.isinf(value):
        raise malformed(place.code, f"{written} is too large for a float", place.span(written))
    return value
