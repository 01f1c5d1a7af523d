"""Forget biases that are said where no cell has one: between cells that add nothing at run time, and of kernels."""

from __future__ import annotations

from collections.abc import Iterator

from migspec.bind.problems import Problems
from migspec.bind.types import Binding, Bound
from migspec.cells import Cell, Cells, is_bias, is_fused
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.ops import Add, canonical_gates
from migspec.rules import Operation
from migspec.syntax.tree import Negative, Number


def check_forget_biases(binding: Binding) -> Iterator[Diagnostic]:
    """A warning for each rule that adds to the forget gate of a bias, though both of its cells hold all that they add; an error for
    one that adds to a kernel."""
    adding = [(bound, operation) for bound in binding.bound if (operation := _adding(bound)) is not None]
    if not adding:  # the cells of large maps take a while to find
        return
    source_cells, target_cells = Cells(binding.source), Cells(binding.target)
    problems = Problems()
    for bound, operation in adding:
        new = target_cells.of(bound.target)
        if new is not None and new.kind == "lstm" and is_fused(bound.target, new) and not is_bias(bound.target, new):
            if bound.instance.follows is None:
                _report_kernel(bound, operation, problems)
            continue
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
            value = word.value.operand if isinstance(word.value, Negative) else word.value  # `add -0.0` is how 0.0 is undone
            return None if isinstance(value, Number) and not value.value else operation
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


def _report_kernel(bound: Bound, operation: Operation, problems: Problems) -> None:
    problems.add(
        ("kernel", bound.instance.rule),
        Diagnostic(
            "MIG405",
            f"`{operation.span.content}` adds to the weights of `{bound.target.name}`",
            Label(operation.span, "a forget bias is added to the bias alone"),
            notes=("what the cell adds at run time stands beside its bias; the kernel is multiplied by the inputs",),
            helps=(f"give the bias a rule of its own, and take `{operation.span.content}` out of that of the kernel",),
            uses=bound.instance.scope.uses,
        ),
        bound.target.name,
    )
