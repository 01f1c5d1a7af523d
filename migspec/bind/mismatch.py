"""What is said of an instance whose tensors are not those that its targets need: too many, of another shape or dtype."""

from __future__ import annotations

from migspec.bind.problems import Problems, described
from migspec.bind.proposals import fused_helps, joining_helps, stack_helps, transpose_helps
from migspec.bind.side import span_of
from migspec.bind.sugar import short_form_helps
from migspec.bind.types import Instance
from migspec.diagnostics import Diagnostic, Label
from migspec.expression import size_of
from migspec.ops import Bundle, Remap, Tensor, Wanted, shape_text
from migspec.ops.axes import reordering, unpermuted
from migspec.ops.values import refused_cast
from migspec.text import Span
from migspec.variables import Variable

_LISTED = 4  # so many shapes are shown


def sources_label(instance: Instance, result: str = "") -> Label:
    """The place of the first source, with what it is and, in words, what becomes of it."""
    element = instance.sources[0]
    label = instance.scope.sources.map.label
    return Label(span_of(element.pattern), f"{described(element.variable)} in {label}{result}")


def target_of(instance: Instance) -> str:
    """The name that tells an instance from others of its rule."""
    return instance.targets[0].variable.name if instance.targets else instance.sources[0].variable.name


def targets_note(instance: Instance) -> str:
    """What the targets are, and where."""
    shapes = list(dict.fromkeys(described(element.variable) for element in instance.targets))
    more = f" and {len(shapes) - _LISTED} other shapes" if len(shapes) > _LISTED else ""
    what = "the target is" if len(instance.targets) == 1 else "the targets are"
    return f"{what} {', '.join(shapes[:_LISTED])}{more} in {instance.scope.targets.map.label}"


def _targets_span(instance: Instance) -> Span:
    """From the first target that the rule names to the last."""
    first, last = (span_of(instance.targets[place].pattern) for place in (0, -1))
    return first.to(last) if first.start <= last.start else first


def report_count(instance: Instance, bundle: Bundle, problems: Problems) -> None:
    """More tensors than targets, or fewer."""
    count, targets = len(bundle), len(instance.targets)
    tensors = list(dict.fromkeys(f"{tensor.dtype} {shape_text(tensor.shape)}" for tensor in bundle))[:_LISTED]
    place = instance.operations[-1].span if instance.operations else span_of(instance.sources[0].pattern)
    helps: tuple[str, ...]
    if count > 1 and targets == 1:
        source, target = instance.sources[0].variable, instance.targets[0].variable
        fused = fused_helps(instance, source.shape, target, problems) if len(instance.sources) == 1 else ()
        helps = fused or joining_helps(instance, bundle)
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
                sources_label(instance),
            ),
            notes=(
                f"{'the tensor is' if count == 1 else 'the tensors are'} {', '.join(tensors)}",
                targets_note(instance),
            ),
            helps=(*_split_helps(instance), *helps),
            uses=instance.scope.uses,
        ),
        target_of(instance),
    )


def report_shape(instance: Instance, tensor: Tensor, target: Variable, problems: Problems) -> None:
    """A tensor that has not the shape of its target, with the ops that would likely mend it."""
    source_label, target_label = instance.scope.sources.map.label, instance.scope.targets.map.label
    said = f"the target is {described(target)}"
    element = next(one for one in instance.targets if one.variable is target)
    if instance.operations:
        last = instance.operations[-1]
        message = f"shapes differ after `{last.span.content}`"
        primary, secondary = Label(last.span, said), (sources_label(instance, f" becomes {shape_text(tensor.shape)}"),)
    else:
        message = "shapes differ"
        primary, secondary = Label(span_of(element.pattern), said), (sources_label(instance),)
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
            _without_ops_helps(instance, target)
            or short_form_helps(instance)
            or fused_helps(instance, tensor.shape, target, problems)
            or stack_helps(instance, tensor, target)
            or transpose_helps(instance, target)
            or _split_helps(instance)
            or (*_token_helps(instance, target), *_shape_helps(tensor, target)),
            uses=instance.scope.uses,
        ),
        target.name,
    )


def _axes(shape: tuple[int, ...]) -> str:
    return "1 axis" if len(shape) == 1 else f"{len(shape)} axes"


def _without_ops_helps(instance: Instance, target: Variable) -> tuple[str, ...]:
    """That the ops are what is wrong, where the source has the target's shape without them. Not of `remap`, which is there for the order
    of the rows: its files are wrong."""
    if any(operation.word.word == "remap" for operation in instance.operations):
        return ()
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


def _token_helps(instance: Instance, target: Variable) -> tuple[str, ...]:
    """`remap`, for an embedding of another vocabulary: `pad` and `crop` fit as well, and may give a token another one's row. Where there is
    a `remap`, that its new file may be another one."""
    for word in (operation.word for operation in instance.operations):
        if isinstance(word, Remap):
            tokens = len(word.between.new.tokens)
            what = f"{tokens} token{'' if tokens == 1 else 's'} in `{word.new_file}`"
            return (f"{what}: name the vocabulary of the target, or say with `oov` how many places more there are",)
    if instance.operations or len(instance.sources) != 1 or len(target.shape) != 2:
        return ()
    source = instance.sources[0].variable
    same_columns = source.shape[1:] == target.shape[1:]
    if not same_columns or not any("embed" in name.lower() for name in (source.name, target.name)):
        return ()
    return ('if its rows are tokens and the vocabulary has changed: `remap rows from "OLD.txt" to "NEW.txt" else zeros`',)


def _shape_helps(tensor: Tensor, target: Variable) -> tuple[str, ...]:
    """Ops that would make the target's shape of the tensor's, the likeliest first."""
    have, need = tensor.shape, target.shape
    helps: list[str] = []
    rank = len(have)
    if rank == len(need) and rank > 1 and sorted(have) == sorted(need):
        for axes in _usual_permutations(rank):
            if unpermuted(Wanted(need), axes).shape == have:
                helps.append(f"if the axes are in another order: `{reordering(axes)}`")
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


def report_dtype(instance: Instance, tensor: Tensor, target: Variable, problems: Problems) -> None:
    """A tensor that has not the dtype of its target."""
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
            (sources_label(instance),),
            notes=notes,
            helps=helps,
            uses=instance.scope.uses,
        ),
        target.name,
    )
