"""README and tutorial, command by command: each prints what the page shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from console_sessions import Shell, agrees, commands, steps
from markdown_pages import ROOT


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `migspec demo --keep` leaves: made once for both pages."""
    folder = tmp_path_factory.mktemp("documentation")
    Shell(folder).run("migspec demo --keep kept > demo.log")
    assert (folder / "kept" / "lstm.mig").is_file()
    return folder / "kept"


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_the_commands_print_what_the_page_shows(name: str, kept: Path, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    ran = 0
    for block, file in steps(ROOT / name):
        if file is not None:
            shell.write(file, block.content)
            continue
        for command in commands(block.content):
            words = command.line.split(" ")
            if words[:3] == ["migspec", "demo", "--keep"]:
                shutil.copytree(kept, tmp_path / words[3])
                continue
            printed = shell.run(command.line)
            assert agrees(command.shown, printed), f"{name}: $ {command.line}\n" + "\n".join(printed)
            ran += 1
    assert ran >= 3


def test_timings_and_rounding_errors_may_differ_and_nothing_else() -> None:
    assert agrees(("wrote x in 0.05 s", "3.6e-07"), ["wrote x in 12.34 s", "1e-08"])
    assert agrees(("a", "...", "d"), ["a", "b", "c", "d"])
    assert not agrees(("a", "d"), ["a", "b", "d"])
    assert not agrees(("0.55",), ["0.56"])
