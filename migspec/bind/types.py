"""What binding works on and what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from migspec.bind.problems import Problems
from migspec.diagnostics import Diagnostic
from migspec.expression import Expression
from migspec.names import NameIndex
from migspec.ops import GateAxis
from migspec.patterns import Captures
from migspec.rules import Operation, Program, Rule
from migspec.syntax.tree import Definition, Pattern
from migspec.text import Span
from migspec.variables import Variable, VariableMap

EXACT, PATTERN, SAME, REST = 0, 1, 2, 3
"""How well a rule names a variable: an exact name beats a pattern, a pattern `same`, `same` a lone `**`."""


@dataclass(frozen=True, slots=True)
class Solved:
    """What settled a size: the place in the spec, and the shape in words."""

    span: Span
    origin: str


@dataclass(slots=True, eq=False)
class Scope:
    """One spec where it is mounted: the names that it sees, and the values of its sizes and numbers.

    `solved` tells by what each size that the shapes settled was settled. `floor` is the best rank that a rule in it can have: mounting by
    a pattern makes a pattern of every name. `absent` are the optional names of its interface, by side, that are not there; `passed` are
    the values that its `use` gives it in names of the outer scope, and that were not settled there when it was mounted.
    """

    program: Program
    sources: NameIndex
    targets: NameIndex
    values: dict[str, int | float | None]
    uses: tuple[Span, ...] = ()
    floor: int = EXACT
    cast_all: Span | None = None
    given: Mapping[str, Definition] = field(default_factory=dict)
    """Names whose definitions do not count, because a `use` gives them another value: where its `with` does."""
    absent: tuple[tuple[str, Pattern], ...] = ()
    outer: Scope | None = None
    passed: tuple[Definition, ...] = ()
    solved: dict[str, Solved] = field(default_factory=dict)
    linked: tuple[Definition, ...] = field(init=False)
    """The sizes and numbers that are defined by others, which the shapes have yet to settle."""

    def __post_init__(self) -> None:
        definitions = (*self.program.sizes.values(), *self.program.numbers.values())
        self.linked = tuple(
            one for one in definitions if one.value and self.values.get(one.name) is None and one.name not in self.given
        )

    @property
    def unsettled(self) -> bool:
        return any(value is None for value in self.values.values())


@dataclass(frozen=True, slots=True)
class Element:
    """One variable of an instance: by which pattern, how well named, and the values of the captures that make a bundle."""

    variable: Variable
    rank: int
    pattern: Pattern
    coordinates: tuple[tuple[str, str], ...] = ()
    implied: bool = False
    """Whether a short form means it that does not name it: the recurrent kernel of `split gates` and `concat gates`."""


@dataclass(slots=True, eq=False)
class Instance:
    """A rule for one choice of the captures that stand on both of its sides."""

    rule: Rule
    scope: Scope
    captures: Captures
    sources: tuple[Element, ...] = ()
    targets: tuple[Element, ...] = ()
    operations: tuple[Operation, ...] = ()
    notes: tuple[str, ...] = ()
    beaten: Beaten | None = None
    follows: Instance | None = None
    """Of an optimizer's slots: the instance that moves their weights."""


@dataclass(frozen=True, slots=True)
class Beaten:
    """Why an instance is withdrawn: a better rule took this variable."""

    variable: str
    by: Instance

    @property
    def span(self) -> Span:
        """Where the better rule names the variable."""
        elements = (*self.by.sources, *self.by.targets)
        pattern = next((one.pattern for one in elements if one.variable.name == self.variable), None)
        return self.by.rule.span if pattern is None or pattern.span is None else pattern.span


@dataclass(frozen=True, slots=True)
class Failed:
    """An instance that lacks a source or a target: `instance` has the sources that were found, and no targets.

    It is an error only if no better rule takes one of those, for then the instance is withdrawn. `targets` are the variables that it
    plainly spoke of, `missing` the names of targets that do not exist.
    """

    instance: Instance
    problems: Problems
    targets: frozenset[str]
    missing: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Bound:
    """One target variable and the expression that fills it. `sources` are the variables that the expression reads."""

    target: Variable
    expression: Expression
    instance: Instance
    sources: tuple[Variable, ...]
    gates: GateAxis | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A target variable that keeps its value; `rule` is None for what needs none: random state, and an optimizer that the spec does
    not speak of."""

    target: Variable
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A source variable left behind; `rule` is None for an optimizer that the spec does not speak of."""

    source: Variable
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Binding:
    """All that a spec does to two variable maps.

    `used` and `covered` name the source and target variables that rules account for, those of rules that failed included: what fails for
    another reason is not reported a second time as uncovered. `withdrawn` are instances that better rules displaced.
    """

    program: Program
    source: VariableMap
    target: VariableMap
    bound: tuple[Bound, ...]
    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    used: frozenset[str]
    covered: frozenset[str]
    withdrawn: tuple[Instance, ...]
    missing_sources: tuple[str, ...]
    missing_targets: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
