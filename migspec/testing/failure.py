"""A property that does not hold, as an exception."""

from __future__ import annotations

from collections.abc import Iterable

from migspec.diagnostics import Diagnostic


class PropertyFailure(AssertionError):
    """A property of a spec does not hold in one case. `str()` of it is what `migspec test` prints."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__()

    def __str__(self) -> str:
        from migspec.diagnostics.render import render

        return render(self.diagnostics, "full", color=False)
