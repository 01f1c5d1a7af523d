"""Right, not just the right shape: gate orders, forget biases and matrices that no shape check can settle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.types import Binding, Bound
from migspec.cells import Cell, Cells, is_bias, is_fused
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.names import normal_name
from migspec.ops import Add, Crop, GateAxis, Gates, Join, Pad, canonical_gates
from migspec.rules import Operation

_KERAS_ORDERS = {"lstm": "ifco", "gru": "zrh"}
_TF1_LSTM_ORDER = "icfo"

# Last segments of names by the convention that they belong to. TensorFlow and Keras hold matrices as [inputs, outputs], PyTorch as
# [outputs, inputs] (`torch.nn.Linear.weight`).
_CONVENTIONS = {"kernel": "TensorFlow", "recurrent_kernel": "TensorFlow", "weights": "TensorFlow", "weight": "PyTorch"}


def check_layouts(binding: Binding) -> Iterator[Diagnostic]:
    """The rules on gates and forget biases (errors), and layouts that shapes cannot settle (warnings)."""
    source_cells, target_cells = Cells(binding.source), Cells(binding.target)
    problems = Problems()
    for bound in binding.bound:
        old = [(source, source_cells.of(source)) for source in bound.sources]
        new = target_cells.of(bound.target)
        if not old:
            continue
        old_cells = [cell for _, cell in old]
        if new is not None and is_fused(bound.target, new):
            resize = _resize_without_gates(bound)
            if resize is not None:
                _report_resize(bound, new, resize, problems, binding)
            elif not all(cell is not None and cell.framework == "keras" for cell in old_cells):
                _check_gates(bound, old_cells, new, problems, binding)
        from_tf1 = any(
            cell is not None and (cell.framework, cell.kind) == ("tf1", "lstm") and is_bias(source) for source, cell in old
        )
        to_tf1 = new is not None and (new.framework, new.kind) == ("tf1", "lstm") and is_bias(bound.target)
        if from_tf1 != to_tf1 and not _adds_to_forget(bound):
            _report_forget_bias(bound, old_cells, new, problems, binding, from_tf1=from_tf1)
        _check_orders(bound, old_cells, new, problems)
        _check_convention(bound, problems, binding)
    yield from problems


def _operation(bound: Bound, word: type) -> Operation | None:
    return next((operation for operation in bound.instance.operations if isinstance(operation.word, word)), None)


def _labels(bound: Bound, binding: Binding) -> tuple[Label, tuple[Label, ...]]:
    """The target's place and the source's, with what each is."""
    element = next((one for one in bound.instance.targets if one.variable is bound.target), bound.instance.targets[0])
    first = bound.instance.sources[0]
    target = Label(span_of(element.pattern), f"{described(bound.target)} in {binding.target.label}")
    source = Label(span_of(first.pattern), f"{described(first.variable)} in {binding.source.label}")
    if target.span == source.span:
        return Label(target.span, f"{source.text} and {binding.target.label}"), ()
    return target, (source,)


def _check_gates(bound: Bound, old: list[Cell | None], cell: Cell, problems: Problems, binding: Binding) -> None:
    gates = bound.gates
    if isinstance(gates, GateAxis) and gates.axis == len(bound.target.shape) - 1:
        return
    operation = _operation(bound, Gates)
    target, secondary = _labels(bound, binding)
    order = _KERAS_ORDERS[cell.kind]
    if operation is not None:
        message = f"the gates of `{bound.target.name}` do not end as its last axis"
        primary = Label(operation.span, "cuts another axis than the last one of the target")
        helps: tuple[str, ...] = ("say which axis holds the gates, `on rows` or `on AXIS`, and let it end as the last one",)
        secondary = (target, *secondary)
    else:
        message = f"the gate order of `{bound.target.name}` is left unsaid"
        primary = target
        helps = _gate_answers(cell.kind, order)
        if old and all(one is not None and (one.framework, one.kind) == ("tf1", "lstm") for one in old):
            helps = (f"the source is a TF1 LSTM cell, whose order is i c f o: `gates {_TF1_LSTM_ORDER} -> {order}`",)
    notes = (
        f"`{bound.target.name}` belongs to a Keras {cell.kind.upper()}, whose gates stand in the order {' '.join(order)}",
        "another order has the same shape, so no other check can catch it",
    )
    problems.add(
        ("gates", bound.instance.rule),
        Diagnostic("MIG403", message, primary, secondary, notes, helps, uses=bound.instance.scope.uses),
        bound.target.name,
    )


def _resize_without_gates(bound: Bound) -> Operation | None:
    """The `pad` or `crop` that grows or cuts the gates of a Keras cell with no `gates` before it to name their blocks."""
    operations = bound.instance.operations
    before = list(takewhile(lambda operation: not isinstance(operation.word, Gates), operations))
    resize = next((operation for operation in before if isinstance(operation.word, Pad | Crop)), None)
    if resize is None or any(isinstance(operation.word, Join) for operation in before):
        return None
    length, turned = bound.target.shape[-1], any(operation.word.settles_layout for operation in before)
    same = any(source.shape[-1:] == (length,) or (turned and length in source.shape) for source in bound.sources)
    return None if same else resize


def _report_resize(bound: Bound, cell: Cell, operation: Operation, problems: Problems, binding: Binding) -> None:
    target, secondary = _labels(bound, binding)
    order = _KERAS_ORDERS[cell.kind]
    problems.add(
        ("gates", bound.instance.rule),
        Diagnostic(
            "MIG403",
            f"`{operation.word.word}` does not know the gates of `{bound.target.name}`",
            Label(operation.span, "grows or cuts the last gate alone"),
            (target, *secondary),
            ("on an axis that `gates` before it has cut, it works gate by gate",),
            (f"name the blocks before it: `gates {order} -> {order} {operation.span.content}`, if this is their order",),
            uses=bound.instance.scope.uses,
        ),
        bound.target.name,
    )


def _gate_answers(kind: str, order: str) -> tuple[str, ...]:
    if kind == "lstm":
        return (
            f"from a TF1 LSTM cell: `gates icfo -> {order}`",
            f"if the orders agree already, as from PyTorch: `gates {order} -> {order}`",
            f"from ONNX: `gates iofc -> {order}`",
        )
    return (f"from TF1's or PyTorch's GRU: `gates rzh -> {order}`", f"if the orders agree already: `gates {order} -> {order}`")


def _adds_to_forget(bound: Bound) -> bool:
    """Whether a rule says what happens to the forget bias."""
    for operation in bound.instance.operations:
        word = operation.word
        if isinstance(word, Add) and word.gate is not None and canonical_gates(word.gate + "ico")[0] == "f":
            return True
    return False


def _report_forget_bias(
    bound: Bound, old: list[Cell | None], new: Cell | None, problems: Problems, binding: Binding, *, from_tf1: bool
) -> None:
    target, secondary = _labels(bound, binding)
    cut = ""
    if _operation(bound, Gates) is None:
        # The order of the other side, if it is a Keras cell; else the blocks are named and stay where they are.
        other = new if from_tf1 else next(iter(old), None)
        order = _KERAS_ORDERS[other.kind] if other is not None and other.framework == "keras" else _TF1_LSTM_ORDER
        orders = (_TF1_LSTM_ORDER, order) if from_tf1 else (order, _TF1_LSTM_ORDER)
        cut = f"`gates {' -> '.join(orders)}` and then "
    if from_tf1:
        message = f"the forget bias of `{bound.sources[0].name}` is left unsaid"
        helps = (
            f"if the cell was built with forget_bias=1.0, its default: {cut}`add 1.0 to f`",
            f"if it was built with forget_bias=0.0: {cut}`add 0.0 to f`",
        )
        notes = (
            "TF1's LSTM cells add `forget_bias` to the forget gate at run time, and no checkpoint holds it; other cells add nothing",
        )
    else:
        message = f"the forget bias of `{bound.target.name}` is left unsaid"
        helps = (
            f"if the cell is built with forget_bias=1.0, its default: {cut}`add -1.0 to f`",
            f"if it is built with forget_bias=0.0: {cut}`add 0.0 to f`",
        )
        notes = (
            "a TF1 LSTM cell adds `forget_bias` to the forget gate at run time: the bias that it is given must be less by as much",
        )
    problems.add(
        ("forget", bound.instance.rule),
        Diagnostic("MIG405", message, target, secondary, notes, helps, uses=bound.instance.scope.uses),
        bound.target.name,
    )


def _check_orders(bound: Bound, old: list[Cell | None], new: Cell | None, problems: Problems) -> None:
    """A warning where the orders written are not those of the cells that were recognised."""
    operation = _operation(bound, Gates)
    if operation is None:
        return
    word = operation.word
    assert isinstance(word, Gates)
    said: list[str] = []
    if new is not None and new.framework == "keras" and is_fused(bound.target, new):
        order = _KERAS_ORDERS[new.kind]
        if len(word.new) == len(order) and canonical_gates(word.new) != order:
            said.append(
                f"`{bound.target.name}` belongs to a Keras {new.kind.upper()}, whose gates stand in the order {' '.join(order)}, not {' '.join(word.new)}"
            )
    if (
        old
        and all(cell is not None and (cell.framework, cell.kind) == ("tf1", "lstm") for cell in old)
        and canonical_gates(word.old) != _TF1_LSTM_ORDER
    ):
        order = " ".join(_TF1_LSTM_ORDER)
        said.append(
            f"`{bound.sources[0].name}` belongs to a TF1 LSTM cell, whose gates stand in the order {order}, not {' '.join(word.old)}"
        )
    if said:
        problems.add(
            ("order", bound.instance.rule),
            Diagnostic(
                "MIG411",
                "the gate order written is not the one that this cell is known to have",
                Label(operation.span),
                notes=tuple(said),
                helps=("keep it only if you know that these weights were stored in another order",),
                severity=Severity.WARNING,
                uses=bound.instance.scope.uses,
            ),
            bound.target.name,
        )


def _check_convention(bound: Bound, problems: Problems, binding: Binding) -> None:
    """A warning where a square matrix passes between conventions that transpose, and the rule does not say that this was seen."""
    if len(bound.sources) != 1 or any(operation.word.settles_layout for operation in bound.instance.operations):
        return
    source = bound.sources[0]
    old, new = _convention(source.name), _convention(bound.target.name)
    if old is None or new is None or old == new:
        return
    shape = source.shape
    square = (len(shape) == 2 and shape[0] == shape[1] > 1) or (len(shape) > 2 and len(set(shape)) == 1 and shape[0] > 1)
    if not square:
        return
    target, secondary = _labels(bound, binding)
    problems.add(
        ("convention", bound.instance.rule),
        Diagnostic(
            "MIG407",
            f"shapes cannot settle the layout of `{source.name}`",
            target,
            secondary,
            (
                f"{old} names its matrices `{_last(source.name)}`, {new} `{_last(bound.target.name)}`, and one is the transpose of the other",
                "a square one fits both ways",
            ),
            ("if it is to be transposed: `transpose`", "if you looked, and it is right as it is: `as is`"),
            severity=Severity.WARNING,
            uses=bound.instance.scope.uses,
        ),
        source.name,
    )


def _last(name: str) -> str:
    return normal_name(name).rpartition("/")[2]


def _convention(name: str) -> str | None:
    return _CONVENTIONS.get(_last(name))
