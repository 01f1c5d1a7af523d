"""Who owns a variable: rules compete by instance, the better named wins, and two of one rank are an error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from migspec.bind.match import except_fix, span_of
from migspec.bind.problems import Problems, described
from migspec.bind.types import REST, Beaten, Element, Instance
from migspec.diagnostics import Diagnostic, Fix, Label
from migspec.patterns import is_exact, is_rest

_Claim = tuple[Instance, Element]


def settle(instances: Sequence[Instance], problems: Problems) -> tuple[list[Instance], list[Instance]]:
    """The instances that stand and those that are withdrawn.

    An instance is withdrawn as a whole if a better one takes any of its sources or targets. Of those that stand, two that claim one
    variable are reported; the first written stands.
    """
    sources, targets = _claims(instances)
    # Best ranks first: an instance that one rank has beaten beats nothing of the next.
    for rank in range(2 * REST + 2):
        for at_source, competing in ((True, sources), (False, targets)):
            for name, claims in competing.items():
                winner = next((one for one, element in claims if element.rank == rank and one.beaten is None), None)
                if winner is not None:
                    _beat(name, winner, rank, claims, at_source=at_source)
    standing = [instance for instance in instances if instance.beaten is None]
    refused: set[Instance] = set()
    _report_doubles(_alive(sources), problems, refused, "source")
    _report_doubles(_alive(targets), problems, refused, "target")
    return [one for one in standing if one not in refused], [one for one in instances if one.beaten is not None]


def compete(one: Instance, other: Instance, *, at_source: bool) -> bool:
    """Whether two instances cannot both have a variable."""
    kinds = {one.rule.kind, other.rule.kind}
    if at_source:
        if kinds == {"drop"}:
            return False
        return "drop" in kinds if "copy" in kinds else True
    return kinds != {"keep"}


def _claims(instances: Sequence[Instance]) -> tuple[dict[str, list[_Claim]], dict[str, list[_Claim]]]:
    sources: dict[str, list[_Claim]] = defaultdict(list)
    targets: dict[str, list[_Claim]] = defaultdict(list)
    for instance in instances:
        for element in instance.sources:
            sources[element.variable.name].append((instance, element))
        for element in instance.targets:
            targets[element.variable.name].append((instance, element))
    return _several(sources), _several(targets)


def _several(table: dict[str, list[_Claim]]) -> dict[str, list[_Claim]]:
    return {name: claims for name, claims in table.items() if len(claims) > 1}


def _beat(name: str, winner: Instance, rank: int, claims: Sequence[_Claim], *, at_source: bool) -> None:
    for other, element in claims:
        beaten = other is not winner and other.beaten is None and element.rank > rank
        if beaten and compete(winner, other, at_source=at_source):
            other.beaten = Beaten(name, winner)


def _alive(table: dict[str, list[_Claim]]) -> dict[str, list[_Claim]]:
    return {name: [claim for claim in claims if claim[0].beaten is None] for name, claims in table.items()}


def _report_doubles(table: dict[str, list[_Claim]], problems: Problems, refused: set[Instance], side: str) -> None:
    for claims in table.values():
        for place, (first, first_element) in enumerate(claims):
            for second, second_element in claims[place + 1 :]:
                if first in refused or second in refused or not _clash(first, second, at_source=side == "source"):
                    continue
                _report_double(first, first_element, second, second_element, problems, side)
                refused.add(second)


def _clash(first: Instance, second: Instance, *, at_source: bool) -> bool:
    """Whether two claims on one variable cannot both stand; a copy may read a source twice."""
    if first is second:
        return not (at_source and first.rule.kind == "copy")
    return compete(first, second, at_source=at_source)


def _report_double(
    first: Instance, first_element: Element, second: Instance, second_element: Element, problems: Problems, side: str
) -> None:
    variable = first_element.variable
    kinds = {first.rule.kind, second.rule.kind}
    if side == "source" and kinds == {"copy", "drop"}:
        code, message = "MIG217", f"`{variable.name}` is copied and dropped"
    else:
        code = "MIG206" if side == "source" else "MIG207"
        message = f"two rules claim the {side} variable `{variable.name}`"
        if first is second:
            message = f"one rule takes the {side} variable `{variable.name}` twice"
    problems.add(
        (code, first.rule, second.rule, first_element.pattern.span, second_element.pattern.span),
        Diagnostic(
            code,
            message,
            Label(span_of(second_element.pattern), "claimed again here"),
            (Label(span_of(first_element.pattern), f"{described(variable)} is claimed here"),),
            helps=() if _fixes(first, second, first_element, second_element, side) else ("take one of them out",),
            fixes=_fixes(first, second, first_element, second_element, side),
        ),
        variable.name,
    )


def _fixes(first: Instance, second: Instance, first_element: Element, second_element: Element, side: str) -> tuple[Fix, ...]:
    """The `except` that would leave the variable to the other rule."""
    fixes = []
    for instance, element in ((second, second_element), (first, first_element)):
        listed = instance.rule.sources if side == "source" else instance.rule.targets
        if listed is not None and not is_exact(element.pattern) and not is_rest(element.pattern) and first is not second:
            fixes.append(except_fix(element.pattern, listed, element.variable))
    return tuple(fixes)
