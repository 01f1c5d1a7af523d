"""Checks of a binding, one small file a concern: functions that return diagnostics."""

from collections.abc import Callable, Iterator

from migspec.bind.types import Binding
from migspec.check.conventions import check_conventions
from migspec.check.coverage import check_coverage
from migspec.check.forget_biases import check_forget_biases
from migspec.check.fused_rows import check_fused_rows
from migspec.check.layouts import check_layouts
from migspec.check.precision import check_precision
from migspec.check.unmovable import check_unmovable
from migspec.diagnostics import Diagnostic

CHECKS: tuple[Callable[[Binding], Iterator[Diagnostic]], ...] = (
    check_coverage,
    check_layouts,
    check_forget_biases,
    check_fused_rows,
    check_conventions,
    check_precision,
    check_unmovable,
)


def check(binding: Binding) -> tuple[Diagnostic, ...]:
    """Everything that binding and the checks found."""
    found = list(binding.diagnostics)
    for one in CHECKS:
        found.extend(one(binding))
    if any(binding.program.vocabularies()):  # few specs have any
        from migspec.check.vocabularies import check_vocabularies

        found.extend(check_vocabularies(binding))
    return tuple(found)
