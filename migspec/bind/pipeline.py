"""The ops of one instance, run over shapes and expressions: no value is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from migspec.arithmetic import linear_of
from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.sizes import Equation
from migspec.bind.types import Bound, Instance
from migspec.diagnostics import Diagnostic, Label
from migspec.expression import Read, reads, size_of
from migspec.ops import Bundle, CastTo, Context, OpError, Tensor, Wanted, Wants, shape_text
from migspec.ops.axes import unpermuted
from migspec.ops.values import refused_cast
from migspec.rules import Operation
from migspec.syntax.spelling import arithmetic_text
from migspec.syntax.tree import Binary, Reference
from migspec.text import Span
from migspec.variables import Variable

_LISTED = 4  # so many shapes are shown


@dataclass(frozen=True, slots=True)
class Flow:
    """How far the ops of an instance got: the bundle before the op that failed, or at the end."""

    bundle: Bundle
    equations: tuple[Equation, ...]
    failed: Operation | None = None
    error: OpError | None = None


def flow(instance: Instance, *, start: int = 0, stop: int | None = None, given: Bundle | None = None) -> Flow:
    """Run the ops of an instance as far as the sizes that are known allow; only those from `start` to before `stop`, on a bundle
    that is given, if one is."""
    operations = all_operations(instance)
    bundle: Bundle = given or tuple(
        Tensor(Read(element.variable.name, element.variable.shape, element.variable.dtype), element.coordinates)
        for element in instance.sources
    )
    equations: list[Equation] = []
    stream = instance.targets[0].variable.name if instance.targets else ""
    fills = 0
    for place, operation in list(enumerate(operations))[start:stop]:
        context = Context(instance.scope.values, partial(_wants, instance, operations, place + 1), stream, fills=fills)
        failed: OpError | None = None
        result = bundle
        try:
            result = operation.word.apply(bundle, context)
        except OpError as error:
            failed = error
        equations.extend(
            Equation(expression, value, operation.span, f"`{operation.span.content}`")
            for expression, value in context.equations
        )
        if failed is not None:
            return Flow(bundle, tuple(equations), operation, failed)
        bundle, fills = result, context.fills
    return Flow(bundle, tuple(equations))


def all_operations(instance: Instance) -> tuple[Operation, ...]:
    """The ops of an instance, with the `cast` that stands alone on a line at their end."""
    cast_all = instance.scope.cast_all
    return instance.operations if cast_all is None else (*instance.operations, Operation(CastTo(), cast_all))


def _wants(instance: Instance, operations: Sequence[Operation], after: int) -> Wants:
    """What is wanted where op number `after` starts: the targets, pulled back through that op and those behind it."""
    targets = tuple(Wanted(element.variable.shape, element.variable.dtype) for element in instance.targets)
    wants: Wants = targets[0] if instance.rule.kind == "copy" and len(set(targets)) == 1 else targets
    for operation in reversed(operations[after:]):
        wants = operation.word.pull_back(wants, Context(instance.scope.values, lambda: Wanted(), ""))
    return wants


def bind_instance(instance: Instance, problems: Problems) -> tuple[Bound, ...] | None:
    """The expression for each target of an instance; None if an error was reported."""
    result = flow(instance)
    if result.error is not None:
        assert result.failed is not None
        _report_op(instance, result, result.failed, result.error, problems)
        return None
    bundle = result.bundle
    if instance.rule.kind == "copy" and len(bundle) == 1:
        bundle = bundle * len(instance.targets)
    if len(bundle) != len(instance.targets):
        _report_count(instance, bundle, problems)
        return None
    bound: list[Bound] = []
    for tensor, element in zip(bundle, instance.targets, strict=True):
        if tensor.shape != element.variable.shape:
            _report_shape(instance, tensor, element.variable, problems)
            return None
        if tensor.dtype != element.variable.dtype:
            _report_dtype(instance, tensor, element.variable, problems)
            return None
        read = {one.variable for one in reads(tensor.expression)}
        sources = tuple(one.variable for one in instance.sources if one.variable.name in read)
        bound.append(Bound(element.variable, tensor.expression, instance, sources, tensor.gates))
    return tuple(bound)


def _sources_label(instance: Instance, result: str = "") -> Label:
    element = instance.sources[0]
    label = instance.scope.sources.map.label
    return Label(span_of(element.pattern), f"{described(element.variable)} in {label}{result}")


def _target_of(instance: Instance) -> str:
    return instance.targets[0].variable.name if instance.targets else instance.sources[0].variable.name


def _report_op(instance: Instance, result: Flow, operation: Operation, error: OpError, problems: Problems) -> None:
    now = ", ".join(dict.fromkeys(f"{tensor.dtype} {shape_text(tensor.shape)}" for tensor in result.bundle[:4]))
    notes = (*error.notes, _targets_note(instance)) if instance.targets else error.notes
    contradiction = _contradiction(instance, result, operation)
    code, message = error.code, error.message
    secondary = [_sources_label(instance)]
    if contradiction is not None:
        code, message, place = contradiction
        secondary.append(place)
    problems.add(
        ("op", instance.rule, operation.span, code),
        Diagnostic(
            code,
            message,
            Label(operation.span, f"it is given {now}" if len(instance.operations) > 1 else ""),
            tuple(secondary),
            notes=notes,
            helps=error.helps,
            uses=instance.scope.uses,
        ),
        _target_of(instance),
    )


def _contradiction(instance: Instance, result: Flow, operation: Operation) -> tuple[str, str, Label] | None:
    """If the op failed because a size was settled elsewhere with another value: what to say of it."""
    for equation in result.equations:
        if equation.span != operation.span:
            continue
        form = linear_of(equation.expression, instance.scope.values)
        if form is None or form.coefficients or form.constant == equation.value:
            continue
        for name in _names(equation):
            place = instance.scope.solved.get(name)
            if place is not None:
                value = instance.scope.values[name]
                message = (
                    f"`{arithmetic_text(equation.expression)}` is {equation.value} here and {int(form.constant)} elsewhere"
                )
                return "MIG306", message, Label(place.span, f"`{name}` is {value}, by {place.origin}")
    return None


def _targets_note(instance: Instance) -> str:
    shapes = list(dict.fromkeys(described(element.variable) for element in instance.targets))
    more = f" and {len(shapes) - _LISTED} other shapes" if len(shapes) > _LISTED else ""
    what = "the target is" if len(instance.targets) == 1 else "the targets are"
    return f"{what} {', '.join(shapes[:_LISTED])}{more} in {instance.scope.targets.map.label}"


def _targets_span(instance: Instance) -> Span:
    """From the first target that the rule names to the last."""
    first, last = (span_of(instance.targets[place].pattern) for place in (0, -1))
    return first.to(last) if first.start <= last.start else first


def _names(equation: Equation) -> list[str]:
    names = []
    stack = [equation.expression]
    while stack:
        node = stack.pop()
        if isinstance(node, Reference):
            names.append(node.name)
        elif isinstance(node, Binary):
            stack += [node.left, node.right]
    return names


def _report_count(instance: Instance, bundle: Bundle, problems: Problems) -> None:
    count, targets = len(bundle), len(instance.targets)
    tensors = list(dict.fromkeys(f"{tensor.dtype} {shape_text(tensor.shape)}" for tensor in bundle))[:_LISTED]
    place = instance.operations[-1].span if instance.operations else span_of(instance.sources[0].pattern)
    helps: tuple[str, ...]
    if count > 1 and targets == 1:
        helps = ("make one of them: `concat AXIS`, `stack AXIS`, `sum` or `mean`",)
    elif count == 1:
        helps = ("make several of it: `split AXIS` or `unstack AXIS`", "to give one tensor to several targets, write `copy`")
    elif count > targets:
        helps = (f"name a target for each of the {count}, or take the others out with `slice` or by other sources",)
    else:
        helps = (f"{count} tensors fill {count} targets: take the others out of the list, and `keep` or `fill` them",)
    problems.add(
        ("count", instance.rule),
        Diagnostic(
            "MIG303",
            f"the rule ends in {count} tensor{'' if count == 1 else 's'} for {targets} target{'' if targets == 1 else 's'}",
            Label(place),
            (
                Label(_targets_span(instance), f"{targets} target{'' if targets == 1 else 's'}"),
                _sources_label(instance),
            ),
            notes=(
                f"{'the tensor is' if count == 1 else 'the tensors are'} {', '.join(tensors)}",
                _targets_note(instance),
            ),
            helps=(*_split_helps(instance), *helps),
            uses=instance.scope.uses,
        ),
        _target_of(instance),
    )


def _report_shape(instance: Instance, tensor: Tensor, target: Variable, problems: Problems) -> None:
    source_label, target_label = instance.scope.sources.map.label, instance.scope.targets.map.label
    said = f"the target is {described(target)}"
    element = next(one for one in instance.targets if one.variable is target)
    if instance.operations:
        last = instance.operations[-1]
        message = f"shapes differ after `{last.span.content}`"
        primary, secondary = Label(last.span, said), (_sources_label(instance, f" becomes {shape_text(tensor.shape)}"),)
    else:
        message = "shapes differ"
        primary, secondary = Label(span_of(element.pattern), said), (_sources_label(instance),)
    notes = []
    if len(tensor.shape) == len(target.shape):
        for axis, (have, need) in enumerate(zip(tensor.shape, target.shape, strict=True)):
            if have != need:
                notes.append(f"axis {axis} differs: {have} from {source_label}, {need} in {target_label}")
    else:
        notes.append(f"{_axes(tensor.shape)} from {source_label}, {_axes(target.shape)} in {target_label}")
    if len(instance.targets) > 1:
        notes.append(f"this is about `{target.name}`")
    problems.add(
        ("shape", instance.rule),
        Diagnostic(
            "MIG301",
            message,
            primary,
            secondary,
            tuple(notes),
            _without_ops_helps(instance, target) or _split_helps(instance) or _shape_helps(tensor, target),
            uses=instance.scope.uses,
        ),
        target.name,
    )


def _axes(shape: tuple[int, ...]) -> str:
    return "1 axis" if len(shape) == 1 else f"{len(shape)} axes"


def _without_ops_helps(instance: Instance, target: Variable) -> tuple[str, ...]:
    """That the ops are what is wrong, where the source has the target's shape without them."""
    if not instance.operations or len(instance.sources) != 1 or instance.sources[0].variable.shape != target.shape:
        return ()
    ops = " ".join(operation.span.content for operation in instance.operations)
    return (f"it has the target's shape already without `{ops}`: take {'it' if len(instance.operations) == 1 else 'them'} out",)


def _split_helps(instance: Instance) -> tuple[str, ...]:
    """The `split` that makes exactly the targets' shapes of the one source, where there is one.

    The usual case is TF1's fused LSTM kernel, [inputs + units, 4 units], which many cut into gate blocks instead of rows.
    """
    if len(instance.sources) != 1 or len(instance.targets) < 2:
        return ()
    whole, parts = instance.sources[0].variable.shape, [element.variable.shape for element in instance.targets]
    for axis in range(len(whole)):
        rest = (*whole[:axis], *whole[axis + 1 :])
        lengths = [part[axis] for part in parts if len(part) == len(whole) and (*part[:axis], *part[axis + 1 :]) == rest]
        if len(lengths) == len(parts) and sum(lengths) == whole[axis]:
            word = "rows" if axis == 0 else "columns" if axis == len(whole) - 1 else str(axis)
            sizes = " + ".join(map(str, lengths))
            return (
                f"`split {word}` cuts it into exactly these targets: {whole[axis]} {word if axis == 0 else 'places'} are {sizes}",
            )
    return ()


def _shape_helps(tensor: Tensor, target: Variable) -> tuple[str, ...]:
    """Ops that would make the target's shape of the tensor's, the likeliest first."""
    have, need = tensor.shape, target.shape
    helps: list[str] = []
    rank = len(have)
    if rank == len(need) and rank > 1 and sorted(have) == sorted(need):
        for axes in _usual_permutations(rank):
            if unpermuted(Wanted(need), axes).shape == have:
                op = "transpose" if axes == tuple(reversed(range(rank))) else f"transpose {' '.join(map(str, axes))}"
                helps.append(f"if the axes are in another order: `{op}`")
                break
    if size_of(have) == size_of(need) and not helps:
        helps.append("if only the shape differs, row by row: `reshape`")
    if rank == len(need) and sorted(have) != sorted(need):
        if all(a >= b for a, b in zip(have, need, strict=True)):
            helps.append(
                f"to take the first part: `crop`; to leave the old values behind: `drop` the source and `fill {target.name} with ...`"
            )
        elif all(a <= b for a, b in zip(have, need, strict=True)):
            helps.append(
                f"to grow it: `pad zeros`, or `pad normal 0.02 seed 7`; to leave the old values behind: `drop` the source and `fill {target.name} with ...`"
            )
        elif rank == 2 and all(a <= b for a, b in zip(sorted(have), sorted(need), strict=True)):
            helps.append("if the axes are in another order: `transpose`, then `pad` or `crop`")
    return tuple(helps[:3]) or ("check that the rule names the right pair: shapes this different are rarely one weight",)


def _usual_permutations(rank: int) -> tuple[tuple[int, ...], ...]:
    """The permutations that conventions differ by: reversed, and for convolutions OI... -> ...IO and back."""
    reverse = tuple(reversed(range(rank)))
    if rank < 3:
        return (reverse,)
    return ((*range(2, rank), 1, 0), (rank - 1, rank - 2, *range(rank - 2)), reverse)


def _report_dtype(instance: Instance, tensor: Tensor, target: Variable, problems: Problems) -> None:
    element = next(one for one in instance.targets if one.variable is target)
    refused = refused_cast(tensor.dtype, target.dtype)
    helps: tuple[str, ...] = ("end the rule in `cast`, or write `cast` alone on a line for all rules",)
    notes: tuple[str, ...] = ()
    if refused is not None:
        notes = (f"no `cast` leads from {tensor.dtype} to {target.dtype}: {refused}",)
        helps = ("leave it behind: `drop` the source, and `keep` or `fill` the target",)
    problems.add(
        ("dtype", instance.rule),
        Diagnostic(
            "MIG401",
            f"the dtypes differ: {tensor.dtype} and {target.dtype}",
            Label(span_of(element.pattern), f"the target is {described(target)} in {instance.scope.targets.map.label}"),
            (_sources_label(instance),),
            notes=notes,
            helps=helps,
            uses=instance.scope.uses,
        ),
        target.name,
    )
