"""The rows of TF1's fused LSTM kernel: those of the inputs come first, those of the state behind them. Nothing in a shape says so where
a layer has as many inputs as units, and nothing in the names of a rule is held against it otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from migspec.bind.problems import Problems
from migspec.bind.side import span_of
from migspec.bind.types import Binding, Bound
from migspec.cells import Cell, Cells, is_bias, is_fused
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.expression import Affine, Cast, Concat, Expression, Permute, Read, Slice
from migspec.names import normal_name
from migspec.variables import Variable

_STATE = "recurrent_kernel"


def check_fused_rows(binding: Binding) -> Iterator[Diagnostic]:
    """A warning for each rule that gives Keras' kernel the rows of the state, or the way back puts them first."""
    parted = [bound for bound in binding.bound if bound.instance.follows is None and _concerns_state(bound)]
    if not parted:  # the cells of large maps take a while to find
        return
    source_cells, target_cells = Cells(binding.source), Cells(binding.target)
    problems = Problems()
    for bound in parted:
        old = [(source, source_cells.of(source)) for source in bound.sources]
        new = target_cells.of(bound.target)
        if any(_is_fused_kernel(source, cell) for source, cell in old) and _is_keras(new):
            first = _first_row(bound.expression)
            wrong = first is not None and (first > 0) != (_last(bound.target) == _STATE)
            said = f"`{bound.target.name}` gets the rows from {first} on of `{bound.sources[0].name}`"
        elif _is_fused_kernel(bound.target, new) and any(_is_keras(cell) for _, cell in old):
            top = _top(bound.expression)
            wrong = top is not None and _last_of(top.variable) == _STATE
            said = f"the first rows of `{bound.target.name}` are those of `{'' if top is None else top.variable}`"
        else:
            continue
        if wrong:
            _report(bound, said, problems)
    yield from problems


def _concerns_state(bound: Bound) -> bool:
    """Whether the rule has a recurrent kernel on one side and a kernel of its own on the other: the other target of the rule counts."""
    names = [one.variable.name for one in (*bound.instance.targets, *bound.instance.sources)]
    return any(_last_of(name) == _STATE for name in names)


def _is_keras(cell: Cell | None) -> bool:
    return cell is not None and (cell.framework, cell.kind) == ("keras", "lstm")


def _is_fused_kernel(variable: Variable, cell: Cell | None) -> bool:
    return (
        cell is not None
        and (cell.framework, cell.kind) == ("tf1", "lstm")
        and is_fused(variable, cell)
        and not is_bias(variable, cell)
    )


def _last(variable: Variable) -> str:
    return _last_of(variable.name)


def _last_of(name: str) -> str:
    return normal_name(name).rpartition("/")[2]


def _first_row(expression: Expression) -> int | None:
    """The row of the one variable read that holds the first element; None if that is not to be told."""
    found = _origin(expression, (0,) * len(expression.shape))
    return None if found is None or not found[1] else found[1][0]


def _top(expression: Expression) -> Read | None:
    """The variable that holds the first element."""
    found = _origin(expression, (0,) * len(expression.shape))
    return None if found is None else found[0]


def _origin(expression: Expression, place: tuple[int, ...]) -> tuple[Read, tuple[int, ...]] | None:
    """The variable and the place in it from which an element comes; None where it is made of several, or the axes are others."""
    match expression:
        case Read():
            return expression, place
        case Cast() | Affine():
            return _origin(expression.input, place)
        case Permute():
            before = list(place)
            for new, old in enumerate(expression.axes):
                before[old] = place[new]
            return _origin(expression.input, tuple(before))
        case Slice():
            axis = expression.axis
            return _origin(
                expression.input, (*place[:axis], expression.start + expression.step * place[axis], *place[axis + 1 :])
            )
        case Concat():
            axis, at = expression.axis, place[expression.axis]
            for part in expression.inputs:
                if at < part.shape[axis]:
                    return _origin(part, (*place[:axis], at, *place[axis + 1 :]))
                at -= part.shape[axis]
    return None


def _report(bound: Bound, said: str, problems: Problems) -> None:
    element = next((one for one in bound.instance.targets if one.variable is bound.target), bound.instance.targets[0])
    problems.add(
        ("rows", bound.instance.rule),
        Diagnostic(
            "MIG415",
            "the rows of a fused LSTM kernel are taken for each other",
            Label(span_of(element.pattern), said),
            notes=(
                "in TF1's LSTM cells the rows of the inputs come first, those of the state behind them; "
                f"in Keras the first are `kernel`, the others `{_STATE}`",
            ),
            helps=(f"name them in this order: `.../kernel, .../{_STATE}`",),
            severity=Severity.WARNING,
            uses=bound.instance.scope.uses,
        ),
        bound.target.name,
    )
