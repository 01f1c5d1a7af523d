"""A diagnostic as data: what is wrong, where, the facts, and what would mend it.

Nothing here renders: `render` has one small renderer a format, and `registry` has the long explanation of each code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from migspec.text import Span


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Applicability(Enum):
    """Whether a tool may apply a fix unasked (SAFE) or a person must look first (MAYBE)."""

    SAFE = "safe"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True)
class Label:
    """A place in a spec, with a few words that are printed beside it (may be empty)."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the characters of `span` by `replacement`."""

    span: Span
    replacement: str


@dataclass(frozen=True, slots=True)
class Fix:
    """One way to mend the spec, e.g. message="exclude it here", edits=(insert ` except a/b`,)."""

    message: str
    edits: tuple[Edit, ...]
    applicability: Applicability = Applicability.MAYBE


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    `message` is the headline: lower case, one line, no full stop, readable alone. `primary` is the place, as small as it
    can be; None for a finding about a file, which then stands in `file`. `secondary` are related places. Facts are
    `notes`; only `helps` propose. `uses` is the chain of `use` statements that led into a mounted spec, outermost first.
    """

    code: str
    message: str
    primary: Label | None = None
    secondary: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    severity: Severity = Severity.ERROR
    file: str | None = None
    uses: tuple[Span, ...] = ()


class SpecError(Exception):
    """One or more diagnostics that stopped the work: what a Python caller catches.

    `str()` of it is the concise rendering, one diagnostic a line.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__("\n".join(_concise(d) for d in self.diagnostics))


def file_error(code: str, file: str, message: str, notes: Iterable[str] = (), helps: Iterable[str] = ()) -> SpecError:
    """The error for a file that is missing, damaged or not to be written (codes MIG5xx)."""
    return SpecError([Diagnostic(code, message, file=file, notes=tuple(notes), helps=tuple(helps))])


def _concise(diagnostic: Diagnostic) -> str:
    place = str(diagnostic.primary.span) if diagnostic.primary else (diagnostic.file or "migspec")
    return f"{place}: {diagnostic.severity.value}[{diagnostic.code}]: {diagnostic.message}"
