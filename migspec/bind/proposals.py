"""What would mend an instance whose ops do not lead to its targets, where its ops and the names around it say it."""

from __future__ import annotations

import re

from migspec.bind.problems import Problems, described
from migspec.bind.types import Instance
from migspec.ops import Bundle, Gates, Split, Stack, Tensor, Transpose, shape_text
from migspec.variables import Variable

_TORCH_BIAS = re.compile(r"bias_[ih]h(_l[0-9]+(_reverse)?)?")


def fused_helps(instance: Instance, shape: tuple[int, ...], target: Variable, problems: Problems) -> tuple[str, ...]:
    """That the kernel of TF1's LSTM cells holds the rows of two of Keras' weights, where the shapes say so."""
    parent, slash, last = target.name.rpartition("/")
    sibling = f"{parent}{slash}recurrent_kernel"
    variables = instance.scope.targets.map
    if last != "kernel" or sibling not in variables or len(shape) != 2 or len(target.shape) != 2:
        return ()
    rows, columns = shape
    if variables[sibling].shape != (rows - target.shape[0], columns) or target.shape[1] != columns:
        return ()
    problems.explained.add(sibling)
    if any(isinstance(operation.word, Split) for operation in instance.operations):
        return (
            f"name the target of the other {variables[sibling].shape[0]} rows, too: `-> {target.name}, {sibling}`",
            "or write `split gates ifco` for it, if it is TF1's LSTM kernel: that finds `recurrent_kernel` by itself",
        )
    return (
        f"its rows are those of `{last}` and `recurrent_kernel`: `split gates ifco` deals them out, if it is TF1's LSTM kernel",
        "from another source: `split gates OLD -> ifco`, with its own order of the gates",
    )


def stack_helps(instance: Instance, tensor: Tensor, target: Variable) -> tuple[str, ...]:
    """The `stack` that would do, or how many tensors it would need, where the last op is one."""
    word = instance.operations[-1].word if instance.operations else None
    rank = len(tensor.shape)
    if not isinstance(word, Stack) or rank != len(target.shape):
        return ()
    axis = word.axis % rank
    count, each = tensor.shape[axis], (*tensor.shape[:axis], *tensor.shape[axis + 1 :])
    capture = "" if word.capture is None else f"{{{word.capture}}} "
    for place in range(rank):
        if (*each[:place], count, *each[place:]) == target.shape:
            return (f"`stack {capture}{place}` makes {shape_text(target.shape)} of them",)
    for place in (axis, *range(rank)):
        if (*target.shape[:place], *target.shape[place + 1 :]) == each:
            other = "" if place == axis else f", by `stack {capture}{place}`"
            return (f"it stacks {count}, and the target has {target.shape[place]}{other}: check which sources the rule names",)
    return ()


def transpose_helps(instance: Instance, target: Variable) -> tuple[str, ...]:
    """The `transpose` that is missing before `gates`, as with every kernel of PyTorch's cells."""
    gates = next((one for one in instance.operations if isinstance(one.word, Gates)), None)
    if gates is None or len(instance.sources) != 1 or any(isinstance(one.word, Transpose) for one in instance.operations):
        return ()
    shape = instance.sources[0].variable.shape
    if len(shape) != 2 or shape == target.shape or shape[::-1] != target.shape:
        return ()
    return (f"`transpose` before it makes the target's {shape_text(target.shape)} of {shape_text(shape)}",)


def joining_helps(instance: Instance, bundle: Bundle) -> tuple[str, ...]:
    """What makes one tensor of a bundle for the one target of a rule, the likeliest first."""
    target, shapes = instance.targets[0].variable, {tensor.shape for tensor in bundle}
    biases = all(_TORCH_BIAS.fullmatch(re.split("[./]", one.variable.name)[-1]) for one in instance.sources)
    if shapes == {target.shape}:
        why = "PyTorch's cell adds its two biases, and the target has one" if biases else f"each is {described(target)} already"
        return (f"{why}: `sum`",) if biases else (f"{why}: `sum` or `mean`",)
    if len(shapes) == 1:
        one = next(iter(shapes))
        for axis in range(len(target.shape)):
            if (*one[:axis], len(bundle), *one[axis:]) == target.shape:
                return (f"`stack {axis}` makes the target's {shape_text(target.shape)} of them",)
    return ("make one of them: `concat AXIS`, `stack AXIS`, `sum` or `mean`",)
