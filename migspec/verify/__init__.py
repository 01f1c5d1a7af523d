"""Proof that a migrated model computes what the old one did: both are run on the same inputs, and their outputs compared."""

from migspec.verify.report import Report
from migspec.verify.report_text import report_text
from migspec.verify.request import Request
from migspec.verify.verification import verify

__all__ = ["Report", "Request", "report_text", "verify"]
