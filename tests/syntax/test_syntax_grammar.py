"""The grammar itself: no conflicts, words in step with the code that explains them, and a cache that may fail."""

import pytest

from migspec.resources import grammar_path
from migspec.syntax import expectation, grammar, operations, spelling


def accepted(beginning):
    state = grammar.parser().parse_interactive(beginning, start="statement")
    state.exhaust_lexer()
    return state.accepts()


def test_there_are_no_conflicts_and_no_terminals_that_overlap():
    pytest.importorskip("interegular", reason="lark's strict mode needs it")
    grammar.build(grammar_path().read_text(encoding="utf-8"), strict=True)


def test_strict_mode_would_find_a_conflict():
    pytest.importorskip("interegular", reason="lark's strict mode needs it")
    from lark.exceptions import GrammarError

    text = grammar_path().read_text(encoding="utf-8").replace("ops: op*", 'ops: op* | op* "cast" NAME')
    with pytest.raises(GrammarError):
        grammar.build(text, strict=True)


def test_the_words_of_ops_are_those_of_the_grammar():
    terminals = accepted("rename a -> b") - {"$END", "COMMA", "EXCEPT", "IF"}
    words = {grammar.keyword(terminal) for terminal in terminals}
    assert words == {word.removesuffix(" is") for word in operations.WORDS}


def test_the_words_of_statements_are_those_of_the_grammar():
    assert {grammar.keyword(terminal) for terminal in accepted("")} == set(expectation._STATEMENTS)


def test_what_needs_no_quotes_is_what_the_grammar_takes_without():
    assert grammar.parser().get_terminal("PATTERN").pattern.value == spelling.BARE.pattern


@pytest.fixture
def fresh_parser(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    grammar.parser.cache_clear()
    yield tmp_path / "migspec"
    grammar.parser.cache_clear()


def same_answer():
    return grammar.parser().parse("rename a/b -> c  transpose", start="statement").data == "move"


def test_the_parser_is_kept_and_read_back(fresh_parser, monkeypatch):
    assert same_answer()
    (file,) = fresh_parser.iterdir()
    grammar.parser.cache_clear()
    monkeypatch.setattr(grammar, "build", lambda text: pytest.fail("it was built again"))
    assert same_answer()
    assert [file] == list(fresh_parser.iterdir())


@pytest.mark.parametrize("damage", [b"nonsense", b"\x80\x05N.", None])
def test_a_damaged_cache_is_built_anew(fresh_parser, damage):
    assert same_answer()
    (file,) = fresh_parser.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    grammar.parser.cache_clear()
    assert same_answer()
    assert grammar._load(file) is not None


def test_a_cache_folder_that_cannot_be_made_does_not_matter(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    grammar.parser.cache_clear()
    assert same_answer()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    grammar.parser.cache_clear()
