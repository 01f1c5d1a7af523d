"""What holds for every file of the library: its header is its documentation, and `fmt` has nothing to change."""

from __future__ import annotations

import pytest

from migspec.catalogue import Entry, describe, entries, header_of
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse

LIBRARY = [entry for entry in entries() if entry.package is None]
_LONGEST = 128


@pytest.mark.parametrize("entry", LIBRARY, ids=lambda entry: entry.name)
def test_a_file_of_the_library(entry: Entry) -> None:
    text = entry.text()
    first = text.content.partition("\n")[0]
    assert first.startswith(f"# {entry.name}: "), "the first line names the spec, and says what becomes what"
    assert len(first) <= _LONGEST and " -> " in first
    described = describe(text, entry.name)
    assert described.problems == ()
    assert described.header.documentation, "below it stands what moves where, for which versions, and where that is known from"
    assert format_spec(parse(text)[0]) == text.content, "`migspec fmt specs` would change it"


def test_every_file_of_settings_belongs_to_a_spec() -> None:
    folders = {entry.path.parent for entry in LIBRARY}
    settings = {path for folder in folders for path in folder.glob("*.test.toml")}
    assert settings <= {entry.path.with_suffix(".test.toml") for entry in LIBRARY}


def test_the_name_of_a_spec_is_taken_off_its_header() -> None:
    header = header_of("\ufeff\n# acme/dense:  a -> b\n#\n# Text.\n#   table\nmig 1\n# no header\n", "acme/dense")
    assert (header.summary, header.documentation) == ("a -> b", ("Text.", "  table"))
    assert header_of("# dense: a -> b", "acme/dense").summary == "a -> b"
    assert header_of("# Note: a -> b", "acme/dense").summary == "Note: a -> b"
    assert header_of("mig 1\n", "acme/dense").summary == ""
