"""What the casts of a spec cost: a note for each rule that loses precision."""

from __future__ import annotations

from collections.abc import Iterator

from migspec import dtypes
from migspec.bind.pipeline import all_operations
from migspec.bind.problems import Problems
from migspec.bind.types import Binding, Bound
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.expression import Cast, Expression, children
from migspec.ops import CastTo, shape_text
from migspec.rules import Operation


def check_precision(binding: Binding) -> Iterator[Diagnostic]:
    """One note for each rule in which a `cast` can change a value."""
    problems = Problems()
    for bound in binding.bound:
        for old, new in lossy_casts(bound.expression):
            operation = _cast_to(new, bound)
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
                    notes=_overflow(old, new),
                    uses=bound.instance.scope.uses,
                ),
                bound.target.name,
            )
    yield from problems


def _cast_to(dtype: str, bound: Bound) -> Operation:
    """The op that casts to a dtype: one that names it, else one that takes what is needed."""
    casts = [one for one in all_operations(bound.instance) if isinstance(one.word, CastTo)]
    named = (one for wanted in (dtype, None) for one in casts if getattr(one.word, "dtype", None) == wanted)
    return next(named, casts[0])


def _overflow(old: str, new: str) -> tuple[str, ...]:
    """What becomes of values that are too large for the new dtype, where the old one has more than what rounds (bfloat16)."""
    if dtypes.kind(new) not in ("float", "complex") or dtypes.largest(old) < 2 * dtypes.largest(new):
        return ()
    becomes = "no number (NaN)" if new == "float8_e4m3fn" else "infinite"
    return (f"a value beyond {dtypes.largest(new):g} becomes {becomes}",)


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
