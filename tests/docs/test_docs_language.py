"""Every spec that the documentation shows is good mig; where it shows the variables too, it compiles as it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_pages import PAGES, ROOT, Block, blocks, prose
from notation import TOKENS, variables_of

from migspec.compiler import compile_spec
from migspec.diagnostics import Severity
from migspec.ops import WORDS
from migspec.resources import library_path
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.text import Text
from migspec.variables import VariableMap

LANGUAGE = ROOT / "docs" / "language.md"


@dataclass(frozen=True, slots=True)
class Example:
    """A spec of a page, with the variables that its section shows above it, and the vocabularies by name."""

    page: Path
    block: Block
    source: VariableMap | None
    target: VariableMap | None
    tokens: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.page.name}:{self.block.line}"


def _examples() -> Iterator[Example]:
    for page in PAGES:
        heading = ""
        maps: dict[str, VariableMap] = {}
        tokens: dict[str, str] = {}
        for block in blocks(page):
            if block.heading != heading:
                heading, maps, tokens = block.heading, {}, {}
            if block.info.startswith(TOKENS):
                tokens[block.info.removeprefix(TOKENS)] = block.content
            if block.info in ("source", "target"):
                maps[block.info] = variables_of(block.info, block.content)
            elif block.info.split(" ")[0] == "mig":
                yield Example(page, block, maps.get("source"), maps.get("target"), tuple(tokens.items()))


EXAMPLES = tuple(_examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_can_be_read(example: Example) -> None:
    assert parse(Text("example.mig", example.block.content))[1] == ()


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.source and one.target], ids=str)
def test_an_example_compiles_as_it_says(example: Example, tmp_path: Path) -> None:
    assert example.source is not None
    assert example.target is not None
    expected = example.block.info.split(" ")[2:]
    for name, content in example.tokens:
        (tmp_path / name).write_text(content, encoding="utf-8")
    text = Text(str(tmp_path / "example.mig"), example.block.content)
    compilation = compile_spec(text, example.source, example.target)
    found = [one.code for one in compilation.diagnostics if one.severity is not Severity.NOTE]
    assert found == expected


def test_the_language_page_compiles_most_of_its_examples() -> None:
    own = [one for one in EXAMPLES if one.page == LANGUAGE]
    assert sum(bool(one.source and one.target) for one in own) >= 15


def test_the_spec_shown_as_tf1_basic_lstm_is_the_library_s() -> None:
    [shown] = [one.block for one in EXAMPLES if one.page == LANGUAGE and "or Linear/Matrix" in one.block.content]
    text = Text("example.mig", shown.content)
    library = Text("library.mig", (library_path() / "tf1" / "basic_lstm.mig").read_text(encoding="utf-8"))
    bodies = [statement.body for statement in parse(library)[0].statements]
    assert [statement.body for statement in parse(text)[0].statements] == bodies[1:]  # without `mig 1`
    assert format_spec(parse(text)[0])


def test_every_op_stands_in_the_table_with_what_it_loses() -> None:
    rows = [row.split("|") for row in prose(LANGUAGE).splitlines() if row.startswith("| `") and row.count(" | ") == 3]
    for word, op in WORDS.items():
        spelled = word.replace("_", " ")
        found = [row for row in rows if row[1].strip().strip("`").split("`")[0].removesuffix(" AXIS").startswith(spelled)]
        exact = [row for row in found if row[1].strip()[1:].startswith((f"{spelled} ", f"{spelled}`"))]
        assert exact, f"no row of the table begins with `{spelled}`"
        assert exact[0][-2].strip() == op.exactness, spelled
