"""What the casts of a spec cost: a note for each rule that loses precision."""

from __future__ import annotations

from collections.abc import Iterator

from migspec import dtypes
from migspec.bind.pipeline import all_operations
from migspec.bind.problems import Problems
from migspec.bind.types import Binding
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.expression import Cast, Expression, children
from migspec.ops import CastTo, shape_text


def check_precision(binding: Binding) -> Iterator[Diagnostic]:
    """One note for each rule in which a `cast` can change a value."""
    problems = Problems()
    for bound in binding.bound:
        for old, new in lossy_casts(bound.expression):
            operation = next(one for one in all_operations(bound.instance) if isinstance(one.word, CastTo))
            problems.add(
                ("cast", bound.instance.rule, old, new),
                Diagnostic(
                    "MIG410",
                    f"the cast from {old} to {new} rounds: precision is lost",
                    Label(
                        operation.span if operation in bound.instance.operations else bound.instance.rule.span,
                        f"{bound.target.dtype} {shape_text(bound.target.shape)} in {binding.target.label}",
                    ),
                    severity=Severity.NOTE,
                    uses=bound.instance.scope.uses,
                ),
                bound.target.name,
            )
    yield from problems


def lossy_casts(expression: Expression) -> set[tuple[str, str]]:
    """The casts (old dtype, new dtype) in an expression that can change a value."""
    found: set[tuple[str, str]] = set()
    stack = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, Cast) and dtypes.is_lossy(node.input.dtype, node.dtype):
            found.add((node.input.dtype, node.dtype))
        stack.extend(children(node))
    return found
