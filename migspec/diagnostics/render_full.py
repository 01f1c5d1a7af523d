"""Diagnostics for people: headline, place, the lines with what is marked in them, facts, proposals."""

from __future__ import annotations

from collections.abc import Iterable

from migspec.diagnostics.changes import changed_lines
from migspec.diagnostics.display import one_line, several_lines
from migspec.diagnostics.excerpt import Excerpt
from migspec.diagnostics.model import Diagnostic, Fix, Label, Severity
from migspec.diagnostics.paint import SEVERITY_STYLE, Style, paint
from migspec.text import Text


def render(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """All diagnostics in full, with an empty line between them and no line end after the last; "" for none."""
    return "\n\n".join("\n".join(_diagnostic(diagnostic, color)) for diagnostic in diagnostics)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """How many there are of each severity: `2 errors, 1 warning`; "" for none."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    counts = [(severities.count(severity), severity.value) for severity in Severity]
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count)


def _diagnostic(diagnostic: Diagnostic, color: bool) -> list[str]:
    style = SEVERITY_STYLE[diagnostic.severity]
    head = paint(f"{diagnostic.severity.value}[{diagnostic.code}]", style, color)
    rows = [head + paint(f": {one_line(diagnostic.message)}", Style.STRONG, color)]

    excerpts = _excerpts(diagnostic, style)
    gutter = max((excerpt.gutter for _, excerpt in excerpts), default=1)
    blank = paint(f"{'':{gutter}} |", Style.FRAME, color)
    if not excerpts and diagnostic.file is not None:
        rows.append(_arrow("-->", diagnostic.file, gutter, color))
    for i, (place, excerpt) in enumerate(excerpts):
        rows.append(_arrow(":::" if i else "-->", place, gutter, color))
        rows.extend(excerpt.render(gutter, color))
        if i + 1 < len(excerpts):
            rows.append(blank)
    if excerpts and diagnostic.file is not None:
        rows.extend([blank, _arrow(":::", diagnostic.file, gutter, color)])

    for i, span in enumerate(reversed(diagnostic.uses)):
        words = "which is used at" if i else "in the spec used at"
        rows.extend(_remark("note", [one_line(f"{words} {span}")], gutter, color))
    for note in diagnostic.notes:
        rows.extend(_remark("note", several_lines(note), gutter, color))
    for help_ in diagnostic.helps:
        rows.extend(_remark("help", several_lines(help_), gutter, color))
    shown = diagnostic.primary.span.text if diagnostic.primary else None
    for fix in diagnostic.fixes:
        rows.extend(_fix(fix, shown, gutter, color))
    return rows


def _excerpts(diagnostic: Diagnostic, style: Style) -> list[tuple[str, Excerpt]]:
    """One excerpt a text, that of the primary label first, each with the place that stands above it."""
    groups: dict[Text, list[tuple[Label, bool]]] = {}
    if diagnostic.primary is not None:
        groups[diagnostic.primary.span.text] = [(diagnostic.primary, True)]
    for label in diagnostic.secondary:
        groups.setdefault(label.span.text, []).append((label, False))
    return [(str(labels[0][0].span), Excerpt.of(text, labels, style)) for text, labels in groups.items()]


def _arrow(arrow: str, place: str, gutter: int, color: bool) -> str:
    return f"{'':{gutter}}{paint(arrow, Style.FRAME, color)} {one_line(place)}"


def _remark(kind: str, lines: list[str], gutter: int, color: bool) -> list[str]:
    """`= note: ...`, with further lines under the first one's text."""
    mark = paint("=", Style.FRAME, color)
    word = paint(kind, Style.STRONG, color)
    indent = " " * (gutter + len(f" = {kind}: "))
    return [f"{'':{gutter}} {mark} {word}: {lines[0]}"] + [(indent + line).rstrip() for line in lines[1:]]


def _fix(fix: Fix, shown: Text | None, gutter: int, color: bool) -> list[str]:
    """`= help: message:` and each changed line before and after."""
    texts = list(dict.fromkeys(edit.span.text for edit in fix.edits))
    message = one_line(fix.message)
    rows = _remark("help", [f"{message}:" if texts else message], gutter, color)
    indent = " " * (gutter + 3)
    for text in texts:
        if text != shown:
            rows.append(f"{indent}{paint(':::', Style.FRAME, color)} {one_line(text.name)}")
        changes = changed_lines(text, [edit for edit in fix.edits if edit.span.text == text])
        digits = max((len(str(change.number)) for change in changes), default=1)
        for change in changes:
            sign, style = ("+", Style.ADDED) if change.added else ("-", Style.REMOVED)
            number = paint(f"{change.number:>{digits}}", Style.FRAME, color)
            rows.append(f"{indent}{number} {paint(f'{sign} {change.line}'.rstrip(), style, color)}")
    return rows
