"""Right, not just the right shape: the gate orders and forget biases of recurrent cells, which no shape check can settle."""

from __future__ import annotations

from collections.abc import Iterator

from migspec.bind.pipeline import flow
from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.types import Binding, Bound
from migspec.cells import Cell, Cells, is_bias, is_fused
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.ops import Add, Bundle, Crop, GateAxis, Gates, Pad, canonical_gates
from migspec.rules import Operation
from migspec.variables import Variable

_KERAS_ORDERS = {"lstm": "ifco", "gru": "zrh"}
_TORCH_ORDERS = {"lstm": "ifco", "gru": "rzh"}  # `torch.nn.LSTM` and `torch.nn.GRU`, which call c g and h n
_TF1_LSTM_ORDER = "icfo"


def check_layouts(binding: Binding) -> Iterator[Diagnostic]:
    """The rules on gates and forget biases (errors), and gate orders that are not those of the cells recognised (warnings)."""
    source_cells, target_cells = Cells(binding.source), Cells(binding.target)
    if not (source_cells.any() or target_cells.any()):
        return
    problems = Problems()
    for bound in binding.bound:
        old = [(source, source_cells.of(source)) for source in bound.sources]
        new = target_cells.of(bound.target)
        if not old or bound.instance.follows is not None:
            continue
        if new is not None and new.framework != "torch" and is_fused(bound.target, new):
            resize = _resize_without_gates(bound)
            if resize is not None:
                _report_resize(bound, [cell for _, cell in old], new, resize, problems, binding)
            elif not all(cell is not None and cell.framework == new.framework for _, cell in old):
                _check_gates(bound, [cell for _, cell in old], new, problems, binding)
        from_tf1 = any(cell is not None and _is_tf1_lstm(cell) and is_bias(source, cell) for source, cell in old)
        to_tf1 = new is not None and _is_tf1_lstm(new) and is_bias(bound.target, new)
        if from_tf1 != to_tf1 and not _adds_to_forget(bound):
            _report_forget_bias(bound, [cell for _, cell in old], new, problems, binding, from_tf1=from_tf1)
        _check_orders(bound, old, new, problems)
    yield from problems


def _is_tf1_lstm(cell: Cell) -> bool:
    return (cell.framework, cell.kind) == ("tf1", "lstm")


def _called(cell: Cell) -> str:
    """A cell as an error names it."""
    if cell.framework == "tf1":
        return "a TF1 LSTM cell"
    return f"a {'Keras' if cell.framework == 'keras' else 'PyTorch'} {cell.kind.upper()}"


def _known_order(cell: Cell) -> str:
    """The order of the gates of a cell in which all of them stand side by side."""
    if cell.framework == "tf1":
        return _TF1_LSTM_ORDER
    return (_KERAS_ORDERS if cell.framework == "keras" else _TORCH_ORDERS)[cell.kind]


def _source_order(cell: Cell, old: list[Cell | None]) -> str | None:
    """The one order of the sources' gates, if they are cells of the target's kind whose order is known. TF1's GRU has none: its
    candidate stands apart."""
    if any(one is None or one.kind != cell.kind or (one.framework, one.kind) == ("tf1", "gru") for one in old):
        return None
    orders = {_known_order(one) for one in old if one is not None}
    return orders.pop() if len(orders) == 1 else None


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
    gates, order = bound.gates, _known_order(cell)
    answers = _gate_answers(cell, old)
    helps: tuple[str, ...] = ("say which axis holds the gates, `on rows` or `on AXIS`, and let it end as the last one",)
    if isinstance(gates, GateAxis) and gates.axis == len(bound.target.shape) - 1:
        if sorted(canonical_gates(gates.order)) == sorted(order):
            return
        message = f"the gates written are not those of `{bound.target.name}`"
        place, helps = f"names the blocks {' '.join(gates.order)}", answers
    else:
        message = f"the gates of `{bound.target.name}` do not end as its last axis"
        place = "cuts another axis than the last one of the target"
    operation = _operation(bound, Gates)
    target, secondary = _labels(bound, binding)
    if operation is None:
        message, primary, helps = f"the gate order of `{bound.target.name}` is left unsaid", target, answers
    else:
        primary, secondary = Label(operation.span, place), (target, *secondary)
    notes = (
        f"`{bound.target.name}` belongs to {_called(cell)}, whose gates stand in the order {' '.join(order)}",
        "another order has the same shape, so no other check can catch it",
    )
    problems.add(
        ("gates", bound.instance.rule),
        Diagnostic("MIG403", message, primary, secondary, notes, helps, uses=bound.instance.scope.uses),
        bound.target.name,
    )


def _resize_without_gates(bound: Bound) -> Operation | None:
    """The `pad` or `crop` that grows or cuts the axis of a cell's gates with no `gates` before it to name their blocks."""
    instance, operations = bound.instance, bound.instance.operations
    for place, operation in enumerate(operations):
        if not isinstance(operation.word, Pad | Crop):
            continue
        before = flow(instance, stop=place).bundle
        after = flow(instance, start=place, stop=place + 1, given=before).bundle
        for old, new in zip(before, after, strict=True):
            for axis, (length, changed) in enumerate(zip(old.shape, new.shape, strict=True)):
                cut = old.gates is not None and old.gates.axis == axis
                if length != changed and not cut and _becomes_gates(bound, after, axis, place + 1):
                    return operation
    return None


def _becomes_gates(bound: Bound, bundle: Bundle, axis: int, place: int) -> bool:
    """Whether an axis of the bundle before op number `place` ends as that of the gates, or is it where `gates` cuts it next."""
    operations = bound.instance.operations
    stop = next((i for i in range(place, len(operations)) if isinstance(operations[i].word, Gates)), None)
    marked = tuple(tensor.with_(tensor.expression, GateAxis(axis, "?")) for tensor in bundle)
    ends = [tensor for tensor in flow(bound.instance, start=place, stop=stop, given=marked).bundle if tensor.gates is not None]
    word = None if stop is None else operations[stop].word
    last = word.axis if isinstance(word, Gates) else -1
    return any(tensor.gates is not None and tensor.gates.axis == last % len(tensor.shape) for tensor in ends)


def _report_resize(
    bound: Bound, old: list[Cell | None], cell: Cell, operation: Operation, problems: Problems, binding: Binding
) -> None:
    target, secondary = _labels(bound, binding)
    order = _known_order(cell)
    source_order = _source_order(cell, old) or order
    problems.add(
        ("gates", bound.instance.rule),
        Diagnostic(
            "MIG403",
            f"`{operation.word.word}` does not know the gates of `{bound.target.name}`",
            Label(operation.span, "grows or cuts the last gate alone"),
            (target, *secondary),
            ("on an axis that `gates` before it has cut, it works gate by gate",),
            (f"name the blocks before it: `gates {source_order} -> {order} {operation.span.content}`, if this is their order",),
            uses=bound.instance.scope.uses,
        ),
        bound.target.name,
    )


def _gate_answers(cell: Cell, old: list[Cell | None]) -> tuple[str, ...]:
    """What may be written for gates that reach a cell; one answer if the source is a cell whose order is known, too."""
    order = _known_order(cell)
    known = _source_order(cell, old)
    if known is not None:
        torch = old[0] is not None and old[0].framework == "torch"
        source = f"PyTorch's {cell.kind.upper()}, a cell" if torch else "a cell"
        return (f"the source is {source} whose order is known: `gates {known} -> {order}`",)
    if cell.framework == "tf1":
        return (f"from Keras or PyTorch: `gates ifco -> {order}`", f"if the orders agree already: `gates {order} -> {order}`")
    if cell.kind == "lstm":
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
        order = _known_order(other) if other is not None and other.framework != "tf1" else _TF1_LSTM_ORDER
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


def _check_orders(bound: Bound, old: list[tuple[Variable, Cell | None]], new: Cell | None, problems: Problems) -> None:
    """A warning where the orders written are not those of the cells that were recognised."""
    operation = _operation(bound, Gates)
    if operation is None:
        return
    word = operation.word
    assert isinstance(word, Gates)
    said: list[str] = []
    gates = bound.gates if isinstance(bound.gates, GateAxis) else None
    if new is not None and gates is not None and is_fused(bound.target, new):
        said += _unlike(bound.target, new, gates.order)
    cells = {(cell.framework, cell.kind) for source, cell in old if cell is not None and is_fused(source, cell)}
    if len(cells) == 1 and all(cell is not None for _, cell in old):
        source, cell = old[0]
        assert cell is not None
        said += _unlike(source, cell, word.old)
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


def _unlike(variable: Variable, cell: Cell, written: str) -> list[str]:
    """What is to be said of a gate order that is written for the gates of a cell, and is another one."""
    order = _known_order(cell)
    if sorted(canonical_gates(written)) != sorted(order) or canonical_gates(written) == order:
        return []
    stand = f"whose gates stand in the order {' '.join(order)}, not {' '.join(written)}"
    return [f"`{variable.name}` belongs to {_called(cell)}, {stand}"]
