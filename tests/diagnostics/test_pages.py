"""The pages of `migspec explain`: every code has one, all are built alike, and what they show is what the parser says."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest
from notation import BLOCK, TOKENS, variables_of

import migspec
from migspec.bind.bind import bind
from migspec.check import check
from migspec.check.definitions import unused_definitions
from migspec.compiler import check_spec
from migspec.diagnostics.registry import codes, explain
from migspec.library import load, read_vocabulary
from migspec.resolve import resolve
from migspec.syntax.parse import parse
from migspec.text import Text
from migspec.variables import VariableMap

LISTED = [
    f"MIG{number}"
    for number in chain(
        range(101, 117),
        range(201, 220),
        range(301, 308),
        range(401, 416),
        range(501, 519),
        range(601, 609),
        range(701, 707),
        range(710, 718),
    )
]
HEADINGS = ["## What it means", "## Example", "## How to mend it"]

# What the parser finds, as opposed to what shows only once sizes, mounts or maps are known.
FOUND_BY_PARSER = ("MIG101", "MIG102", "MIG103", "MIG104", "MIG105", "MIG106", "MIG109")

NOTES = {"MIG410", "MIG412"}
"""What is no fault: nothing is wrong on their pages."""

OF_TWO_FILES = {"MIG108"}
"""What shows only where one spec uses another that lies beside it."""


OF_A_SPEC_ALONE = {"MIG115", "MIG116"}
"""What is said where a spec is checked without any variables, and nowhere else."""


def blocks(code: str, info: str) -> list[str]:
    """The fenced blocks of a page that are marked with `info`."""
    return [content for mark, content in BLOCK.findall(explain(code).text) if mark == info]


def test_the_codes_are_those_listed() -> None:
    assert list(codes()) == LISTED


def test_every_code_in_the_source_has_a_page() -> None:
    package = Path(migspec.__file__).parent
    used = set(
        chain.from_iterable(re.findall(r"MIG\d\d\d", path.read_text(encoding="utf-8")) for path in package.rglob("*.py"))
    )
    assert used <= set(codes())


@pytest.mark.parametrize("code", LISTED)
def test_a_page_is_built_like_the_others(code: str) -> None:
    page = explain(code)
    lines = page.text.split("\n")
    assert lines[0] == f"# {code}: {page.title}"
    assert page.title and page.title[0] == page.title[0].lower() and not page.title.endswith(".")
    assert [line for line in lines if line.startswith("#")] == [lines[0], *HEADINGS]
    assert 12 <= len(lines) <= 40
    assert max(map(len, lines)) <= 128
    assert page.text.endswith("\n") and not page.text.endswith("\n\n")
    assert len(BLOCK.findall(page.text)) * 2 == sum(line.startswith("```") for line in lines)


@pytest.mark.parametrize("code", LISTED)
def test_an_example_stands_on_every_page(code: str) -> None:
    infos = {info for info, _ in BLOCK.findall(explain(code).text) if not info.startswith(TOKENS)}
    assert infos <= {"mig", "mig wrong", "source", "target", "console", "python", "json", "toml"}
    if code < "MIG500":
        assert "mig" in infos
        assert "mig wrong" in infos or code in NOTES | OF_TWO_FILES
    else:
        assert infos & {"console", "python", "json"}


@pytest.mark.parametrize("code", LISTED)
def test_the_mended_examples_can_be_read(code: str) -> None:
    for content in blocks(code, "mig"):
        assert parse(Text("mended.mig", content))[1] == ()


@pytest.mark.parametrize("code", LISTED)
def test_the_wrong_examples_are_wrong_in_the_way_they_say(code: str) -> None:
    for content in blocks(code, "mig wrong"):
        found = [diagnostic.code for diagnostic in parse(Text("wrong.mig", content))[1]]
        assert found == ([code] if code in FOUND_BY_PARSER else [])


def variable_map(code: str, side: str) -> VariableMap:
    """The map that a page gives for one side."""
    (content,) = blocks(code, side)
    return variables_of(f"{side} of {code}", content)


def verdict(code: str, content: str, folder: Path) -> set[str]:
    """The codes of everything that is wrong with a spec, held against the maps of a page if it has some."""
    file = folder / "encoder.mig"  # the name that the page on cycles gives its example
    file.write_text(content, encoding="utf-8")
    for info, tokens in BLOCK.findall(explain(code).text):
        if info.startswith(TOKENS):
            (folder / info.removeprefix(TOKENS)).write_text(tokens, encoding="utf-8")
    if code in OF_A_SPEC_ALONE:
        compilation = check_spec(Text(str(file), content))
        unused = unused_definitions(compilation.program)
        return {diagnostic.code for diagnostic in (*compilation.diagnostics, *unused)}
    program, diagnostics = resolve(Text(str(file), content), load, read_vocabulary)
    if not blocks(code, "source"):
        return {diagnostic.code for diagnostic in diagnostics}
    source, target = variable_map(code, "source"), variable_map(code, "target")
    return {diagnostic.code for diagnostic in (*diagnostics, *check(bind(program, source, target)))}


@pytest.mark.parametrize("code", [code for code in LISTED if code < "MIG500" and code != "MIG218"])
def test_a_wrong_example_gives_its_code_and_no_other(code: str, tmp_path: Path) -> None:
    for content in blocks(code, "mig wrong"):
        assert verdict(code, content, tmp_path) == {code}


@pytest.mark.parametrize("code", [code for code in LISTED if code < "MIG500"])
def test_a_mended_example_is_clean(code: str, tmp_path: Path) -> None:
    for content in blocks(code, "mig"):
        assert verdict(code, content, tmp_path) == (NOTES & {code})


@pytest.mark.parametrize("code", [code for code in LISTED if "MIG200" < code < "MIG500" and code not in ("MIG213", "MIG214")])
def test_names_shapes_and_dtypes_are_shown_with_their_maps(code: str) -> None:
    assert variable_map(code, "source").variables
    assert variable_map(code, "target").variables


def test_coverage_alone_can_be_allowed() -> None:
    assert [code for code in codes() if f"--allow {code}" in explain(code).text] == ["MIG201", "MIG202"]


def test_a_code_may_be_written_in_short() -> None:
    assert explain("mig301") == explain(" 301 ") == explain("MIG301")
    assert explain("MIG301").title == "shapes differ after the ops"


@pytest.mark.parametrize("code", ["MIG999", "", "../registry", "MIG", "MIG30"])
def test_a_code_that_does_not_exist(code: str) -> None:
    with pytest.raises(KeyError):
        explain(code)
