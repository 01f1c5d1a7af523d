"""From text to logical statements: continuation lines, comments, line ends, and offsets that stay those of the text."""

import pytest

from migspec.syntax.lines import logical_lines
from migspec.syntax.parse import parse
from migspec.text import Text

COMMENTED = """\
# the head
#
#   indented

rename a -> b  # first
    # between
    transpose  # second

    # and more

\tflip 0  # last
# of the next
drop "x # y"# no comment here, so an error

drop z#1
# the end

"""


def test_comments_and_blank_lines_never_end_a_statement():
    lines, closing = logical_lines(COMMENTED)
    assert [line.code.split() for line in lines[:1]] == [["rename", "a", "->", "b", "transpose", "flip", "0"]]
    assert lines[0].leading == ("the head", "", "  indented", None, "first", "between", "second", "and more")
    assert lines[0].trailing == "last"
    assert lines[1].leading == ("of the next",)
    assert lines[2].code == "drop z#1"
    assert lines[2].leading == (None,)
    assert closing == ("the end",)


def test_offsets_are_those_of_the_text():
    spec, (diagnostic,) = parse(Text("spec.mig", COMMENTED))
    first, last = spec.statements
    assert first.span.content.startswith("rename a -> b  # first")
    assert first.span.content.endswith("flip 0")
    assert [op.span.content for op in first.body.ops] == ["transpose", "flip 0"]
    assert [op.span.line for op in first.body.ops] == [7, 11]
    assert last.body.names.patterns[0].span.content == "z#1"
    assert (diagnostic.primary.span.line, diagnostic.primary.span.content) == (13, "#")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n\n", "\r\n\r\n", "\n   # c\n", "  \t\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n", "\ufeff# c\n"])
@pytest.mark.parametrize("indent", ["  ", "\t", " \t "])
def test_line_ends_marks_and_indents_do_not_matter(line_end, start, indent):
    pieces = ["rename a,", f"{indent}b", f"{indent}-> c", "keep d", f'{indent}because "x"']
    content = start + line_end.join(pieces)
    spec, diagnostics = parse(Text("spec.mig", content))
    wanted, _ = parse(Text("plain.mig", 'rename a, b -> c\nkeep d because "x"'))
    assert diagnostics == ()
    assert [statement.body for statement in spec.statements] == [statement.body for statement in wanted.statements]
    assert [pattern.span.content for pattern in spec.statements[0].body.sources.patterns] == ["a", "b"]


def test_an_error_behind_a_byte_order_mark_and_comments_has_its_place():
    _, (diagnostic,) = parse(Text("spec.mig", "\ufeff# c\r\nrename a # →\r\n\t-> b\r\n\ttranpose\r\n"))
    assert (str(diagnostic.primary.span), diagnostic.primary.span.content) == ("spec.mig:4:2", "tranpose")


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", "  \n\t\r\n", "\ufeff\n\n"])
def test_a_text_without_statements_is_an_empty_spec(content):
    spec, diagnostics = parse(Text("empty.mig", content))
    assert (spec.statements, spec.closing, diagnostics) == ((), (), ())


def test_a_quote_ends_on_its_line():
    _, diagnostics = parse(Text("spec.mig", 'drop a because "x # y\n  z"\nkeep b\n'))
    assert [(diagnostic.code, str(diagnostic.primary.span)) for diagnostic in diagnostics] == [("MIG101", "spec.mig:1:16")]
