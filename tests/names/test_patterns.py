"""Patterns against a matcher that knows nothing of regular expressions: it tries every way to cut a name up."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from migspec.names import NameIndex, Trie, normal_name
from migspec.patterns import (
    AmbiguousMatch,
    Captures,
    Matcher,
    Template,
    capture_names,
    constrained,
    constraints_of,
    is_exact,
    is_rest,
    numeric_captures,
    paste,
    pasted_name,
    unnamed_count,
)
from migspec.syntax.parse import parse_pattern
from migspec.syntax.tree import Capture, DoubleStar, NumberRange, Part, Pattern, Plain, Segment, Star
from migspec.text import Text
from migspec.variables import Variable, VariableMap


def read(text: str) -> Pattern:
    return parse_pattern(Text("pattern", text))


def ready(pattern: Pattern) -> Pattern:
    """The pattern as binding prepares it: what one place says of a capture holds for all of them."""
    return constrained(pattern, constraints_of(pattern), numeric_captures(pattern))


# --- the slow matcher ---------------------------------------------------------------------------------------------------------


def takes(part: Part, text: str) -> str | None:
    """What a part captures of this text ("" for plain text); None if it does not stand for it. As LANGUAGE.md says it."""
    digits = bool(text) and all(character in "0123456789" for character in text)
    if isinstance(part, Plain):
        return "" if text == part.text else None
    if isinstance(part, Star):
        return text
    if isinstance(part, NumberRange):
        return text if digits and part.low <= int(text) <= part.high else None
    assert isinstance(part, Capture)
    if part.kind == "numbering":
        if text == "":
            return "0"
        number = text[1:]
        return number if text[0] == "_" and number.isdecimal() and number[0] != "0" else None
    if part.kind == "choice":
        return text if text in part.choices else None
    if part.kind == "int":
        return text if digits else None
    if part.kind == "range":
        return text if digits and part.low <= int(text) <= part.high else None
    if (part.scale, part.offset) != (1, 0):
        values = [value for value in range(200) if digits and value * part.scale + part.offset == int(text)]
        return str(values[0]) if values else None
    return text or None


def every_way(pattern: Pattern, name: str) -> list[Captures]:
    """The captures of every way in which a pattern fits a name, each once."""
    found: list[Captures] = []
    texts = name.split("/")
    names = iter(capture_names_of_parts(pattern))
    named = [[(part, next(names)) for part in segment] for segment in pattern.segments]
    # every way to give each segment of the pattern a run of the name's segments
    for ends in combinations_with_replacement(range(len(texts) + 1), max(0, len(named) - 1)):
        edges = (0, *ends, len(texts))
        runs = [texts[edges[place] : edges[place + 1]] for place in range(len(named))]
        ways: list[Captures] = [{}]
        for segment, run in zip(named, runs, strict=True):
            ways = [both for way in ways for other in ways_within(segment, run) if (both := merged(way, other)) is not None]
        found.extend(way for way in ways if way not in found)
    return found


def ways_within(segment: list[tuple[Part, str]], run: list[str]) -> list[Captures]:
    first, capture = segment[0]
    if isinstance(first, DoubleStar) or (isinstance(first, Capture) and first.kind == "segments"):
        return [{capture: "/".join(run)}]
    if len(run) != 1:
        return []
    (text,) = run
    ways = []
    for cuts in combinations_with_replacement(range(len(text) + 1), len(segment) - 1):
        edges = (0, *cuts, len(text))
        way: Captures | None = {}
        for place, (part, capture) in enumerate(segment):
            value = takes(part, text[edges[place] : edges[place + 1]])
            way = None if way is None or value is None else merged(way, {capture: value} if capture else {})
        if way is not None:
            ways.append(way)
    return ways


def merged(one: Captures, other: Captures) -> Captures | None:
    if any(other.get(name, value) != value for name, value in one.items()):
        return None
    return {**one, **other}


def capture_names_of_parts(pattern: Pattern) -> list[str]:
    names, count = [], 0
    for segment in pattern.segments:
        for part in segment:
            if isinstance(part, Star | DoubleStar | NumberRange):
                count += 1
                names.append(f"*{count}")
            else:
                names.append(part.name if isinstance(part, Capture) else "")
    return names


# --- patterns and names ---------------------------------------------------------------------------------------------------------

PARTS = [
    "a", "b", "1", "_", "x", "*", "{0..3}", "{i}", "{j}", "{i:int}", "{j:int}", "{i:1..12}", "{j:0..1}", "{p:a|ab|b}", "{i+1}", "{j-1}", "{2*i}",
    "{3-j}", "{_i}", "{_j}",
]  # fmt: skip
WHOLE = ["**", "{s:**}", "{t:**}"]


@st.composite
def pattern_texts(draw: st.DrawFn) -> str:
    segments = []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.integers(0, 3)) == 0:
            segments.append(draw(st.sampled_from(WHOLE)))
        else:
            parts = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=3))
            text = "".join(parts)
            segments.append(text.replace("**", "*").replace("**", "*"))
    return "".join(segment + draw(st.sampled_from("/.")) for segment in segments)[:-1]


name_texts = st.lists(st.text("ab12_x0", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)
VALUES = {
    "i": ("0", "1", "2", "5", "11"),
    "j": ("0", "1", "2", "3"),
    "p": ("a", "ab", "b"),
    "s": ("", "a", "a/b"),
    "t": ("", "b", "a/a1/b"),
}


@st.composite
def patterns_with_names(draw: st.DrawFn) -> tuple[str, str]:
    """A pattern, and a name: any one, or one that the pattern was made to fit."""
    text = draw(pattern_texts())
    if draw(st.booleans()):
        return text, draw(name_texts)
    pattern = read(text)
    captures = {name: draw(st.sampled_from(VALUES.get(name, ("", "1", "a", "3")))) for name in capture_names(pattern)}
    name = pasted_name(paste(pattern, captures))
    return text, name if name and "//" not in f"/{name}/" else draw(name_texts)


@given(patterns_with_names())
@settings(max_examples=400, deadline=None)
def test_a_match_is_the_one_that_there_is(drawn) -> None:
    text, name = drawn
    pattern = read(text)
    ways = every_way(pattern, name)
    event(f"{min(2, len(ways))} ways")
    matcher = Matcher(ready(pattern))
    assert matcher.fits(name) == bool(ways)
    try:
        captures = matcher.match(name)
    except AmbiguousMatch as ambiguous:
        assert len(ways) > 1
        assert ambiguous.first != ambiguous.second
        assert ambiguous.first in ways
        assert ambiguous.second in ways
    else:
        assert [captures] == (ways or [None])


@given(patterns_with_names())
@settings(max_examples=200, deadline=None)
def test_pasting_the_captures_gives_the_name_back(drawn) -> None:
    text, name = drawn
    pattern = read(text)
    try:
        captures = Matcher(ready(pattern)).match(name)
    except AmbiguousMatch as ambiguous:
        captures = ambiguous.first
    if captures is None:
        return
    arithmetic = any(
        (part.scale, part.offset) != (1, 0) for segment in pattern.segments for part in segment if isinstance(part, Capture)
    )
    if arithmetic and any(piece.startswith("0") and piece != "0" for piece in runs_of_digits(name)):
        return  # `{i+1}` on 02: i is the number 1, and 2 is what it pastes
    assert pasted_name(paste(pattern, captures)) == name
    assert Template(pattern).render(captures) == name


def runs_of_digits(name: str) -> list[str]:
    return "".join(character if character.isdigit() else " " for character in name).split()


# --- finding names ---------------------------------------------------------------------------------------------------------------


@given(st.lists(name_texts, max_size=12, unique=True), patterns_with_names())
@settings(max_examples=150, deadline=None)
def test_an_index_misses_no_name_that_a_pattern_fits(names, drawn) -> None:
    text, name = drawn
    names = list(dict.fromkeys([*names, name]))
    matcher = Matcher(ready(read(text)))
    fitting = {one for one in names if matcher.fits(one)}
    for reverse in (False, True):
        found = list(Trie(names, reverse=reverse).find(matcher.query))
        assert fitting <= set(found) <= set(names)
        assert len(found) == len(set(found))
    half = len(names) // 2
    aliases = dict(zip(names[:half], names[half:], strict=False))
    variables = [Variable(one, (), "float32", (aliases[one],) if one in aliases else ()) for one in names]
    candidates = {
        (one, found.variable.name, found.alias)
        for one, found in NameIndex(VariableMap.of("m", variables)).candidates(matcher.query)
    }
    for variable in variables:
        for place, called in enumerate((variable.name, *variable.aliases)):
            if matcher.fits(called):
                assert (called, variable.name, place) in candidates


@pytest.mark.parametrize(
    ("pattern", "name", "captures"),
    [
        ("a/b", "a/b", {}),
        ("a.b", "a/b", {}),
        ("a/**", "a", {"*1": ""}),
        ("**/a", "a", {"*1": ""}),
        ("a/**/b", "a/b", {"*1": ""}),
        ("a/{s:**}/b", "a/x/y/b", {"s": "x/y"}),
        ("**", "a/b/c", {"*1": "a/b/c"}),
        ("*", "a/b", None),
        ("a*", "a", {"*1": ""}),
        ("a{i}", "a", None),
        ("lstm{_i}", "lstm", {"i": "0"}),
        ("lstm{_i}", "lstm_1", {"i": "1"}),
        ("lstm{_i}", "lstm_0", None),
        ("lstm{_i}", "lstm_01", None),
        ("l_{i+1}", "l_1", {"i": "0"}),
        ("l_{i+1}", "l_0", None),
        ("l_{2*i}", "l_6", {"i": "3"}),
        ("l_{2*i}", "l_5", None),
        ("l_{2*i+1}", "l_5", {"i": "2"}),
        ("l_{11-i}", "l_11", {"i": "0"}),
        ("l_{11-i}", "l_3", {"i": "8"}),
        ("l_{11-i}", "l_12", None),
        ("l_{i+1}", "l_x", None),
        ("l_{i:1..5}", "l_5", {"i": "5"}),
        ("l_{i:1..5}", "l_6", None),
        ("{i:2..15}{j:int}", "123", {"i": "12", "j": "3"}),
        ("{i:int}{i:int}", "1111", {"i": "11"}),
        ("{i}_{i+1}", "3_4", {"i": "3"}),
        ("{i}_{i+1}", "3_5", None),
        ("{i}/{i}", "ab/ab", {"i": "ab"}),
        ("{i}/{i}", "ab/ba", None),
        ("{p:query|key}/w", "key/w", {"p": "key"}),
        ("{p:query|key}/w", "value/w", None),
        ("{0..11}", "11", {"*1": "11"}),
        ("{0..11}", "12", None),
        ("**/**", "a", {"*1": "", "*2": "a"}),
    ],
)
def test_what_the_language_says_of_a_pattern(pattern, name, captures) -> None:
    matcher = Matcher(ready(read(pattern)))
    if pattern == "**/**":
        with pytest.raises(AmbiguousMatch):
            matcher.match(name)
        assert matcher.fits(name)
        return
    assert matcher.match(name) == captures
    assert matcher.fits(name) == (captures is not None)


def test_the_language_s_own_example_of_two_ways() -> None:
    with pytest.raises(AmbiguousMatch) as ambiguous:
        Matcher(read("{a}_{b}")).match("x_y_z")
    assert {ambiguous.value.first["a"], ambiguous.value.second["a"]} == {"x", "x_y"}


def test_two_choices_that_begin_alike() -> None:
    matcher = Matcher(read("{p:q|qk}{r:k_|_}w"))
    with pytest.raises(AmbiguousMatch):
        matcher.match("qk_w")
    assert matcher.match("q_w") == {"p": "q", "r": "_"}


def test_digits_without_end_are_no_number() -> None:
    name = "l_1" + "0" * 5000
    for pattern in ("l_{i+1}", "l_{i:1..5}", "l{_i}", "l_{0..9}"):
        assert Matcher(ready(read(pattern))).match(name) is None
    assert Matcher(read("l_{i}")).match(name) == {"i": name[2:]}


def test_pasted_segments_take_the_separator_around_them() -> None:
    captures = Matcher(read("model/{s:**}/w")).match("model/a/b/w")
    assert captures is not None
    pasted = paste(read("net.{s:**}.weight"), captures)
    assert (pasted_name(pasted), pasted.separators) == ("net/a/b/weight", (".", ".", "."))


def test_what_is_not_known_stays() -> None:
    pattern = paste(read("a/{i}/{e}/w"), {"i": "3"})
    assert capture_names(pattern) == ("e",)
    assert Matcher(pattern).match("a/3/7/w") == {"e": "7"}


def test_kinds_of_patterns() -> None:
    assert is_rest(read("**"))
    assert not is_rest(read("a/**"))
    assert is_exact(read("a/b.c"))
    assert not is_exact(read("a/*"))
    assert capture_names(read("{b}/*/{a}/**/{b}{0..3}")) == ("b", "*1", "a", "*2", "*3")
    assert unnamed_count(read("{b}/*/{a}/**/{b}{0..3}")) == 3


def test_a_hidden_file_is_no_separator() -> None:
    assert normal_name("a/.ATTRIBUTES/VARIABLE_VALUE") == "a/.ATTRIBUTES/VARIABLE_VALUE"
    assert [len(segment) for segment in read("a/.ATTRIBUTES/*").segments] == [1, 1, 1]


def segment_texts(segments: tuple[Segment, ...]) -> list[str]:
    return ["".join(part.text for part in segment if isinstance(part, Plain)) for segment in segments]


@given(st.text("ab./:0", min_size=1, max_size=10).filter(lambda text: text.strip(":0")))
@settings(max_examples=200, deadline=None)
def test_a_name_and_the_pattern_that_is_written_like_it_are_one(text) -> None:
    once = text
    while once.endswith(":0"):
        once = once[:-2]
    pattern = read(text)
    assert is_exact(pattern)
    assert Matcher(pattern).exact == "/".join(segment_texts(pattern.segments)) == normal_name(once)
