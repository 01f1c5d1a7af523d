"""Where two specs meet: which variable of the first's target is which of the second's source, and what the second's sizes are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migspec import arithmetic
from migspec.diagnostics import Diagnostic, Label
from migspec.mentions import in_use
from migspec.ops import Rearrange
from migspec.patterns import text_of
from migspec.rules import Program, Rule
from migspec.syntax import tree
from migspec.syntax.spelling import arithmetic_text

Names = Mapping[str, tree.Arithmetic]
"""What each size and number of the second spec is called in the composition."""


@dataclass(frozen=True, slots=True)
class Middle:
    """`made` gives each target name of the first spec, `taken` each source name of the second, the number of their common line."""

    made: Mapping[tree.Pattern, int]
    taken: Mapping[tree.Pattern, int]
    dims: Mapping[int, tree.Dims]
    """The shape of each common line, in the sizes of the first spec."""
    names: Names
    problems: tuple[Diagnostic, ...]


def meeting(first: Program, second: Program) -> Middle:
    """Hold the target lines of `first` against the source lines of `second`, by any of their names."""
    made: dict[tree.Pattern, int] = {}
    taken: dict[tree.Pattern, int] = {}
    dims: dict[int, tree.Dims] = {}
    names: dict[str, tree.Arithmetic] = {}
    problems: list[Diagnostic] = []
    lines = [(line, statement) for line, statement in first.interface if line.side == "target"]
    wanted = [(line, statement) for line, statement in second.interface if line.side == "source"]
    used: set[int] = set()
    pairs: list[tuple[tree.Arithmetic, tree.Arithmetic, tree.Statement]] = []
    for number, (line, statement) in enumerate(lines):
        made.update(dict.fromkeys(line.names, number))
        dims[number] = line.dims
        partner = next((place for place, (other, _) in enumerate(wanted) if set(other.names) & set(line.names)), None)
        if partner is None:
            message = f"`{second.text.name}` takes no `{text_of(line.names[0])}`, which `{first.text.name}` makes"
            problems.append(_misfit(message, statement, wanted, "drop it in the second spec"))
            continue
        used.add(partner)
        other, place = wanted[partner]
        taken.update(dict.fromkeys(other.names, number))
        if len(other.dims) != len(line.dims):
            message = f"`{text_of(line.names[0])}` has {len(line.dims)} axes in `{first.text.name}` and {len(other.dims)} here"
            problems.append(Diagnostic("MIG704", message, Label(place.span), (Label(statement.span, "made here"),)))
            continue
        lost = _lost_dtype(line, other, first)
        if lost is not None:
            message = f"`{text_of(line.names[0])}` is {lost} between the two specs, which one spec does not say"
            way = f"write {lost} behind each `source` line of the first spec as well, and in both lines that meet"
            problems.append(
                Diagnostic("MIG704", message, Label(place.span), (Label(statement.span, "made here"),), helps=(way,))
            )
        pairs += [(theirs, ours, place) for theirs, ours in zip(other.dims, line.dims, strict=True)]
        if other.family is not None and line.family is not None:
            pairs.append((other.family[1], line.family[1], place))
    for _ in range(len(pairs)):  # one tells of another; the last round finds nothing more
        known = len(names)
        for theirs, ours, _place in pairs:
            _unify(theirs, ours, names, second)
        if len(names) == known:
            break
    problems += _two_things(pairs, names)
    problems += _fixed(pairs, first, second)
    for number, (line, statement) in enumerate(wanted):
        if number not in used and not line.if_present:
            message = f"`{first.text.name}` makes no `{text_of(line.names[0])}`, which `{second.text.name}` needs"
            problems.append(_misfit(message, statement, lines, "fill it in the first spec"))
    return Middle(made, taken, dims, _named(first, second, names), tuple(problems))


def renamed(expression: tree.Arithmetic, names: Names) -> tree.Arithmetic:
    """An expression of the second spec in the names of the composition."""
    match expression:
        case tree.Reference(name=name):
            return names.get(name, expression)
        case tree.Negative(operand=operand):
            return tree.Negative(renamed(operand, names))
        case tree.Binary(operator=operator, left=left, right=right):
            return tree.Binary(operator, renamed(left, names), renamed(right, names))
        case _:
            return expression


def _unify(theirs: tree.Arithmetic, ours: tree.Arithmetic, names: dict[str, tree.Arithmetic], second: Program) -> None:
    """Let a size of the second spec be what must be equal to it in the first; what the lines do not settle stays a size of its own.

    `x + h` and `n + m` say nothing of `x` by themselves, only once `h` is known to be `m`.
    """
    match theirs, ours:
        case tree.Reference(name=name), _ if name in second.sizes and second.sizes[name].value is None:
            names.setdefault(name, ours)
        case tree.Binary(), tree.Binary() if theirs.operator == ours.operator:
            sides = [(theirs.left, ours.left, theirs.right, ours.right), (theirs.right, ours.right, theirs.left, ours.left)]
            if theirs.operator in "+*":
                sides += [
                    (theirs.left, ours.right, theirs.right, ours.left),
                    (theirs.right, ours.left, theirs.left, ours.right),
                ]
            for one, other, rest, left in sides:
                known = all(reference.name in names for reference in arithmetic.references(one))
                if known and renamed(one, names) == other:
                    _unify(rest, left, names, second)
                    return
        case _:
            pass


def _two_things(pairs: Iterable[tuple[tree.Arithmetic, tree.Arithmetic, tree.Statement]], names: Names) -> Iterator[Diagnostic]:
    """Errors for sizes of the second spec that are two things in the first, which need not be equal."""
    for theirs, ours, statement in pairs:
        if isinstance(theirs, tree.Reference) and names.get(theirs.name, ours) != ours:
            one, other = arithmetic_text(names[theirs.name]), arithmetic_text(ours)
            yield Diagnostic(
                "MIG704",
                f"the size `{theirs.name}` is both `{one}` and `{other}` of the first spec",
                Label(statement.span),
                helps=("if the two are always equal, give them one name there",),
            )


def _fixed(
    pairs: Iterable[tuple[tree.Arithmetic, tree.Arithmetic, tree.Statement]], first: Program, second: Program
) -> Iterator[Diagnostic]:
    """Errors for lengths that the second spec has settled and the first has not, or otherwise: the composition would take others."""
    for theirs, ours, statement in pairs:
        settled, made = _constant(theirs, second), _constant(ours, first)
        if settled is not None and settled != made:
            yield Diagnostic(
                "MIG704",
                f"a length that is `{arithmetic_text(ours)}` in the first spec is {settled} here",
                Label(statement.span),
                helps=(f"write {settled} in the first spec as well, or give it a `size` without a value here",),
            )


def _constant(expression: tree.Arithmetic, program: Program) -> int | None:
    """What a length is in every use of a spec; None if that differs."""
    values: dict[str, int | float] = {}
    try:
        for name, definition in program.sizes.items():  # a size is defined by those before it
            if definition.value is not None and _is_known(definition.value, values):
                values[name] = arithmetic.value_of(definition.value, values)
        return int(arithmetic.value_of(expression, values)) if _is_known(expression, values) else None
    except ZeroDivisionError:
        return None


def _is_known(expression: tree.Arithmetic, values: Mapping[str, int | float]) -> bool:
    return all(one.name in values for one in arithmetic.references(expression))


def _lost_dtype(line: tree.Interface, other: tree.Interface, first: Program) -> str | None:
    """A dtype that only the lines in the middle tell of, which are in no line of the composition."""
    kept = all(one.dtype == line.dtype for one, _ in first.interface if one.side == "source") or line.dtype is None
    return None if kept and line.dtype == other.dtype else line.dtype or other.dtype


def _named(first: Program, second: Program, found: Mapping[str, tree.Arithmetic]) -> Names:
    """Names for all sizes and numbers of the second spec; one that the first has, too, gets a number behind it."""
    names: dict[str, tree.Arithmetic] = dict(found)
    taken = {*first.sizes, *first.numbers, *(label for rule in first.rules for label in labels_of(rule))}
    for name in (*second.sizes, *second.numbers):
        if name not in names:
            free = next(one for one in _candidates(name) if one not in taken)
            taken.add(free)
            names[name] = tree.Reference(free)
    return names


def labels_of(rule: Rule) -> set[str]:
    """The names that the `rearrange`s of a rule give to axes: sizes, and others that are not to be taken for sizes."""
    words = (operation.word for operation in rule.operations)
    return {
        label
        for word in words
        if isinstance(word, Rearrange)
        for group in word.left
        for label in group
        if isinstance(label, str)
    }


def _candidates(name: str) -> Iterable[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def _misfit(
    message: str, statement: tree.Statement, others: Iterable[tuple[tree.Interface, tree.Statement]], way: str
) -> Diagnostic:
    listed = ", ".join(f"`{text_of(line.names[0])}`" for line, _ in others) or "nothing"
    return Diagnostic(
        "MIG704",
        message,
        Label(statement.span),
        notes=(f"the other spec declares {listed}",),
        helps=(f"give it the name of the other spec as a further one: `or NAME`; or {way}",),
    )


def definitions(first: Program, second: Program, names: Names, others: Sequence[tree.Body]) -> list[tree.Body]:
    """The `size` and `number` statements of the composition: what its other statements use of both specs."""
    own = {name: reference.name for name, reference in names.items() if isinstance(reference, tree.Reference)}
    tables: list[tuple[type[tree.Sizes | tree.Numbers], dict[str, tree.Definition]]] = []
    for kind, ours, theirs in ((tree.Sizes, first.sizes, second.sizes), (tree.Numbers, first.numbers, second.numbers)):
        listed = dict(ours)
        for name, definition in theirs.items():
            new = own.get(name)
            if new is not None and new not in ours and new not in first.sizes:
                value = None if definition.value is None else renamed(definition.value, names)
                listed[new] = replace(definition, name=new, value=value)
        tables.append((kind, listed))
    used = in_use(others, {name: one for _, listed in tables for name, one in listed.items()})
    kept = [(kind, tuple(one for name, one in listed.items() if name in used)) for kind, listed in tables]
    return [kind(definitions) for kind, definitions in kept if definitions]
