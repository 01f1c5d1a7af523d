"""Nothing silent: whenever a plan comes out, a second reading of the spec, by regular expressions, accounts for all that is in it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from binding import compiled
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from migspec.plan import Plan
from migspec.variables import Variable, VariableMap

NAMES = ("a/0", "a/1", "a/2", "b/0", "b/1", "b/x", "c", "d", "k", "k_1", "x/0/0", "x/0/1", "x/1/0", "x/1/1")
LEFTS = ("a/{i}", "b/{i}", "a/{i}, b/{i}", "b/{i}, a/{i}", "a/0", "a/1", "c", "c, d", "d, c", "{p}/0", "{p}/{i}", "*/0", "a/*", "a/*, b/*", "a/{i+1}",
    "k{_i}", "x/{i}/{j}", "x/{i}/0", "x/{i}/{j}, a/{i}", "x/{i}/{j}, b/{j}", "a/{i}, b/{j}", "a/{i:0..1}", "**", "{s:**}/0")  # fmt: skip
RIGHTS = ("a/{i}", "b/{i}", "c", "d", "a/0", "a/1", "b/0", "{p}/1", "{p}/{i}", "*/0", "b/*", "a/{i+1}", "k{_i}", "x/{i}/{j}", "x/{j}/{i}", "a/{j}", "b/{j}",
    "a/{i}, b/{i}", "c, d", "**", "{s:**}/1", "x/{s:**}/0")  # fmt: skip
LISTS = ("a/0", "a/*", "b/*", "{p}/1", "*", "*/*", "c, d", "c", "x/**", "**", "k*", "x/*/0", "a/1, b/1")
EXCEPTIONS = ("", "", "", "", " except a/1", " except b/*", " except c", " except x/0/*")
OPS = (
    "",
    "",
    "",
    "sum",
    "concat 0",
    "stack 0",
    "stack {j} 0",
    "split 0",
    "split 0 in 2",
    "unstack 0",
    "pad zeros",
    "reshape",
    "cast",
    "transpose",
)
PRESENT = ("", "", "", " if present")

# Pairs that suit one another, so that many specs have a plan.
LIKELY = ("a/{i} -> b/{i}", "a/{i}, b/{i} -> b/{i}  sum", "b/{i}, a/{i} -> c  sum", "a/{i} -> x/{i}/0", "{p}/0 -> {p}/1", "a/* -> b/*", "a/{i:0..1} -> b/{i}",
    "k{_i} -> a/{i}", "a/{i} -> k{_i}", "a/{i+1} -> a/{i}", "a/{i} -> a/{i+1}", "x/{i}/{j} -> x/{j}/{i}", "x/{i}/{j}, a/{i} -> x/{i}/{j}  sum", "c -> c, d",
    "x/{i}/{j}, b/{j} -> c  sum", "a/{i}, b/{j} -> x/{i}/{j}  sum", "c, d -> c  sum", "x/{i}/{j} -> a/{i}  sum", "c -> x/{i}/0  split 0", "a/0 -> c",
    "a/1 -> d", "** -> **", "*/0 -> */0", "x/** -> x/**", "{s:**}/0 -> {s:**}/1", "c, d -> d, c", "{p}/{i} -> {p}/{i}", "c -> a/0",
    "d -> b/x", "a/{i} -> d  stack 0")  # fmt: skip


def with_exceptions(pair: str, left: str, right: str) -> str:
    sources, _, rest = pair.partition(" -> ")
    targets, _, ops = rest.partition("  ")
    return f"{sources}{left} -> {targets}{right}  {ops}"


words = st.sampled_from(("rename", "rename", "rename", "copy"))
exceptions = st.sampled_from(EXCEPTIONS)
likely = st.builds(
    "{} {}{}".format,
    words,
    st.builds(with_exceptions, st.sampled_from(LIKELY), exceptions, st.sampled_from(("", "", *EXCEPTIONS))),
    st.sampled_from(PRESENT),
)
moves = st.builds(
    "{} {}{} -> {}{}  {}{}".format,
    words,
    st.sampled_from(LEFTS),
    exceptions,
    st.sampled_from(RIGHTS),
    exceptions,
    st.sampled_from(OPS),
    st.sampled_from(PRESENT),
)
lists = st.builds("{}{}".format, st.sampled_from(LISTS), exceptions)
statements = st.one_of(
    likely,
    likely,
    likely,
    likely,
    moves,
    st.builds("same {}  {}{}".format, lists, st.sampled_from(("", "cast")), st.sampled_from(PRESENT)),
    st.builds("drop {}{}".format, lists, st.sampled_from(PRESENT)),
    st.builds("keep {}{}".format, lists, st.sampled_from(PRESENT)),
    st.builds("fill {} with ones{}".format, lists, st.sampled_from(PRESENT)),
)
# What covers a side without naming it: it would hide whatever another rule leaves out without a word.
covers = st.sampled_from(
    (("drop **", "keep **"), ("drop **", "fill ** with zeros"), ("same **", "drop **", "keep **"), ("keep **",), ())
)


def side(left_out: list[str], others: dict[str, tuple[int, ...]], aliases: dict[str, str]) -> tuple[Variable, ...]:
    named = [(name, (aliases[name],) if name in aliases else ()) for name in NAMES if name not in left_out]
    return tuple(Variable(name, others.get(name, (2,)), "float32", also) for name, also in named)


sides = st.builds(
    side,
    st.lists(st.sampled_from(NAMES), max_size=8, unique=True),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(((4,), (3, 2))), max_size=1),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("a/0", "b/1", "e")), max_size=1),
)


@dataclass(frozen=True)
class Statement:
    """A line of the spec, read again: its word, the names of both sides, and what `except` takes out of each."""

    line: int
    word: str
    left: tuple[str, ...]
    right: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    right_out: tuple[str, ...] = ()
    if_present: bool = False

    @property
    def is_rest(self) -> bool:
        return self.left == ("**",) and self.word in ("drop", "keep", "fill", "same")


def statement(line: int, text: str) -> Statement:
    word, _, rest = text.partition(" ")
    present = rest.endswith(" if present")
    rest = re.split(r"  | with | if present", rest)[0]
    left, _, right = rest.partition(" -> ")
    (names, out), (others, also_out) = (side.partition(" except ")[::2] for side in (left, right))
    parts = [tuple(one for one in part.split(", ") if one) for part in (names, others, out, also_out)]
    return Statement(line, word, *parts, present)


_TOKEN = re.compile(r"\*\*/|/\*\*|\*\*|\*|\{[^}]*\}|[^*{]")


def readings(pattern: str, name: str) -> list[dict[str, str]]:
    """What a pattern captures of a name, read greedily and read lazily; empty if it does not fit. Wildcards are `*1`, `*2`, ..."""
    found: list[dict[str, str]] = []
    for lazy in ("", "?"):
        captures: list[tuple[str, int]] = []  # name, and what arithmetic adds to it
        expression = ""
        for token in _TOKEN.findall(pattern):
            if not token.startswith(("{", "*", "/*")):
                expression += re.escape(token)
                continue
            capture, _, kind = token.strip("{}").partition(":")
            if token.startswith("{_"):
                expression += "(?:_([1-9][0-9]*))?"
            elif token == "*":
                expression += f"([^/]*{lazy})"
            elif "**" in token:
                expression += {"**/": f"((?:[^/]+/)*{lazy})", "/**": f"((?:/[^/]+)*{lazy})"}.get(token, f"(.+{lazy})")
            else:
                expression += f"([{'01' if kind else '0-9' if '+' in capture else '^/'}]+{lazy})"
            wildcards = sum(one.startswith("*") for one, _ in captures)
            capture, _, offset = capture.partition("+")
            captures.append((f"*{wildcards + 1}" if "*" in capture else capture.strip("_"), int(offset or 0)))
        match = re.fullmatch(expression, name)
        if match is None:
            continue
        texts = [text if text is not None else "0" for text in match.groups()]
        values = [(one, str(int(text) - more) if more else text) for (one, more), text in zip(captures, texts, strict=True)]
        reading = dict(values)
        consistent = all(reading[one] == value and not value.startswith("-") for one, value in values)
        if consistent and reading not in found:
            found.append(reading)
    return found


def fits(patterns: tuple[str, ...], variable: Variable) -> list[dict[str, str]]:
    """The captures of each pattern on the first of the variable's names that it fits."""
    names = (variable.name, *variable.aliases)
    return [
        captures for pattern in patterns for captures in next(filter(None, (readings(pattern, name) for name in names)), [])
    ]


def agree(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(other.get(name, value).strip("/") == value.strip("/") for name, value in one.items())


def account(plan: Plan, spec: list[Statement], source: VariableMap, target: VariableMap) -> None:
    """Everything that a plan does is what a statement says, and everything that a statement says is done."""
    by_line = {one.line: one for one in spec}
    filled = Counter([move.target for move in plan.moves] + [kept.variable for kept in plan.kept])
    assert filled == Counter(variable.name for variable in target)
    assert max(Counter(dropped.variable for dropped in plan.dropped).values(), default=1) == 1

    dropped_names = {dropped.variable for dropped in plan.dropped}
    used_up: dict[str, set[int]] = {}
    for move in plan.moves:
        for name in move.sources:
            used_up.setdefault(name, set())
            if by_line[move.cause.line].word != "copy":
                used_up[name].add(move.cause.line)
    assert not dropped_names & set(used_up)
    assert dropped_names | set(used_up) == {variable.name for variable in source}
    assert all(len(lines) <= 1 for lines in used_up.values())

    for dropped in plan.dropped:
        cause = by_line[dropped.cause.line] if dropped.cause else None
        assert cause is not None
        assert cause.word == "drop"
        assert fits(cause.left, source[dropped.variable])
        assert not fits(cause.left_out, source[dropped.variable])
    for kept in plan.kept:
        cause = by_line[kept.cause.line] if kept.cause else None
        assert cause is not None
        assert cause.word == "keep"
        assert fits(cause.left, target[kept.variable])
        assert not fits(cause.left_out, target[kept.variable])
    for move in plan.moves:
        account_for_move(move.sources, source, target[move.target], by_line[move.cause.line])
        assert (move.expression.shape, move.expression.dtype) == (target[move.target].shape, target[move.target].dtype)

    acting = {one.cause.line for one in (*plan.moves, *plan.kept, *plan.dropped) if one.cause is not None}
    for one in spec:
        excused = one.if_present or one.is_rest
        left = {"drop": (source, plan.dropped), "keep": (target, plan.kept)}.get(one.word)
        # what several drops leave behind stands under one of them
        repeated = left is not None and any(fits(one.left, left[0][entry.variable]) for entry in left[1])
        assert one.line in acting or excused or repeated, f"{one} does nothing"
        for pattern in one.left if not excused else ():
            side = target if one.word in ("keep", "fill") else source
            assert any(fits((pattern,), variable) for variable in side), f"{pattern} stands for nothing"


def account_for_move(names: tuple[str, ...], source: VariableMap, goal: Variable, cause: Statement) -> None:
    """The sources and the target of a move are what its statement pairs."""
    if cause.word == "fill":
        assert not names
        assert fits(cause.left, goal)
        return
    assert names
    for variable in (source[name] for name in names):
        assert not fits(cause.left_out, variable)
        if cause.word == "same":
            assert {variable.name, *variable.aliases} & {goal.name, *goal.aliases}
            assert fits(cause.left, variable)
        else:
            assert not fits(cause.right_out, goal)
            pairs = [(one, other) for one in fits(cause.left, variable) for other in fits(cause.right, goal)]
            assert any(agree(one, other) for one, other in pairs), f"{cause} does not pair {variable.name} with {goal.name}"


VECTORS = tuple(Variable(name, (2,), "float32") for name in ("a/0", "a/1", "b/0", "b/1", "c"))


@given(st.lists(statements, min_size=1, max_size=3, unique=True), covers, sides, sides)
@example(["rename a/{i}, b/{j} -> x/{i}/{j}  concat 0"], ("drop **", "keep **"), VECTORS[:2], VECTORS[:1])
@example(["rename x/{i}/{j}, b/{j} -> c  sum"], ("drop **", "keep **"), VECTORS, VECTORS)
@example(["drop a/* except a/*"], ("drop **", "keep **"), VECTORS, VECTORS)
@example(["rename a/{i} -> b/{i} except b/*"], ("drop **", "keep **"), VECTORS, VECTORS)
@example(["drop *, a/*", "drop a/0"], ("drop **", "keep **"), VECTORS, VECTORS)
@example(["rename ** -> **"], ("drop **", "keep **"), VECTORS, VECTORS)
@settings(max_examples=400, deadline=None)
def test_a_plan_does_what_the_spec_says_and_nothing_else(written, cover, old, new) -> None:
    lines = [*written, *cover]
    source, target = VariableMap.of("old", old), VariableMap.of("new", new)
    plan = compiled("\n".join(lines), source, target).plan
    if plan is None:
        event("no plan")
        return
    spec = [statement(number, text) for number, text in enumerate(lines, 1)]
    event(f"a plan by {len({move.cause.line for move in plan.moves})} statements that move")
    account(plan, spec, source, target)


def test_what_the_second_reading_finds() -> None:
    """The checker itself, on patterns whose readings are plain."""
    assert readings("a/{i}", "a/0") == [{"i": "0"}]
    assert readings("a/{i+1}", "a/2") == [{"i": "1"}]
    assert readings("a/{i+1}", "a/0") == []
    assert readings("k{_i}", "k") == [{"i": "0"}]
    assert readings("k{_i}", "k_1") == [{"i": "1"}]
    assert readings("*/0", "b/0") == [{"*1": "b"}]
    assert readings("**", "x/0/1") == [{"*1": "x/0/1"}]
    assert readings("b/*", "a/0") == []
