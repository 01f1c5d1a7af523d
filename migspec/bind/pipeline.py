"""The ops of one instance, run over shapes and expressions: no value is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from migspec.arithmetic import linear_of
from migspec.bind.mismatch import report_count, report_dtype, report_shape, sources_label, target_of, targets_note
from migspec.bind.problems import Problems
from migspec.bind.proposals import fused_helps, transpose_helps
from migspec.bind.sizes import Equation
from migspec.bind.types import Bound, Instance
from migspec.diagnostics import Diagnostic, Label
from migspec.expression import Read, reads
from migspec.ops import Bundle, CastTo, Context, Gates, OpError, Split, Tensor, Wanted, Wants, dealt, shape_text
from migspec.rules import Operation
from migspec.syntax.spelling import arithmetic_text
from migspec.syntax.tree import Binary, Reference
from migspec.variables import Variable


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
        [
            Tensor(Read(element.variable.name, element.variable.shape, element.variable.dtype), element.coordinates)
            for element in instance.sources
        ]
    )
    if not operations:
        return Flow(bundle, ())
    equations: list[Equation] = []
    streams = tuple(element.variable.name for element in instance.targets) or ("",)
    coordinates = [element.coordinates for element in instance.targets]
    fills: dict[str, int] = {}
    for place, operation in list(enumerate(operations))[start:stop]:
        context = Context(
            instance.scope.values, partial(_wants, instance, operations, place + 1), streams, [], fills, coordinates
        )
        failed: OpError | None = None
        result = bundle
        try:
            result = dealt(operation.word.apply(bundle, context), coordinates)
        except OpError as error:
            failed = error
        equations.extend(
            Equation(expression, value, operation.span, f"`{operation.span.content}`")
            for expression, value in context.equations
        )
        if failed is not None:
            return Flow(bundle, tuple(equations), operation, failed)
        bundle = result
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
        wants = operation.word.pull_back(wants, Context(instance.scope.values, lambda: Wanted(), ("",)))
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
        report_count(instance, bundle, problems)
        return None
    bound: list[Bound] = []
    for tensor, element in zip(bundle, instance.targets, strict=True):
        if tensor.shape != element.variable.shape:
            report_shape(instance, tensor, element.variable, problems)
            return None
        if tensor.dtype != element.variable.dtype:
            report_dtype(instance, tensor, element.variable, problems)
            return None
        if isinstance(tensor.expression, Read) and len(instance.sources) == 1:  # most of them, in a large model
            sources: tuple[Variable, ...] = (instance.sources[0].variable,)
        else:
            read = {one.variable for one in reads(tensor.expression)}
            sources = tuple(one.variable for one in instance.sources if one.variable.name in read)
        bound.append(Bound(element.variable, tensor.expression, instance, sources, tensor.gates))
    return tuple(bound)


def _report_op(instance: Instance, result: Flow, operation: Operation, error: OpError, problems: Problems) -> None:
    now = ", ".join(dict.fromkeys(f"{tensor.dtype} {shape_text(tensor.shape)}" for tensor in result.bundle[:4]))
    notes = (*error.notes, targets_note(instance)) if instance.targets else error.notes
    helps = error.helps
    if len(instance.sources) == len(instance.targets) == 1 and error.code == "MIG302":
        source, target = instance.sources[0].variable, instance.targets[0].variable
        if isinstance(operation.word, Split):
            helps = fused_helps(instance, source.shape, target, problems) or helps
        elif isinstance(operation.word, Gates):
            helps = (*transpose_helps(instance, target), *helps)
    contradiction = _contradiction(instance, result, operation)
    code, message = error.code, error.message
    secondary = [sources_label(instance)]
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
            helps=helps,
            uses=instance.scope.uses,
        ),
        target_of(instance),
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
