"""Variables of a dtype that migspec can list and not move: found before a weight is read, and not when one is."""

from __future__ import annotations

from collections.abc import Iterator

from migspec.bind.problems import Problems, described
from migspec.bind.types import Binding
from migspec.diagnostics import Diagnostic, Label
from migspec.dtypes import kind


def check_unmovable(binding: Binding) -> Iterator[Diagnostic]:
    """One error (MIG414) for each rule that moves variables of such a dtype, which no cast changes: both of its sides have it."""
    problems = Problems()
    for bound in binding.bound:
        if kind(bound.target.dtype) == "opaque":
            rule = bound.instance.rule
            problems.add(
                ("opaque", rule, bound.target.dtype),
                Diagnostic(
                    "MIG414",
                    f"`{bound.target.name}` is {bound.target.dtype}, which migspec can list and not move",
                    Label(rule.span, f"{described(bound.target)} in {binding.target.label}"),
                    notes=("no file that migspec writes could hold it",),
                    helps=(
                        f"leave it behind, and let the target keep its value: `drop {bound.sources[0].name}`,"
                        f" `keep {bound.target.name}`",
                    ),
                    uses=bound.instance.scope.uses,
                ),
                bound.target.name,
            )
    yield from problems
