"""docs/architecture.md names what exists, and its table of rows is what the imports are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from markdown_pages import ROOT, prose

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "migspec"

_PATH = re.compile(r"`((?:migspec|grammar|specs|docs|tests)/[\w./]*)`")


def _module(path: str) -> str:
    """`names` for `migspec/names.py`, `bind` for `migspec/bind/`."""
    return Path(path).relative_to("migspec").parts[0].removesuffix(".py")


def _rows() -> dict[str, int]:
    rows: dict[str, int] = {}
    for number, cell in re.findall(r"^\| (\d+) \| ([^|]+) \|", prose(PAGE), re.MULTILINE):
        for path in _PATH.findall(cell):
            rows[_module(path)] = int(number)
    return rows


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "migspec":
            yield from [node.module.split(".")[1]] if "." in node.module else (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("migspec."))


def test_every_path_exists() -> None:
    missing = [path for path in _PATH.findall(prose(PAGE)) if not (ROOT / path).exists()]
    assert missing == []


def test_every_module_has_a_row() -> None:
    there = {path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    there |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(_rows()) == there


def test_every_module_of_bind_is_explained() -> None:
    named = _PATH.findall(prose(PAGE))
    modules = [f"migspec/bind/{path.name}" for path in (PACKAGE / "bind").glob("*.py") if path.name != "__init__.py"]
    assert [module for module in modules if module not in named] == []


def test_nothing_imports_from_a_row_below_its_own() -> None:
    rows = _rows()
    wrong = []
    for file in sorted(PACKAGE.rglob("*.py")):
        own = _module(str(file.relative_to(ROOT)))
        wrong += [
            f"{own} imports {other}" for other in _imported(file) if own in rows and rows.get(other, 0) > rows[own]
        ]
    assert wrong == []


def test_the_primitives_named_are_the_union() -> None:
    from typing import get_args

    from migspec.expression import Expression

    assert f"`{' '.join(one.__name__ for one in get_args(Expression))}`" in prose(PAGE)


def test_no_format_imports_another() -> None:
    folder = PACKAGE / "formats"
    adapters = ("npz", "safetensors", "keras", "tensorflow_bundle", "variable_map_json")
    wrong = []
    for adapter in adapters:
        files = [folder / f"{adapter}.py", *(folder / adapter).rglob("*.py")]
        text = "".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
        wrong += [f"{adapter} imports {other}" for other in adapters if other != adapter and f"formats.{other}" in text]
    assert wrong == []
