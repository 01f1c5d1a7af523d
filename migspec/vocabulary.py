"""Vocabularies: the tokens that the places of an axis stand for, read from token files, and how two of them correspond.

A token file has one token a line, and the line is the place: as TensorFlow reads vocabularies (`tf.train.VocabInfo`; its op
`GenerateVocabRemapping` refuses empty lines and duplicates, too). A file whose name ends in `.json` is an object from token to place, as tokenizers
of the Hugging Face family write it (`vocab.json`).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

_SHOWN = 40


class Malformed(Exception):
    """Why a text is no vocabulary: what is wrong, and what would mend it."""

    def __init__(self, message: str, help_: str) -> None:
        super().__init__(message)
        self.message, self.help = message, help_


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The tokens of a file, each with its place, in the order of the places; `path` is where it was found, `sha256` that of its bytes."""

    path: str
    sha256: str
    tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Correspondence:
    """Two vocabularies held against each other.

    `places` has for each new token the place of that token in the old vocabulary, -1 if it is new; `missing` of them are.
    """

    old: Vocabulary
    new: Vocabulary
    places: array[int]
    missing: int

    @property
    def kept(self) -> int:
        return len(self.places) - self.missing

    @property
    def left_behind(self) -> int:
        """How many old tokens the new vocabulary does not have."""
        return len(self.old.tokens) - self.kept

    def new_tokens(self, most: int) -> list[str]:
        """The first of the tokens that are new."""
        return list(islice((token for token, place in zip(self.new.tokens, self.places, strict=True) if place < 0), most))

    def reversed(self) -> Correspondence:
        """The way back."""
        return correspondence(self.new, self.old)


def correspondence(old: Vocabulary, new: Vocabulary) -> Correspondence:
    """Which old place each new token has."""
    places = array("q", map(old.tokens.get, new.tokens, repeat(-1)))
    return Correspondence(old, new, places, places.count(-1))


def tokens_of(content: bytes, *, is_json: bool) -> dict[str, int]:
    """The tokens of a file, each with its place, in the order of the places; raises Malformed.

    Lines end in LF or CRLF and in nothing else, so that a token may hold any other character, spaces at its ends too. Blank lines at the end
    of the file name nothing. A byte-order mark is skipped.
    """
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Malformed(
            f"line {line} is no UTF-8 text", "save it as UTF-8, as the other one: tokens are compared letter by letter"
        ) from None
    listed = _of_json(text) if is_json else _of_lines(text)
    if not listed:
        raise Malformed("it has no tokens", "name the file that the model was trained with")
    tokens = dict(zip(listed, range(len(listed)), strict=True))
    if len(tokens) < len(listed):
        _report_duplicate(listed, "entry" if is_json else "line")
    return tokens


def _of_lines(text: str) -> list[str]:
    lines = text.rstrip("\r\n").split("\n")
    if "\r" in text:
        lines = [line.removesuffix("\r") for line in lines]
    if lines == [""]:
        return []
    if "" in lines:
        raise Malformed(
            f"line {lines.index('') + 1} is empty",
            "take it out if it is no token, for each line is a place; an empty token can be written in JSON: a file that ends in `.json`",
        )
    return lines


def _of_json(text: str) -> list[str]:
    import json

    def pairs(found: list[tuple[str, object]]) -> list[tuple[str, object]]:
        return found

    shape = 'write it as one object, each token with its place: `{"the": 0, "a": 1}`'
    try:
        entries = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"it is no JSON: {str(error)[:80]}", shape) from None
    if not text.lstrip().startswith("{"):
        raise Malformed("it is no object from token to place", shape)
    tokens: list[str | None] = [None] * len(entries)
    for token, place in entries:
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < len(tokens):
            raise Malformed(
                f"`{token[:_SHOWN]}` has the place {str(place)[:_SHOWN]}",
                f"its {len(tokens)} tokens have the places 0 to {len(tokens) - 1}, each once",
            )
        if tokens[place] is not None:
            raise Malformed(
                f"`{tokens[place]}` and `{token[:_SHOWN]}` both have the place {place}", "give each token a place of its own"
            )
        tokens[place] = token
    return [token for token in tokens if token is not None]


def _report_duplicate(tokens: Sequence[str], what: str) -> None:
    first: dict[str, int] = {}
    for number, token in enumerate(tokens, 1):
        if token in first:
            message = f"`{token[:_SHOWN]}` stands in it twice, {what} {first[token]} and {what} {number}"
            raise Malformed(message, "which of the two places is meant cannot be told: take one out, or give it another name")
        first[token] = number
