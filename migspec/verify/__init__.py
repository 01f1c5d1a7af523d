"""Proof that a migrated model computes what the old one did: both are run on the same inputs, and their outputs compared."""

from migspec.verify.report import Report
from migspec.verify.verification import Request, verify

__all__ = ["Report", "Request", "verify"]
