"""What the formatter writes is read back as the same tree, and nothing that a text can hold makes the parser raise."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tree_strategies import patterns, specs

from migspec.syntax.format import format_spec
from migspec.syntax.lines import logical_lines
from migspec.syntax.parse import parse
from migspec.syntax.tree import Keep, PatternList, Spec, Statement
from migspec.text import Text

_settings = settings(max_examples=80, deadline=None)


def check_total(content):
    """Each statement is read or gives one diagnostic, each with its code and a place inside the text."""
    spec, diagnostics = parse(Text("random.mig", content))
    assert len(spec.statements) + len(diagnostics) == len(logical_lines(content)[0])
    for diagnostic in diagnostics:
        assert diagnostic.code in {f"MIG{number}" for number in range(101, 115)}
        assert 0 <= diagnostic.primary.span.start < diagnostic.primary.span.end <= len(content)
        assert "\n" not in diagnostic.message
    return spec


@_settings
@given(specs())
def test_a_formatted_tree_is_read_back_as_it_was(spec):
    text = format_spec(spec)
    read, diagnostics = parse(Text("spec.mig", text))
    assert not diagnostics, (text, diagnostics)
    assert read == spec, text


@_settings
@given(specs())
def test_formatting_twice_changes_nothing(spec):
    text = format_spec(spec)
    assert format_spec(parse(Text("spec.mig", text))[0]) == text


@_settings
@given(patterns())
def test_quotes_stand_exactly_where_a_name_needs_them(pattern):
    spec = Spec(Text("", ""), (Statement(Keep(PatternList((pattern,)))),))
    content = format_spec(spec).removeprefix("keep ").removesuffix("\n")
    if content.startswith('"'):
        bare = parse(Text("bare.mig", f"keep {content[1:-1]}\n"))
        assert bare[1] or bare[0] != spec, "it did not need quotes"


@_settings
@given(specs(most=2), st.data())
def test_no_prefix_of_a_spec_makes_the_parser_raise(spec, data):
    text = format_spec(spec)
    check_total(text[: data.draw(st.integers(0, len(text)))])


@_settings
@given(specs(most=2), st.data())
def test_no_mutation_of_a_spec_makes_the_parser_raise(spec, data):
    text = format_spec(spec)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 3)))
        text = text[:start] + data.draw(st.text(" \n\t\"'#{}[]()*/.,:0a-><=|\\@\r→“\ufeff", max_size=3)) + text[end:]
    check_total(text)


@_settings
@given(
    st.lists(
        st.sampled_from(
            ["rename", "a", "b/c", "->", ",", "split", "rows", "{i}", '"x"', "if", "present", "[", "1", "\n", "with"]
        )
    )
)
def test_no_heap_of_words_makes_the_parser_raise(words):
    spec = check_total(" ".join(words))
    text = format_spec(spec)
    assert parse(Text("again.mig", text)) == (spec, ())
