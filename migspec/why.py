"""What a plan does with one variable, in words: the statement that says so, and each step from source to target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from migspec.bind.problems import described, nearest_variables
from migspec.diagnostics import file_error
from migspec.expression import (
    Affine,
    Cast,
    Concat,
    Constant,
    Expression,
    Fill,
    Normal,
    Permute,
    Read,
    Reshape,
    Slice,
    Sum,
    Take,
    Uniform,
)
from migspec.names import NameIndex, normal_name
from migspec.ops import shape_text
from migspec.plan import Cause, Left, Plan
from migspec.variables import Variable, VariableMap

_SHOWN = 60  # so many characters of a long list of places are shown


def why(name: str, plan: Plan, source: VariableMap, target: VariableMap) -> str:
    """The answer for a variable of either side, under any of its names; raises SpecError (MIG203) if neither side has it."""
    lines: list[str] = []
    for found in NameIndex(target).lookup(normal_name(name)):
        lines.extend(_of_target(found.variable, plan))
    for found in NameIndex(source).lookup(normal_name(name)):
        lines.extend(_of_source(found.variable, plan))
    if not lines:
        helps = (nearest_variables(name, target) + nearest_variables(name, source))[:3]
        if "*" in name or "{" in name:
            helps = (*helps, "it takes one name; `migspec inspect PATH --filter PATTERN` lists the names that a pattern fits")
        elif not helps:
            helps = ("list the names of a side with `migspec inspect PATH --all`",)
        raise file_error(
            "MIG203", f"{source.label} and {target.label}", f"no variable of either side is called `{name}`", helps=helps
        )
    return "\n".join(lines)


def _of_target(variable: Variable, plan: Plan) -> Iterator[str]:
    yield f"{variable.name}  {described(variable)}, in the target"
    for move in plan.moves:
        if move.target == variable.name:
            yield from _statement(move.cause)
            yield from _steps(move.expression, "  ")
    for left in plan.kept:
        if left.variable == variable.name:
            yield from _left("keeps the value that it has", left)


def _of_source(variable: Variable, plan: Plan) -> Iterator[str]:
    yield f"{variable.name}  {described(variable)}, in the source"
    for move in plan.moves:
        if variable.name in move.sources:
            yield from _statement(move.cause)
            yield f"  goes into {move.target}  {_kind(move.expression)}"
    for left in plan.dropped:
        if left.variable == variable.name:
            yield from _left("is left behind", left)


def _left(what: str, left: Left) -> Iterator[str]:
    if left.cause is not None:
        yield from _statement(left.cause)
    reason = (
        f': "{left.because}"' if left.because else "" if left.unasked is None else f": {left.unasked}, which needs no statement"
    )
    yield f"  {what}{reason}"


def _statement(cause: Cause) -> Iterator[str]:
    yield from (f"  {use}" for use in cause.uses)
    yield f"  {cause.spec}:{cause.line}: {cause.text}"


def _steps(expression: Expression, indent: str) -> Iterator[str]:
    """An expression from its reads to its result, one step a line; the parts of a join are indented."""
    match expression:
        case Read(variable=name, side=side):
            yield f"{indent}{'' if side == 'source' else 'the old value of '}{name}  {_kind(expression)}"
            return
        case Fill(distribution=distribution):
            yield f"{indent}{_distribution(distribution)}  {_kind(expression)}"
            return
        case Concat(inputs=inputs) | Sum(inputs=inputs):
            for one in inputs:
                yield from _steps(one, indent + "  ")
            joined = f"joined along axis {expression.axis}" if isinstance(expression, Concat) else "added"
            yield f"{indent}{joined}  {_kind(expression)}"
            return
        case Permute(input=inner, axes=axes):
            step = f"axes in the order {' '.join(map(str, axes))}"
        case Reshape(input=inner):
            step = "reshaped"
        case Slice(input=inner, axis=axis, start=start, count=count, step=stride):
            if stride == 1:
                step = f"axis {axis}, places {start} to {start + count - 1}"
            else:
                step = f"axis {axis}, {count} places from {start} by steps of {stride}"
        case Take(input=inner, axis=axis, indices=indices):
            text = indices.text
            if len(text) > _SHOWN:
                text = text[:_SHOWN].rpartition(" ")[0] + " ..."
            step = f"axis {axis}, {len(indices)} places in the order {text}"
        case Cast(input=inner):
            step = f"cast from {inner.dtype}"
        case Affine(input=inner, scale=scale, offset=offset):
            step = " ".join(
                part for part in (f"times {scale}" if scale != 1 else "", f"plus {offset}" if offset else "") if part
            )
        case _:
            assert_never(expression)
    yield from _steps(inner, indent)
    yield f"{indent}{step}  {_kind(expression)}"


def _distribution(distribution: Constant | Normal | Uniform) -> str:
    match distribution:
        case Constant(value=value):
            return f"filled with {value}"
        case Normal(stddev=stddev, seed=seed):
            return f"normally distributed, standard deviation {stddev}, seed {seed}"
        case Uniform(low=low, high=high, seed=seed):
            return f"uniform from {low} to {high}, seed {seed}"
        case _:
            assert_never(distribution)


def _kind(expression: Expression) -> str:
    return f"{expression.dtype} {shape_text(expression.shape)}"
