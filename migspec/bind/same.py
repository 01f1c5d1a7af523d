"""The instances of `same`: what both sides have under one name."""

from __future__ import annotations

from migspec.bind.match import list_matches
from migspec.bind.problems import Problems
from migspec.bind.side import Side, fitting, span_of
from migspec.bind.types import SAME, Element, Enumeration, Instance, Scope
from migspec.bind.unmatched import excuse_fitting
from migspec.diagnostics import Diagnostic, Label
from migspec.fold import fold_texts
from migspec.names import normal_name
from migspec.patterns import constrained, constraints_of, numeric_captures, text_of
from migspec.rules import Rule
from migspec.variables import Variable

_SHOWN = 4  # so many names of a side are shown, folded


def enumerate_same(rule: Rule, scope: Scope, source: Side, target: Side, problems: Problems, result: Enumeration) -> None:
    """Every variable of the list that both sides have under one name, if that name is unique both ways."""
    listed = rule.sources
    assert listed is not None
    patterns = [constrained(p, constraints_of(*listed.patterns), numeric_captures(*listed.patterns)) for p in listed.patterns]
    found = list_matches(listed, patterns, source, scope, problems, captures_matter=False, optional=rule.if_present)
    if found is None:
        for pattern in patterns:
            excuse_fitting(pattern, source, result.excused_sources, result.missing_sources)
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
