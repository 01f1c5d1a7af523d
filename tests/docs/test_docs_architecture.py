"""docs/architecture.md names what exists, and its table of rows is what the import contracts are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

from markdown_pages import ROOT, prose

from migspec.expression import Expression

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


def test_the_rows_are_the_layers_of_the_import_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    layers = [re.findall(r"\w+", layer) for layer in reversed(contract["layers"])]
    place = {module: number for number, layer in enumerate(layers) for module in layer}
    rows = _rows()
    assert set(rows) == set(place)
    wrong = [(one, other) for one in rows for other in rows if rows[one] < rows[other] and place[one] > place[other]]
    assert wrong == []


def test_the_primitives_named_are_the_union() -> None:
    assert f"`{' '.join(one.__name__ for one in get_args(Expression))}`" in prose(PAGE)
