"""Rendering is total: whatever the text and wherever the spans."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.diagnostics import Diagnostic, Edit, Fix, Label, Severity
from migspec.diagnostics.changes import changed_lines
from migspec.diagnostics.display import DisplayLine, clip
from migspec.diagnostics.render import RENDERERS, render
from migspec.text import Span, Text

CHARACTERS = st.one_of(st.sampled_from("ab {}/*->\t\n\n\r\x1b\u200b\u0301層é𝄞"), st.characters())
CONTENTS = st.one_of(st.text(CHARACTERS, max_size=60), st.text("ab\n\t層", min_size=150, max_size=400))


@st.composite
def diagnostics(draw: st.DrawFn) -> Diagnostic:
    texts = draw(st.lists(st.builds(Text, st.text(CHARACTERS, max_size=8), CONTENTS), min_size=1, max_size=2))

    def span() -> Span:
        text = draw(st.sampled_from(texts))
        start = draw(st.integers(0, len(text.content) + 2))
        return Span(text, start, draw(st.integers(start, len(text.content) + 2)))

    def label() -> Label:
        return Label(span(), draw(st.sampled_from(("", "float32 [2]", "two\nlines", "層\x1b[31m"))))

    return Diagnostic(
        "MIG301",
        draw(st.text(CHARACTERS, max_size=10)),
        draw(st.sampled_from((label, lambda: None)))(),
        tuple(label() for _ in range(draw(st.integers(0, 4)))),
        draw(st.sampled_from(((), ("a note",)))),
        draw(st.sampled_from(((), ("help\nme",)))),
        tuple(
            Fix(
                "mend",
                tuple(Edit(span(), draw(st.sampled_from(("", "x", "\n", "a\tb\nc")))) for _ in range(draw(st.integers(0, 3)))),
            )
            for _ in range(draw(st.integers(0, 2)))
        ),
        draw(st.sampled_from(Severity)),
        draw(st.sampled_from((None, "model.index"))),
        tuple(span() for _ in range(draw(st.integers(0, 2)))),
    )


@settings(max_examples=250, deadline=None)
@given(diagnostics())
def test_every_renderer_takes_every_diagnostic(diagnostic: Diagnostic) -> None:
    for name in RENDERERS:
        plain = render([diagnostic], name)
        assert not re.search(r"^ *\d* \|.*\s$", plain, re.MULTILINE)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]", plain)
        assert re.sub(r"\x1b\[[0-9;]*m", "", render([diagnostic], name, color=True)) == plain


@settings(max_examples=100, deadline=None)
@given(diagnostics())
def test_every_label_with_words_is_shown(diagnostic: Diagnostic) -> None:
    labels = [diagnostic.primary, *diagnostic.secondary] if diagnostic.primary else list(diagnostic.secondary)
    expected = sum(label.text == "float32 [2]" for label in labels)
    assert render([diagnostic]).count("float32 [2]") == expected


@settings(max_examples=100, deadline=None)
@given(st.text(CHARACTERS, max_size=300), st.integers(20, 120), st.data())
def test_a_clipped_line_fits_and_keeps_columns_in_range(line: str, width: int, data: st.DataObject) -> None:
    display = DisplayLine.of(line)
    total = display.columns[-1]
    start = data.draw(st.integers(0, total))
    window = clip(display, (start, data.draw(st.integers(start, total))), width)
    shown = DisplayLine.of(window.text).columns[-1]
    assert shown <= width
    assert all(0 <= window.column(column) <= shown for column in display.columns)


@settings(max_examples=150, deadline=None)
@given(
    st.text("ab\n", max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4), st.text("xy\n", max_size=4)), max_size=3),
)
def test_the_lines_of_a_fix_turn_the_old_text_into_the_new_one(content: str, raw: list[tuple[int, int, str]]) -> None:
    text = Text("a", content)
    edits: list[Edit] = []
    for start, length, replacement in sorted(raw):
        start = min(start, len(content))
        if not edits or start >= edits[-1].span.end:
            edits.append(Edit(Span(text, start, min(start + length, len(content))), replacement))
    new = content
    for edit in reversed(edits):
        new = new[: edit.span.start] + edit.replacement + new[edit.span.end :]

    old_lines, new_lines = content.split("\n"), new.split("\n")
    changes = changed_lines(text, edits)
    removed = {change.number: change.line for change in changes if not change.added}
    added = {change.number: change.line for change in changes if change.added}
    assert all(old_lines[number - 1] == line for number, line in removed.items())
    assert all(new_lines[number - 1] == line for number, line in added.items())
    kept_old = [line for number, line in enumerate(old_lines, 1) if number not in removed]
    kept_new = [line for number, line in enumerate(new_lines, 1) if number not in added]
    assert kept_old == kept_new
