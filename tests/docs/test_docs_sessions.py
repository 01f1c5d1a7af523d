"""README, tutorial and how-to pages, command by command: each prints what the page shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from console_sessions import Shell, agrees, commands, steps
from markdown_pages import HOWTO, ROOT

_NEEDS = {"publish-specs": ("pip", "hatchling")}  # what a page's own commands run, beside migspec


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `migspec demo --keep` leaves: made once for both pages."""
    folder = tmp_path_factory.mktemp("documentation")
    Shell(folder).run("migspec demo --keep kept > demo.log")
    assert (folder / "kept" / "lstm.mig").is_file()
    return folder / "kept"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "tutorial.md"], ids=lambda page: page.name)
def test_the_commands_print_what_the_page_shows(page: Path, kept: Path, tmp_path: Path) -> None:
    assert run_page(page, tmp_path, kept) >= 3


@pytest.mark.parametrize("page", HOWTO, ids=lambda page: page.stem)
def test_the_commands_of_a_how_to_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    for needed in _NEEDS.get(page.stem, ()):
        pytest.importorskip(needed, reason=f"the page's commands run {needed}")
    assert run_page(page, tmp_path) >= 5


def run_page(page: Path, folder: Path, kept: Path | None = None) -> int:
    """Write the files of a page and run its commands, in an empty folder; how many commands ran.

    `kept` is copied in place of `migspec demo --keep`.
    """
    shell = Shell(folder)
    ran = 0
    for block, file in steps(page):
        if file is not None:
            shell.write(file, block.content)
            continue
        for command in commands(block.content):
            words = command.line.split(" ")
            if kept is not None and words[:3] == ["migspec", "demo", "--keep"]:
                shutil.copytree(kept, folder / words[3])
                continue
            printed = shell.run(command.line)
            assert agrees(command.shown, printed), f"{page.name}: $ {command.line}\n" + "\n".join(printed)
            ran += 1
    return ran


def test_there_is_a_how_to_for_each_of_the_five_questions() -> None:
    assert len(HOWTO) >= 5
    linked = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in HOWTO if f"(docs/howto/{page.name})" not in linked] == []


def test_timings_and_rounding_errors_may_differ_and_nothing_else() -> None:
    assert agrees(("wrote x in 0.05 s", "3.6e-07"), ["wrote x in 12.34 s", "1e-08"])
    assert agrees(("a", "...", "d"), ["a", "b", "c", "d"])
    assert not agrees(("a", "d"), ["a", "b", "d"])
    assert not agrees(("0.55",), ["0.56"])
    none, some = "  largest absolute difference  0", "  largest absolute difference  5.96e-08  at [1, 2]: 0.5 old, 0.25 new"
    assert agrees((none,), [some])
    assert not agrees((none,), [some.replace("e-08", "e-02")])
