"""Used specs mounted: which variables each instance of a `use` sees as its interface, and the sizes that follow from their shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from migspec import arithmetic
from migspec.bind.instances import Enumeration, fitting
from migspec.bind.match import Side, matches, span_of
from migspec.bind.problems import Problems, described, nearest_variables
from migspec.bind.sizes import Contradiction, Equation, solve
from migspec.bind.types import EXACT, PATTERN, Scope
from migspec.diagnostics import Diagnostic, Label
from migspec.names import NameIndex
from migspec.ops import shape_text
from migspec.patterns import Captures, capture_names, paste, text_of
from migspec.rules import Mount, Program
from migspec.syntax import tree
from migspec.syntax.spelling import arithmetic_text, dims_text
from migspec.text import Span
from migspec.variables import Variable

_INNER = "inner:"
Key = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Seen:
    """The interface of one instance on one side: inner name -> variable, and which line each came from."""

    variables: dict[str, Variable] = field(default_factory=dict)
    lines: dict[int, list[tuple[Captures, Variable]]] = field(default_factory=dict)


def mount(outer: Scope, mounted: Mount, problems: Problems, result: Enumeration) -> Iterator[Scope]:
    """A scope for each instance of a `use`. What lies where a `use` fails to mount is not reported as uncovered as well."""
    use, program = mounted.use, mounted.program
    place = mounted.statement.span
    sources = _interface(use.source, "source", program, Side(outer.sources, "source"), outer, problems)
    targets = _interface(use.target, "target", program, Side(outer.targets, "target"), outer, problems)
    if sources is None or targets is None:
        _excuse(outer, mounted, result)
        return
    if not sources:
        if not use.if_present:
            _excuse(outer, mounted, result)
            wanted = ", ".join(f"`{text_of(line.names[0])}`" for line, _ in program.interface if line.side == "source")
            label = Label(span_of(use.source) if use.source is not None else place)
            shown = text_of(use.source) if use.source is not None else use.spec
            helps = nearest_variables(shown, outer.sources.map)
            problems.add(
                ("use", place),
                Diagnostic(
                    "MIG219",
                    f"`use {use.spec}` finds nothing to mount",
                    label,
                    notes=(f"it looks for {wanted} there",),
                    helps=helps,
                    uses=outer.uses,
                ),
            )
        return
    patterned = any(pattern is not None and capture_names(pattern) for pattern in (use.source, use.target))
    shared = set(capture_names(use.target)) if use.target is not None else set()
    for key, seen in sources.items():
        goal = targets.get(tuple(pair for pair in key if pair[0] in shared), _Seen())
        scope = Scope(
            program,
            NameIndex(outer.sources.map, seen.variables.items()),
            NameIndex(outer.targets.map, goal.variables.items()),
            _values(outer, mounted),
            (*outer.uses, place),
            max(outer.floor, PATTERN if patterned else EXACT),
            outer.cast_all or program.cast_all,
        )
        complete = [_is_complete(seen, goal, mounted, side, dict(key), outer, problems) for side in ("source", "target")]
        if all(complete) and settle_interface(scope, seen.lines, goal.lines, problems):
            yield scope
        else:
            result.excused_sources.update(variable.name for variable in seen.variables.values())
            result.excused_targets.update(variable.name for variable in goal.variables.values())
            _excuse(outer, mounted, result, dict(key))


def _excuse(outer: Scope, mounted: Mount, result: Enumeration, captures: Captures | None = None) -> None:
    """Whatever lies under the prefixes of a `use` in error, or is nearest to what its interface names there."""
    sides = (
        (mounted.use.source, "source", Side(outer.sources, "source"), result.excused_sources, result.missing_sources),
        (mounted.use.target, "target", Side(outer.targets, "target"), result.excused_targets, result.missing_targets),
    )
    for prefix, word, side, excused, missing in sides:
        below = tree.Pattern(((tree.DoubleStar(),),), ())
        if prefix is not None:
            excused.update(fitting(paste(composed(prefix, below), captures or {}), side))
        for line, _ in mounted.program.interface:
            if line.side != word:
                continue
            pattern = line.names[0] if prefix is None else paste(composed(prefix, line.names[0]), captures or {})
            fits = fitting(pattern, side)
            excused.update(fits)
            if not fits:
                missing.append(text_of(pattern))


def assert_interface(scope: Scope, problems: Problems) -> None:
    """Hold the root spec's own `source` and `target` lines against the maps: there they are assertions, and settle sizes."""
    program = scope.program
    sources = _interface(None, "source", program, Side(scope.sources, "source"), scope, problems) or {}
    targets = _interface(None, "target", program, Side(scope.targets, "target"), scope, problems) or {}
    seen, goal = sources.get((), _Seen()), targets.get((), _Seen())
    root = Mount(tree.Use(program.text.name, None, None), program.interface[0][1], program) if program.interface else None
    if root is None:
        return
    complete = [_is_complete(seen, goal, root, side, {}, scope, problems) for side in ("source", "target")]
    if all(complete):
        settle_interface(scope, seen.lines, goal.lines, problems)


def _interface(
    prefix: tree.Pattern | None, word: str, program: Program, side: Side, outer: Scope, problems: Problems
) -> dict[Key, _Seen] | None:
    """The variables of each instance on one side, by the captures of the prefix."""
    found: dict[Key, _Seen] = {}
    names = capture_names(prefix) if prefix is not None else ()
    for number, (line, _) in enumerate(program.interface):
        if line.side != word:
            continue
        for alternative in line.names:
            inner = _inner(alternative)
            pattern = inner if prefix is None else composed(prefix, inner)
            matched = matches(pattern, side, outer, problems, captures_matter=True)
            if matched is None:
                return None
            for match in matched:
                key = tuple((name, match.captures[name]) for name in names)
                own = {name.removeprefix(_INNER): value for name, value in match.captures.items() if name.startswith(_INNER)}
                seen = found.setdefault(key, _Seen())
                seen.variables.setdefault(text_of(paste(line.names[0], own)), match.element.variable)
                seen.lines.setdefault(number, []).append((own, match.element.variable))
    return found


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


def _inner(pattern: tree.Pattern) -> tree.Pattern:
    """An inner pattern whose captures cannot be taken for the outer spec's."""

    def renamed(part: tree.Part) -> tree.Part:
        return replace(part, name=_INNER + part.name) if isinstance(part, tree.Capture) else part

    return replace(pattern, segments=tuple(tuple(renamed(part) for part in segment) for segment in pattern.segments))


def _values(outer: Scope, mounted: Mount) -> dict[str, int | float | None]:
    """The sizes and numbers of a used spec: as defined there, overridden by `with`."""
    values = initial_values(mounted.program, {})
    for binding in mounted.use.bindings:
        if binding.value is not None:
            try:
                values[binding.name] = arithmetic.value_of(binding.value, outer.values)
            except arithmetic.NotYetKnown:
                values[binding.name] = None
    return values


def initial_values(program: Program, given: dict[str, int | float]) -> dict[str, int | float | None]:
    """The sizes and numbers of a spec as its statements define them, overridden by `given`; None for what shapes must settle."""
    values: dict[str, int | float | None] = {}
    for definition in (*program.sizes.values(), *program.numbers.values()):
        if definition.name in given:
            values[definition.name] = given[definition.name]
        elif definition.value is None:
            values[definition.name] = None
        else:
            try:
                values[definition.name] = arithmetic.value_of(definition.value, values)
            except (arithmetic.NotYetKnown, arithmetic.UnknownName, ZeroDivisionError):
                values[definition.name] = None
    return values


def _is_complete(
    seen: _Seen, goal: _Seen, mounted: Mount, side: str, captures: Captures, outer: Scope, problems: Problems
) -> bool:
    """Whether every required line of one side's interface has its variable, and one alone."""
    lines = (seen if side == "source" else goal).lines
    index = outer.sources if side == "source" else outer.targets
    prefix = mounted.use.source if side == "source" else mounted.use.target
    sound = True
    for number, (line, statement) in enumerate(mounted.program.interface):
        if line.side != side:
            continue
        found = lines.get(number, [])
        several = line.family is not None or any(capture_names(name) for name in line.names)
        if not found and not line.if_present:
            missing = line.names[0] if prefix is None else paste(composed(prefix, line.names[0]), captures)
            where = Label(span_of(prefix) if prefix is not None else statement.span, f"not in {index.map.label}")
            problems.add(
                ("interface", mounted.statement.span, number),
                Diagnostic(
                    "MIG216",
                    f"`{mounted.use.spec}` needs the {side} variable `{text_of(missing)}`",
                    where,
                    () if prefix is None else (Label(statement.span, "declared here"),),
                    helps=nearest_variables(text_of(missing), index.map)
                    or ("`if present` at the end of its line makes it optional",),
                    uses=outer.uses,
                ),
                text_of(missing),
            )
            sound = False
        elif len(found) > 1 and not several:
            listed = ", ".join(f"`{variable.name}`" for _, variable in found)
            problems.add(
                ("interface", mounted.statement.span, number),
                Diagnostic(
                    "MIG208",
                    f"the {side} `{text_of(line.names[0])}` fits {len(found)} variables",
                    Label(span_of(prefix) if prefix is not None else statement.span),
                    () if prefix is None else (Label(statement.span, "declared here"),),
                    notes=(listed,),
                    uses=outer.uses,
                ),
            )
            sound = False
    return sound


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
                _report_interface(scope, statement.span, line, variable, label, (), problems)
            else:
                equations.extend(
                    Equation(dim, length, statement.span, f"axis {axis} of `{variable.name}`")
                    for axis, (dim, length) in enumerate(zip(line.dims, variable.shape, strict=True))
                )
            if line.dtype is not None and line.dtype != variable.dtype:
                sound = False
                problems.add(
                    ("interface dtype", statement.span),
                    Diagnostic(
                        "MIG401",
                        f"`{variable.name}` is {variable.dtype}, declared {line.dtype}",
                        Label(statement.span),
                        notes=(f"in {label}",),
                        uses=scope.uses,
                    ),
                )
        if line.family is not None:
            equations.extend(_family_equation(line, found, statement.span))
    _, contradictions = solve(scope, equations)
    if contradictions and sound:  # one size that is wrong contradicts every line that it stands in
        _report_contradiction(scope, contradictions[0], checked, problems)
    return sound and not contradictions


def _family_equation(line: tree.Interface, found: Sequence[tuple[Captures, Variable]], span: Span) -> Iterator[Equation]:
    assert line.family is not None
    capture, count = line.family
    yield Equation(count, len({own.get(capture) for own, _ in found}), span, f"the number of `{text_of(line.names[0])}`")


def _report_contradiction(
    scope: Scope,
    contradiction: Contradiction,
    checked: dict[Span, list[tuple[tree.Interface, Variable, str]]],
    problems: Problems,
) -> None:
    equation = contradiction.equation
    known = [
        f"`{reference.name}` = {scope.values[reference.name]}"
        + (f", settled at {scope.solved[reference.name]}" if reference.name in scope.solved else "")
        for reference in arithmetic.references(equation.expression)
        if scope.values.get(reference.name) is not None
    ]
    if isinstance(equation.expression, tree.Reference) and equation.expression.name in scope.solved:
        other = scope.solved[equation.expression.name]
        problems.add(
            ("size", scope.uses, equation.expression.name),
            Diagnostic(
                "MIG306",
                f"the size `{equation.expression.name}` is {contradiction.value} and {equation.value}",
                Label(equation.span, f"{equation.origin} makes it {equation.value}"),
                (Label(other, f"this makes it {contradiction.value}"),) if other != equation.span else (),
                uses=scope.uses,
            ),
        )
        return
    for line, variable, label in checked.get(equation.span, ()):
        if f"`{variable.name}`" in equation.origin:
            _report_interface(scope, equation.span, line, variable, label, tuple(known), problems)
            return
    problems.add(
        ("size", scope.uses, equation.span),
        Diagnostic(
            "MIG306",
            f"{equation.origin} is {equation.value}, and `{arithmetic_text(equation.expression)}` cannot be",
            Label(equation.span),
            notes=tuple(known),
            uses=scope.uses,
        ),
    )


def _report_interface(
    scope: Scope, span: Span, line: tree.Interface, variable: Variable, label: str, known: tuple[str, ...], problems: Problems
) -> None:
    problems.add(
        ("interface shape", span, scope.uses),
        Diagnostic(
            "MIG307",
            f"`{variable.name}` has not the shape {dims_text(line.dims)} that the spec declares",
            Label(span, f"it is {described(variable)} in {label}"),
            notes=(f"declared {dims_text(line.dims)}, found {shape_text(variable.shape)}", *known),
            helps=("mount the spec elsewhere, or use another one: this is not the layer that it was written for",),
            uses=scope.uses,
        ),
        variable.name,
    )
