"""The instances of each rule: one for each choice of the captures that stand on both of its sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from migspec.bind.match import Match, in_bundle_order, list_matches, matches
from migspec.bind.problems import Problems, described
from migspec.bind.side import Side, fitting, span_of
from migspec.bind.types import SAME, Element, Failed, Instance, Scope
from migspec.bind.unmatched import report_exception, report_no_target
from migspec.bind.variants import renumbered, widened
from migspec.cells import is_random_state
from migspec.diagnostics import Diagnostic, Label
from migspec.fold import fold_texts
from migspec.names import normal_name
from migspec.patterns import (
    Captures,
    Template,
    capture_names,
    constrained,
    constraints_of,
    is_rest,
    numeric_captures,
    paste,
    text_of,
)
from migspec.rules import Rule
from migspec.syntax.tree import Pattern, PatternList
from migspec.variables import Variable

_SHOWN = 4  # so many names of a side are shown, folded
_Key = tuple[tuple[str, str], ...]
"""The values of some captures, in the order in which a pattern names them."""


@dataclass(slots=True)
class Enumeration:
    """The instances found, and what rules in error would have accounted for.

    `excused_*` are variables that such a rule plainly spoke of; `missing_*` are names that it gave and that do not exist: the variables
    nearest to them are left uncovered for the same cause.
    """

    instances: list[Instance] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    excused_sources: set[str] = field(default_factory=set)
    excused_targets: set[str] = field(default_factory=set)
    missing_sources: list[str] = field(default_factory=list)
    missing_targets: list[str] = field(default_factory=list)


def enumerate_rule(rule: Rule, scope: Scope, problems: Problems, result: Enumeration) -> None:
    """Add the instances of one rule in one scope."""
    source, target = Side(scope.sources, "source"), Side(scope.targets, "target")
    match rule.kind:
        case "rename" | "copy":
            _Moves(rule, scope, source, target, problems, result).enumerate()
        case "same":
            _same(rule, scope, source, target, problems, result)
        case "drop":
            for element in _elements(
                rule, rule.sources, source, scope, problems, result.missing_sources, result.excused_sources
            ):
                result.instances.append(Instance(rule, scope, {}, sources=(element,)))
        case "keep" | "fill":
            for element in _elements(
                rule, rule.targets, target, scope, problems, result.missing_targets, result.excused_targets
            ):
                result.instances.append(Instance(rule, scope, {}, targets=(element,)))


def _elements(
    rule: Rule, listed: PatternList | None, side: Side, scope: Scope, problems: Problems, missing: list[str], excused: set[str]
) -> Iterator[Element]:
    assert listed is not None
    patterns = [constrained(p, constraints_of(*listed.patterns), numeric_captures(*listed.patterns)) for p in listed.patterns]
    found = list_matches(listed, patterns, side, scope, problems, captures_matter=False, optional=rule.if_present)
    if found is None:
        for pattern in patterns:
            _excuse_fitting(pattern, side, excused, missing)
        return
    seen: dict[str, Element] = {}
    for one in found:
        for match in one:
            element = match.element
            if is_rest(element.pattern) and is_random_state(element.variable):
                continue  # the rest is what nobody thought of, and a seed is neither a weight to fill nor one to mention
            known = seen.get(element.variable.name)
            if known is None or element.rank < known.rank:
                seen[element.variable.name] = element
    yield from seen.values()


@dataclass(slots=True)
class _Moves:
    """The instances of a `rename` or `copy`."""

    rule: Rule
    scope: Scope
    source: Side
    target: Side
    problems: Problems
    result: Enumeration
    wrong: Problems = field(default_factory=Problems)
    """What is wrong with the instance that is being made."""
    missing: list[str] = field(default_factory=list)
    choices: list[Captures] = field(default_factory=list)
    meant: dict[Pattern, Pattern | None] = field(default_factory=dict)

    def enumerate(self) -> None:
        rule = self.rule
        self.wrong.uses = self.scope.uses
        assert rule.sources is not None
        assert rule.targets is not None
        written = [*rule.sources.patterns, *rule.targets.patterns]
        constraints, numeric = constraints_of(*written), numeric_captures(*written)
        lefts = [constrained(pattern, constraints, numeric) for pattern in rule.sources.patterns]
        rights = [constrained(pattern, constraints, numeric) for pattern in rule.targets.patterns]
        right_captures = {name for pattern in rights for name in capture_names(pattern)}
        left_captures = {name for pattern in lefts for name in capture_names(pattern)}
        shared = left_captures & right_captures
        found = list_matches(
            rule.sources, lefts, self.source, self.scope, self.problems, captures_matter=True, optional=rule.if_present
        )
        if found is None:
            self._excuse(lefts, rights)
            return
        groups = [
            _grouped(matched, [n for n in capture_names(left) if n in shared])
            for matched, left in zip(found, lefts, strict=True)
        ]
        items = [_Item(left, group, shared) for left, group in zip(lefts, groups, strict=True)]
        templates = [Template(right) for right in rights]
        exceptions = self._excepted_targets()
        narrowing: set[Pattern] = set()
        self.choices = list(self._assignments(groups))
        for captures in self.choices:
            sources = self._sources(captures, items)
            if sources is None:
                continue
            targets = self._targets(captures, templates)
            if targets is None:
                self._fail(captures, sources)
                continue
            names = {element.variable.name for element in targets}
            hit = {exception for exception, excepted in exceptions.items() if excepted & names}
            narrowing |= hit
            if not hit:  # else its variables, those of the source too, are left to other rules
                self.result.instances.append(Instance(rule, self.scope, captures, sources, targets, rule.operations))
        for exception in exceptions:
            if exception not in narrowing and not rule.if_present:
                report_exception(exception, self.target, self.problems)

    def _excepted_targets(self) -> dict[Pattern, set[str]]:
        """What each `except` of the right side fits."""
        assert self.rule.targets is not None
        excepted: dict[Pattern, set[str]] = {}
        for exception in self.rule.targets.exceptions:
            found = matches(exception, self.target, self.scope, self.problems, captures_matter=False)
            excepted[exception] = {match.element.variable.name for match in found or ()}
        return excepted

    def _assignments(self, groups: Sequence[dict[_Key, list[Match]]]) -> Iterator[Captures]:
        """Every choice of the shared captures for which at least one source item has matches, joined over the items."""
        assignments: dict[_Key, Captures] = {(): {}}
        bound: set[str] = set()
        for group in sorted(groups, key=lambda group: -max((len(key) for key in group), default=0)):
            names = {name for key in group for name, _ in key}
            if names <= bound:
                # The item adds no capture; keys of its own that no other item has are instances all the same.
                seen = {tuple(pair for pair in key if pair[0] in names) for key in assignments}
                extra = [key for key in group if tuple(sorted(key)) not in seen] if names == bound else []
                for key in extra:
                    assignments[tuple(sorted(key))] = dict(key)
                continue
            joined: dict[_Key, Captures] = {}
            for captures in assignments.values():
                for key in group:
                    if all(captures.get(name, value) == value for name, value in key):
                        merged = {**captures, **dict(key)}
                        joined[tuple(sorted(merged.items()))] = merged
            assignments, bound = joined, bound | names
        if any(groups):
            yield from assignments.values()

    def _sources(self, captures: Captures, items: Sequence[_Item]) -> tuple[Element, ...] | None:
        elements: list[Element] = []
        lacking: list[Pattern] = []
        for item in items:
            found = item.group.get(tuple((name, captures[name]) for name in item.shared))
            if not found:
                lacking.append(item.pattern)
                continue
            ordered = in_bundle_order(found, item.own, item.pattern, self.problems)
            if ordered is None:
                self._excuse([item.pattern], ())
                self._excuse_targets(captures)
                return None
            elements.extend(match.element for match in ordered)
        if lacking:
            name = text_of(paste(lacking[0], captures))
            found_names = ", ".join(f"`{one.variable.name}` {described(one.variable)}" for one in elements[:3])
            left_out = ", ".join(one.variable.name for one in elements[:3])
            self.wrong.add(
                ("lacks", self.rule, span_of(lacking[0])),
                Diagnostic(
                    "MIG211",
                    f"the rule lacks its source `{name}`",
                    Label(span_of(lacking[0]), f"not in {self.source.label}"),
                    notes=(f"it has {found_names} in {self.source.label}, and needs all of its sources",),
                    helps=(
                        f"leave the others out of this rule as well: end its list of sources in `except {left_out}`",
                        f"then `drop {left_out}`, or give them a rule of their own",
                    ),
                ),
                name,
            )
            self._fail(captures, tuple(elements))
            return None
        return tuple(elements)

    def _fail(self, captures: Captures, sources: tuple[Element, ...]) -> None:
        """Note the instance that was being made as failed, with what is wrong with it."""
        assert self.rule.targets is not None
        spoken = {name for pattern in self.rule.targets.patterns for name in fitting(paste(pattern, captures), self.target)}
        instance = Instance(self.rule, self.scope, captures, sources)
        self.result.failed.append(Failed(instance, self.wrong, frozenset(spoken), tuple(self.missing)))
        self.wrong, self.missing = Problems(self.scope.uses), []

    def _targets(self, captures: Captures, templates: Sequence[Template]) -> tuple[Element, ...] | None:
        elements: list[Element] = []
        for template in templates:
            if all(name in captures for name in template.captures):
                found = self._one_target(captures, template)
            else:
                found = self._several_targets(captures, template)
            if found is None:
                return None
            elements.extend(found)
        return tuple(elements)

    def _one_target(self, captures: Captures, template: Template) -> list[Element] | None:
        name = template.render(captures)
        found = self.scope.targets.lookup(name)
        if len(found) == 1:
            exact = not template.captures
            rank = 2 * max(0 if exact else 1, self.scope.floor) + (found[0].alias > 0)
            return [Element(found[0].variable, rank, template.pattern)]
        pasted = paste(template.pattern, captures)
        if found:
            matches(pasted, self.target, self.scope, self.wrong, captures_matter=False)
            return None
        self._report_no_target(template, text_of(pasted))
        return None

    def _several_targets(self, captures: Captures, template: Template) -> list[Element] | None:
        pattern = paste(template.pattern, captures)
        found = matches(pattern, self.target, self.scope, self.wrong, captures_matter=True)
        if found is None:
            return None
        if not found:
            self._report_no_target(template, text_of(pattern))
            return None
        ordered = in_bundle_order(found, capture_names(pattern), template.pattern, self.wrong)
        return None if ordered is None else [match.element for match in ordered]

    def _report_no_target(self, template: Template, name: str) -> None:
        pattern = template.pattern
        if pattern not in self.meant:
            self.meant[pattern] = renumbered(pattern, self.choices, self.scope.targets) if template.captures else None
        self.missing.append(name)
        report_no_target(pattern, name, self.meant[pattern], self.target, self.rule, self.wrong)

    def _excuse(self, lefts: Sequence[Pattern], rights: Sequence[Pattern]) -> None:
        """Whatever the patterns fit, or may have been meant to fit, is not reported as uncovered: their rule has its error."""
        for pattern in lefts:
            _excuse_fitting(pattern, self.source, self.result.excused_sources, self.result.missing_sources)
        for pattern in rights:
            self.result.excused_targets.update(fitting(pattern, self.target))

    def _excuse_targets(self, captures: Captures) -> None:
        assert self.rule.targets is not None
        for pattern in self.rule.targets.patterns:
            self.result.excused_targets.update(fitting(paste(pattern, captures), self.target))


class _Item:
    """One pattern of the left side: its matches by the captures that the right side has too, and the captures of its own."""

    def __init__(self, pattern: Pattern, group: dict[_Key, list[Match]], shared: set[str]) -> None:
        self.pattern = pattern
        self.group = group
        self.shared = [name for name in capture_names(pattern) if name in shared]
        self.own = [name for name in capture_names(pattern) if name not in shared]


def _grouped(found: list[Match], names: Sequence[str]) -> dict[_Key, list[Match]]:
    groups: dict[_Key, list[Match]] = {}
    for match in found:
        groups.setdefault(tuple((name, match.captures[name]) for name in names), []).append(match)
    return groups


def _excuse_fitting(pattern: Pattern, side: Side, excused: set[str], missing: list[str]) -> None:
    """What a pattern in error fits, or fits with wider captures, is excused; if that is nothing, the name nearest to it is."""
    fits = fitting(pattern, side) | fitting(widened(pattern), side)
    excused.update(fits)
    if not fits:
        missing.append(text_of(pattern))


def _same(rule: Rule, scope: Scope, source: Side, target: Side, problems: Problems, result: Enumeration) -> None:
    """Every variable of the list that both sides have under one name, if that name is unique both ways."""
    listed = rule.sources
    assert listed is not None
    patterns = [constrained(p, constraints_of(*listed.patterns), numeric_captures(*listed.patterns)) for p in listed.patterns]
    found = list_matches(listed, patterns, source, scope, problems, captures_matter=False, optional=rule.if_present)
    if found is None:
        for pattern in patterns:
            _excuse_fitting(pattern, source, result.excused_sources, result.missing_sources)
            result.excused_targets.update(fitting(pattern, target))
        return
    pairs: dict[str, list[tuple[bool, Element, Variable]]] = {}
    for pattern, matched in zip(patterns, found, strict=True):
        any_pair = False
        for match in matched:
            counterpart = _counterpart(match.element.variable, scope)
            if counterpart is None:
                continue
            any_pair = True
            rank = 2 * max(SAME, scope.floor) + counterpart[0]
            element = Element(match.element.variable, rank, pattern)
            pairs.setdefault(counterpart[1].name, []).append((counterpart[0], element, counterpart[1]))
        if not any_pair and not rule.if_present:
            problems.add(
                ("same", span_of(pattern)),
                Diagnostic(
                    "MIG203",
                    f"`same {text_of(pattern)}` finds no variable that both sides have under one name",
                    Label(span_of(pattern)),
                    notes=(
                        f"in {source.label} it fits {fold_texts((match.element.variable.name for match in matched), _SHOWN)}",
                        f"{target.label} has {fold_texts((variable.name for variable in target.index.map), _SHOWN)}",
                    ),
                    helps=("name both sides: `rename OLD -> NEW`",),
                ),
            )
            result.excused_sources.update(match.element.variable.name for match in matched)
            result.excused_targets.update(fitting(pattern, target))
    for claimed in pairs.values():
        sources = {element.variable.name: (by_alias, element, variable) for by_alias, element, variable in reversed(claimed)}
        own = [one for one in sources.values() if not one[0]]
        unique = own if len(own) == 1 else list(sources.values())
        if len(unique) == 1:
            _, element, variable = unique[0]
            goal = Element(variable, element.rank, element.pattern)
            result.instances.append(Instance(rule, scope, {}, (element,), (goal,), rule.operations))


def _counterpart(variable: Variable, scope: Scope) -> tuple[bool, Variable] | None:
    """The one target variable that shares a name with a source variable; whether an alias was needed."""
    found = scope.targets.lookup(normal_name(variable.name))
    if len(found) == 1:
        return found[0].alias > 0, found[0].variable
    others = {one.variable.name: one.variable for alias in variable.aliases for one in scope.targets.lookup(normal_name(alias))}
    if not found and len(others) == 1:
        return True, next(iter(others.values()))
    return None
