"""`split gates ifco` and `concat gates ifco`: what the short forms stand for, given the source and the target of an instance.

One is the other turned around: TF1's LSTM cells keep one fused kernel, whose rows are those of the `kernel` and the `recurrent_kernel`
of other cells. So both are told by the sides: where the fused kernel stands, and where its parts.
"""

from __future__ import annotations

import re

from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.types import Element, Instance
from migspec.cells import Cell, Cells
from migspec.diagnostics import Diagnostic, Label
from migspec.ops import ConcatGates, Join, Split, SplitGates
from migspec.rules import Operation
from migspec.variables import Variable

_SIBLING = "recurrent_kernel"
_FORM = re.compile(r"(split|concat)\s+gates\b")


def has_short_form(instance: Instance) -> bool:
    return any(isinstance(operation.word, SplitGates | ConcatGates) for operation in instance.operations)


def expand_short_forms(instance: Instance, source_cells: Cells, target_cells: Cells, problems: Problems) -> bool:
    """Replace each short form of an instance by `gates`, behind `split rows` or before `concat rows` where it deals with the rows as
    well; False if an error was reported.

    If the parts' side has a variable of the fused kernel's shape, only the gates are reordered. If that has fewer rows, and its sibling
    `recurrent_kernel` has exactly the rest, the rows are those of both, and the instance takes that sibling as its second target, or
    source. If the sibling has not, that is an error.
    """
    operations: list[Operation] = []
    for operation in instance.operations:
        word = operation.word
        if not isinstance(word, SplitGates | ConcatGates):
            operations.append(operation)
            continue
        splits = isinstance(word, SplitGates)
        fused, parts = (instance.sources, instance.targets) if splits else (instance.targets, instance.sources)
        fused_cells, parts_cells = (source_cells, target_cells) if splits else (target_cells, source_cells)
        if word.old is None or word.new is None:
            other = next((one for one in fused if not _is_tf1_lstm(fused_cells.of(one.variable))), None)
            if other is not None:
                _report_order(instance, operation, other, problems)
                return False
        with_rows = len(fused) == 1 and len(parts) == 2
        recurrent = _rest_of_rows(fused, parts, parts_cells)
        if recurrent is not None:
            if parts[0].variable.shape[0] + recurrent.shape[0] != fused[0].variable.shape[0]:
                _report_rows(instance, operation, recurrent, problems)
                return False
            _take_in(instance, Element(recurrent, parts[0].rank, parts[0].pattern, implied=True), splits=splits)
            with_rows = True
        gates = Operation(word.gates, operation.span)
        if not with_rows:
            operations.append(gates)
        elif splits:
            operations += [Operation(Split(0), operation.span), gates]
        else:
            operations += [gates, Operation(Join(0), operation.span)]
    instance.operations = tuple(operations)
    return True


def spoken_of(instance: Instance, source_cells: Cells, target_cells: Cells) -> tuple[set[str], set[str]]:
    """The sources and the targets of an instance, and the recurrent kernels beside those that its short forms may mean as well."""
    names = [{element.variable.name for element in elements} for elements in (instance.sources, instance.targets)]
    sides = ((ConcatGates, instance.sources, source_cells), (SplitGates, instance.targets, target_cells))
    for found, (form, elements, cells) in zip(names, sides, strict=True):
        if any(isinstance(operation.word, form) for operation in instance.operations):
            beside = (cells.sibling(element.variable, _SIBLING) for element in elements)
            found.update(variable.name for variable in beside if variable is not None)
    return names[0], names[1]


def short_form_helps(instance: Instance) -> tuple[str, ...]:
    """That both kernels can be named, where another op keeps the shapes from telling that a short form deals with both."""
    form = next((op.span.content for op in instance.operations if _FORM.match(op.span.content)), None)
    if form is None or len(instance.operations) < 2 or len(instance.sources) != 1 or len(instance.targets) != 1:
        return ()
    splits = form.startswith("split")
    kernel, scope = (instance.targets if splits else instance.sources)[0], instance.scope
    recurrent = Cells((scope.targets if splits else scope.sources).map).sibling(kernel.variable, _SIBLING)
    if recurrent is None or recurrent is kernel.variable:
        return ()
    return (
        f"if it is of both kernels, name both: `{kernel.variable.name}, {recurrent.name}`",
        f"with one name, `{form}` goes by the shapes as they are on both sides, before any other op",
    )


def _take_in(instance: Instance, recurrent: Element, *, splits: bool) -> None:
    """Make the recurrent kernel the second target of an instance, or its second source, and note it."""
    kernel = (instance.targets if splits else instance.sources)[0]
    rows, others = kernel.variable.shape[0], recurrent.variable.shape[0]
    names = f"`{kernel.variable.name}`", f"`{recurrent.variable.name}`"
    if splits:
        instance.targets = (kernel, recurrent)
        note = f"`split gates` puts the first {rows} rows into {names[0]} and the other {others} into {names[1]}"
    else:
        instance.sources = (kernel, recurrent)
        note = f"`concat gates` joins the {rows} rows of {names[0]} and the {others} of {names[1]}"
    instance.notes = (*instance.notes, note)


def _written(word: SplitGates | ConcatGates) -> str:
    return word.word.replace("_", " ")


def _rest_of_rows(fused: tuple[Element, ...], parts: tuple[Element, ...], parts_cells: Cells) -> Variable | None:
    """The sibling that has the rows of the one fused kernel which its one part has not; None where the part has all of them."""
    if len(fused) != 1 or len(parts) != 1:
        return None
    whole, kernel = fused[0].variable, parts[0].variable
    if len(whole.shape) != 2 or len(kernel.shape) != 2 or kernel.shape[0] >= whole.shape[0]:
        return None
    recurrent = parts_cells.sibling(kernel, _SIBLING)
    return None if recurrent is None or len(recurrent.shape) != 2 else recurrent


def _report_rows(instance: Instance, operation: Operation, recurrent: Variable, problems: Problems) -> None:
    source, target = instance.sources[0], instance.targets[0]
    splits = isinstance(operation.word, SplitGates)
    whole, kernel = (source.variable, target.variable) if splits else (target.variable, source.variable)
    sides = instance.scope.sources.map.label, instance.scope.targets.map.label
    parts = f"`{kernel.name}` and `{recurrent.name}`"
    message = (
        f"cannot deal {whole.shape[0]} rows to {parts}" if splits else f"cannot join the rows of {parts} to {whole.shape[0]}"
    )
    problems.add(
        ("rows", instance.rule, operation.span),
        Diagnostic(
            "MIG302",
            f"`{'split' if splits else 'concat'} gates` {message}",
            Label(
                operation.span,
                f"they {'need' if splits else 'have'} {kernel.shape[0]} + {recurrent.shape[0]} = {kernel.shape[0] + recurrent.shape[0]}",
            ),
            (
                Label(span_of(source.pattern), f"{described(source.variable)} in {sides[0]}"),
                Label(span_of(target.pattern), f"{described(target.variable)} in {sides[1]}"),
            ),
            notes=(
                f"`{recurrent.name}` is {described(recurrent)} in {sides[1] if splits else sides[0]}",
                "TF1's LSTM cells keep the rows of the inputs and those of the units in one kernel",
            ),
            helps=("check that this is the layer that the rule means: inputs or units of the two are not the same",),
            uses=instance.scope.uses,
        ),
        target.variable.name,
    )


def _is_tf1_lstm(cell: Cell | None) -> bool:
    return cell is not None and (cell.framework, cell.kind) == ("tf1", "lstm")


def _report_order(instance: Instance, operation: Operation, element: Element, problems: Problems) -> None:
    word = operation.word
    assert isinstance(word, SplitGates | ConcatGates)
    splits = isinstance(word, SplitGates)
    side, order = ("source", word.new) if splits else ("target", word.old)
    label = (instance.scope.sources if splits else instance.scope.targets).map.label
    helps = (
        f"write both: `split gates icfo -> {order}` if its gates are in TF1's order",
        "with `ifco` on the left if they are in Keras' or PyTorch's, with `iofc` if they are in ONNX'",
    )
    if not splits:
        helps = (
            f"write both: `concat gates {order} -> icfo` if its gates are to be in TF1's order",
            "with `ifco` on the right for Keras' or PyTorch's order, with `iofc` for ONNX'",
        )
    problems.add(
        ("order", instance.rule, operation.span),
        Diagnostic(
            "MIG406",
            f"`{_written(word)} {order}` needs both gate orders here",
            Label(operation.span, f"says only the {'target' if splits else 'source'}'s order"),
            (Label(span_of(element.pattern), f"{described(element.variable)} in {label}, of no TF1 LSTM cell"),),
            notes=(
                f"only TF1's LSTM cells have a known order of their own, i c f o; the name of this {side} is not that of one",
            ),
            helps=helps,
            uses=instance.scope.uses,
        ),
        element.variable.name,
    )
