"""An interface at chosen sizes: the variable maps of both sides that its `source` and `target` lines declare."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from migspec import arithmetic
from migspec.bind.interface import composed
from migspec.bind.variants import widened
from migspec.names import normal_name
from migspec.patterns import Captures, Matcher, is_exact, paste, text_of
from migspec.rules import Program
from migspec.syntax import tree
from migspec.variables import Variable, VariableMap

_DTYPE = "float32"  # of a line that names none: then any will do
_FREE = 2  # values of a capture that nothing counts
_MOST_MEMBERS = 130  # of a family, however high the numbers are that a rule names


@dataclass(frozen=True, slots=True)
class Choice:
    """One of all the cases that an interface allows.

    `sizes` gives every size without a definition of its own, and may give others another value; `generation` is which of the alternative
    names of each line is meant (its last one, if it has fewer); `present` are the optional lines, by their places in
    `Program.interface`, whose variables exist; `numbers` may give numbers another value.
    """

    sizes: Mapping[str, int]
    generation: int = 0
    present: frozenset[int] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value:g}" for name, value in (*self.sizes.items(), *self.numbers.items())) or "no sizes"


@dataclass(frozen=True, slots=True)
class Example:
    """The variables that an interface declares for one choice.

    `values` are all sizes and numbers. By side and name of a variable, `called` tells what the spec calls it, which is the first name of
    its line, and `lines` which line declares it (a place in `Program.interface`). `clashes` are pairs of lines that give two variables of
    a side one name, each with that name.
    """

    choice: Choice
    source: VariableMap
    target: VariableMap
    values: Mapping[str, int | float]
    called: Mapping[tuple[str, str], str]
    lines: Mapping[tuple[str, str], int]
    clashes: tuple[tuple[int, int, str], ...] = ()


class Impossible(Exception):
    """There is no such case: a size or length that would be no whole number, or less than 1."""


def values_of(program: Program, choice: Choice) -> dict[str, int | float]:
    """Every size and number of a spec. Raises `Impossible` if a size is no whole number >= 1."""
    values: dict[str, int | float] = dict(choice.sizes) | dict(choice.numbers)
    for definition in (*program.sizes.values(), *program.numbers.values()):
        if definition.name in values or definition.value is None:
            continue
        try:
            value = arithmetic.value_of(definition.value, values)
        except (arithmetic.NotYetKnown, arithmetic.UnknownName, ZeroDivisionError) as error:
            raise Impossible(definition.name) from error
        if definition.name in program.sizes and (not isinstance(value, int) or value < 1):
            raise Impossible(definition.name)
        values[definition.name] = value
    return values


def example(program: Program, choice: Choice) -> Example:
    """The variables of both sides for one choice. Raises `Impossible` if a length would be no whole number >= 1."""
    values = values_of(program, choice)
    called: dict[tuple[str, str], str] = {}
    sides: dict[str, dict[str, Variable]] = {"source": {}, "target": {}}
    lines: dict[tuple[str, str], int] = {}
    owners: dict[tuple[str, str], int] = {}
    clashes: dict[tuple[int, int], str] = {}
    for number, (line, _) in enumerate(program.interface):
        if line.if_present and number not in choice.present:
            continue
        shape = tuple(_whole(dim, values) for dim in line.dims)
        for captures in _members(line, values):
            name = text_of(paste(line.names[min(choice.generation, len(line.names) - 1)], captures))
            owner = owners.setdefault((line.side, normal_name(name)), number)
            if owner != number:
                clashes.setdefault((owner, number), name)
                continue
            sides[line.side][name] = Variable(name, shape, line.dtype or _DTYPE)
            lines[line.side, name] = number
            called[line.side, name] = text_of(paste(line.names[0], captures))
    source, target = (VariableMap.of(f"the `{side}` lines", one.values()) for side, one in sides.items())
    return Example(choice, source, target, values, called, lines, tuple((*pair, name) for pair, name in clashes.items()))


def generations(program: Program) -> int:
    """How many generations of names an interface knows."""
    return max((len(line.names) for line, _ in program.interface), default=1)


def optional_groups(program: Program) -> tuple[frozenset[int], ...]:
    """The optional lines of an interface (their places in it), those together that are there or not together: a rule, or a spec
    that is used, moves one into the other."""
    groups = [{number} for number, (line, _) in enumerate(program.interface) if line.if_present]
    for together in (*_moved_together(program), *_mounted_together(program)):
        touched = [group for group in groups if group & together]
        if len(touched) > 1:
            groups = [group for group in groups if group not in touched] + [set().union(*touched)]
    return tuple(sorted((frozenset(group) for group in groups), key=min))


def _moved_together(program: Program) -> Iterator[set[int]]:
    """The optional lines that each rule speaks of."""
    for rule in program.rules:
        if rule.kind not in ("drop", "keep", "fill"):
            listed = {"source": rule.sources, "target": rule.targets or rule.sources}
            yield {
                number
                for number, (line, _) in enumerate(program.interface)
                for patterns in (listed[line.side],)
                if line.if_present and patterns is not None and _speaks_of(patterns.patterns, line)
            }


def _mounted_together(program: Program) -> Iterator[set[int]]:
    """The optional lines that a used spec needs together: all that it requires, or one group of what is optional in it."""
    for mounted in program.mounts:
        inner = mounted.program
        required = frozenset(number for number, (line, _) in enumerate(inner.interface) if not line.if_present)
        for group in (required, *optional_groups(inner)):
            wanted: dict[str, list[tree.Pattern]] = {"source": [], "target": []}
            for number in group:
                line, _ = inner.interface[number]
                prefix = mounted.use.source if line.side == "source" else mounted.use.target
                wanted[line.side] += [name if prefix is None else composed(prefix, name) for name in line.names]
            yield {
                number
                for number, (line, _) in enumerate(program.interface)
                if line.if_present and _speaks_of(wanted[line.side], line)
            }


def _speaks_of(patterns: Iterable[tree.Pattern], line: tree.Interface) -> bool:
    """Whether one of the patterns may stand for a variable of an interface line."""
    return any(_overlap(pattern, name) for pattern in patterns for name in line.names)


def _overlap(pattern: tree.Pattern, name: tree.Pattern) -> bool:
    if is_exact(name):
        return Matcher(pattern).fits(normal_name(text_of(name)))
    return Matcher(name).fits(normal_name(text_of(pattern))) if is_exact(pattern) else widened(pattern) == widened(name)


def free_sizes(program: Program) -> tuple[str, ...]:
    """The sizes that a case must choose: those without a definition."""
    return tuple(name for name, definition in program.sizes.items() if definition.value is None)


def counts(program: Program) -> frozenset[str]:
    """The sizes that say how many variables a family has, by themselves or by way of other sizes."""
    found = {
        reference.name
        for line, _ in program.interface
        if line.family is not None
        for reference in arithmetic.references(line.family[1])
    }
    waiting = list(found)
    while waiting:
        definition = program.sizes.get(waiting.pop())
        if definition is not None and definition.value is not None:
            more = {reference.name for reference in arithmetic.references(definition.value)} - found
            found |= more
            waiting += more
    return frozenset(found)


def most_members(program: Program, usual: int) -> int:
    """How many variables of a family are enough to show what more of them would: more than any number that a rule names."""
    lists = [listed for rule in program.rules for listed in (rule.sources, rule.targets) if listed is not None]
    patterns = [pattern for listed in lists for pattern in (*listed.patterns, *listed.exceptions)]
    patterns += [one for mounted in program.mounts for one in (mounted.use.source, mounted.use.target) if one is not None]
    highest = 0
    for part in (part for pattern in patterns for segment in pattern.segments for part in segment):
        match part:
            case tree.NumberRange(high=high) | tree.Capture(kind="range", high=high):
                highest = max(highest, high)
            case tree.Capture(kind="choice", choices=choices):
                highest = max([highest, *(int(one) for one in choices if one.isdecimal())])
            case tree.Plain(text):
                highest = max([highest, *map(int, re.findall(r"[0-9]{1,2}", text))])
            case _:
                pass
    return max(usual, min(highest + 2, _MOST_MEMBERS))


def _members(line: tree.Interface, values: Mapping[str, int | float]) -> Iterator[Captures]:
    """The captures of each variable that a line stands for."""
    found: dict[str, Sequence[str]] = {}
    for name in line.names:
        for part in itertools.chain.from_iterable(name.segments):
            if isinstance(part, tree.Capture) and part.name not in found:
                found[part.name] = _texts(part, line.family, values)
    for texts in itertools.product(*found.values()):
        yield dict(zip(found, texts, strict=True))


def _texts(part: tree.Capture, family: tuple[str, tree.Arithmetic] | None, values: Mapping[str, int | float]) -> Sequence[str]:
    if family is not None and family[0] == part.name:
        return [str(number) for number in range(_whole(family[1], values))]
    match part.kind:
        case "choice":
            return part.choices
        case "range":
            return [str(number) for number in range(part.low, part.high + 1)]
        case "int" | "numbering":
            return [str(number) for number in range(_FREE)]
        case "segments":
            return ["part", "part/inner"]
        case _:
            return ["first", "second"] if (part.scale, part.offset) == (1, 0) else [str(number) for number in range(_FREE)]


def _whole(expression: tree.Arithmetic, values: Mapping[str, int | float]) -> int:
    try:
        value = arithmetic.value_of(expression, values)
    except (arithmetic.NotYetKnown, arithmetic.UnknownName, ZeroDivisionError) as error:
        raise Impossible(str(error)) from error
    if not isinstance(value, int) or value < 1:
        raise Impossible(str(value))
    return value
