"""Specs compiled in one line, and what their plans make of numbered arrays."""

from __future__ import annotations

import numpy
from notation import variables_of

from migspec.compiler import Compilation, compile_spec
from migspec.diagnostics import Severity
from migspec.dtypes import numpy_dtype
from migspec.evaluate import evaluate
from migspec.text import Text
from migspec.variables import VariableMap


def compiled(spec: str, source: str | VariableMap, target: str | VariableMap, **more: object) -> Compilation:
    """A spec against two maps, each a map or one variable a line: `name [shape] dtype`, dtype float32 where left out."""
    return compile_spec(Text("spec.mig", spec), as_map("old", source), as_map("new", target), **more)  # type: ignore[arg-type]


def as_map(label: str, variables: str | VariableMap) -> VariableMap:
    if isinstance(variables, VariableMap):
        return variables
    lines = [line.strip() for line in variables.splitlines() if line.strip()]
    return variables_of(
        label,
        "\n".join(line.replace("]", "] float32", 1) if line.endswith("]") or "] also" in line else line for line in lines),
    )


def codes(compilation: Compilation) -> list[str]:
    """The codes of the errors, in order."""
    return [one.code for one in compilation.diagnostics if one.severity is Severity.ERROR]


def moves(compilation: Compilation) -> dict[str, tuple[str, ...]]:
    """Target -> the sources that it is made of."""
    assert compilation.plan is not None, [f"{one.code} {one.message} {one.notes}" for one in compilation.diagnostics]
    return {move.target: move.sources for move in compilation.plan.moves}


def numbered(variables: VariableMap) -> dict[str, numpy.ndarray]:
    """A value for each variable, every element of all of them different."""
    values, start = {}, 1
    for variable in variables:
        values[variable.name] = (
            numpy.arange(start, start + variable.size).reshape(variable.shape).astype(numpy_dtype(variable.dtype))
        )
        start += variable.size
    return values


def migrated(
    compilation: Compilation, values: dict[str, numpy.ndarray] | None = None
) -> tuple[dict[str, numpy.ndarray], dict[str, numpy.ndarray]]:
    """The source's values, and what the plan makes of them."""
    assert compilation.plan is not None, [f"{one.code} {one.message} {one.notes}" for one in compilation.diagnostics]
    assert compilation.binding is not None
    source = values or numbered(compilation.binding.source)
    return source, {
        move.target: evaluate(move.expression, lambda read: source[read.variable]) for move in compilation.plan.moves
    }
