"""Which variables a pattern stands for, and which instances a rule has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from migspec.bind.problems import Problems, described, nearest_variables
from migspec.bind.types import EXACT, PATTERN, REST, Element, Scope
from migspec.diagnostics import Diagnostic, Edit, Fix, Label
from migspec.names import Found, NameIndex
from migspec.patterns import AmbiguousMatch, Captures, Matcher, capture_names, is_rest, text_of
from migspec.rules import Rule
from migspec.syntax.tree import Capture, Pattern, PatternList
from migspec.text import Span
from migspec.variables import Variable


@dataclass(frozen=True, slots=True)
class Match:
    """One variable that a pattern fits, with what it captured."""

    captures: Captures
    element: Element


def span_of(pattern: Pattern) -> Span:
    assert pattern.span is not None
    return pattern.span


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a scope: its names, and what errors call it."""

    index: NameIndex
    word: str
    """`source` or `target`."""

    @property
    def label(self) -> str:
        return self.index.map.label


def matches(pattern: Pattern, side: Side, scope: Scope, problems: Problems, *, captures_matter: bool) -> list[Match] | None:
    """Every variable that the pattern fits, in the order of the map; None if an error was reported.

    An exact name that fits two variables is an error, and so is a pattern that fits one name in two ways if what it captures matters.
    """
    matcher = Matcher(pattern)
    kind = 2 * max(REST if is_rest(pattern) else EXACT if matcher.exact is not None else PATTERN, scope.floor)
    if matcher.exact is not None:
        called = side.index.lookup(matcher.exact)
        if len(called) > 1:
            _report_two(pattern, called, side, problems)
            return None
        return [Match({}, Element(one.variable, kind + (one.alias > 0), pattern)) for one in called]
    best: dict[str, tuple[int, Found, Captures]] = {}
    for name, found in side.index.candidates(matcher.query):
        known = best.get(found.variable.name)
        if known is not None and known[0] <= found.alias:
            continue
        if captures_matter:
            try:
                captures = matcher.match(name)
            except AmbiguousMatch as ambiguous:
                _report_ambiguous(pattern, ambiguous, problems)
                return None
            if captures is None:
                continue
        elif matcher.fits(name):
            captures = {}
        else:
            continue
        best[found.variable.name] = (found.alias, found, captures)
    return [Match(captures, Element(found.variable, kind + (found.alias > 0), pattern)) for _, found, captures in best.values()]


def list_matches(
    listed: PatternList,
    patterns: Sequence[Pattern],
    side: Side,
    scope: Scope,
    problems: Problems,
    *,
    captures_matter: bool,
    optional: bool,
) -> list[list[Match]] | None:
    """The matches of each pattern of a list, narrowed by its `except`; None if an error was reported.

    `patterns` are the list's patterns, constrained by what their statement says of the captures. An element or an exception that
    matches nothing is an error, unless `optional`.
    """
    per_pattern: list[list[Match]] = []
    sound = True
    for pattern in patterns:
        found = matches(pattern, side, scope, problems, captures_matter=captures_matter)
        if found is None:
            sound = False
            continue
        if not found and not optional and not (is_rest(pattern) and not len(side.index)):
            report_nothing(pattern, side, problems)
            sound = False
        per_pattern.append(found)
    excepted: set[str] = set()
    for exception in listed.exceptions:
        found = matches(exception, side, scope, problems, captures_matter=False)
        if found is None:
            sound = False
            continue
        names = {match.element.variable.name for match in found}
        if not optional and not any(match.element.variable.name in names for one in per_pattern for match in one):
            report_exception(exception, side, problems)
            sound = False
        excepted |= names
    if not sound:
        return None
    return [[match for match in one if match.element.variable.name not in excepted] for one in per_pattern]


def in_bundle_order(found: list[Match], names: Sequence[str], pattern: Pattern, problems: Problems) -> list[Match] | None:
    """The matches of one instance in the order of their bundle; None if an error was reported.

    `names` are the captures that make the bundle, slowest first: numbers, consecutive, and each combination there.
    """
    if not names:
        return found
    orders: dict[str, Callable[[str], int]] = {}
    for name in names:
        values = list(dict.fromkeys(match.captures[name] for match in found))
        order = _order(name, values, pattern, problems)
        if order is None:
            return None
        orders[name] = order
    expected = 1
    for name in names:
        expected *= len({match.captures[name] for match in found})
    ordered = sorted(found, key=lambda match: tuple(orders[name](match.captures[name]) for name in names))
    if expected != len(ordered):
        _report_bundle(
            pattern,
            f"there are {len(ordered)} variables for {expected} combinations of " + " and ".join(f"`{{{n}}}`" for n in names),
            problems,
        )
        return None
    return [
        Match(
            match.captures,
            Element(
                match.element.variable, match.element.rank, match.element.pattern, tuple((n, match.captures[n]) for n in names)
            ),
        )
        for match in ordered
    ]


def report_nothing(pattern: Pattern, side: Side, problems: Problems) -> None:
    """A name or pattern that stands for no variable of its side."""
    what = "name" if not capture_names(pattern) else "pattern"
    problems.add(
        ("nothing", span_of(pattern)),
        Diagnostic(
            "MIG203",
            f"the {what} `{text_of(pattern)}` matches no {side.word} variable",
            Label(span_of(pattern), f"nothing in {side.label} is called this"),
            helps=nearest_variables(text_of(pattern), side.index.map)
            or (f"`migspec inspect {side.label}` lists its variables",),
        ),
    )


def report_exception(exception: Pattern, side: Side, problems: Problems) -> None:
    """An `except` that takes nothing out of its list."""
    problems.add(
        ("except", span_of(exception)),
        Diagnostic(
            "MIG210",
            f"`except {text_of(exception)}` takes nothing out of the list",
            Label(span_of(exception)),
            helps=nearest_variables(text_of(exception), side.index.map) or ("take the exception out",),
        ),
    )


def report_no_target(
    pattern: Pattern, name: str, side: Side, rule: Rule, problems: Problems, uncovered: Iterable[str] | None = None
) -> None:
    """A target that a rule names and that does not exist."""
    helps = nearest_variables(name, side.index.map, uncovered) or nearest_variables(name, side.index.map)
    problems.add(
        ("target", rule, span_of(pattern)),
        Diagnostic(
            "MIG204",
            f"there is no target variable `{name}`",
            Label(span_of(pattern), f"not in {side.label}"),
            helps=helps or (f"`migspec inspect {side.label}` lists its variables",),
        ),
        name,
    )


def _order(name: str, values: list[str], pattern: Pattern, problems: Problems) -> Callable[[str], int] | None:
    choices = next(
        (p.choices for s in pattern.segments for p in s if isinstance(p, Capture) and p.name == name and p.kind == "choice"),
        None,
    )
    if choices is not None:
        missing = [choice for choice in choices if choice not in values]
        if missing:
            _report_bundle(pattern, f"no variable has `{missing[0]}` for `{{{name}}}`", problems)
            return None
        return choices.index
    odd = next((value for value in values if not value.isdigit() or (len(value) > 1 and value[0] == "0")), None)
    if odd is not None:
        _report_bundle(pattern, f"`{{{name}}}` stands on one side only, and `{odd}` is no number to order it by", problems)
        return None
    numbers = sorted(int(value) for value in values)
    for low, high in pairwise(numbers):
        if high != low + 1:
            _report_bundle(pattern, f"`{{{name}}}` is {low} and then {high}: {low + 1} is missing", problems)
            return None
    return int


def _report_bundle(pattern: Pattern, note: str, problems: Problems) -> None:
    problems.add(
        ("bundle", span_of(pattern)),
        Diagnostic(
            "MIG212",
            f"`{text_of(pattern)}` makes no bundle: it needs consecutive numbers",
            Label(span_of(pattern)),
            notes=(note,),
            helps=(
                "a capture that stands on one side only gathers all its matches in numeric order; to move them one by one, write it on both sides",
            ),
        ),
    )


def _report_two(pattern: Pattern, found: Sequence[Found], side: Side, problems: Problems) -> None:
    listed = ", ".join(f"`{one.variable.name}` {described(one.variable)}" for one in found)
    problems.add(
        ("two", span_of(pattern)),
        Diagnostic(
            "MIG208",
            f"the name `{text_of(pattern)}` fits {len(found)} {side.word} variables",
            Label(span_of(pattern)),
            notes=(f"in {side.label}: {listed}", "`/` and `.` both separate segments, whichever is written"),
            helps=("use a name or an alias that only one of them has",),
        ),
    )


def _report_ambiguous(pattern: Pattern, ambiguous: AmbiguousMatch, problems: Problems) -> None:
    def said(captures: Captures) -> str:
        return ", ".join(
            f"{'the wildcard ' + name[1:] if name[0] == '*' else name} = `{value}`" for name, value in captures.items()
        )

    problems.add(
        ("ambiguous", span_of(pattern)),
        Diagnostic(
            "MIG209",
            f"the pattern `{text_of(pattern)}` fits `{ambiguous.name}` in two ways",
            Label(span_of(pattern)),
            notes=(f"either {said(ambiguous.first)}", f"or {said(ambiguous.second)}"),
            helps=("say more of what a capture may be: `{i:int}`, `{p:query|key}`",),
        ),
    )


def except_fix(pattern: Pattern, listed: PatternList, variable: Variable) -> Fix:
    """The fix that narrows a list so that it leaves a variable to another rule."""
    end = listed.span.end if listed.span is not None else span_of(pattern).end
    place = Span(span_of(pattern).text, end, end)
    text = f", {variable.name}" if listed.exceptions else f" except {variable.name}"
    return Fix(f"leave `{variable.name}` to the other rule", (Edit(place, text),))
