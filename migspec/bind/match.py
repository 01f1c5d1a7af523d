"""Which variables a pattern stands for, and which instances a rule has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from migspec.bind.problems import Problems, described
from migspec.bind.side import Side, span_of
from migspec.bind.types import EXACT, PATTERN, REST, Element, Scope
from migspec.bind.unmatched import report_exception, report_nothing
from migspec.diagnostics import Diagnostic, Edit, Fix, Label
from migspec.names import Found, normal_name
from migspec.patterns import AmbiguousMatch, Captures, Matcher, is_rest, text_of
from migspec.syntax.tree import Capture, Pattern, PatternList
from migspec.text import Span
from migspec.variables import Variable

_NUMBER = re.compile("0|[1-9][0-9]{0,999}")
_WORDS = 6  # so many words of a capture are proposed as choices


@dataclass(frozen=True, slots=True)
class Match:
    """One variable that a pattern fits, with what it captured."""

    captures: Captures
    element: Element


def matches(pattern: Pattern, side: Side, scope: Scope, problems: Problems, *, captures_matter: bool) -> list[Match] | None:
    """Every variable that the pattern fits, in the order of the map; None if an error was reported.

    An exact name that fits two variables is an error, and so is a pattern that fits one name in two ways if what it captures matters.
    Where it matters, in a `rename` or `copy`, a lone `**` is a pattern like any other; elsewhere it is the rest.
    """
    matcher = Matcher(pattern)
    rest = is_rest(pattern) and not captures_matter
    kind = 2 * max(REST if rest else EXACT if matcher.exact is not None else PATTERN, scope.floor)
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
    place = side.index.map.place
    ordered = sorted(best.values(), key=lambda one: place(one[1].variable.name))
    return [Match(captures, Element(found.variable, kind + (found.alias > 0), pattern)) for _, found, captures in ordered]


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
    left = [[match for match in one if match.element.variable.name not in excepted] for one in per_pattern]
    if sound and not optional and any(per_pattern) and not any(left) and not all(map(is_rest, patterns)):
        _report_emptied(listed, side, problems)
        sound = False
    return left if sound else None


def in_bundle_order(found: list[Match], names: Sequence[str], pattern: Pattern, problems: Problems) -> list[Match] | None:
    """The matches of one instance in the order of their bundle; None if an error was reported.

    `names` are the captures that make the bundle, slowest first: numbers, consecutive, and each combination there.
    """
    if not names:
        if len(found) > 1:
            _report_one_choice(found, pattern, problems)
            return None
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
        captures = " and ".join(f"`{{{n}}}`" for n in names)
        reason = f"there are {len(ordered)} variables for {expected} combinations of {captures}"
        help_ = "narrow one of the captures to what is complete, `{i:0..3}`, and move the others by a rule of their own"
        _report_bundle(pattern, reason, help_, problems)
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


def _order(name: str, values: list[str], pattern: Pattern, problems: Problems) -> Callable[[str], int] | None:
    choices = next(
        (p.choices for s in pattern.segments for p in s if isinstance(p, Capture) and p.name == name and p.kind == "choice"),
        None,
    )
    if choices is not None:
        missing = [choice for choice in choices if choice not in values]
        if missing:
            help_ = f"take `{missing[0]}` out of the choices, or write it as the variables do"
            _report_bundle(pattern, f"no variable has `{missing[0]}` for `{{{name}}}`", help_, problems)
            return None
        return choices.index
    odd = next((value for value in values if not _NUMBER.fullmatch(value)), None)
    if odd is not None:
        words = "|".join(values[:_WORDS]) + ("|..." if len(values) > _WORDS else "")
        reason = f"`{odd}` is no number that gives `{{{name}}}` an order"
        help_ = f"write the words in their order: `{{{name}:{words}}}`"
        if odd.isdecimal():
            reason = f"`{{{name}}}` is `{odd}`, a number with a leading zero"
            help_ = "list the variables in their order, with commas"
        _report_bundle(pattern, reason, help_, problems)
        return None
    numbers = sorted(int(value) for value in values)
    for low, high in pairwise(numbers):
        if high != low + 1:
            help_ = f"if {low + 1} is not to be there, list the variables in their order, with commas"
            _report_bundle(pattern, f"`{{{name}}}` is {low} and then {high}: {low + 1} is missing", help_, problems)
            return None
    return int


def _report_emptied(listed: PatternList, side: Side, problems: Problems) -> None:
    span = listed.span if listed.span is not None else span_of(listed.patterns[0])
    problems.add(
        ("emptied", span),
        Diagnostic(
            "MIG205",
            "this list names nothing: its `except` takes out all that it has",
            Label(span, f"nothing is left of it in {side.label}"),
            helps=("narrow the exception, or take the statement out",),
        ),
    )


def _report_bundle(pattern: Pattern, reason: str, help_: str, problems: Problems) -> None:
    problems.add(
        ("bundle", span_of(pattern)),
        Diagnostic(
            "MIG212",
            f"`{text_of(pattern)}` makes no bundle: {reason}",
            Label(span_of(pattern)),
            notes=(
                "a capture that stands on one side only gathers all its matches: consecutive numbers, or the choices written",
            ),
            helps=(help_, "to move them one by one, write the capture on both sides"),
        ),
    )


def _report_one_choice(found: Sequence[Match], pattern: Pattern, problems: Problems) -> None:
    listed = ", ".join(f"`{match.element.variable.name}` {described(match.element.variable)}" for match in found[:3])
    captured = ", ".join(f"{name} = `{value}`" for name, value in found[0].captures.items())
    problems.add(
        ("one choice", span_of(pattern)),
        Diagnostic(
            "MIG208",
            f"the pattern `{text_of(pattern)}` fits {len(found)} variables with the same captures",
            Label(span_of(pattern)),
            notes=(f"{listed}, each with {captured}",),
            helps=("name them one by one, or leave one of them out with `except`",),
        ),
        found[0].element.variable.name,
    )


def _report_two(pattern: Pattern, found: Sequence[Found], side: Side, problems: Problems) -> None:
    in_order = sorted((one.variable for one in found), key=lambda variable: side.index.map.place(variable.name))
    listed = ", ".join(f"`{variable.name}` {described(variable)}" for variable in in_order)
    notes: tuple[str, ...] = (f"in {side.label}: {listed}",)
    own = [alias for variable in in_order for alias in variable.aliases if len(side.index.lookup(normal_name(alias))) == 1]
    help_ = "write the whole name of the one that is meant, or an alias that it alone has"
    if len({normal_name(variable.name) for variable in in_order}) == 1:
        notes = (*notes, "`/` and `.` both separate segments, whichever is written, so these are one name")
        help_ = "no rule can tell them apart by name: rename one of them in its file"
        if own:
            help_ = f"use an alias that one of them has alone: {', '.join(f'`{alias}`' for alias in own[:3])}"
    problems.add(
        ("two", side.word, in_order[0].name),
        Diagnostic(
            "MIG208",
            f"the name `{text_of(pattern)}` fits {len(found)} {side.word} variables",
            Label(span_of(pattern)),
            notes=notes,
            helps=(help_,),
        ),
        text_of(pattern),
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
