"""Instances that lack a source or a target: withdrawn where a better rule takes one of their sources, errors elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from migspec.bind.ownership import compete
from migspec.bind.problems import Problems
from migspec.bind.side import span_of
from migspec.bind.types import Beaten, Element, Enumeration, Failed, Instance
from migspec.diagnostics import Diagnostic, Edit, Fix, Label
from migspec.text import Span


def report_failed(
    enumeration: Enumeration, standing: Sequence[Instance], problems: Problems
) -> tuple[list[Instance], list[Instance]]:
    """Report every instance that failed, unless a better rule withdraws it. Returns those withdrawn and those reported."""
    claims: dict[str, list[tuple[Instance, Element]]] = defaultdict(list)
    if enumeration.failed:
        for instance in standing:
            for element in instance.sources:
                claims[element.variable.name].append((instance, element))
    withdrawn: list[Instance] = []
    reported: list[Instance] = []
    for failed in enumeration.failed:
        instance = failed.instance
        rivals = [
            (element, other, claim)
            for element in instance.sources
            for other, claim in claims[element.variable.name]
            if compete(other, instance, at_source=True)
        ]
        better = next(
            (
                (element, other)
                for element, other, claim in rivals
                # `concat gates` takes the recurrent kernel in, and a pattern of its rule that fits it means no other target.
                if claim.rank < element.rank or (claim.implied and other.rule is instance.rule)
            ),
            None,
        )
        if better is not None:
            instance.beaten = Beaten(better[0].variable.name, better[1])
            withdrawn.append(instance)
            continue
        reported.append(instance)
        equal = next(((element, claim) for element, _, claim in rivals if claim.rank == element.rank), None)
        if equal is None:
            problems.absorb(failed.problems)
        else:
            problems.absorb(failed.problems, partial(_shared, *equal, instance))
        _excuse(failed, enumeration)
    return withdrawn, reported


def _excuse(failed: Failed, enumeration: Enumeration) -> None:
    """What the instance plainly spoke of is not reported as uncovered as well."""
    enumeration.excused_sources.update(element.variable.name for element in failed.instance.sources)
    enumeration.excused_targets.update(failed.targets)
    enumeration.missing_targets.extend(failed.missing)


def _shared(element: Element, claim: Element, instance: Instance, found: Diagnostic) -> Diagnostic:
    """The diagnostic of an instance whose source another rule of its rank moves: with that place, and the `except` that mends both."""
    listed = instance.rule.sources
    other = span_of(claim.pattern)
    if listed is None or listed.span is None or other.text != listed.span.text:
        return found
    end = Span(listed.span.text, listed.span.end, listed.span.end)
    # A pattern like the rule's own would take out everything.
    left = element.variable.name if claim.pattern in listed.patterns else other.content
    addition = f", {left}" if listed.exceptions else f" except {left}"
    fix = Fix(f"leave `{element.variable.name}` to that rule", (Edit(end, addition),))
    label = Label(other, f"this rule claims `{element.variable.name}`, too")
    return replace(found, secondary=(*found.secondary, label), fixes=(fix,), helps=())
