"""What holds for the tree as a whole, and for no single part of it."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_files_of_the_tests_have_one_name() -> None:
    """The tests are no packages: a module is found by its name alone, and one of two would hide the other."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in TESTS.rglob("*.py"):
        if path.stem == "conftest":  # pytest finds these by their folders
            continue
        places[path.stem].append(path.relative_to(TESTS).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_core_is_all_that_stands_below_the_formats() -> None:
    """The contract against frameworks names each module that it holds for: a new one must not be forgotten."""
    settings = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    contracts = {contract["id"]: contract for contract in settings["contracts"]}
    rows = contracts["rows"]["layers"]
    below = {name for row in rows[rows.index("formats") + 1 :] for name in re.split(r" [|:] ", row)}
    assert {name.removeprefix("migspec.") for name in contracts["core"]["source_modules"]} == below
    assert set(contracts["pure"]["source_modules"]) < set(contracts["core"]["source_modules"])
