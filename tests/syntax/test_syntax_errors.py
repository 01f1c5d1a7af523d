"""A bad statement gives one diagnostic: its code, the characters it points at, what it says, and the text after its fix."""

import pytest

from migspec.diagnostics.model import Applicability, SpecError
from migspec.syntax.parse import parse, parse_pattern
from migspec.text import Text


def only(content):
    """The one diagnostic of a text that has one bad statement."""
    _, diagnostics = parse(Text("bad.mig", content))
    assert len(diagnostics) == 1, diagnostics
    return diagnostics[0]


def mended(content, fix):
    for edit in sorted(fix.edits, key=lambda edit: edit.span.start, reverse=True):
        content = content[: edit.span.start] + edit.replacement + content[edit.span.end :]
    return content


CASES = [
    # statement, code, characters pointed at, words of the message, words of the help
    ("renam a -> b", "MIG102", "renam", "no statement begins with `renam`", "did you mean `rename`?"),
    ("a -> b", "MIG102", "a", "no statement begins with `a`", "begins with `rename` or `copy`"),
    ("transpose", "MIG102", "transpose", "no statement begins", "is indented"),
    ("-> b", "MIG101", "->", "expected a statement, found `->`", "is indented"),
    ("rename a -> b tranpose", "MIG103", "tranpose", "no op is called `tranpose`", "did you mean `transpose`?"),
    ("rename a -> b transposed", "MIG103", "transposed", "no op is called", "did you mean `transpose`?"),
    ("rename a -> b sumsum", "MIG103", "sumsum", "no op is called", ""),
    ("same ** gates icfo -> ifco flp 0", "MIG103", "flp", "no op is called `flp`", "`flip`"),
    ("rename a -> b c/d", "MIG101", "c/d", "expected `,`, `except`", "have commas between them"),
    ('rename a -> b because "x"', "MIG101", "because", "found `because`", "only `drop` and `keep`"),
    ('drop a if present because "x"', "MIG101", "because", "found `because`", "before `if present`"),
    ('drop a becuase "x"', "MIG101", "becuase", "found `becuase`", "did you mean `because`?"),
    ("rename a -> b -> c", "MIG101", "->", "found `->`", "one statement has one `->`"),
    ("rename -> b", "MIG101", "->", "expected a name or pattern, found `->`", ""),
    ("rename a", "MIG101", "a", "ends too early: expected `,`, `->` or `except`", "rename SOURCE"),
    ("rename", "MIG101", "rename", "ends too early: expected a name or pattern", ""),
    ("rename a -> b split", "MIG101", "split", "expected `gates` or an axis", ""),
    ("rename a -> b split rowz", "MIG101", "rowz", "found `rowz`", "did you mean `rows`?"),
    ("rename a -> b concat", "MIG101", "concat", "expected `gates` or an axis", "concat AXIS [SIZES]"),
    ("rename a -> b concat gates", "MIG101", "gates", "expected a name", "concat gates ifco"),
    ("rename a -> b reshape from", "MIG101", "from", "expected `[`", "reshape from [SIZE"),
    ("rename a -> b cast from flaot16", "MIG107", "flaot16", "no dtype is called `flaot16`", "did you mean `float16`"),
    ("rename a -> b gates icfo", "MIG101", "icfo", "expected `->`", ""),
    ("rename a -> b reshape [1, 2", "MIG101", "2", "expected `,` or `]`", ""),
    ("rename a -> b rearrange a", "MIG101", "a", "expected a text in double quotes", ""),
    ("fill a with normal 2", "MIG101", "2", "expected `seed`", ""),
    ("fill a with", "MIG101", "with", "`zeros`, a number or a size", ""),
    ("number x", "MIG101", "x", "expected `=`", ""),
    ("size 3", "MIG101", "3", "expected a name, found `3`", ""),
    ("mig one", "MIG101", "one", "expected a whole number, found `one`", ""),
    ("use", "MIG101", "use", "expected `inverse` or the name of a spec", ""),
    ("use x a", "MIG101", "a", "expected `->`", ""),
    ("use invers tf1/dense a -> b", "MIG101", "a", "expected `->`", "did you mean `use inverse tf1/dense`?"),
    ("source k", "MIG101", "k", "expected `[` or `or`", ""),
    ("source k [n] flaot32", "MIG101", "flaot32", "no dtype is called `flaot32`", "did you mean `float32`"),
    ("rename a -> b cast flaot16", "MIG107", "flaot16", "no dtype is called `flaot16`", "did you mean `float16`"),
    ("rename a -> b cast tranpose", "MIG107", "tranpose", "no dtype", "did you mean `transpose`?"),
    ("rename a -> b squeeze 1234567890123456789", "MIG107", "1234567890123456789", "too large", ""),
    ("rename a -> b scale 1e999", "MIG107", "1e999", "too large for a float", ""),
    ("drop b[0]", "MIG101", "[", "only inside double quotes", "double quotes"),
    ('drop "x', "MIG101", '"', "a quote is never closed", ""),
    ('drop a/"b c"', "MIG101", '"b c"', 'found `"b c"`', "commas"),
    ("mig 2", "MIG105", "2", "version 2 of the language is not supported", ""),
    ("  rename a -> b", "MIG109", "rename", "continues the statement above it, and there is none", ""),
    ("drop layer_{i/w", "MIG106", "{", "a capture is never closed", ""),
    ('drop "layer_{i/w"', "MIG106", "{", "a capture is never closed", ""),
    ("drop a}", "MIG106", "}", "`}` without its `{`", ""),
    ('drop "a}"', "MIG106", "}", "`}` without its `{`", ""),
    ("drop x{}y", "MIG106", "{}", "an empty capture", "`{i}`"),
    ("drop x{a b}", "MIG106", "{a b}", "`{a b}` is no capture", "`{i:int}`"),
    ("drop x{5..1}", "MIG106", "5..1", "upside down", "`1..5`"),
    ("drop x{i:5..1}", "MIG106", "5..1", "upside down", "`1..5`"),
    ("drop a**", "MIG106", "**", "must be alone", "`/**/`"),
    ("drop a/***/b", "MIG106", "**", "must be alone", ""),
    ("drop a/x{s:**}", "MIG106", "s:**", "must be alone", ""),
    ("drop {i*i}", "MIG106", "i*i", "no arithmetic", ""),
    ("drop {i/2}", "MIG106", "i/2", "no arithmetic", ""),
    ("drop {i+j}", "MIG106", "i+j", "no arithmetic", ""),
    ("drop {0*i}", "MIG106", "0*i", "does not count", ""),
    ("drop {7}", "MIG106", "7", "a capture without a name", ""),
    ("drop {p:a|a}", "MIG106", "a", "`a` stands twice", ""),
    ("drop {1..1234567890123456789}", "MIG106", "1..1234567890123456789", "too large", ""),
    (r'drop "a\qb"', "MIG106", r"\q", "is no escape", ""),
    (r"drop a\*b", "MIG106", "\\", "only inside double quotes", "quote the name"),
    ('drop ""', "MIG106", '""', "an empty name", ""),
    ("drop :0", "MIG106", ":0", "an empty name", ""),
    ("use x @/@ -> y", "MIG106", "@/@", "more than one `@`", ""),
]


@pytest.mark.parametrize(("statement", "code", "place", "message", "help_words"), CASES, ids=[case[0] for case in CASES])
def test_a_bad_statement_gives_one_diagnostic_and_the_others_are_read(statement, code, place, message, help_words):
    before = "" if code in ("MIG105", "MIG109") else "mig 1\nkeep a\n"
    content = f"{before}{statement}   # why\nkeep b\n"
    diagnostic = only(content)
    assert (diagnostic.code, diagnostic.primary.span.content) == (code, place)
    start = content.index(statement)
    assert start <= diagnostic.primary.span.start < diagnostic.primary.span.end <= start + len(statement)
    assert message in diagnostic.message
    assert not help_words or any(help_words in line for line in diagnostic.helps), diagnostic.helps
    assert diagnostic.message[:1] in "`" or diagnostic.message[0].islower() or diagnostic.message[0].isdigit()
    assert not diagnostic.message.endswith(".")
    spec, _ = parse(Text("bad.mig", content))
    assert [statement.span.content for statement in spec.statements] == [*before.splitlines(), "keep b"]


FIXED = [
    # what was written, what the fix makes of it, whether a tool may apply it unasked
    ("rename a->b", "rename a -> b", True),
    ("rename a-> b", "rename a -> b", True),
    ("rename a ->b", "rename a -> b", True),
    ("rename a => b", "rename a -> b", True),
    ("rename a=>b", "rename a -> b", True),
    ("rename a -> b gates icfo->ifco", "rename a -> b gates icfo -> ifco", True),
    ("rename a → b", "rename a -> b", True),
    ("rename a→b", "rename a -> b", True),
    ("rename a \u2013> b permute OI ⇒ IO", "rename a -> b permute OI -> IO", True),
    ("rename a → b concat −1", "rename a -> b concat -1", True),
    ("rename a -> b concat \u20131", "rename a -> b concat -1", True),
    ("drop a because “state”", 'drop a because "state"', True),
    ("drop a because “it’s 2 → 1”", 'drop a because "it’s 2 → 1"', True),
    ("drop a because ‘so “called”’", 'drop a because "so “called”"', True),
    ('drop a because ‘so "called"’', 'drop a because "so \\"called\\""', True),
    ("drop a because „state“", 'drop a because "state"', True),
    ("drop a\u200bb", "drop ab", True),
    ("drop 'a b'", 'drop "a b"', True),
    ("  drop a", "drop a", True),
    ('drop a becuase "x"', 'drop a because "x"', False),
    ("rename a -> b tranpose", "rename a -> b transpose", False),
    ("mig 3", "mig 1", False),
]


@pytest.mark.parametrize(("written", "wanted", "safe"), FIXED, ids=[case[0] for case in FIXED])
def test_the_fix_mends_the_statement(written, wanted, safe):
    content = f"# before\n{written}\nkeep b\n"
    diagnostic = only(content)
    (fix,) = diagnostic.fixes
    assert (fix.applicability is Applicability.SAFE) == safe
    after = mended(content, fix)
    assert after == f"# before\n{wanted}\nkeep b\n"
    assert parse(Text("mended.mig", after))[1] == ()


def test_an_op_at_the_start_of_a_line_is_indented_by_its_fix():
    content = "rename a -> b\ntranspose\n"
    after = mended(content, only(content).fixes[0])
    spec, diagnostics = parse(Text("mended.mig", after))
    assert (len(spec.statements), diagnostics) == (1, ())


@pytest.mark.parametrize("above", ["", "mig 1\n", "# a comment\n\n"])
def test_an_op_without_a_statement_above_it(above):
    diagnostic = only(f"{above}transpose\n")
    assert (diagnostic.code, diagnostic.fixes) == ("MIG102", ())
    assert "behind a statement such as `rename a -> b`" in diagnostic.helps[0]


def test_the_op_cast_on_a_line_of_its_own():
    assert "the op `cast DTYPE`" in only("cast float16\n").helps[0]


@pytest.mark.parametrize("written", ["rename a → b", "drop “a b”", "drop a→b, ‘c’, d\u200b"])
def test_typographic_characters_of_one_statement_are_one_finding(written):
    diagnostic = only(written)
    assert diagnostic.code == "MIG104"
    assert len(diagnostic.secondary) == len(diagnostic.fixes[0].edits) - 1


def test_typographic_characters_are_fine_in_quotes_and_comments():
    spec, diagnostics = parse(Text("fine.mig", 'drop "a→b"  because "it’s “old”" # → ’\n'))
    assert (len(spec.statements), diagnostics) == (1, ())


def test_all_bad_statements_are_reported_in_their_order():
    _, diagnostics = parse(Text("bad.mig", "renam a -> b\nkeep a\nrename a -> b tranpose\ndrop {}\n  if present\n\ndrop"))
    assert [(d.code, d.primary.span.line) for d in diagnostics] == [("MIG102", 1), ("MIG103", 3), ("MIG106", 4), ("MIG101", 7)]


def test_the_version_stands_first():
    assert only("keep a\nmig 1\n").primary.span.content == "mig 1"
    assert only("mig 1\nmig 1\n").primary.span.line == 2


@pytest.mark.parametrize("deep", ["-" * 500 + "1", "1" + " + 1" * 500, "(" * 90 + "1" + " * 2)" * 90])
def test_an_expression_without_end_is_refused_not_a_crash(deep):
    assert "levels" in only(f"rename a -> b scale {deep}\n").message


def test_parentheses_may_be_nested_however_deeply():
    spec, diagnostics = parse(Text("deep.mig", f"rename a -> b scale {'(' * 3000}1{')' * 3000}\n"))
    assert (len(spec.statements), diagnostics) == (1, ())


def test_a_pattern_by_itself_is_read_or_refused():
    assert parse_pattern(Text("<filter>", "a b/{i:int}")) == parse_pattern(Text("<filter>", '"a b/{i:int}"'))
    with pytest.raises(SpecError) as refused:
        parse_pattern(Text("<filter>", "a/{i"))
    assert [(d.code, d.primary.span.start) for d in refused.value.diagnostics] == [("MIG106", 2)]
