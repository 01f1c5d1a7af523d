"""`split gates ifco`: what the short form stands for, given the source and the target of an instance."""

from __future__ import annotations

from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.types import Element, Instance
from migspec.cells import Cell, Cells
from migspec.diagnostics import Diagnostic, Label
from migspec.ops import Gates, Split, SplitGates
from migspec.rules import Operation
from migspec.variables import Variable

_TF1_ORDER = "icfo"


def expand_split_gates(instance: Instance, source_cells: Cells, target_cells: Cells, problems: Problems) -> bool:
    """Replace each `split gates` of an instance by `split rows` and `gates`; False if an error was reported.

    If the target has the source's shape, only the gates are reordered. If it has fewer rows, and its sibling `recurrent_kernel` has
    exactly the rest, the rows are split over both, and the instance takes that sibling as its second target. If the sibling has not,
    that is an error.
    """
    operations: list[Operation] = []
    for operation in instance.operations:
        word = operation.word
        if not isinstance(word, SplitGates):
            operations.append(operation)
            continue
        old = word.old
        if old is None:
            other = next((one for one in instance.sources if not _is_tf1_lstm(source_cells.of(one.variable))), None)
            if other is not None:
                _report_order(instance, operation, other, problems)
                return False
            old = _TF1_ORDER
        if len(instance.sources) == 1 and len(instance.targets) == 2:
            operations.append(Operation(Split(0), operation.span))
        elif (recurrent := _rest_of_rows(instance, target_cells)) is not None:
            kernel, rows = instance.targets[0].variable, instance.sources[0].variable.shape[0]
            if kernel.shape[0] + recurrent.shape[0] != rows:
                _report_rows(instance, operation, recurrent, problems)
                return False
            goal = instance.targets[0]
            instance.targets = (goal, Element(recurrent, goal.rank, goal.pattern))
            note = f"`split gates` puts the first {kernel.shape[0]} rows into `{kernel.name}` and the other {recurrent.shape[0]} into `{recurrent.name}`"
            instance.notes = (*instance.notes, note)
            operations.append(Operation(Split(0), operation.span))
        operations.append(Operation(Gates(old, word.new), operation.span))
    instance.operations = tuple(operations)
    return True


def _rest_of_rows(instance: Instance, target_cells: Cells) -> Variable | None:
    """The sibling that takes the rows that the one target of an instance has not; None where the target has all of them."""
    if len(instance.sources) != 1 or len(instance.targets) != 1:
        return None
    source, kernel = instance.sources[0].variable, instance.targets[0].variable
    if len(source.shape) != 2 or len(kernel.shape) != 2 or kernel.shape[0] >= source.shape[0]:
        return None
    recurrent = target_cells.sibling(kernel, "recurrent_kernel")
    return None if recurrent is None or len(recurrent.shape) != 2 else recurrent


def _report_rows(instance: Instance, operation: Operation, recurrent: Variable, problems: Problems) -> None:
    source, goal = instance.sources[0], instance.targets[0]
    rows, kernel = source.variable.shape[0], goal.variable
    label = instance.scope.targets.map.label
    problems.add(
        ("rows", instance.rule, operation.span),
        Diagnostic(
            "MIG302",
            f"`split gates` cannot deal {rows} rows to `{kernel.name}` and `{recurrent.name}`",
            Label(
                operation.span, f"they need {kernel.shape[0]} + {recurrent.shape[0]} = {kernel.shape[0] + recurrent.shape[0]}"
            ),
            (
                Label(span_of(source.pattern), f"{described(source.variable)} in {instance.scope.sources.map.label}"),
                Label(span_of(goal.pattern), f"{described(kernel)} in {label}"),
            ),
            notes=(
                f"`{recurrent.name}` is {described(recurrent)} in {label}",
                "TF1's LSTM cells keep the rows of the inputs and those of the units in one kernel",
            ),
            helps=("check that this is the layer that the rule means: inputs or units of the two are not the same",),
            uses=instance.scope.uses,
        ),
        kernel.name,
    )


def _is_tf1_lstm(cell: Cell | None) -> bool:
    return cell is not None and (cell.framework, cell.kind) == ("tf1", "lstm")


def _report_order(instance: Instance, operation: Operation, element: Element, problems: Problems) -> None:
    assert isinstance(operation.word, SplitGates)
    problems.add(
        ("order", instance.rule, operation.span),
        Diagnostic(
            "MIG406",
            f"`split gates {operation.word.new}` needs both gate orders here",
            Label(operation.span, "says only the target's order"),
            (
                Label(
                    span_of(element.pattern),
                    f"{described(element.variable)} in {instance.scope.sources.map.label}, of no TF1 LSTM cell",
                ),
            ),
            notes=(
                "only TF1's LSTM cells have a known order of their own, i c f o; the name of this source is not that of one",
            ),
            helps=(
                f"write both: `split gates icfo -> {operation.word.new}` if its gates are in TF1's order",
                "with `ifco` on the left if they are in Keras' or PyTorch's, with `iofc` if they are in ONNX'",
            ),
            uses=instance.scope.uses,
        ),
        element.variable.name,
    )
