"""Names that stand on the other side: the two files, or the two sides of a rule, taken for one another."""

from __future__ import annotations

from collections.abc import Iterator

from migspec.bind.problems import Problems
from migspec.bind.side import Side, fitting, span_of
from migspec.bind.types import Enumeration, Scope
from migspec.bind.variants import widened
from migspec.diagnostics import Diagnostic, Label
from migspec.patterns import is_exact, is_rest, text_of
from migspec.rules import Rule
from migspec.syntax.tree import Pattern

_FEW = 2  # so many names at least must stand on the other side: one alone may be a slip


def swapped_files(scope: Scope) -> Diagnostic | None:
    """One error for a spec that finds most of its names on the other side only."""
    source, target = _sides(scope)
    own = 0
    other: list[tuple[Pattern, Side]] = []
    for pattern, side in _spoken(scope):
        if _fitting(pattern, side):
            own += 1
        elif _fitting(pattern, target if side.word == "source" else source):
            other.append((pattern, side))
    if len(other) < _FEW or len(other) <= own:
        return None
    pattern, side = other[0]
    there = target if side.word == "source" else source
    return Diagnostic(
        "MIG203",
        f"{len(other)} of the {own + len(other)} names found stand on the other side only",
        Label(span_of(pattern), f"a {side.word} here, and {there.label} is what has it"),
        notes=(f"the source is {source.label}, the target {target.label}",),
        helps=("are `--source` and `--target` swapped?", "if they are right, swap the two sides of each `->`"),
    )


def swapped_rule(rule: Rule, scope: Scope, result: Enumeration) -> Problems | None:
    """The error of a rule whose left stands in the target alone, and its right in the source alone; None if it is no such rule."""
    if rule.kind not in ("rename", "copy") or rule.sources is None or rule.targets is None:
        return None
    source, target = _sides(scope)
    lefts, rights = rule.sources.patterns, rule.targets.patterns
    if any(_fitting(one, source) for one in lefts) or any(_fitting(one, target) for one in rights):
        return None
    if not all(_fitting(one, target) for one in lefts) or not all(_fitting(one, source) for one in rights):
        return None
    for one in lefts:
        result.excused_targets.update(_fitting(one, target))
    for one in rights:
        result.excused_sources.update(_fitting(one, source))
    problems = Problems()
    problems.add(
        ("swapped", rule),
        Diagnostic(
            "MIG203",
            f"`{text_of(lefts[0])}` is in the target, and `{text_of(rights[0])}` in the source",
            Label(span_of(lefts[0]), f"in {target.label}, not in {source.label}"),
            (Label(span_of(rights[0]), f"in {source.label}, not in {target.label}"),),
            notes=("a rule reads from the left of `->`, which is the source, and fills what is on its right",),
            helps=("swap the two sides of `->`",),
            uses=scope.uses,
        ),
    )
    return problems


def _sides(scope: Scope) -> tuple[Side, Side]:
    return Side(scope.sources, "source"), Side(scope.targets, "target")


def _spoken(scope: Scope) -> Iterator[tuple[Pattern, Side]]:
    """Every name or pattern that the rules of a spec give, with the side that they give it for; not `**`, which fits all."""
    source, target = _sides(scope)
    for rule in scope.program.rules:
        for listed, side in ((rule.sources, source), (rule.targets, target)):
            if listed is not None and rule.kind != "same":
                yield from ((pattern, side) for pattern in listed.patterns if not is_rest(pattern))


def _fitting(pattern: Pattern, side: Side) -> set[str]:
    return fitting(pattern if is_exact(pattern) else widened(pattern), side)
