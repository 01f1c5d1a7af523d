"""Forget biases that are said where no cell has one: between cells that add nothing at run time."""

from __future__ import annotations

from collections.abc import Iterator

from migspec.bind.problems import Problems
from migspec.bind.types import Binding, Bound
from migspec.cells import Cell, Cells, is_bias
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.ops import Add, canonical_gates
from migspec.rules import Operation
from migspec.syntax.tree import Number


def check_forget_biases(binding: Binding) -> Iterator[Diagnostic]:
    """A warning for each rule that adds to the forget gate of a bias, though both of its cells hold all that they add."""
    adding = [(bound, operation) for bound in binding.bound if (operation := _adding(bound)) is not None]
    if not adding:  # the cells of large maps take a while to find
        return
    source_cells, target_cells = Cells(binding.source), Cells(binding.target)
    problems = Problems()
    for bound, operation in adding:
        new = target_cells.of(bound.target)
        if new is None or not _whole(new) or not is_bias(bound.target, new):
            continue
        for source in bound.sources:
            old = source_cells.of(source)
            if old is None or not _whole(old) or not is_bias(source, old):
                break
        else:
            if bound.sources:
                _report(bound, operation, source_cells.of(bound.sources[0]), problems)
    yield from problems


def _whole(cell: Cell) -> bool:
    """Whether a cell is an LSTM whose bias holds its forget bias: any but TF1's."""
    return cell.kind == "lstm" and cell.framework != "tf1"


def _adding(bound: Bound) -> Operation | None:
    """The op of a rule that adds to the forget gate; `add 0.0 to f` adds nothing."""
    for operation in bound.instance.operations:
        word = operation.word
        if isinstance(word, Add) and word.gate is not None and canonical_gates(word.gate + "ico")[0] == "f":
            return None if isinstance(word.value, Number) and not word.value.value else operation
    return None


def _report(bound: Bound, operation: Operation, cell: Cell | None, problems: Problems) -> None:
    called = "a PyTorch LSTM" if cell is not None and cell.framework == "torch" else "a Keras LSTM"
    problems.add(
        ("forget", bound.instance.rule),
        Diagnostic(
            "MIG405",
            f"`{operation.span.content}` changes a forget bias that is whole already",
            Label(operation.span, "only TF1's LSTM cells add to the forget gate at run time"),
            notes=(
                f"`{bound.sources[0].name}` belongs to {called}: its bias is all that the cell adds, and so is the target's",
            ),
            helps=(f"take `{operation.span.content}` out, unless the model is to forget less than it did",),
            severity=Severity.WARNING,
            uses=bound.instance.scope.uses,
        ),
        bound.target.name,
    )
