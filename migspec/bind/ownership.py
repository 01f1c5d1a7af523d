"""Who owns a variable: rules compete by instance, the better named wins, and two of one rank are an error."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from migspec.bind.match import except_fix
from migspec.bind.problems import Problems, described
from migspec.bind.side import Side, fitting, span_of
from migspec.bind.types import Beaten, Element, Instance
from migspec.bind.unclaimed import Unclaimed
from migspec.diagnostics import Diagnostic, Fix, Label
from migspec.patterns import is_exact, is_rest
from migspec.rules import Rule

_Claim = tuple[Instance, Element]
_TWICE = ("the same statement is written twice: take one out",)


def settle(instances: Sequence[Instance], problems: Problems, unclaimed: Unclaimed) -> tuple[list[Instance], list[Instance]]:
    """The instances that stand and those that are withdrawn.

    An instance is withdrawn as a whole if a better one takes any of its sources or targets. Of those that stand, two that claim one
    variable are reported; the first written stands.
    """
    sources, targets = _claims(instances)
    _withdraw(instances, sources, targets)
    standing = [instance for instance in instances if instance.beaten is None]
    refused: set[Instance] = set()
    _report_doubles(_alive(sources), problems, refused, "source", unclaimed)
    _report_doubles(_alive(targets), problems, refused, "target", unclaimed)
    return [one for one in standing if one not in refused], [one for one in instances if one.beaten is not None]


def preview(instances: Sequence[Instance]) -> list[Instance]:
    """The instances that would stand, if there were no others. Nothing is reported, and nothing withdrawn for good."""
    _withdraw(instances, *_claims(instances))
    standing = [instance for instance in instances if instance.beaten is None]
    for instance in instances:
        instance.beaten = None
    return standing


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


def _withdraw(
    instances: Sequence[Instance], sources: Mapping[str, Sequence[_Claim]], targets: Mapping[str, Sequence[_Claim]]
) -> None:
    """Mark every instance that a better one beats. Only one that stands beats others, so each waits for those that are better.

    Two that are each better on one side wait for each other: then that with the best rank stands, or the first written.
    """
    better: dict[Instance, int] = defaultdict(int)
    worse: dict[Instance, list[tuple[str, Instance]]] = defaultdict(list)
    best: dict[Instance, int] = {}
    for at_source, table in ((True, sources), (False, targets)):
        for name, claims in table.items():
            if len({element.rank for _, element in claims}) == 1:
                continue
            for winner, element in claims:
                best[winner] = min(element.rank, best.get(winner, element.rank))
                for other, weaker in claims:
                    if element.rank < weaker.rank and winner is not other and compete(winner, other, at_source=at_source):
                        better[other] += 1
                        worse[winner].append((name, other))
    undecided = dict.fromkeys(instance for instance in instances if instance in best)
    ready = deque(instance for instance in undecided if not better[instance])
    while undecided:
        winner = ready.popleft() if ready else min(undecided, key=lambda instance: best[instance])
        if winner not in undecided:
            continue
        del undecided[winner]
        for name, other in worse[winner]:
            if other not in undecided:
                continue
            del undecided[other]
            other.beaten = Beaten(name, winner)
            for _, third in worse[other]:
                better[third] -= 1
                if not better[third]:
                    ready.append(third)


def _alive(table: dict[str, list[_Claim]]) -> dict[str, list[_Claim]]:
    return {name: [claim for claim in claims if claim[0].beaten is None] for name, claims in table.items()}


def _report_doubles(
    table: dict[str, list[_Claim]],
    problems: Problems,
    refused: set[Instance],
    side: Literal["source", "target"],
    unclaimed: Unclaimed,
) -> None:
    for claims in table.values():
        for place, (first, first_element) in enumerate(claims):
            for second, second_element in claims[place + 1 :]:
                if first in refused or second in refused or not _clash(first, second, at_source=side == "source"):
                    continue
                _report_double((first, first_element), (second, second_element), problems, side, unclaimed)
                refused.add(second)


def _clash(first: Instance, second: Instance, *, at_source: bool) -> bool:
    """Whether two claims on one variable cannot both stand; a copy may read a source twice."""
    if first is second:
        return not (at_source and first.rule.kind == "copy")
    return compete(first, second, at_source=at_source)


def _report_double(
    first_claim: _Claim, second_claim: _Claim, problems: Problems, side: Literal["source", "target"], unclaimed: Unclaimed
) -> None:
    (first, first_element), (second, second_element) = first_claim, second_claim
    variable = first_element.variable
    label = (first.scope.sources if side == "source" else first.scope.targets).map.label
    kinds = {first.rule.kind, second.rule.kind}
    if side == "source" and kinds == {"copy", "drop"}:
        code, message = "MIG217", f"`{variable.name}` is copied and dropped"
    else:
        code = "MIG206" if side == "source" else "MIG207"
        message = f"two rules claim the {side} variable `{variable.name}`"
        if first is second:
            message = f"one rule takes the {side} variable `{variable.name}` twice"
    twice = first is not second and _written_twice(first.rule, second.rule)
    fixes = () if twice else _fixes(first, second, first_element, second_element, side)
    problems.add(
        (code, first.rule, second.rule, first_element.pattern.span, second_element.pattern.span),
        Diagnostic(
            code,
            message,
            Label(span_of(second_element.pattern), "claimed again here"),
            (Label(span_of(first_element.pattern), f"{described(variable)} in {label} is claimed here"),),
            notes=(
                *(note for one in (first, second) for note in one.notes if f"`{variable.name}`" in note),
                *_other_uses(first, second),
            ),
            helps=_TWICE if twice else () if fixes else _helps(first_claim, second_claim, side, unclaimed),
            fixes=fixes,
            uses=second.scope.uses,
        ),
        variable.name,
    )


def _other_uses(first: Instance, second: Instance) -> Iterator[str]:
    """Where the first claim's spec is used, if that is not where the second one's is: the chain of uses is that of the second."""
    if first.scope.uses != second.scope.uses and first.scope.uses:
        yield "the first claim is made by the spec used at " + ", used at ".join(map(str, reversed(first.scope.uses)))


def _written_twice(first: Rule, second: Rule) -> bool:
    """Whether two rules are the same statement; only the places differ at which its words stand."""
    return first is not second and first.statement.span.content.split() == second.statement.span.content.split()


def _helps(
    first_claim: _Claim, second_claim: _Claim, side: Literal["source", "target"], unclaimed: Unclaimed
) -> tuple[str, ...]:
    (first, _), (second, element) = first_claim, second_claim
    kinds = [first.rule.kind, second.rule.kind]
    if side == "source" and "copy" in kinds:
        return ("a `copy` covers its source: take the `drop` out",)
    helps = ["take one of them out"]
    if side == "source" and kinds == ["rename", "rename"] and first is not second:
        helps = ["to give it to both, write `copy` in one of the two", *helps]
    near = unclaimed.nearest(element.variable.name, side) if is_exact(element.pattern) else None
    if near is not None:
        helps = [f"no rule speaks of `{near.name}`, {described(near)}: is that one meant in one of the two places?", *helps]
    return tuple(helps[:2])


def _fixes(first: Instance, second: Instance, first_element: Element, second_element: Element, side: str) -> tuple[Fix, ...]:
    """The `except` that would leave the variable to the other rule."""
    fixes = []
    for instance, element in ((second, second_element), (first, first_element)):
        listed = instance.rule.sources if side == "source" else instance.rule.targets
        if listed is None or is_exact(element.pattern) or is_rest(element.pattern) or first is second:
            continue
        index = instance.scope.sources if side == "source" else instance.scope.targets
        if len(fitting(element.pattern, Side(index, side))) > 1:  # else nothing would be left of the list
            fixes.append(except_fix(element.pattern, listed, element.variable))
    return tuple(fixes)
