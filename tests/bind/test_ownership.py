"""Who owns a variable, against a search through every set of instances that could stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations

import pytest
from binding import codes, compiled, moves
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from migspec.variables import Variable, VariableMap

NAMES = ("a/0", "a/1", "b/0", "b/1", "c")

MENU = (
    "rename a/0 -> b/0",
    "rename a/1 -> a/1",
    "rename c -> c",
    "rename c -> a/0",
    "rename a/{i} -> b/{i}",
    "rename a/{i} -> a/{i}",
    "rename b/{i} -> a/{i}",
    "rename b/{i} -> b/{i}",
    "rename {k}/0 -> {k}/0",
    "rename {k}/1 -> {k}/1",
    "rename a/{i}, b/{i} -> b/{i}  sum",
    "rename a/0, b/{i} -> a/{i}  sum",
    "rename b/{i} -> c  sum",
    "copy a/0 -> c",
    "copy a/0 -> a/0",
    "copy a/{i} -> a/{i}",
    "copy c -> b/1",
    "same **",
    "same a/*",
    "same c",
    "drop a/0",
    "drop a/*",
    "drop b/*",
    "drop c",
    "drop **",
    "keep a/*",
    "keep b/0",
    "keep c",
    "keep **",
    "fill b/* with zeros",
    "fill b/1 with ones",
    "fill ** with ones",
)
EXACT, PATTERN, SAME, REST = range(4)


@dataclass(frozen=True)
class Claim:
    """One instance of a rule as LANGUAGE.md tells it: what it takes on each side, and how well it names that."""

    rule: int
    kind: str
    sources: tuple[tuple[str, int], ...]
    targets: tuple[tuple[str, int], ...]
    lacking: bool = False
    """Whether one of its sources or its target does not exist; `sources` are those that do."""


def matched(pattern: str, names: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    if pattern == "**":
        return [(name, {}) for name in names]
    expression = re.sub(r"\{(\w)\}", r"(?P<\1>[^/]+)", pattern).replace("*", "[^/]*")
    return [(name, match.groupdict()) for name in names if (match := re.fullmatch(expression, name))]


def rank(pattern: str) -> int:
    return REST if pattern == "**" else PATTERN if re.search(r"[*{]", pattern) else EXACT


def claims_of(number: int, rule: str, sources: tuple[str, ...], targets: tuple[str, ...]) -> list[Claim] | None:
    """The instances of a rule; None if it speaks of something that is not there."""
    kind, _, rest = re.sub(r"  sum| with \w+", "", rule).partition(" ")
    if kind == "same":
        both = [name for name, _ in matched(rest, sources) if name in targets]
        if not both or not matched(rest, sources):
            return None
        return [Claim(number, kind, ((name, SAME),), ((name, SAME),)) for name in both]
    if kind == "drop":
        found = matched(rest, sources)
        return (
            [Claim(number, kind, ((name, rank(rest)),), ()) for name, _ in found]
            if found or (rest == "**" and not sources)
            else None
        )
    if kind in ("keep", "fill"):
        found = matched(rest, targets)
        return (
            [Claim(number, kind, (), ((name, rank(rest)),)) for name, _ in found]
            if found or (rest == "**" and not targets)
            else None
        )
    lefts, _, right = rest.partition(" -> ")
    items = [(pattern, matched(pattern, sources)) for pattern in lefts.split(", ")]
    if not all(found for _, found in items):
        return None
    on_the_right = re.findall(r"\{(\w)\}", right)
    claims = []
    for values in {
        tuple(captures[name] for name in on_the_right)
        for pattern, found in items
        for _, captures in found
        if all(name in captures for name in on_the_right)
    }:
        choice = dict(zip(on_the_right, values, strict=True))
        taken: list[tuple[str, int]] = []
        lacking = False
        for pattern, found in items:
            fitting = [
                name for name, captures in found if all(captures.get(key, value) == value for key, value in choice.items())
            ]
            lacking = lacking or not fitting
            taken += [(name, rank(pattern)) for name in fitting]
        goal = right
        for name, value in choice.items():
            goal = goal.replace(f"{{{name}}}", value)
        lacking = lacking or goal not in targets
        claims.append(Claim(number, kind, tuple(taken), () if lacking else ((goal, rank(right)),), lacking))
    return claims


def compete(one: Claim, other: Claim, *, at_source: bool) -> bool:
    kinds = {one.kind, other.kind}
    if at_source:
        return kinds != {"drop"} and ("copy" not in kinds or "drop" in kinds)
    return kinds != {"keep"}


def beats(one: Claim, other: Claim) -> bool:
    """Whether `one`, if it stands, withdraws `other`: it names something better that both take."""
    return one is not other and any(
        name == also and well < badly and compete(one, other, at_source=at_source)
        for at_source, left, right in ((True, one.sources, other.sources), (False, one.targets, other.targets))
        for name, well in left
        for also, badly in right
    )


def standing(claims: list[Claim]) -> list[set[Claim]]:
    """Every set of which no member is beaten by a member, and each that is not a member is."""
    sets = []
    for mask in range(1 << len(claims)):
        chosen = [claim for place, claim in enumerate(claims) if mask >> place & 1]
        if all((claim in chosen) != any(beats(one, claim) for one in chosen) for claim in claims):
            sets.append(set(chosen))
    return sets


def clashes(chosen: set[Claim]) -> set[str]:
    found = set()
    for one, other in combinations(chosen, 2):
        for side, code in (("sources", "MIG206"), ("targets", "MIG207")):
            shared = {name for name, _ in getattr(one, side)} & {name for name, _ in getattr(other, side)}
            if shared and compete(one, other, at_source=side == "sources"):
                found.add("MIG217" if side == "sources" and {one.kind, other.kind} == {"copy", "drop"} else code)
    return found


def variable_map(label: str, names: tuple[str, ...]) -> VariableMap:
    return VariableMap.of(label, [Variable(name, (2,), "float32") for name in names])


some_names = st.lists(st.sampled_from(NAMES), max_size=2).map(
    lambda left_out: tuple(name for name in NAMES if name not in left_out)
)
some_rules = st.builds(
    lambda rules, rest: list(dict.fromkeys([*rules, *rest])),
    st.lists(st.sampled_from(MENU), min_size=1, max_size=4, unique=True),
    st.sampled_from(((), ("drop **", "keep **"), ("drop **", "fill ** with ones"), ("same **", "keep **"))),
)


@given(some_rules, some_names, some_names)
@settings(max_examples=200, deadline=None)
def test_rules_own_what_the_language_gives_them(rules, sources, targets) -> None:
    compilation = compiled("\n".join(rules), variable_map("old", sources), variable_map("new", targets))
    found = [claims_of(number, rule, sources, targets) for number, rule in enumerate(rules)]
    if any(claims is None for claims in found):
        event("a rule speaks of what is not there")
        assert compilation.plan is None
        return
    every = [claim for of_rule in found for claim in of_rule or ()]
    claims = [claim for claim in every if not claim.lacking]
    assume(len(claims) <= 11)
    sets = standing(claims)
    assume(len(sets) == 1)  # two that are each better on one side: the language does not say
    (chosen,) = sets
    if any(claim.lacking and not any(beats(one, claim) for one in chosen) for claim in every):
        event("an instance lacks a source or its target")
        assert compilation.plan is None
        return
    conflicts = clashes(chosen)
    idle = {
        number
        for number, rule in enumerate(rules)
        if found[number]
        and not any(claim.rule == number for claim in chosen)
        and not rule.startswith(("drop **", "keep **", "fill **", "same **"))
    }
    reported = set(codes(compilation))
    if conflicts:
        event("two rules claim one variable")
        assert compilation.plan is None
        assert reported & {"MIG206", "MIG207", "MIG217"}
        assert reported & {"MIG206", "MIG207", "MIG217"} <= conflicts
        return
    expected = {"MIG205"} if idle else set()
    used = {name for claim in chosen for name, _ in claim.sources}
    covered = {name for claim in chosen for name, _ in claim.targets}
    expected |= {"MIG201"} if set(sources) - used else set()
    expected |= {"MIG202"} if set(targets) - covered else set()
    if idle:
        # what an idle rule would have accounted for may count as the same cause
        assert "MIG205" in reported
        assert reported <= expected
    else:
        assert reported == expected
    if expected:
        event("something is left over")
        return
    event("a plan")
    assert compilation.plan is not None
    for claim in chosen:
        for name, _ in claim.targets:
            if claim.kind == "keep":
                assert name in [left.variable for left in compilation.plan.kept]
            else:
                assert set(moves(compilation)[name]) == {one for one, _ in claim.sources}
        if claim.kind == "drop":
            assert claim.sources[0][0] in [left.variable for left in compilation.plan.dropped]
    assert len(compilation.plan.moves) == sum(len(claim.targets) for claim in chosen if claim.kind != "keep")


def test_an_exact_rename_beats_a_pattern_though_a_copy_reads_the_source_too() -> None:
    compilation = compiled(
        "copy a -> x\nrename a -> y\nrename {n} -> new/{n}\nkeep new/a", "a [2]\nb [2]", "x [2]\ny [2]\nnew/a [2]\nnew/b [2]"
    )
    assert moves(compilation) == {"x": ("a",), "y": ("a",), "new/b": ("b",)}


def test_what_a_withdrawn_rule_would_have_taken_is_free() -> None:
    # the bundle of l/* names t exactly, but loses l/0; so the pattern may have t
    spec = "rename l/0 -> z\nrename l/{i} -> t  sum\nrename c_{x} -> {x}\ndrop l/1"
    compilation = compiled(spec, "l/0 [2]\nl/1 [2]\nc_t [2]", "z [2]\nt [2]")
    assert codes(compilation) == ["MIG205"]
    assert compiled(spec.replace("rename l/{i} -> t  sum\n", ""), "l/0 [2]\nl/1 [2]\nc_t [2]", "z [2]\nt [2]").plan is not None


@pytest.mark.parametrize("sides", [("a", "b"), ("b", "a")])
def test_two_rules_that_are_each_better_on_one_side_are_settled_one_way(sides) -> None:
    first, second = sides
    spec = f"rename {first}/0 -> x/0\nrename {second}/{{i}} -> y  sum\nkeep **\ndrop **"
    assert compiled(spec, "a/0 [2]\nb/0 [2]", "x/0 [2]\ny [2]").plan is not None


def test_a_name_beats_an_alias() -> None:
    source = "old [2] also a\na [2]"
    assert moves(compiled("rename a -> x\nrename old -> y", source, "x [2]\ny [2]")) == {"x": ("a",), "y": ("old",)}
    # by its name against by its alias: the first owns the variable
    spec = "rename old -> x\nrename b -> y"
    assert codes(compiled(spec, "old [2] also b", "x [2]\ny [2]")) == ["MIG205"]


def test_a_withdrawn_rule_is_shown_with_the_one_that_withdrew_it() -> None:
    compilation = compiled(
        "rename a/0 -> x\nrename a/{i}, b/{i} -> y/{i}  sum", "a/0 [2]\nb/0 [2]\na/1 [2]\nb/1 [2]", "x [2]\ny/0 [2]\ny/1 [2]"
    )
    assert codes(compilation) == ["MIG201", "MIG202"]
    for one in compilation.diagnostics:
        assert one.primary is not None
        lines = {label.span.line for label in (one.primary, *one.secondary)}
        assert lines == {1, 2}
