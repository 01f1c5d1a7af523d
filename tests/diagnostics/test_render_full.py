"""What people see: each layout of the full rendering as a snapshot."""

from __future__ import annotations

from textwrap import dedent

import pytest

from migspec.diagnostics import Applicability, Diagnostic, Edit, Fix, Label, Severity
from migspec.diagnostics.render_full import render, summary
from migspec.text import Span, Text


def spec(content: str, name: str = "a.mig") -> Text:
    return Text(name, content)


def at(text: Text, words: str, label: str = "", skip: int = 0) -> Label:
    """A label on the occurrence of `words` after `skip` others."""
    start = text.content.index(words)
    for _ in range(skip):
        start = text.content.index(words, start + 1)
    return Label(Span(text, start, start + len(words)), label)


def between(text: Text, first: str, last: str, label: str = "") -> Label:
    """A label from the beginning of `first` to the end of `last`."""
    return Label(at(text, first).span.to(at(text, last).span), label)


def assert_rendered(diagnostic: Diagnostic, expected: str) -> None:
    assert render([diagnostic]) == dedent(expected).strip("\n")


def test_secondary_label_hangs_and_primary_stands_beside_its_mark() -> None:
    text = spec("\n" * 6 + "rename dense/kernel -> head.weight transpose\n", "specs/head.mig")
    diagnostic = Diagnostic(
        "MIG301",
        "shapes differ after `transpose`",
        at(text, "head.weight", "the target is float32 [10, 256]"),
        (at(text, "dense/kernel", "float32 [256, 12] in model.ckpt becomes [12, 256]"),),
        notes=("axis 0 differs: 12 from model.ckpt, 10 in head.keras",),
        helps=("take the first 10 rows with `crop`, or leave the old head behind: `drop dense/*` and `fill head.* ...`",),
    )
    assert_rendered(
        diagnostic,
        """
        error[MIG301]: shapes differ after `transpose`
         --> specs/head.mig:7:24
          |
        7 | rename dense/kernel -> head.weight transpose
          |        ------------    ^^^^^^^^^^^ the target is float32 [10, 256]
          |        |
          |        float32 [256, 12] in model.ckpt becomes [12, 256]
          = note: axis 0 differs: 12 from model.ckpt, 10 in head.keras
          = help: take the first 10 rows with `crop`, or leave the old head behind: `drop dense/*` and `fill head.* ...`
        """,
    )


def test_three_labels_on_one_line() -> None:
    text = spec("rename x1, x2, x3 -> y  concat 0\n")
    diagnostic = Diagnostic(
        "MIG302",
        "parts do not join",
        at(text, "x3", "float32 [3]"),
        (at(text, "x1", "float32 [1, 2]"), at(text, "x2", "float32 [2]")),
    )
    assert_rendered(
        diagnostic,
        """
        error[MIG302]: parts do not join
         --> a.mig:1:16
          |
        1 | rename x1, x2, x3 -> y  concat 0
          |        --  --  ^^ float32 [3]
          |        |   |
          |        |   float32 [2]
          |        float32 [1, 2]
        """,
    )


def test_primary_inside_a_secondary_stays_visible() -> None:
    text = spec("rename encoder/{i}/w -> e/w\n")
    assert_rendered(
        Diagnostic("MIG111", "no bundle", at(text, "{i}", "this capture"), (at(text, "encoder/{i}/w", "in this pattern"),)),
        """
        error[MIG111]: no bundle
         --> a.mig:1:16
          |
        1 | rename encoder/{i}/w -> e/w
          |        --------^^^-- in this pattern
          |                |
          |                this capture
        """,
    )


def test_two_labels_of_one_place() -> None:
    text = spec("rename x -> head/w\n")
    assert_rendered(
        Diagnostic("MIG301", "shapes differ", at(text, "head/w", "one"), (at(text, "head/w", "two"),)),
        """
        error[MIG301]: shapes differ
         --> a.mig:1:13
          |
        1 | rename x -> head/w
          |             ^^^^^^ one
          |             |
          |             two
        """,
    )


def test_mark_without_words_to_the_right_makes_the_label_hang() -> None:
    text = spec("rename encoder/w -> e/w\n")
    assert_rendered(
        Diagnostic(
            "MIG301", "shapes differ", at(text, "encoder/w", "float32 [2]"), (at(text, "e/w"),), severity=Severity.WARNING
        ),
        """
        warning[MIG301]: shapes differ
         --> a.mig:1:8
          |
        1 | rename encoder/w -> e/w
          |        ^^^^^^^^^    ---
          |        |
          |        float32 [2]
        """,
    )


def test_labels_on_several_lines_show_what_lies_between_if_it_is_short() -> None:
    text = spec("mig 1\nsize n\nrename x -> y\n\nrename z -> y\n" + "#\n" * 6 + "drop q\n")
    diagnostic = Diagnostic(
        "MIG207",
        "two rules claim `y`",
        at(text, "y", "also here", skip=1),
        (at(text, "y", "first here"), at(text, "drop q", "far below")),
    )
    assert_rendered(
        diagnostic,
        """
        error[MIG207]: two rules claim `y`
          --> a.mig:5:13
           |
         3 | rename x -> y
           |             - first here
         4 |
         5 | rename z -> y
           |             ^ also here
        ...
        12 | drop q
           | ------ far below
        """,
    )


def test_labels_in_two_specs_and_the_chain_of_uses() -> None:
    inner = spec("rename kernel -> kernel transpose\n", "specs/inner.mig")
    outer = spec("mig 1\n" + "\n" * 8 + "use inner a -> b\n", "outer.mig")
    top = spec("use outer x -> y\n", "top.mig")
    diagnostic = Diagnostic(
        "MIG301",
        "shapes differ after `transpose`",
        at(inner, "kernel", "float32 [4, 2]", skip=1),
        (at(outer, "a -> b", "mounted here"),),
        notes=("axis 0 differs",),
        uses=(at(top, "outer").span, at(outer, "inner").span),
    )
    assert_rendered(
        diagnostic,
        """
        error[MIG301]: shapes differ after `transpose`
          --> specs/inner.mig:1:18
           |
         1 | rename kernel -> kernel transpose
           |                  ^^^^^^ float32 [4, 2]
           |
          ::: outer.mig:10:11
           |
        10 | use inner a -> b
           |           ------ mounted here
           = note: in the spec used at outer.mig:10:5
           = note: which is used at top.mig:1:5
           = note: axis 0 differs
        """,
    )


def test_finding_about_a_file() -> None:
    assert_rendered(
        Diagnostic(
            "MIG501", "`model.index` cannot be read", file="model.index", notes=("no such file",), helps=("correct the path",)
        ),
        """
        error[MIG501]: `model.index` cannot be read
         --> model.index
          = note: no such file
          = help: correct the path
        """,
    )


def test_finding_about_nothing_that_has_a_place() -> None:
    assert_rendered(Diagnostic("MIG513", "the package `keras` is missing"), "error[MIG513]: the package `keras` is missing")


def test_finding_about_a_file_that_a_spec_explains() -> None:
    text = spec("use inner a -> b\n", "outer.mig")
    assert_rendered(
        Diagnostic(
            "MIG201",
            "`x` is neither used nor dropped",
            secondary=(at(text, "use inner a -> b", "a better rule"),),
            file="m.ckpt",
        ),
        """
        error[MIG201]: `x` is neither used nor dropped
         --> outer.mig:1:1
          |
        1 | use inner a -> b
          | ---------------- a better rule
          |
         ::: m.ckpt
        """,
    )


STATEMENT = "rename h.{i}.w\n    -> a,\n       b\n    split rows\ndrop c\n"


def test_span_over_several_lines_from_the_start_of_one() -> None:
    text = spec(STATEMENT)
    assert_rendered(
        Diagnostic("MIG303", "3 tensors for 2 targets", between(text, "rename", "rows", "this rule")),
        """
        error[MIG303]: 3 tensors for 2 targets
         --> a.mig:1:1
          |
        1 | / rename h.{i}.w
        2 | |     -> a,
        3 | |        b
        4 | |     split rows
          | |______________^ this rule
        """,
    )


def test_span_over_several_lines_from_the_middle_of_one() -> None:
    text = spec(STATEMENT)
    assert_rendered(
        Diagnostic(
            "MIG303", "3 tensors for 2 targets", between(text, "h.{i}.w", "b", "2 targets"), (at(text, "drop c", "not this"),)
        ),
        """
        error[MIG303]: 3 tensors for 2 targets
         --> a.mig:1:8
          |
        1 |   rename h.{i}.w
          |  ________^
        2 | |     -> a,
        3 | |        b
          | |________^ 2 targets
        4 |       split rows
        5 |   drop c
          |   ------ not this
        """,
    )


def test_spans_over_several_lines_inside_each_other() -> None:
    text = spec(STATEMENT)
    assert_rendered(
        Diagnostic(
            "MIG303",
            "3 tensors for 2 targets",
            between(text, "h.{i}.w", "rows", "outer"),
            (between(text, "-> a", "b", "inner"),),
        ),
        """
        error[MIG303]: 3 tensors for 2 targets
         --> a.mig:1:8
          |
        1 |     rename h.{i}.w
          |  __________^
        2 | | /     -> a,
        3 | | |        b
          | | |________- inner
        4 | |       split rows
          | |________________^ outer
        """,
    )


def test_span_over_many_lines_is_shortened() -> None:
    text = spec("rename a\n" + "".join(f"    -> t{number},\n" for number in range(9)) + "       last\n")
    assert_rendered(
        Diagnostic("MIG303", "too many targets", between(text, "rename", "last", "11 lines")),
        """
        error[MIG303]: too many targets
          --> a.mig:1:1
           |
         1 | / rename a
         2 | |     -> t0,
         3 | |     -> t1,
        ...  |
        10 | |     -> t8,
        11 | |        last
           | |___________^ 11 lines
        """,
    )


def test_tabs_take_four_columns() -> None:
    text = spec("\trename\tx\t-> b\n")
    assert_rendered(
        Diagnostic("MIG203", "matches nothing", at(text, "x", "this"), (at(text, "rename", "keyword"),)),
        """
        error[MIG203]: matches nothing
         --> a.mig:1:9
          |
        1 |     rename    x    -> b
          |     ------    ^ this
          |     |
          |     keyword
        """,
    )


def test_wide_and_combining_characters() -> None:
    text = spec("rename 重み/層 -> e\u0301/w  cast\n")
    assert_rendered(
        Diagnostic(
            "MIG401",
            "dtypes differ",
            at(text, "e\u0301/w", "float16"),
            (at(text, "重み/層", "float32"), at(text, "cast", "to what?")),
        ),
        """
        error[MIG401]: dtypes differ
         --> a.mig:1:16
          |
        1 | rename 重み/層 -> e\u0301/w  cast
          |        -------    ^^^  ---- to what?
          |        |          |
          |        |          float16
          |        float32
        """,
    )


@pytest.mark.parametrize(
    ("content", "start", "end", "place", "line", "mark"),
    [
        ("rename a -> b  reshape\n", 22, 22, "1:23", "1 | rename a -> b  reshape", " " * 22 + "^"),
        ("rename a -> b  reshape\r\ndrop c", 15, 24, "1:16", "1 | rename a -> b  reshape", " " * 15 + "^^^^^^^"),
        ("rename a -> b", 13, 13, "1:14", "1 | rename a -> b", " " * 13 + "^"),
        ("mig 1\n", 6, 6, "2:1", "2 |", "^"),
        ("", 0, 0, "1:1", "1 |", "^"),
    ],
    ids=["empty at end of line", "over the line's end", "empty at end of text", "after the last line", "empty text"],
)
def test_empty_spans_and_line_ends(content: str, start: int, end: int, place: str, line: str, mark: str) -> None:
    rendered = render([Diagnostic("MIG101", "cannot be read", Label(Span(spec(content), start, end), "here"))])
    assert rendered.split("\n")[1:] == [f" --> a.mig:{place}", "  |", line, f"  | {mark} here"]


def test_long_line_is_cut_around_the_mark() -> None:
    text = spec("rename " + "x" * 150 + " -> b  # " + "y" * 150 + "\n")
    assert_rendered(
        Diagnostic("MIG203", "matches nothing", at(text, "-> b", "the arrow")),
        f"""
        error[MIG203]: matches nothing
         --> a.mig:1:159
          |
        1 | ...{"x" * 54} -> b  # {"y" * 51}...
          |    {" " * 54} ^^^^ the arrow
        """,
    )


def test_marks_too_far_apart_keep_the_primary_one_in_view() -> None:
    text = spec("rename " + "x" * 150 + " -> b\n")
    rendered = render([Diagnostic("MIG203", "matches nothing", at(text, "rename", "start"), (at(text, "b", "end"),))])
    assert rendered.split("\n")[3:] == [
        f"1 | rename {'x' * 107}...",
        f"  | ^^^^^^{' ' * 108}- end",
        "  | |",
        "  | start",
    ]


def test_fixes_show_each_line_before_and_after() -> None:
    text = spec('drop a/** because "x"\nkeep b\nfill c with zeros\n', "s.mig")
    other = spec("mig 1\n", "other.mig")
    after_list = text.content.index(" because")
    fixes = (
        Fix("exclude it here", (Edit(Span(text, after_list, after_list), " except a/b"),), Applicability.SAFE),
        Fix("take the rule out", (Edit(Span(text, 22, 29), ""),)),
        Fix("change both", (Edit(at(text, "keep").span, "drop"), Edit(at(text, "zeros").span, "ones"))),
        Fix("define both", (Edit(Span(other, 6, 6), "size a\nsize b\n"),)),
        Fix("look at it again", ()),
    )
    assert_rendered(
        Diagnostic("MIG206", "two rules claim `a/b`", at(text, "a/**"), fixes=fixes),
        """
        error[MIG206]: two rules claim `a/b`
         --> s.mig:1:6
          |
        1 | drop a/** because "x"
          |      ^^^^
          = help: exclude it here:
            1 - drop a/** because "x"
            1 + drop a/** except a/b because "x"
          = help: take the rule out:
            2 - keep b
          = help: change both:
            2 - keep b
            3 - fill c with zeros
            2 + drop b
            3 + fill c with ones
          = help: define both:
            ::: other.mig
            2 + size a
            3 + size b
          = help: look at it again
        """,
    )


def test_later_line_numbers_of_a_fix_follow_the_lines_added_before() -> None:
    text = spec("rename a -> b\n\n\n\ndrop c\n")
    fix = Fix("write it out", (Edit(Span(text, 0, 0), "# one\n# two\n"), Edit(at(text, "c").span, "d")))
    assert render([Diagnostic("MIG101", "m", at(text, "a"), fixes=(fix,))]).split("\n")[-4:] == [
        "    1 + # one",
        "    2 + # two",
        "    5 - drop c",
        "    7 + drop d",
    ]


def test_control_characters_of_names_never_reach_the_terminal() -> None:
    text = spec("drop a\x1b[31m\u202eb\u200b c\n", "b\nad.mig")
    diagnostic = Diagnostic("MIG203", "`\x1b[0m`\nmatches nothing", at(text, "c", "la\x07bel"), notes=("first\x1b\nsecond",))
    assert_rendered(
        diagnostic,
        """
        error[MIG203]: `\u241b[0m` matches nothing
         --> b ad.mig:1:16
          |
        1 | drop a\u241b[31m\ufffdb\ufffd c
          |                ^ la\u2407bel
          = note: first\u241b
                  second
        """,
    )


def test_an_empty_line_stands_between_diagnostics() -> None:
    one = Diagnostic("MIG501", "gone", file="a")
    assert render([one, one]) == "error[MIG501]: gone\n --> a\n\nerror[MIG501]: gone\n --> a"
    assert render([]) == ""


def test_colour_adds_escapes_and_nothing_else() -> None:
    import re

    text = spec(STATEMENT)
    fix = Fix("do", (Edit(at(text, "drop").span, "keep"),))
    diagnostic = Diagnostic(
        "MIG303", "m", between(text, "h", "b", "x"), (at(text, "c", "y"),), ("n",), ("h",), (fix,), Severity.NOTE
    )
    colored = render([diagnostic], color=True)
    assert "\x1b[1;36mnote[MIG303]\x1b[0m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render([diagnostic])


def test_summary() -> None:
    error, warning, note = (Diagnostic("MIG101", "m", severity=severity) for severity in Severity)
    assert summary([error, warning, error]) == "2 errors, 1 warning"
    assert summary([note]) == "1 note"
    assert summary([]) == ""
