"""The folder that the tests of the command line work in."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import write_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with the files of `command_line.write_files`."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path
