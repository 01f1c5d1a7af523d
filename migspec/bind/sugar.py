"""`split gates ifco`: what the short form stands for, given the source and the target of an instance."""

from __future__ import annotations

from migspec.bind.match import span_of
from migspec.bind.problems import Problems, described
from migspec.bind.types import Element, Instance
from migspec.cells import Cells
from migspec.diagnostics import Diagnostic, Label
from migspec.ops import Gates, Split, SplitGates
from migspec.rules import Operation

_TF1_ORDER = "icfo"


def expand_split_gates(instance: Instance, source_cells: Cells, target_cells: Cells, problems: Problems) -> bool:
    """Replace each `split gates` of an instance by `split rows` and `gates`; False if an error was reported.

    If the target has the source's shape, only the gates are reordered. If it has fewer rows, and its sibling `recurrent_kernel` has
    exactly the rest, the rows are split over both, and the instance takes that sibling as its second target.
    """
    operations: list[Operation] = []
    for operation in instance.operations:
        word = operation.word
        if not isinstance(word, SplitGates):
            operations.append(operation)
            continue
        old = word.old
        if old is None:
            cell = source_cells.of(instance.sources[0].variable)
            if cell is None or (cell.framework, cell.kind) != ("tf1", "lstm"):
                _report_order(instance, operation, problems)
                return False
            old = _TF1_ORDER
        if _splits_rows(instance, target_cells):
            operations.append(Operation(Split(0), operation.span))
        operations.append(Operation(Gates(old, word.new), operation.span))
    instance.operations = tuple(operations)
    return True


def _splits_rows(instance: Instance, target_cells: Cells) -> bool:
    """Whether the rows go to two targets; adds the one that the rule does not name."""
    if len(instance.sources) != 1:
        return False
    if len(instance.targets) == 2:
        return True
    if len(instance.targets) != 1:
        return False
    source, goal = instance.sources[0].variable, instance.targets[0]
    kernel = goal.variable
    if len(source.shape) != 2 or len(kernel.shape) != 2 or kernel.shape[0] >= source.shape[0]:
        return False
    recurrent = target_cells.sibling(kernel, "recurrent_kernel")
    if recurrent is None or len(recurrent.shape) != 2:
        return False
    # Where the rest is not exactly the sibling's, the split of the rows fails, and says so: that is one error, and the right one.
    instance.targets = (goal, Element(recurrent, goal.rank, goal.pattern))
    instance.notes = (
        *instance.notes,
        f"`split gates` puts the first {kernel.shape[0]} rows into `{kernel.name}` and the other {recurrent.shape[0]} into `{recurrent.name}`",
    )
    return True


def _report_order(instance: Instance, operation: Operation, problems: Problems) -> None:
    assert isinstance(operation.word, SplitGates)
    element = instance.sources[0]
    problems.add(
        ("order", instance.rule, operation.span),
        Diagnostic(
            "MIG406",
            f"`split gates {operation.word.new}` needs both gate orders here",
            Label(operation.span, "says only the target's order"),
            (Label(span_of(element.pattern), f"{described(element.variable)}, of no TF1 LSTM cell"),),
            notes=(
                "only TF1's LSTM cells have a known order of their own, i c f o; the name of this source is not that of one",
            ),
            helps=(
                f"write both: `split gates icfo -> {operation.word.new}` if its gates are in TF1's order, `ifco` if in Keras' or PyTorch's, `iofc` if in ONNX'",
            ),
        ),
        element.variable.name,
    )
