"""Checkpoints that other people published. They are not part of this project, and lie beside its checkout where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
HERE = Path(__file__).parent


def shared(name: str) -> str:
    """The path of a published checkpoint; skips the test where it is not there."""
    if not DATA.is_dir():
        pytest.skip(f"the published checkpoints are not at hand: there is no folder {DATA}")
    folder = (DATA / name).parent if name[-1:] != "/" else DATA / name
    assert folder.is_dir(), f"{DATA} is there, and lacks {name}"
    return str(DATA / name) + ("/" if name.endswith("/") else "")
