"""What holds for the tree as a whole, and for no single part of it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_files_of_the_tests_have_one_name() -> None:
    """The tests are no packages: a module is found by its name alone, and one of two would hide the other."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in TESTS.rglob("*.py"):
        places[path.stem].append(path.relative_to(TESTS).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
