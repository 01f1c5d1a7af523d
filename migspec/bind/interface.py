"""The interface of a spec held against variables: whether they are there, and the sizes that follow from their shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from migspec import arithmetic
from migspec.bind.prefixes import nearest_prefixes
from migspec.bind.problems import Problems, described, nearest_variables
from migspec.bind.side import Side, fitting, span_of
from migspec.bind.sizes import Contradiction, Equation, solve
from migspec.bind.types import Scope
from migspec.bind.variants import widened
from migspec.diagnostics import Diagnostic, Label
from migspec.names import normal_name
from migspec.ops import shape_text
from migspec.patterns import Captures, Matcher, capture_names, is_exact, paste, text_of
from migspec.rules import Mount, Rule
from migspec.syntax import tree
from migspec.syntax.spelling import arithmetic_text, dims_text
from migspec.text import Span
from migspec.variables import Variable


@dataclass(slots=True)
class Seen:
    """The interface of one instance on one side: inner name -> variable, and which line each came from."""

    variables: dict[str, Variable] = field(default_factory=dict)
    lines: dict[int, list[tuple[Captures, Variable]]] = field(default_factory=dict)


def is_complete(seen: Seen, mounted: Mount, side: Side, captures: Captures, problems: Problems) -> bool:
    """Whether every required line of one side's interface has its variable, and one alone."""
    prefix = mounted.use.source if side.word == "source" else mounted.use.target
    sound = True
    for number, (line, statement) in enumerate(mounted.program.interface):
        if line.side != side.word:
            continue
        found = seen.lines.get(number, [])
        several = line.family is not None or any(capture_names(name) for name in line.names)
        if not found and not line.if_present:
            _report_missing(line, statement, mounted, side, captures, seen, problems)
            sound = False
        elif line.family is not None and found and not _counts_from_zero(line.family[0], found):
            numbers = {int(own[line.family[0]]) for own, _ in found}
            gap = next(number for number in range(len(numbers) + 1) if number not in numbers)
            member = paste(line.names[0], {**found[0][0], line.family[0]: str(gap)})
            one = replace(line, names=(member,))
            _report_missing(one, statement, mounted, side, captures, seen, problems)
            sound = False
        elif len(found) > 1 and not several:
            listed = ", ".join(f"`{variable.name}` {described(variable)}" for _, variable in found)
            place, secondary = _places(line, statement, prefix, side.label)
            problems.add(
                ("interface", mounted.statement.span, number),
                Diagnostic(
                    "MIG208",
                    f"the {side.word} `{text_of(line.names[0])}` of `{mounted.use.spec}` fits {len(found)} variables",
                    Label(place.span),
                    secondary,
                    notes=(f"in {side.label}: {listed}",),
                    helps=("mount it where there is one of them: a pattern with `@` can say what its name looks like",),
                ),
            )
            sound = False
    return sound


def _counts_from_zero(capture: str, found: Sequence[tuple[Captures, Variable]]) -> bool:
    """Whether the members of a family are numbered 0, 1, 2, ..., as `for i < n` says."""
    numbers = {int(own[capture]) for own, _ in found}
    return numbers == set(range(len(numbers)))


def needs_absent(rule: Rule, scope: Scope) -> bool:
    """Whether a rule names something of its spec's interface that is optional and not there."""
    for listed, word in ((rule.sources, "source"), (rule.targets or rule.sources, "target")):
        if listed is None or (word == "target" and rule.targets is None and rule.kind != "same"):
            continue
        side = Side(scope.sources if word == "source" else scope.targets, word)
        names = [name for of, name in scope.absent if of == word]
        for pattern in listed.patterns:
            if any(_overlap(pattern, name) for name in names) and not fitting(pattern, side):
                return True
    return False


def _overlap(pattern: tree.Pattern, name: tree.Pattern) -> bool:
    if is_exact(name):
        return Matcher(pattern).fits(normal_name(text_of(name)))
    return Matcher(name).fits(normal_name(text_of(pattern))) if is_exact(pattern) else widened(pattern) == widened(name)


def composed(prefix: tree.Pattern, inner: tree.Pattern) -> tree.Pattern:
    """The outer pattern with the inner one where its `@` stands, or behind it."""
    for place, segment in enumerate(prefix.segments):
        if any(isinstance(part, tree.Hole) for part in segment):
            at = next(index for index, part in enumerate(segment) if isinstance(part, tree.Hole))
            middle = [list(one) for one in inner.segments]
            middle[0] = [*segment[:at], *middle[0]]
            middle[-1] = [*middle[-1], *segment[at + 1 :]]
            segments = (*prefix.segments[:place], *(tuple(one) for one in middle), *prefix.segments[place + 1 :])
            separators = (*prefix.separators[:place], *inner.separators, *prefix.separators[place:])
            return tree.Pattern(segments, separators, prefix.quoted, prefix.span)
    around = prefix.separators[-1] if prefix.separators else "/"
    return tree.Pattern(
        (*prefix.segments, *inner.segments), (*prefix.separators, around, *inner.separators), prefix.quoted, prefix.span
    )


def settle_interface(
    scope: Scope,
    sources: dict[int, list[tuple[Captures, Variable]]],
    targets: dict[int, list[tuple[Captures, Variable]]],
    problems: Problems,
) -> bool:
    """Solve the sizes of a scope from the shapes of its interface; False if one does not fit, and an error was reported."""
    sound = True
    equations: list[Equation] = []
    checked: dict[Span, list[tuple[tree.Interface, Variable, str]]] = {}
    for number, (line, statement) in enumerate(scope.program.interface):
        found = (sources if line.side == "source" else targets).get(number, [])
        label = (scope.sources if line.side == "source" else scope.targets).map.label
        for _, variable in found:
            checked.setdefault(statement.span, []).append((line, variable, label))
            if len(variable.shape) != len(line.dims):
                sound = False
                _report_shape(scope, statement.span, line, variable, label, (), problems)
            else:
                equations.extend(
                    Equation(dim, length, statement.span, f"axis {axis} of `{variable.name}` {described(variable)} in {label}")
                    for axis, (dim, length) in enumerate(zip(line.dims, variable.shape, strict=True))
                )
            if line.dtype is not None and line.dtype != variable.dtype:
                sound = False
                problems.add(
                    ("interface dtype", statement.span),
                    Diagnostic(
                        "MIG401",
                        f"`{variable.name}` is {variable.dtype}, declared {line.dtype}",
                        Label(statement.span, f"it is {described(variable)} in {label}"),
                        helps=("correct the line, or leave the dtype out of it: then any dtype will do",),
                        uses=scope.uses,
                    ),
                    variable.name,
                )
        if line.family is not None and found:  # an optional family that is not there counts nothing
            equations.extend(_family_equation(line, found, statement.span, label))
    _, contradictions = solve(scope, equations)
    if contradictions and sound:  # one size that is wrong contradicts every line that it stands in
        # one that a `with` alone makes tells most
        given = [one for one in contradictions if _is_given(scope, one.equation.expression)]
        report_contradiction(scope, (given or contradictions)[0], checked, problems)
    return sound and not contradictions


def _places(
    line: tree.Interface, statement: tree.Statement, prefix: tree.Pattern | None, label: str
) -> tuple[Label, tuple[Label, ...]]:
    """The place of a `use`, with the line of the interface that it concerns; without a prefix that line's name alone."""
    if prefix is None:
        return Label(span_of(line.names[0]), f"not in {label}"), ()
    return Label(span_of(prefix), f"not in {label}"), (Label(statement.span, "declared here"),)


def _report_missing(
    line: tree.Interface,
    statement: tree.Statement,
    mounted: Mount,
    side: Side,
    captures: Captures,
    seen: Seen,
    problems: Problems,
) -> None:
    prefix = mounted.use.source if side.word == "source" else mounted.use.target
    name, *others = (text_of(one if prefix is None else paste(composed(prefix, one), captures)) for one in line.names)
    place, secondary = _places(line, statement, prefix, side.label)
    is_root = mounted.use.spec_span is None
    notes = (f"it may also be called {' or '.join(f'`{other}`' for other in others)}",) if others else ()
    taken = {variable.name for variable in seen.variables.values()}
    free = [variable.name for variable in side.index.map if variable.name not in taken]
    problems.add(
        ("interface", mounted.statement.span, side.word),
        Diagnostic(
            "MIG216",
            f"the spec declares the {side.word} variable `{name}`, which does not exist"
            if is_root
            else f"`{mounted.use.spec}` needs the {side.word} variable `{name}`",
            place,
            secondary,
            notes,
            (() if seen.variables else nearest_prefixes(prefix, mounted, side))
            or nearest_variables(name, side.index.map, free)
            or (
                "`if present` at the end of its line makes it optional"
                if is_root
                else "the spec is for layers that have it: write out the rules for one that does not",
            ),
        ),
        name,
    )


def _family_equation(
    line: tree.Interface, found: Sequence[tuple[Captures, Variable]], span: Span, label: str
) -> Iterator[Equation]:
    assert line.family is not None
    capture, count = line.family
    counted = len({own.get(capture) for own, _ in found})
    yield Equation(count, counted, span, f"the number of `{text_of(line.names[0])}` in {label}")


def report_contradiction(
    scope: Scope,
    contradiction: Contradiction,
    checked: Mapping[Span, Sequence[tuple[tree.Interface, Variable, str]]],
    problems: Problems,
) -> None:
    """A size that two places settle differently; `checked` are the variables that the lines of the interface stand for."""
    equation = contradiction.equation
    known = [
        f"`{reference.name}` is {scope.values[reference.name]}"
        + (f", by {scope.solved[reference.name].origin}" if reference.name in scope.solved else "")
        for reference in arithmetic.references(equation.expression)
        if scope.values.get(reference.name) is not None
    ]
    written = arithmetic_text(equation.expression)
    if contradiction.value is None:
        known.append(f"no whole number >= 1 makes `{written}` {equation.value}")
    if isinstance(equation.expression, tree.Reference) and contradiction.value is None:
        problems.add(
            ("size", scope.uses, written),
            Diagnostic(
                "MIG114",
                f"the size `{written}` is {equation.value}",
                Label(equation.span, f"by {equation.origin}"),
                helps=("sizes are whole numbers, 1 or more: check the definition, and the shapes that it follows from",),
                uses=scope.uses,
            ),
        )
        return
    if isinstance(equation.expression, tree.Reference) and equation.expression.name in scope.solved:
        other = scope.solved[equation.expression.name]
        problems.add(
            ("size", scope.uses, equation.expression.name),
            Diagnostic(
                "MIG306",
                f"the size `{written}` is {contradiction.value} and {equation.value}",
                Label(equation.span, f"{equation.value}, by {equation.origin}"),
                (Label(other.span, f"{contradiction.value}, by {other.origin}"),) if other.span != equation.span else (),
                notes=() if other.span != equation.span else (f"{contradiction.value}, by {other.origin}",),
                helps=(
                    "the spec is for layers where they agree: write out the rules for one where they do not"
                    if scope.uses
                    else "if they are two things that may differ, give the second a size of its own",
                ),
                uses=scope.uses,
            ),
        )
        return
    for line, variable, label in checked.get(equation.span, ()):
        if f"`{variable.name}`" in equation.origin:
            if _report_with(scope, equation, variable, label, known, problems):
                return
            _report_shape(scope, equation.span, line, variable, label, tuple(known), problems)
            return
    problems.add(
        ("size", scope.uses, equation.span),
        Diagnostic(
            "MIG306",
            f"{equation.origin} is {equation.value}, and `{written}` is not",
            Label(equation.span),
            notes=tuple(known),
            helps=("correct the line, or leave the size without a value: then the shapes settle it",),
            uses=scope.uses,
        ),
    )


def _is_given(scope: Scope, expression: tree.Arithmetic) -> bool:
    return isinstance(expression, tree.Reference) and expression.name in scope.given


def _report_with(
    scope: Scope, equation: Equation, variable: Variable, label: str, known: Sequence[str], problems: Problems
) -> bool:
    """Report a value that the `with` of a `use` gives to a size and the shapes contradict; False if it is not due to any."""
    names = [reference.name for reference in arithmetic.references(equation.expression)]
    binding = next((scope.given[name] for name in names if name in scope.given and name not in scope.solved), None)
    if binding is None or binding.span is None:
        return False
    others = [fact for fact in known if not fact.startswith(f"`{binding.name}` is ")]  # that is in the headline
    alone = isinstance(equation.expression, tree.Reference) and scope.program.sizes[binding.name].value is None
    help_ = "correct it, or mount the spec elsewhere"
    if alone:
        help_ = f"leave `{binding.name}` out of the `with`, and the shapes settle it; or correct it"
    problems.add(
        ("with", binding.span),
        Diagnostic(
            "MIG307",
            f"`{variable.name}` has another shape than `{binding.name} = {scope.values[binding.name]}` makes it",
            Label(binding.span, "given here"),
            (Label(equation.span, f"`{variable.name}` is {described(variable)} in {label}"),),
            notes=(f"`{arithmetic_text(equation.expression)}` is {equation.value}, by {equation.origin}", *others),
            helps=(help_,),
            uses=scope.uses[:-1],
        ),
        variable.name,
    )
    return True


def _report_shape(
    scope: Scope, span: Span, line: tree.Interface, variable: Variable, label: str, known: tuple[str, ...], problems: Problems
) -> None:
    help_ = "correct the line, or check that this is the file that the spec was written for"
    if scope.uses:
        help_ = "mount the spec elsewhere, or use another one: this is not the layer that it was written for"
    problems.add(
        ("interface shape", span, scope.uses),
        Diagnostic(
            "MIG307",
            f"`{variable.name}` has not the shape {dims_text(line.dims)} that the spec declares",
            Label(span, f"it is {described(variable)} in {label}"),
            notes=(f"declared {dims_text(line.dims)}, found {shape_text(variable.shape)}", *known),
            helps=(help_,),
            uses=scope.uses,
        ),
        variable.name,
    )
