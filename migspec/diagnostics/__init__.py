"""Diagnostics as data, the registry of their codes, and their renderers."""

from migspec.diagnostics.model import (
    Applicability,
    Diagnostic,
    Edit,
    Fix,
    Label,
    Severity,
    SpecError,
    file_error,
)

__all__ = ["Applicability", "Diagnostic", "Edit", "Fix", "Label", "Severity", "SpecError", "file_error"]
