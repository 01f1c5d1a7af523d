"""Token files as they are found in the wild, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.indices import Indices
from migspec.library import read_vocabulary
from migspec.ops import OpError
from migspec.text import Text
from migspec.vocabulary import Malformed, Vocabulary, correspondence, tokens_of

tokens = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=6)


def vocabulary(listed: list[str]) -> Vocabulary:
    return Vocabulary("tokens.txt", "", {token: place for place, token in enumerate(listed)})


@settings(max_examples=100, deadline=None)
@given(st.lists(tokens, min_size=1, max_size=20, unique=True), st.sampled_from(("\n", "\r\n")), st.integers(0, 3))
def test_lines_are_tokens_whatever_ends_them(listed: list[str], end: str, blank: int) -> None:
    if listed[0].startswith("\ufeff"):
        return
    content = (end.join(listed) + end * blank).encode()
    assert list(tokens_of(content, is_json=False)) == listed
    assert list(tokens_of(b"\xef\xbb\xbf" + content, is_json=False)) == listed


def test_only_line_feeds_end_lines() -> None:
    """White space, and what Unicode and Python call line ends, may be part of tokens."""
    listed = ["a b", " ", "\t", "\u2028", "\x85", "\x0b", "the\x00"]
    assert tokens_of("\n".join(listed).encode(), is_json=False) == {token: place for place, token in enumerate(listed)}


@pytest.mark.parametrize(
    ("content", "is_json", "message"),
    [
        (b"", False, "it has no tokens"),
        (b"\n\r\n", False, "it has no tokens"),
        (b"a\n\nb\n", False, "line 2 is empty"),
        (b"a\r\n\r\nb\r\n", False, "line 2 is empty"),
        (b"\na\n", False, "line 1 is empty"),
        (b"a\nb\na\n", False, "`a` stands in it twice, line 1 and line 3"),
        (b"a\nb\n\xe9t\xe9\n", False, "line 3 is no UTF-8 text"),
        ("the\n".encode("utf-16"), False, "line 1 is no UTF-8 text"),
        (b"{", True, "it is no JSON"),
        (b"[1, 2]", True, "it is no object from token to place"),
        (b"3", True, "it is no object from token to place"),
        (b'"text"', True, "it is no object from token to place"),
        (b"{}", True, "it has no tokens"),
        (b'{"a": 0, "b": 2}', True, "`b` has the place 2"),
        (b'{"a": 0, "b": "1"}', True, "`b` has the place 1"),
        (b'{"a": true}', True, "`a` has the place True"),
        (b'{"a": 0.0}', True, "`a` has the place 0.0"),
        (b'{"a": -1}', True, "`a` has the place -1"),
        (b'{"a": 0, "a": 1}', True, "`a` stands in it twice"),
        (b'{"a": 0, "b": 0}', True, "`a` and `b` both have the place 0"),
        (b'{"a": {"b": 0}}', True, "`a` has the place"),
        (b"[" * 100_000, True, "it is no JSON"),
    ],
)
def test_what_is_refused(content: bytes, is_json: bool, message: str) -> None:
    with pytest.raises(Malformed) as found:
        tokens_of(content, is_json=is_json)
    assert found.value.message.startswith(message)
    assert found.value.help


def test_json_gives_each_token_its_place() -> None:
    assert tokens_of(b'{"b": 1, "": 2, "a": 0}', is_json=True) == {"a": 0, "b": 1, "": 2}


@settings(max_examples=100, deadline=None)
@given(st.lists(tokens, min_size=1, unique=True), st.lists(tokens, min_size=1, unique=True))
def test_the_correspondence(old: list[str], new: list[str]) -> None:
    between = correspondence(vocabulary(old), vocabulary(new))
    assert list(between.places) == [old.index(token) if token in old else -1 for token in new]
    assert between.missing == len(set(new) - set(old))
    assert between.left_behind == len(set(old) - set(new))
    assert between.kept == len(set(old) & set(new))
    assert between.new_tokens(2) == [token for token in new if token not in old][:2]
    assert [new[place] if place >= 0 else None for place in between.reversed().places] == [
        token if token in new else None for token in old
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 30)))
def test_indices_are_written_and_read(places: list[int]) -> None:
    indices = Indices.of(places)
    assert list(indices) == places
    assert Indices.of_text(indices.text, 31) == indices


def test_indices_as_text() -> None:
    assert Indices.of([0, 1, 2, 7, 5, 4, 5]).text == "0..2 7 5 4..5"
    for text in ("x", "1..", "..2", "3..1", "-1", "31", "0..31", "1.5", "1...3"):
        with pytest.raises(ValueError, match=r"place|index"):
            Indices.of_text(text, 31)


def test_a_million_tokens_hold_together() -> None:
    old = [f"token {number}" for number in range(1_000_000)]
    content = "\n".join(reversed(old)).encode()
    between = correspondence(vocabulary(old), Vocabulary("new", "", tokens_of(content, is_json=False)))
    assert between.missing == between.left_behind == 0
    assert between.places[0] == 999_999


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("a")
    beside = Text(str(tmp_path / "spec.mig"), "")
    for name, help_ in (("token.txt", "did you mean `tokens.txt`?"), ("no/such/file", "paths are relative"), ("a\0b", "paths")):
        with pytest.raises(OpError) as found:
            read_vocabulary(name, beside)
        assert found.value.code == "MIG501"
        assert found.value.helps[0].startswith(help_)
    with pytest.raises(OpError) as found:
        read_vocabulary(".", beside)
    assert found.value.code == "MIG501"
