"""What a TensorFlow graph takes and gives: nobody wrote it down, so it is told from the ops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from migspec.verify.ports import OpenShape, Port

_PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
_PIPELINES = ("IteratorGetNext", "QueueDequeue", "ReaderRead")
_PASSING = ("Identity", "Cast", "Reshape", "ExpandDims", "Squeeze", "Transpose", "StridedSlice", "Pack", "Unpack", "ReverseV2")
_HOLDERS = ("Variable", "VariableV2", "VarHandleOp")
_NO_RESULTS = (
    "Assert",
    "Switch",
    "Merge",
    "Shape",
    "Enter",
    "Exit",
    "NextIteration",
    "LoopCond",
    "AssignAdd",
    "AssignSub",
    "Assign",
)


def placeholders(graph: Any) -> list[Any]:
    """The tensors that a graph is fed by: its placeholders, and what its queues and datasets would give, if they were running."""
    return [
        tensor
        for operation in graph.get_operations()
        if operation.type in _PLACEHOLDERS or operation.type.startswith(_PIPELINES)
        for tensor in operation.outputs
    ]


def needed(tensors: Iterable[Any], fed: Collection[str] = ()) -> set[str]:
    """The names of all ops that these tensors are computed from, their own among them; nothing is behind the ops that are `fed`."""
    seen: set[str] = set()
    waiting = [tensor.op for tensor in tensors]
    while waiting:
        operation = waiting.pop()
        if operation.name in seen:
            continue
        seen.add(operation.name)
        if operation.name in fed:
            continue
        waiting += [tensor.op for tensor in operation.inputs]
        waiting += operation.control_inputs
    return seen


def fed_port(tensor: Any, needed: bool) -> Port:
    """A placeholder as an input; whether it is `needed` nobody can tell before the outputs are known."""
    return Port(
        short_name(tensor),
        open_shape(tensor),
        str(tensor.dtype.base_dtype.name),
        optional=tensor.op.type == "PlaceholderWithDefault",
        below=_below(tensor) if tensor.dtype.is_integer else None,
        declared=needed,
    )


def ends(graph: Any, fed: Collection[Any]) -> list[Any]:
    """The tensors that may be a model's outputs: floating-point or integer, computed from what is fed and from nothing else that
    would have to be, consumed by nobody, and no part of training."""
    fed_names = {tensor.op.name for tensor in fed}
    fedless = {one.op.name for one in placeholders(graph) if one.op.type != "PlaceholderWithDefault"} - fed_names
    computable = _reach(graph, fed_names) - _reach(graph, fedless, fed_names)
    found = []
    for operation in graph.get_operations():
        if operation.name not in computable or operation.name in fed_names or operation.type in _NO_RESULTS:
            continue
        if _is_training(operation.name):
            continue
        if any(_counts(one) for tensor in operation.outputs for one in tensor.consumers()):
            continue  # nobody wants the other outputs of an op of which one is consumed
        found += [tensor for tensor in operation.outputs if tensor.dtype.is_floating or tensor.dtype.is_integer]
    return found


def short_name(tensor: Any) -> str:
    """The name of a tensor, without the `:0` of an op's first."""
    return str(tensor.name).removesuffix(":0")


def open_shape(tensor: Any) -> OpenShape | None:
    if tensor.shape.rank is None:
        return None
    return tuple(None if length is None else int(length) for length in tensor.shape.as_list())


def _counts(consumer: Any) -> bool:
    """Whether what a consumer makes is still the model: a loss's gradient, a metric or a summary is not."""
    return not _is_training(consumer.name) and not any(tensor.dtype.name == "string" for tensor in consumer.outputs)


def _is_training(name: str) -> bool:
    """The scopes of TensorFlow 1's own training code: `tf.gradients`, `tf.losses`, `tf.metrics`, `tf.summary`, optimizers."""
    return any(part.startswith(("gradients", "train_op", "Adam", "summar")) for part in name.split("/"))


def _reach(graph: Any, names: Collection[str], ends: Collection[str] = ()) -> set[str]:
    """The names of all ops that depend on these, by ways that do not lead through `ends`."""
    seen: set[str] = set()
    waiting = [graph.get_operation_by_name(name) for name in names]
    while waiting:
        operation = waiting.pop()
        if operation.name in seen or operation.name in ends:
            continue
        seen.add(operation.name)
        waiting += [consumer for tensor in operation.outputs for consumer in tensor.consumers()]
    return seen


def _below(tensor: Any) -> int | None:
    """What a placeholder of integers must be less than: the size of the table that it looks up, or the depth of its one-hot code."""
    bounds = list(_bounds(tensor))
    return min(bounds) if bounds else None


def _bounds(tensor: Any) -> Iterator[int]:
    import tensorflow as tf

    waiting, seen = [tensor], set[str]()
    while waiting:
        here = waiting.pop()
        for consumer in here.consumers():
            if consumer.type in _PASSING and consumer.name not in seen:
                seen.add(consumer.name)
                waiting += consumer.outputs
            elif consumer.type in ("Gather", "GatherV2", "ResourceGather") and consumer.inputs[1] is here:
                length = _rows(consumer.inputs[0])
                if length is not None:
                    yield length
            elif consumer.type == "OneHot" and consumer.inputs[0] is here:
                depth = tf.get_static_value(consumer.inputs[1])
                if depth is not None:
                    yield int(depth)


def _rows(table: Any) -> int | None:
    """The length of the first axis of what a `Gather` looks up."""
    if table.dtype.name == "resource" and table.op.type in _HOLDERS:
        lengths = table.op.get_attr("shape").dim
        return int(lengths[0].size) if lengths and lengths[0].size > 0 else None
    shape = open_shape(table)
    return shape[0] if shape else None
