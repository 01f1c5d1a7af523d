"""A spec held against the variables that its own interface declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from migspec.bind.bind import bind
from migspec.bind.mount import assert_interface, initial_values
from migspec.bind.problems import Problems
from migspec.bind.types import Binding, Scope
from migspec.check import check
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.interface.example import Example
from migspec.names import NameIndex
from migspec.rules import Program

_SHOWN = 4  # so many more of the lines whose variables are left over
_UNSETTLED = ("MIG304", "MIG305")


@dataclass(frozen=True, slots=True)
class Held:
    """What came of it. `parameters` are the sizes that no shape of the interface settles and that the spec cannot do without: whoever
    uses it gives them (`with heads = 12`), and here they were given."""

    example: Example
    binding: Binding
    diagnostics: tuple[Diagnostic, ...]
    parameters: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(one for one in self.diagnostics if one.severity is Severity.ERROR)


def held(program: Program, example: Example) -> Held:
    """Bind and check a reusable spec at one choice of its sizes."""
    given = given_values(program, example)
    binding = bind(program, example.source, example.target, given)
    diagnostics = _found(program, example, binding)
    if not any(one.code in _UNSETTLED for one in diagnostics):
        return Held(example, binding, diagnostics)
    values = {name: example.values[name] for name, value in settled_sizes(program, example).items() if value is None}
    if not values:
        return Held(example, binding, diagnostics)
    binding = bind(program, example.source, example.target, given | values)
    return Held(example, binding, _found(program, example, binding), tuple(values))


def _found(program: Program, example: Example, binding: Binding) -> tuple[Diagnostic, ...]:
    """What binding and the checks found; what is left over is shown where the interface declares it."""
    left_over = {
        "MIG201": [("source", one.name) for one in example.source if one.name not in binding.used],
        "MIG202": [("target", one.name) for one in example.target if one.name not in binding.covered],
    }

    def placed(one: Diagnostic) -> Diagnostic:
        numbers = dict.fromkeys(example.lines[variable] for variable in left_over.get(one.code, ()))
        if one.primary is not None or not numbers:
            return one
        spans = [program.interface[number][0].names[0].span or program.interface[number][1].span for number in numbers]
        first, *others = (Label(span, "declared here") for span in spans)
        return replace(one, primary=first, secondary=tuple(others[:_SHOWN]), file=None)

    return tuple(map(placed, check(binding)))


def given_values(program: Program, example: Example) -> dict[str, int | float]:
    """What a choice gives beyond what the shapes tell: its numbers, and the sizes that have another value than their definition."""
    choice = example.choice
    sizes = {name: value for name, value in choice.sizes.items() if program.sizes[name].value is not None}
    return {**sizes, **choice.numbers}


def settled_sizes(program: Program, example: Example) -> Mapping[str, int | None]:
    """Every size as the shapes of the interface alone settle it; None for one that they leave open."""
    values = initial_values(program, dict(given_values(program, example)))
    scope = Scope(program, NameIndex(example.source), NameIndex(example.target), values)
    assert_interface(scope, Problems())
    return {name: None if value is None else int(value) for name, value in scope.values.items() if name in program.sizes}
