"""The files that the demo lays out for its user, to read and to play with."""

from __future__ import annotations

from difflib import ndiff
from pathlib import Path

_HERE = Path(__file__).parent


def spec_text() -> str:
    """The spec that migrates the old model into the new one."""
    return (_HERE / "lstm.mig").read_text(encoding="utf-8")


def new_model_text() -> str:
    """The Python file whose function `build` makes the new model."""
    return (_HERE / "new_model.py").read_text(encoding="utf-8")


def with_slips() -> str:
    """The spec with two slips that migspec catches: the forget bias unsaid, and a variable forgotten."""
    return _changed(_changed(spec_text(), "  add 1.0 to f", ""), "{part}", "kernel")


def with_wrong_gates() -> str:
    """The spec of somebody who believes that TensorFlow 1 had Keras' order of the gates: all shapes agree, the numbers do not."""
    return _changed(_changed(spec_text(), "split gates ifco", "split gates ifco -> ifco"), "gates icfo ->", "gates ifco ->")


def with_wrong_forget_bias() -> str:
    """The spec of somebody who believes that the old cells added nothing to their forget gates."""
    return _changed(spec_text(), "add 1.0 to f", "add 0.0 to f")


def changes(before: str, after: str) -> list[str]:
    """The lines that differ, as a diff writes them."""
    lines = ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line.startswith(("- ", "+ "))]


def _changed(text: str, before: str, after: str) -> str:
    assert before in text, before
    return text.replace(before, after)
