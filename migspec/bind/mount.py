"""Used specs mounted: which variables each instance of a `use` sees as its interface, and the sizes that follow from their shapes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from migspec import arithmetic
from migspec.bind.interface import Seen, composed, is_complete, settle_interface
from migspec.bind.match import matches
from migspec.bind.prefixes import nearest_prefixes
from migspec.bind.problems import Problems, nearest_variables
from migspec.bind.side import Side, fitting, span_of
from migspec.bind.types import EXACT, PATTERN, Enumeration, Scope
from migspec.diagnostics import Diagnostic, Label
from migspec.names import NameIndex
from migspec.patterns import Captures, capture_names, constrained, constraints_of, numeric_captures, paste, text_of
from migspec.rules import Mount, Program
from migspec.syntax import tree

_INNER = "inner:"
Key = tuple[tuple[str, str], ...]


def mount(outer: Scope, mounted: Mount, problems: Problems, result: Enumeration) -> Iterator[Scope]:
    """A scope for each instance of a `use`. What lies where a `use` fails to mount is not reported as uncovered as well."""
    use, program = mounted.use, mounted.program
    place = mounted.statement.span
    written = [prefix for prefix in (use.source, use.target) if prefix is not None]
    constraints, numeric = constraints_of(*written), numeric_captures(*written)
    left, right = (None if one is None else constrained(one, constraints, numeric) for one in (use.source, use.target))
    source, target = Side(outer.sources, "source"), Side(outer.targets, "target")
    problems.uses = outer.uses
    shared = set(capture_names(left)) & set(capture_names(right)) if left is not None and right is not None else set()
    sources = _interface(left, program, source, outer, problems, shared)
    targets = _interface(right, program, target, outer, problems, shared)
    if sources is None or targets is None:
        _excuse(outer, mounted, result)
        return
    if not sources:
        if not use.if_present:
            _excuse(outer, mounted, result)
            wanted = ", ".join(f"`{text_of(line.names[0])}`" for line, _ in program.interface if line.side == "source")
            label = Label(span_of(use.source) if use.source is not None else place)
            shown = text_of(use.source) if use.source is not None else use.spec
            helps = nearest_prefixes(use.source, mounted, source) or nearest_variables(shown, outer.sources.map)
            problems.add(
                ("use", place),
                Diagnostic(
                    "MIG219",
                    f"`use {use.spec}` finds nothing to mount",
                    label,
                    notes=(f"it looks for {wanted} there, in {source.label}",),
                    helps=helps or (f"`migspec inspect {source.label}` lists its variables",),
                    uses=outer.uses,
                ),
            )
        return
    values = _values(outer, mounted, problems)
    if values is None:
        _excuse(outer, mounted, result)
        return
    patterned = any(pattern is not None and capture_names(pattern) for pattern in (use.source, use.target))
    for key, seen in sources.items():
        goal = targets.get(key, Seen())
        scope = Scope(
            program,
            NameIndex(outer.sources.map, seen.variables.items()),
            NameIndex(outer.targets.map, goal.variables.items()),
            dict(values),
            (*outer.uses, place),
            max(outer.floor, PATTERN if patterned else EXACT),
            outer.cast_all or program.cast_all,
            {binding.name: binding for binding in use.bindings},
            _absent(program, seen, goal),
            outer,
            tuple(binding for binding in use.bindings if values[binding.name] is None),
        )
        problems.uses = outer.uses  # inner scopes, which run between two rounds of this loop, have longer chains
        complete = [is_complete(one, mounted, side, dict(key), problems) for one, side in ((seen, source), (goal, target))]
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
    source, target = Side(scope.sources, "source"), Side(scope.targets, "target")
    sources = _interface(None, program, source, scope, problems) or {}
    targets = _interface(None, program, target, scope, problems) or {}
    seen, goal = sources.get((), Seen()), targets.get((), Seen())
    root = Mount(tree.Use(program.text.name, None, None), program.interface[0][1], program) if program.interface else None
    if root is None:
        return
    scope.absent = _absent(program, seen, goal)
    for index, one in ((scope.sources, seen), (scope.targets, goal)):
        for name, variable in one.variables.items():  # by the names of another generation, perhaps
            index.also_called(name, variable)
    complete = [is_complete(one, root, side, {}, problems) for one, side in ((seen, source), (goal, target))]
    if all(complete):
        settle_interface(scope, seen.lines, goal.lines, problems)


def _interface(
    prefix: tree.Pattern | None, program: Program, side: Side, outer: Scope, problems: Problems, shared: Collection[str] = ()
) -> dict[Key, Seen] | None:
    """The variables of each instance on one side, by the captures that both prefixes share. A capture of this side alone makes no
    instances: whatever it matches belongs to one, as in a bundle."""
    found: dict[Key, Seen] = {}
    for number, (line, _) in enumerate(program.interface):
        if line.side != side.word:
            continue
        known: set[tuple[Key, str]] = set()  # two alternatives may fit one variable: one its name, the other an alias
        for alternative in line.names:
            inner = _inner(alternative, None if line.family is None else line.family[0])
            pattern = inner if prefix is None else composed(prefix, inner)
            matched = matches(pattern, side, outer, problems, captures_matter=True)
            if matched is None:
                return None
            for match in matched:
                key = tuple((name, match.captures[name]) for name in sorted(shared))
                if (key, match.element.variable.name) in known:
                    continue
                known.add((key, match.element.variable.name))
                own = {name.removeprefix(_INNER): value for name, value in match.captures.items() if name.startswith(_INNER)}
                seen = found.setdefault(key, Seen())
                seen.variables.setdefault(text_of(paste(line.names[0], own)), match.element.variable)
                seen.lines.setdefault(number, []).append((own, match.element.variable))
    return found


def _inner(pattern: tree.Pattern, counted: str | None) -> tree.Pattern:
    """An inner pattern whose captures cannot be taken for the outer spec's; that which counts a family is a number."""

    def renamed(part: tree.Part) -> tree.Part:
        if not isinstance(part, tree.Capture):
            return part
        kind: tree.CaptureKind = "int" if part.name == counted and part.kind == "text" else part.kind
        return replace(part, name=_INNER + part.name, kind=kind)

    return replace(pattern, segments=tuple(tuple(renamed(part) for part in segment) for segment in pattern.segments))


def _values(outer: Scope, mounted: Mount, problems: Problems) -> dict[str, int | float | None] | None:
    """The sizes and numbers of a used spec: as defined there, overridden by `with`; None if an error was reported."""
    given: dict[str, int | float | None] = {}
    for binding in mounted.use.bindings:
        assert binding.value is not None
        assert binding.span is not None
        what = ""
        try:
            given[binding.name] = arithmetic.value_of(binding.value, outer.values)
        except arithmetic.NotYetKnown:
            given[binding.name] = None
        except ZeroDivisionError:
            what = "divides by zero"
        else:
            value = given[binding.name]
            if binding.name in mounted.program.sizes and not (isinstance(value, int) and value >= 1):
                what = f"is {value}"
        if what:
            kind = "size" if binding.name in mounted.program.sizes else "number"
            problems.add(
                ("with", binding.span),
                Diagnostic(
                    "MIG114",
                    f"the {kind} `{binding.name}` {what}",
                    Label(binding.span),
                    helps=("sizes are whole numbers, 1 or more" if kind == "size" else "give it another value",),
                ),
            )
            return None
    return initial_values(mounted.program, given)


def _absent(program: Program, seen: Seen, goal: Seen) -> tuple[tuple[str, tree.Pattern], ...]:
    """The names of the optional lines of an interface whose variables are not there."""
    return tuple(
        (line.side, name)
        for number, (line, _) in enumerate(program.interface)
        if line.if_present and number not in (seen if line.side == "source" else goal).lines
        for name in line.names
    )


def initial_values(program: Program, given: Mapping[str, int | float | None]) -> dict[str, int | float | None]:
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
