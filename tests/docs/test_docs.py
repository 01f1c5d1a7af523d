"""The pages among themselves and against the program: links, commands, options, codes, the Python examples."""

from __future__ import annotations

import contextlib
import io
import re
from importlib import import_module
from pathlib import Path

import click
import diagnostics_index
import pytest
import spec_pages
from markdown_pages import PAGES, ROOT, blocks, headings, prose, text_of

from migspec.cli.main import main
from migspec.formats.writing import writable_format_names

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_COMMAND = re.compile(r"\bmigspec ([a-z]+)\b")
CLI = ROOT / "docs" / "cli.md"
COMMANDS = main.list_commands(click.Context(main))


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def section(page: Path, heading: str) -> str:
    """A page from a heading to the next one of the same level."""
    level = heading.split(" ")[0]
    _, _, rest = text_of(page).partition(f"\n{heading}\n")
    assert rest, heading
    return rest.partition(f"\n{level} ")[0]


def anchor(heading: str) -> str:
    """What GitHub makes of a heading: lower case, words joined by `-`, punctuation gone."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in map(anchor, headings(target))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_well_formed(page: Path) -> None:
    text = text_of(page)
    assert text.startswith("# ")
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_command_that_is_shown_exists(page: Path) -> None:
    shown = [line for block in blocks(page) if block.info in ("console", "sh") for line in block.content.splitlines()]
    called = [name for line in shown if "migspec " in line for name in re.findall(r"(?:^\$ |&& |^)migspec ([a-z]+)", line)]
    assert [name for name in called if name not in COMMANDS] == []
    assert [
        name for name in _COMMAND.findall(" ".join(re.findall(r"`(migspec [^`]*)`", text_of(page)))) if name not in COMMANDS
    ] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    text = section(CLI, f"## `migspec {name}`")
    options = {one for parameter in command(name).params for one in parameter.opts if one.startswith("--")} - {"--help"}
    documented = set(_OPTION.findall(text))
    assert options <= documented
    assert documented <= options | {"--output-format"}


def test_the_choices_of_options_are_documented() -> None:
    shared = section(CLI, "## Shared options").replace("\\|", "|")
    for parameter in command("check").params:
        if isinstance(parameter.type, click.Choice):
            assert f"{parameter.opts[-1]} {'|'.join(parameter.type.choices)}`" in shared
    assert all(f"`{name}`" in section(CLI, "## `migspec apply`") for name in writable_format_names())


def test_the_index_of_codes_is_up_to_date() -> None:
    assert text_of(diagnostics_index.PAGE) == diagnostics_index.index()


def test_the_pages_of_the_library_are_up_to_date() -> None:
    """`python tests/docs/spec_pages.py` writes them."""
    expected = spec_pages.pages()
    assert {spec_pages.INDEX, *spec_pages.FOLDER.glob("*.md")} == set(expected)
    assert [page.name for page, content in expected.items() if text_of(page) != content] == []
    shown = {heading for page in expected for heading in headings(page)}
    assert {entry.name for entry in spec_pages.library()} <= shown


def test_what_a_header_says_is_no_markdown() -> None:
    assert (
        spec_pages._prose("`a*b` is 4 * n, _x_ of my_layer, [a](b) < c") == r"`a*b` is 4 \* n, \_x\_ of my_layer, [a]\(b) \< c"
    )


def test_every_code_that_a_page_names_exists() -> None:
    from migspec.diagnostics.registry import codes

    named = {code for page in PAGES for code in re.findall(r"MIG\d{3}", text_of(page))}
    assert named <= set(codes())


def test_the_python_examples_print_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "python.md"
    output, count = "", 0
    for block in blocks(page):
        if block.info == "python":
            stream = io.StringIO()
            with contextlib.redirect_stdout(stream):
                exec(compile(block.content, f"{page.name}:{block.line}", "exec"), {})
            output = stream.getvalue()
        elif block.info == "text":
            assert output == block.content
            count += 1
    assert count == 2


def test_the_python_page_names_what_the_package_offers() -> None:
    import inspect

    import migspec

    page = text_of(ROOT / "docs" / "python.md")
    for name, object_ in (("migspec.compile", migspec.compile), ("migration.apply", migspec.Migration.apply)):
        parameters = [one for one in inspect.signature(object_).parameters if one != "self"]
        [shown] = re.findall(rf"`{re.escape(name)}\((.*?)\)`", page)[:1]
        assert [part.split("=")[0].strip() for part in shown.replace("*, ", "").split(", ")] == parameters, name
    assert all(f"migspec.{name}" in page for name in ("compile", "open", "SpecError"))


def test_the_readme_has_the_two_commands() -> None:
    shown = [block.content for block in blocks(ROOT / "README.md") if block.info == "sh"]
    assert shown == ["pip install '.[tensorflow]' && migspec demo\n", "pip install '.[test]' && pytest\n"]


def test_the_changelog_speaks_of_this_version() -> None:
    version = import_module("migspec").__version__
    assert any(heading.startswith(version) for heading in headings(ROOT / "CHANGELOG.md"))


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert [number for number in range(1, 10) if f"\n   {number}. " not in text] == []
    assert "END OF TERMS AND CONDITIONS" in text
