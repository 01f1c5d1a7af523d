"""The one error that a bad statement gives, on its way out of the parser."""

from __future__ import annotations

from collections.abc import Iterable

from migspec.diagnostics.model import Applicability, Diagnostic, Edit, Fix, Label
from migspec.text import Span


class Malformed(Exception):
    """A statement or pattern that cannot be read. `parse` catches it, keeps its diagnostic and goes on with the next statement."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def malformed(
    code: str,
    message: str,
    span: Span,
    label: str = "",
    *,
    notes: Iterable[str] = (),
    helps: Iterable[str] = (),
    fixes: Iterable[Fix] = (),
    secondary: Iterable[Label] = (),
) -> Malformed:
    """The exception for one finding at `span`, with `label` printed beside it."""
    diagnostic = Diagnostic(
        code, message, Label(span, label), tuple(secondary), notes=tuple(notes), helps=tuple(helps), fixes=tuple(fixes)
    )
    return Malformed(diagnostic)


def replacement(span: Span, text: str, applicability: Applicability = Applicability.MAYBE) -> Fix:
    """The fix that writes `text` in place of `span`."""
    return Fix(f"write `{text}`", (Edit(span, text),), applicability)


def suggestions(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates that may have been meant, nearest first, at most three."""
    from migspec.diagnostics.suggest import nearest

    return tuple(nearest(word, candidates))


def did_you_mean(names: Iterable[str]) -> tuple[str, ...]:
    """The help line for these suggestions; none for none."""
    quoted = [f"`{name}`" for name in names]
    return (f"did you mean {' or '.join(quoted)}?",) if quoted else ()
