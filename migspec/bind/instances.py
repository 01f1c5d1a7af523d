"""The instances of each rule: one for each choice of the captures that stand on both of its sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from migspec.bind.interface import needs_absent
from migspec.bind.match import Match, in_bundle_order, list_matches, matches
from migspec.bind.problems import Problems, described
from migspec.bind.same import enumerate_same
from migspec.bind.side import Side, fitting, span_of
from migspec.bind.types import Element, Enumeration, Failed, Instance, Scope
from migspec.bind.unmatched import excuse_fitting, report_exception, report_no_target
from migspec.bind.variants import renumbered
from migspec.cells import is_random_state
from migspec.diagnostics import Diagnostic, Label
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

_Key = tuple[tuple[str, str], ...]
"""The values of some captures, in the order in which a pattern names them."""


def enumerate_rule(rule: Rule, scope: Scope, problems: Problems, result: Enumeration) -> None:
    """Add the instances of one rule in one scope. A rule that needs what is optional in the interface, and not there, is optional."""
    if scope.absent and needs_absent(rule, scope):
        if rule.kind in ("rename", "copy"):
            return
        rule = replace(rule, if_present=True)
    source, target = Side(scope.sources, "source"), Side(scope.targets, "target")
    match rule.kind:
        case "rename" | "copy":
            _Moves(rule, scope, source, target, problems, result).enumerate()
        case "same":
            enumerate_same(rule, scope, source, target, problems, result)
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
            excuse_fitting(pattern, side, excused, missing)
        return
    seen: dict[str, Element] = {}
    for one in found:
        for match in one:
            element = match.element
            if side.word == "target" and is_rest(element.pattern) and is_random_state(element.variable.name):
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
        if len(items) > 1:
            self._report_partial(items)
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
        for exception, excepted in exceptions.items():
            spoken = any(
                excepted.intersection(fitting(right, self.target)) for right in rights
            )  # what no source would fill either
            if exception not in narrowing and not spoken and not rule.if_present:
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
        if len(groups) == 1:
            yield from map(dict, groups[0])
            return
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
            found = item.group.get(item.key(captures))
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
            self._lack(lacking[0], captures, elements)
            return None
        return tuple(elements)

    def _lack(self, pattern: Pattern, captures: Captures, elements: Sequence[Element]) -> None:
        """Note an instance as failed that has these sources, and none for this pattern."""
        name = text_of(paste(pattern, captures))
        found_names = ", ".join(f"`{one.variable.name}` {described(one.variable)}" for one in elements[:3])
        left_out = ", ".join(one.variable.name for one in elements[:3])
        self.wrong.add(
            ("lacks", self.rule, span_of(pattern)),
            Diagnostic(
                "MIG211",
                f"the rule lacks its source `{name}`",
                Label(span_of(pattern), f"not in {self.source.label}"),
                notes=(f"it has {found_names} in {self.source.label}, and needs all of its sources",),
                helps=(
                    f"leave the others out of this rule as well: end its list of sources in `except {left_out}`",
                    f"then `drop {left_out}`, or give them a rule of their own",
                ),
            ),
            name,
        )
        self._fail(captures, tuple(elements))

    def _report_partial(self, items: Sequence[_Item]) -> None:
        """A match whose captures belong to no choice lacks the source that would have settled the others."""
        for item in items:
            chosen = {item.key(captures) for captures in self.choices}
            for key, found in item.group.items():
                captures = dict(key)
                if key in chosen:
                    continue
                others = [other for other in items if other is not item]
                lacking = next((other for other in others if not other.has(captures)), others[0])
                self._lack(lacking.pattern, captures, [match.element for match in found])

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
            excuse_fitting(pattern, self.source, self.result.excused_sources, self.result.missing_sources)
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

    def key(self, captures: Captures) -> _Key:
        """The group that a choice of captures stands for; no group has it if the choice leaves a capture open."""
        return tuple((name, captures[name]) for name in self.shared if name in captures)

    def has(self, captures: Captures) -> bool:
        """Whether a match of it agrees with the captures that are known."""
        return any(all(captures.get(name, value) == value for name, value in key) for key in self.group)


def _grouped(found: list[Match], names: Sequence[str]) -> dict[_Key, list[Match]]:
    groups: dict[_Key, list[Match]] = {}
    for match in found:
        groups.setdefault(tuple((name, match.captures[name]) for name in names), []).append(match)
    return groups
