"""The variables that a spec moved into the new model: what may be to blame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from migspec.cells import Cell, Cells, is_fused
from migspec.compiler import Compilation
from migspec.dtypes import kind
from migspec.expression import Affine, Cast, Concat, Expression, Fill, Permute, Read, Reshape, Slice, Sum, Take
from migspec.names import normal_name
from migspec.text import Span
from migspec.variables import Variable, VariableMap


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """One variable that was moved: by which statement, from what, and the cell of whose fused weights it is one."""

    variable: Variable
    statement: Span
    expression: Expression
    cell: Cell | None

    @property
    def name(self) -> str:
        return self.variable.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.variable.shape

    @property
    def offset(self) -> float:
        """What the spec adds to some of its values: a forget bias. 0 if nothing."""
        return _offset(self.expression)

    @property
    def path(self) -> tuple[str, ...]:
        """The segments of its name."""
        return tuple(normal_name(self.variable.name).split("/"))


def suspects_of(compilation: Compilation, variables: VariableMap) -> tuple[Suspect, ...]:
    """Every floating-point variable that a rule without errors moved, in the order of the model; no output shows an optimizer's."""
    if compilation.binding is None:
        return ()
    cells = Cells(variables)
    found = []
    for bound in compilation.binding.bound:
        variable = variables[bound.target.name]
        if kind(variable.dtype) != "float" or not variable.size or variable.of_optimizer:
            continue
        cell = cells.of(variable)
        fused = cell if cell is not None and is_fused(variable, cell) else None
        found.append(Suspect(variable, bound.instance.rule.span, bound.expression, fused))
    return tuple(sorted(found, key=lambda one: variables.place(one.name)))


def _offset(node: Expression) -> float:
    match node:
        case Affine(inner):
            return node.offset or _offset(inner)
        case Concat(inputs) | Sum(inputs):
            return next((found for one in inputs if (found := _offset(one))), 0.0)
        case Permute(inner) | Reshape(inner) | Slice(inner) | Take(inner) | Cast(inner):
            return _offset(inner)
        case Read() | Fill():
            return 0.0
        case _:
            assert_never(node)


def scopes(suspects: Iterable[Suspect]) -> Iterator[tuple[Suspect, ...]]:
    """Groups in which one mistake shows: all together, those of one statement, each alone; no group twice, largest first."""
    every = tuple(suspects)
    groups = [every]
    by_statement: dict[Span, list[Suspect]] = {}
    for one in every:
        by_statement.setdefault(one.statement, []).append(one)
    groups += [tuple(group) for group in by_statement.values()]
    by_cell: dict[Cell, list[Suspect]] = {}
    for one in every:
        if one.cell is not None:
            by_cell.setdefault(one.cell, []).append(one)
    groups += [tuple(group) for group in by_cell.values()]
    groups += [(one,) for one in every]
    seen: set[frozenset[str]] = set()
    for group in groups:
        names = frozenset(one.name for one in group)
        if group and names not in seen:
            seen.add(names)
            yield group
