"""A statement that the grammar refuses -> its one diagnostic: what was expected, what was found, what would mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lark import UnexpectedInput, UnexpectedToken

from migspec.diagnostics.model import Applicability, Edit, Fix
from migspec.syntax.arithmetic import Place
from migspec.syntax.grammar import keyword, parser, spelling
from migspec.syntax.operations import WORDS
from migspec.syntax.problem import Malformed, did_you_mean, malformed, replacement, suggestions
from migspec.syntax.usage import usage
from migspec.text import Span

_STATEMENTS = (
    "mig",
    "size",
    "number",
    "source",
    "target",
    "use",
    "rename",
    "copy",
    "same",
    "drop",
    "keep",
    "fill",
    "slots",
    "cast",
)
_OPERATORS = frozenset({"PLUS", "MINUS", "TIMES", "DIVIDED"})
_FOUND = re.compile(r'"(?:[^"\\]|\\.)*"|[=-]>|[^\s,"()\[\]{}]+|\S')
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMA_BEFORE_KEYWORD = re.compile(r",\s*(because|except|with|if)\s+\Z")
_ABOVE = re.compile(r"^[ \t]*(?!mig[ \t])[^\s#]", re.MULTILINE)
"""A line that a statement may stand on: neither empty nor a comment alone, nor the version."""
_SPEC_AND_ANOTHER = re.compile(r"use\s+(\S+)\s+(\S+)\s+")
_MANY = 4


def unexpected(code: str, error: UnexpectedInput, place: Place) -> Malformed:
    """The finding for the statement `code`, which begins at `place` and which the parser refused with `error`."""
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return _too_short(code, place)
    position = error.pos_in_stream or 0
    accepted = _accepted(code[:position])
    match = _FOUND.search(code, position)
    assert match is not None, "the parser stopped at white space"
    found = _span(place, *match.span())
    special = _arrow(code, position, place) or _stray(code, match, accepted, place)
    if special is not None:
        return special
    if position == 0:
        return _no_statement(code, found)
    return _wrong_word(accepted, found, code[:position])


def _span(place: Place, start: int, end: int) -> Span:
    return Span(place.text, place.offset + start, place.offset + end)


def _accepted(prefix: str) -> frozenset[str]:
    """The terminals that may follow this beginning of a statement."""
    state = parser().parse_interactive(prefix, start="statement")
    try:
        state.exhaust_lexer()
    except UnexpectedInput:  # cut before a character that was read together with what stands before it
        return frozenset()
    return frozenset(state.accepts())  # type: ignore[no-untyped-call]


def _too_short(code: str, place: Place) -> Malformed:
    last = list(_FOUND.finditer(code))[-1]
    accepted = _accepted(code)
    message = f"the statement ends too early: expected {_words(accepted)}"
    return malformed("MIG101", message, _span(place, *last.span()), "after this", helps=_usage(code))


def _usage(before: str) -> tuple[str, ...]:
    """How the op, or else the statement, is written in whose middle the parser stopped."""
    words = list(_FOUND.finditer(before))
    for match in reversed(words[1:]):
        word = match.group()
        if word not in {name.split()[0] for name in WORDS}:
            continue
        accepted = _accepted(before[: match.start()])
        if "TRANSPOSE" in accepted and word in map(keyword, accepted):
            help_ = usage(word, is_op=True)
            return () if help_ is None else (help_,)
    help_ = usage(words[0].group(), is_op=False) if words else None
    return () if help_ is None else (help_,)


def _arrow(code: str, position: int, place: Place) -> Malformed | None:
    """An arrow without white space around it, or another arrow than `->`."""
    start = max(code.rfind(character, 0, position) for character in ' \t\n\r,"') + 1
    run = re.compile(r"\S*").match(code, start)
    assert run is not None
    match = re.compile("[-=]>").search(code, start, run.end())
    if match is None or match.start() > position + 1:
        return None
    span = _span(place, *match.span())
    before = "" if match.start() == 0 or code[match.start() - 1].isspace() else " "
    after = "" if match.end() == len(code) or code[match.end()].isspace() else " "
    fixes = (Fix("write ` -> `", (Edit(span, f"{before}->{after}"),), Applicability.SAFE),)
    if match.group() == "=>":
        return malformed("MIG101", "the arrow is written `->`", span, fixes=fixes)
    if before or after:
        return malformed("MIG101", "`->` needs white space around it", span, fixes=fixes)
    return None


def _stray(code: str, match: re.Match[str], accepted: frozenset[str], place: Place) -> Malformed | None:
    """A character that belongs in a name or text, and only in quotes."""
    span = _span(place, match.start(), match.start() + 1)
    in_name = "PATTERN" in accepted or (match.start() > 0 and not code[match.start() - 1].isspace())
    match code[match.start()]:
        case "{" if in_name:
            helps = ("a capture is written `{i}`, and ends in the name in which it begins",)
            return malformed("MIG106", "a capture is never closed", span, "no `}` follows in this name", helps=helps)
        case "}" if in_name:
            return malformed("MIG106", "`}` without its `{`", span, helps=(r"in quotes, `\}` is the character itself",))
        case "\\":
            return malformed("MIG106", "`\\` stands only inside double quotes", span, helps=(r'quote the name: `"a\*b"`',))
        case "'" | "`" as quote:
            closing = code.find(quote, match.start() + 1)
            fixes: tuple[Fix, ...] = ()
            if closing > 0 and '"' not in code[match.start() : closing]:
                edits = (Edit(span, '"'), Edit(_span(place, closing, closing + 1), '"'))
                fixes = (Fix("write double quotes", edits, Applicability.SAFE),)
            return malformed("MIG101", 'names and texts are quoted with `"`', span, fixes=fixes)
        case character if character in "()[]<>=|;" and in_name and accepted & {"PATTERN", "EXCEPT", "OR"}:
            helps = ("put the name in double quotes",)
            return malformed("MIG101", f"`{character}` stands in a name only inside double quotes", span, helps=helps)
    return None


def _no_statement(code: str, found: Span) -> Malformed:
    """The first word of a line begins no statement."""
    word = found.content
    near = suggestions(word, _STATEMENTS)
    fixes = [replacement(found, name) for name in near[:1]]
    helps = did_you_mean(near)
    if word in {name.split()[0] for name in WORDS} | {"->", "because", "except", "if", "with"}:
        helps = ("a line that continues the statement above it is indented",)
        fixes = [Fix("indent the line", (Edit(Span(found.text, found.start, found.start), "    "),))]
        if not _ABOVE.search(found.text.content[: found.start]):
            helps = (f"`{word}` stands behind a statement such as `rename a -> b`, on its line or indented below it",)
            fixes = []
    elif not near and re.search(r"\s->\s", code):
        helps = ("a line that moves variables begins with `rename` or `copy`",)
        fixes = []
    elif not near:
        helps = (f"statements begin with {_listed(f'`{name}`' for name in _STATEMENTS)}",)
    if not _IDENTIFIER.fullmatch(word):
        return malformed("MIG101", f"expected a statement, found `{word}`", found, helps=helps, fixes=fixes)
    return malformed("MIG102", f"no statement begins with `{word}`", found, helps=helps, fixes=fixes)


def _wrong_word(accepted: frozenset[str], found: Span, before: str) -> Malformed:
    """Something else than what may follow `before`."""
    word = found.content
    swallowed = _COMMA_BEFORE_KEYWORD.search(before)
    if swallowed is not None:
        helps = [f"take out the comma before `{swallowed[1]}`: behind it, `{swallowed[1]}` is read as a name"]
        return malformed("MIG101", f"expected {_words(accepted)}, found `{word}`", found, helps=helps)
    keywords = {name: spelled for name in accepted if (spelled := keyword(name)) is not None}
    near = suggestions(word, {_whole(spelled) for spelled in keywords.values()})
    fixes = [replacement(found, name) for name in near[:1]]
    helps = list(did_you_mean(near))
    ops_may_follow = "TRANSPOSE" in accepted
    if "COMMA" in accepted and ("TRANSPOSE" in accepted or "EXCEPT" in accepted) and not near:
        arrow = ", and `->` stands between sources and targets" if "ARROW" in accepted else ""
        helps.append(f"names of one list have commas between them{arrow}; a name with a space in it stands in double quotes")
    if word == "because":
        helps = ["only `drop` and `keep` take a reason; elsewhere write a comment: `# ...`"]
        if "$END" in accepted and not ops_may_follow:
            helps = ["a reason stands before `if present`"]
        fixes = []
    elif word == "->":
        helps, fixes = (["one statement has one `->`"] if "->" in before else []), []
    elif ops_may_follow and _IDENTIFIER.fullmatch(word) and word not in _ELSEWHERE:
        if not near:
            helps.insert(0, f"ops are {_listed(f'`{name}`' for name in WORDS)}")
        return malformed("MIG103", f"no op is called `{word}`", found, helps=helps, fixes=fixes)
    if before.strip() == "cast":
        helps, fixes = ["the op `cast DTYPE` stands behind a statement, on its line or indented below it"], []
    turned = _SPEC_AND_ANOTHER.fullmatch(before)
    if turned is not None and "ARROW" in accepted and suggestions(turned[1], ("inverse",)):
        helps = [f"did you mean `use inverse {turned[2]}`?"]
    helps = helps or list(_usage(before))
    return malformed("MIG101", f"expected {_words(accepted)}, found `{word}`", found, helps=helps, fixes=fixes)


_ELSEWHERE = frozenset(
    {*_STATEMENTS, "with", "except", "or", "for", "to", "on", "in", "heads", "from", "else", "seed", "inverse"}
)


def _whole(word: str) -> str:
    """The whole of a keyword that is written in two words."""
    return {"as": "as is", "if": "if present"}.get(word, word)


def _words(accepted: frozenset[str]) -> str:
    """What may follow, in words: groups of terminals first, then each keyword and mark by itself."""
    rest = set(accepted)
    phrases: list[str] = []

    def take(terminals: Iterable[str], phrase: str) -> None:
        rest.difference_update(terminals)
        phrases.append(phrase)

    if {"PATTERN", "INVERSE"} <= rest:
        take(("PATTERN", "QUOTED"), "the name of a spec")
    elif "PATTERN" in rest:
        take(("PATTERN", "QUOTED"), "a name or pattern")
    elif "QUOTED" in rest:
        take(("QUOTED",), "a text in double quotes")
    if "ROWS" in rest:
        take(("ROWS", "COLUMNS", "INTEGER", "MINUS"), "an axis (`rows`, `columns` or a whole number)")
    if "LPAR" in rest:
        take(("INTEGER", "FLOAT", "NAME", "MINUS", "LPAR"), "a number")
        phrases.append("a size")
    if "TRANSPOSE" in rest:
        if "NAME" in rest:
            take(("NAME",), "a dtype")
        take({name for name in rest if _whole(keyword(name) or "") in WORDS}, "an op")
    if "RENAME" in rest and "DROP" in rest:
        take({name for name in rest if keyword(name) in _STATEMENTS}, "a statement")
    if "NAME" in rest:
        take(("NAME",), "a dtype" if "FOR" in rest else "a name")
    if "INTEGER" in rest:
        take(("INTEGER", "MINUS"), "a whole number")
    ending = "$END" in rest
    rest.difference_update({"$END"}, _OPERATORS if rest - _OPERATORS or phrases else ())
    phrases[:0] = sorted(f"`{_spelled(name)}`" for name in rest)
    if ending and len(phrases) < _MANY:
        phrases.append("the end of the statement")
    return _listed(phrases) if phrases else "something else"


def _spelled(terminal: str) -> str:
    return _whole(spelling(terminal))


def _listed(phrases: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = phrases
    return f"{', '.join(most)} or {last}" if most else last
