"""How to compare two checkpoints: each command of the page prints what the page shows."""

from __future__ import annotations

from pathlib import Path

from console_sessions import Shell, agrees, commands, steps
from markdown_pages import ROOT

PAGE = ROOT / "docs" / "howto" / "compare-two-checkpoints.md"


def test_the_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    ran = 0
    for block, file in steps(PAGE):
        if file is not None:
            shell.write(file, block.content)
            continue
        for command in commands(block.content):
            printed = shell.run(command.line)
            assert agrees(command.shown, printed), f"$ {command.line}\n" + "\n".join(printed)
            ran += 1
    assert ran == 10
