"""An interface at chosen sizes: the variable maps of both sides that its `source` and `target` lines declare."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from migspec import arithmetic
from migspec.patterns import Captures, paste, text_of
from migspec.rules import Program
from migspec.syntax import tree
from migspec.variables import Variable, VariableMap

_DTYPE = "float32"  # of a line that names none: then any will do
_FREE = 2  # values of a capture that nothing counts


@dataclass(frozen=True, slots=True)
class Choice:
    """One of all the cases that an interface allows.

    `sizes` gives every size without a definition of its own; `generation` which of the alternative names of each line is meant, where
    it has so many; `present` the numbers of the optional lines (places in `Program.interface`) whose variables exist.
    """

    sizes: Mapping[str, int]
    generation: int = 0
    present: frozenset[int] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value:g}" for name, value in (*self.sizes.items(), *self.numbers.items())) or "no sizes"


@dataclass(frozen=True, slots=True)
class Example:
    """The variables that an interface declares for one choice, and what the spec calls each: the first name of its line."""

    choice: Choice
    source: VariableMap
    target: VariableMap
    called: Mapping[tuple[str, str], str]
    """(`source` or `target`, name) -> the name by the first alternative of its line."""


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


def example(program: Program, choice: Choice, label: str = "the interface") -> Example:
    """The variables of both sides for one choice. Raises `Impossible` if a length would be no whole number >= 1."""
    values = values_of(program, choice)
    called: dict[tuple[str, str], str] = {}
    sides: dict[str, dict[str, Variable]] = {"source": {}, "target": {}}
    for number, (line, _) in enumerate(program.interface):
        if line.if_present and number not in choice.present:
            continue
        shape = tuple(_whole(dim, values) for dim in line.dims)
        for captures in _members(line, values):
            name = text_of(paste(line.names[min(choice.generation, len(line.names) - 1)], captures))
            sides[line.side][name] = Variable(name, shape, line.dtype or _DTYPE)
            called[line.side, name] = text_of(paste(line.names[0], captures))
    described = f"{label} ({choice})" if choice.sizes or choice.numbers else label
    source, target = (VariableMap.of(described, one.values()) for one in (sides["source"], sides["target"]))
    return Example(choice, source, target, called)


def generations(program: Program) -> int:
    """How many generations of names an interface knows."""
    return max((len(line.names) for line, _ in program.interface), default=1)


def optional_groups(program: Program) -> tuple[frozenset[int], ...]:
    """The optional lines of an interface, those together that are there or not together: a rule that moves one moves the others."""
    from migspec.patterns import Matcher, is_exact

    def concerns(line: tree.Interface, listed: tree.PatternList | None) -> bool:
        return listed is not None and any(
            Matcher(pattern).fits(text_of(name)) or Matcher(name).fits(text_of(pattern)) or pattern == name
            for pattern in listed.patterns
            for name in line.names
            if is_exact(name) or is_exact(pattern) or pattern == name
        )

    groups = [{number} for number, (line, _) in enumerate(program.interface) if line.if_present]
    for rule in program.rules:
        if rule.kind in ("drop", "keep", "fill"):
            continue
        moved = [
            number
            for number, (line, _) in enumerate(program.interface)
            if line.if_present
            and concerns(line, rule.sources if line.side == "source" else (rule.targets or rule.sources))
        ]
        touched = [group for group in groups if group & set(moved)]
        if len(touched) > 1:
            groups = [group for group in groups if group not in touched] + [set().union(*touched)]
    return tuple(sorted((frozenset(group) for group in groups), key=min))


def free_sizes(program: Program) -> tuple[str, ...]:
    """The sizes that a case may choose: those without a definition."""
    return tuple(name for name, definition in program.sizes.items() if definition.value is None)


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
