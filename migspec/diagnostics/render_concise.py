"""Diagnostics one a line, for editors and for grep."""

from __future__ import annotations

from collections.abc import Iterable

from migspec.diagnostics.display import one_line
from migspec.diagnostics.model import Diagnostic
from migspec.diagnostics.paint import SEVERITY_STYLE, Style, paint


def render(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """`path:line:col: error[MIG301]: message` for each, without a line end after the last; "" for none.

    A finding about a file has its path alone in front, one about neither `migspec`.
    """
    return "\n".join(_line(diagnostic, color) for diagnostic in diagnostics)


def _line(diagnostic: Diagnostic, color: bool) -> str:
    place = str(diagnostic.primary.span) if diagnostic.primary else (diagnostic.file or "migspec")
    head = paint(f"{diagnostic.severity.value}[{diagnostic.code}]", SEVERITY_STYLE[diagnostic.severity], color)
    return f"{paint(one_line(place), Style.STRONG, color)}: {head}: {one_line(diagnostic.message)}"
