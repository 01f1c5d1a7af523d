"""Whether a reusable spec holds for all sizes: it is bound and checked at many of them, without any checkpoint."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.interface.example import (
    Choice,
    Example,
    Impossible,
    counts,
    example,
    free_sizes,
    generations,
    most_members,
    optional_groups,
)
from migspec.interface.held import held
from migspec.patterns import text_of
from migspec.rules import Program
from migspec.syntax.tree import Pattern
from migspec.text import Span

_CASES = 20
_MOST = 40  # of a spec with many optional variables and generations of names
_DRAWS = 400  # until sizes are found that make every length a whole number
_ATTEMPTS = 60  # smaller sizes that are tried for one error
_MEMBERS = 3  # of a family: more of them show nothing new, but for numbers that a rule names
_PALETTE = (1, 2, 3, 4, 6, 8, 12, 24)  # where few sizes go together, these do

Key = tuple[str, Span | None, tuple[Span, ...]]


@dataclass(frozen=True, slots=True)
class _Case:
    """What was found at one choice, each cause once."""

    choice: Choice
    found: dict[Key, Diagnostic]
    errors: frozenset[Key]


def check_interface(program: Program, given: Mapping[str, int | float] | None = None) -> tuple[Diagnostic, ...]:
    """What is wrong with a reusable spec: each error once, at the smallest sizes that show it, and the warnings that do not depend on
    the sizes. The same spec always gets the same answer. `given` are values for its sizes and numbers (`--set`)."""
    choices = list(_choices(program, given or {}))
    if not choices:
        return (no_sizes(program),)
    clash = next((one for choice in choices for one in clashes(program, example(program, choice))), None)
    if clash is not None:
        return (clash,)
    cases = [_tried(program, choice) for choice in choices]
    failing = sorted((case for case in cases if case.errors), key=lambda case: _weight(case.choice))
    found: list[Diagnostic] = []
    reported: set[Key] = set()
    for case in failing:
        if case.errors & reported:  # the same cause, perhaps, which may show in more than one way
            continue
        smallest = _smallest(program, case)
        for key in smallest.errors:
            showing = sum(key in other.errors for other in cases)
            found.append(at_case(program, smallest.choice, smallest.found[key], f"{showing} of {len(cases)} cases show it"))
        reported |= smallest.errors | case.errors
    return (*found, *(() if found else _lasting(cases)))


def no_sizes(program: Program) -> Diagnostic:
    """The error for an interface that no sizes were found for."""
    return Diagnostic(
        "MIG711",
        "no sizes were found that this interface allows",
        Label(program.interface[0][1].span),
        notes=("every length and every size must be a whole number, 1 or more",),
        helps=("write products rather than quotients: `size width = heads * depth` where it was `size depth = width / heads`",),
    )


def _tried(program: Program, choice: Choice) -> _Case:
    found: dict[Key, Diagnostic] = {}
    for one in held(program, example(program, choice)).diagnostics:
        found.setdefault((one.code, None if one.primary is None else one.primary.span, one.uses), one)
    return _Case(choice, found, frozenset(key for key, one in found.items() if one.severity is Severity.ERROR))


def _choices(program: Program, given: Mapping[str, int | float]) -> Iterator[Choice]:
    """The cases: every generation of names with every optional line now there, now not; sizes mostly all different."""
    generator = random.Random(0)
    groups = optional_groups(program)
    everything = frozenset[int]().union(*groups)
    presences = list(dict.fromkeys((everything, frozenset[int](), *(everything - group for group in groups))))
    names = generations(program)
    fixed = {name: int(value) for name, value in given.items() if name in program.sizes}
    numbers = {name: value for name, value in given.items() if name in program.numbers}
    seen = set()
    for place in range(min(_MOST, max(_CASES, names * len(presences)))):
        generation, present = place % names, presences[place // names % len(presences)]
        sizes = _sizes(program, generator, fixed, alike=place // names // len(presences) % 3 == 1)
        if sizes is None:
            return
        if (tuple(sizes.items()), generation, present) not in seen:
            seen.add((tuple(sizes.items()), generation, present))
            yield Choice(sizes, generation, present, numbers)


def _sizes(program: Program, generator: random.Random, fixed: Mapping[str, int], *, alike: bool) -> dict[str, int] | None:
    """Sizes that the interface allows, all different unless `alike`; None if none are found."""
    names, members = [name for name in free_sizes(program) if name not in fixed], counts(program)
    several = [name for name in names if name not in members]
    most = most_members(program, _MEMBERS)
    for draw in range(_DRAWS):
        if draw % 2:
            drawn = generator.choices(_PALETTE, k=len(several))
        elif alike:
            drawn = generator.choices(range(1, 4), k=len(several))
        else:
            drawn = generator.sample(range(1, 12 + 2 * len(several)), len(several))
        sizes = dict(zip(several, drawn, strict=True))
        sizes |= {name: generator.choice((*range(1, _MEMBERS + 1), most)) for name in names if name in members}
        ordered = {**{name: sizes[name] for name in names}, **fixed}
        if _is_possible(program, Choice(ordered, 0, frozenset(range(len(program.interface))))):
            return ordered
    return None


def _is_possible(program: Program, choice: Choice) -> bool:
    try:
        example(program, choice)
    except Impossible:
        return False
    return True


def _smallest(program: Program, case: _Case) -> _Case:
    """The same errors at smaller sizes, by the first names, with everything optional there, as far as that is to be had."""
    everything = frozenset[int]().union(*optional_groups(program))
    attempts = 0
    shrunk = True
    while shrunk:
        shrunk = False
        for choice in _smaller(case.choice, everything):
            attempts += 1
            if attempts > _ATTEMPTS:
                return case
            if _is_possible(program, choice):
                other = _tried(program, choice)
                if other.errors == case.errors:
                    case, shrunk = other, True
                    break
    return case


def _smaller(choice: Choice, everything: frozenset[int]) -> Iterator[Choice]:
    if choice.generation:
        yield replace(choice, generation=0)
    if choice.present != everything:
        yield replace(choice, present=everything)
    for name, value in choice.sizes.items():
        for lower in dict.fromkeys((1, 2, value // 2, value - 1)):
            if 0 < lower < value:
                yield replace(choice, sizes={**choice.sizes, name: lower})


def _weight(choice: Choice) -> tuple[int, int]:
    return sum(choice.sizes.values()), choice.generation


def at_case(program: Program, choice: Choice, one: Diagnostic, also: str = "") -> Diagnostic:
    """The error with a note that says where it shows, and without helps that speak of files: there are none."""
    helps = tuple(help_ for help_ in one.helps if "migspec inspect" not in help_)
    note = f"at {case_text(program, choice)}" + (f"; {also}" if also else "")
    return replace(one, notes=(*one.notes, note), helps=helps)


def case_text(program: Program, choice: Choice) -> str:
    """A choice in words: `inputs = 2, units = 1, by the names weights and biases, without bias`."""
    parts = [str(choice)]
    if choice.generation:
        later = [_name(program, number, choice) for number, (line, _) in enumerate(program.interface) if len(line.names) > 1]
        parts.append("by the names " + ", ".join(f"`{text_of(name)}`" for name in dict.fromkeys(later)))
    absent = [
        f"`{text_of(line.names[0])}`"
        for number, (line, _) in enumerate(program.interface)
        if line.if_present and number not in choice.present
    ]
    if absent:
        parts.append("without " + ", ".join(dict.fromkeys(absent)))
    return ", ".join(parts)


def _lasting(cases: Sequence[_Case]) -> Iterator[Diagnostic]:
    """The warnings that no sizes avoid: all cases have them in which the same variables are there by the same names, and whose
    sizes are all different and none is 1, so that nothing is square or flat by chance."""
    together: dict[tuple[int, frozenset[int]], list[_Case]] = {}
    for case in cases:
        lengths = case.choice.sizes.values()
        if len(set(lengths)) == len(lengths) and 1 not in lengths:
            together.setdefault((case.choice.generation, case.choice.present), []).append(case)
    reported: set[Key] = set()
    for alike in together.values():
        for key, one in alike[0].found.items():
            if key not in reported and all(key in case.found for case in alike):
                reported.add(key)
                yield one


def clashes(program: Program, one: Example) -> Iterator[Diagnostic]:
    """The error for two lines of a side that declare a variable of one name."""
    for first, second, name in one.clashes:
        places = [_name(program, number, one.choice).span for number in (first, second)]
        yield Diagnostic(
            "MIG113",
            f"the {program.interface[second][0].side} `{name}` is declared twice",
            Label(_span(places[1]), "and again"),
            (Label(_span(places[0]), "the first time"),),
            helps=("take one of the two out, or give it another name",),
        )


def _name(program: Program, number: int, choice: Choice) -> Pattern:
    """What a line of the interface calls its variables in the generation of a choice."""
    line, _ = program.interface[number]
    return line.names[min(choice.generation, len(line.names) - 1)]


def _span(span: Span | None) -> Span:
    assert span is not None
    return span
