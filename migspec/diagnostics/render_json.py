"""Diagnostics for programs: JSON after `schemas/diagnostics.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from migspec.diagnostics.model import Diagnostic, Edit, Fix, Label
from migspec.text import Span, Text


def render(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:  # noqa: ARG001 - the renderers' one signature
    """A JSON list with one object a diagnostic, in ASCII; `color` changes nothing. Lines and columns count from 1, columns in Unicode
    code points, and the end of a range is excluded."""
    return json.dumps([_diagnostic(diagnostic) for diagnostic in diagnostics], indent=2)


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    primary = diagnostic.primary
    labels = [_label(primary, True)] if primary else []
    labels.extend(_label(label, False) for label in diagnostic.secondary)
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "file": primary.span.text.name if primary else diagnostic.file,
        "range": _range(primary.span) if primary else None,
        "labels": labels,
        "notes": list(diagnostic.notes),
        "helps": list(diagnostic.helps),
        "fixes": [_fix(fix) for fix in diagnostic.fixes],
        "uses": [_place(span) for span in diagnostic.uses],
    }


def _label(label: Label, primary: bool) -> dict[str, Any]:
    return _place(label.span) | {"text": label.text, "primary": primary}


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "message": fix.message,
        "applicability": fix.applicability.value,
        "edits": [_edit(edit) for edit in fix.edits],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return _place(edit.span) | {"replacement": edit.replacement}


def _place(span: Span) -> dict[str, Any]:
    return {"file": span.text.name, "range": _range(span)}


def _range(span: Span) -> dict[str, Any]:
    return {"start": _position(span.text, span.start), "end": _position(span.text, max(span.start, span.end))}


def _position(text: Text, offset: int) -> dict[str, int]:
    line, column = text.position(min(max(offset, 0), len(text.content)))
    return {"line": line, "column": column}
