"""From rules and two variable maps to one expression for each target variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migspec.bind.failed import report_failed
from migspec.bind.instances import enumerate_rule
from migspec.bind.mount import assert_interface, initial_values, mount
from migspec.bind.ownership import settle
from migspec.bind.pipeline import bind_instance, flow
from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.sizes import solve
from migspec.bind.sugar import expand_split_gates
from migspec.bind.types import Binding, Bound, Dropped, Enumeration, Instance, Kept, Scope
from migspec.bind.unclaimed import Unclaimed
from migspec.cells import Cells, is_random_state
from migspec.diagnostics import Diagnostic, Label, SpecError
from migspec.expression import Fill
from migspec.names import NameIndex
from migspec.ops import Context, OpError, SplitGates, Wanted
from migspec.patterns import is_rest
from migspec.rules import Program, Rule
from migspec.text import Span
from migspec.variables import Variable, VariableMap

_TAKERS = 4  # so many of the rules that took everything from another one are pointed at


def bind(program: Program, source: VariableMap, target: VariableMap, given: Mapping[str, int | float] | None = None) -> Binding:
    """Hold a program against two variable maps. `given` are values for its sizes and numbers (`--set`).

    Cost grows with rules and variables, not with their product: patterns are looked up in an index of the names.
    """
    problems = Problems()
    values = initial_values(program, dict(given or {}))
    root = Scope(program, NameIndex(source), NameIndex(target), values, cast_all=program.cast_all)
    if program.interface:
        assert_interface(root, problems)
    enumeration = Enumeration()
    scopes = _enumerate(root, problems, enumeration)
    sugared = _expand_sugar(enumeration.instances, source, target, problems, enumeration)
    unclaimed = Unclaimed(source, target, sugared, enumeration)
    standing, withdrawn = settle(sugared, problems, unclaimed)
    beaten, reported = report_failed(enumeration, standing, problems)
    withdrawn.extend(beaten)
    idle = _report_idle([*standing, *reported], withdrawn, problems)
    enumeration.excused_targets.update(element.variable.name for instance in idle for element in instance.targets)
    _solve_sizes(scopes, standing)
    bound, kept, dropped = _bind_all(standing, problems)
    used = {element.variable.name for instance in sugared if instance.beaten is None for element in instance.sources}
    covered = {element.variable.name for instance in sugared if instance.beaten is None for element in instance.targets}
    state = [variable for variable in target if variable.name not in covered and is_random_state(variable)]
    kept.extend(Kept(variable, None) for variable in state)
    return Binding(
        program,
        source,
        target,
        tuple(bound),
        tuple(kept),
        tuple(dropped),
        frozenset(used | enumeration.excused_sources),
        frozenset(covered | enumeration.excused_targets | {variable.name for variable in state}),
        tuple(withdrawn),
        tuple(enumeration.missing_sources),
        tuple(enumeration.missing_targets),
        tuple(problems),
    )


def check_given(program: Program, given: Mapping[str, int | float]) -> None:
    """Raise SpecError for a `--set` of a name that the spec does not define, or of a value that it cannot have."""
    problems = []
    for name, value in given.items():
        if name not in program.sizes and name not in program.numbers:
            known = ", ".join(f"`{one}`" for one in (*program.sizes, *program.numbers)) or "none"
            problems.append(
                Diagnostic(
                    "MIG112",
                    f"there is no size or number `{name}` to set",
                    file=program.text.name,
                    notes=(f"the spec defines: {known}",),
                    helps=_set_helps(name, program),
                )
            )
        elif name in program.sizes and (not isinstance(value, int) or value < 1):
            problems.append(
                Diagnostic(
                    "MIG114",
                    f"the size `{name}` cannot be {value}",
                    file=program.text.name,
                    helps=(f"sizes are whole numbers, 1 or more: `--set {name}=12`",),
                )
            )
    if problems:
        raise SpecError(problems)


def _set_helps(name: str, program: Program) -> tuple[str, ...]:
    from migspec.diagnostics.suggest import nearest

    near = nearest(name, (*program.sizes, *program.numbers))
    return tuple(f"did you mean `{one}`?" for one in near) or (f"define it in the spec: `size {name} = ...`, or take it out",)


def _enumerate(scope: Scope, problems: Problems, result: Enumeration) -> list[Scope]:
    """The instances of all rules of a scope and of the specs mounted in it; returns all scopes."""
    problems.uses = scope.uses
    for rule in scope.program.rules:
        enumerate_rule(rule, scope, problems, result)
    scopes = [scope]
    for mounted in scope.program.mounts:
        for inner in mount(scope, mounted, problems, result):
            scopes.extend(_enumerate(inner, problems, result))
    problems.uses = ()
    return scopes


def _expand_sugar(
    instances: Sequence[Instance], source: VariableMap, target: VariableMap, problems: Problems, result: Enumeration
) -> list[Instance]:
    source_cells, target_cells = Cells(source), Cells(target)
    sound: list[Instance] = []
    for instance in instances:
        sugar = any(isinstance(operation.word, SplitGates) for operation in instance.operations)
        if sugar and not expand_split_gates(instance, source_cells, target_cells, problems):
            result.excused_sources.update(element.variable.name for element in instance.sources)
            for element in instance.targets:
                result.excused_targets.add(element.variable.name)
                sibling = target_cells.sibling(element.variable, "recurrent_kernel")
                if sibling is not None:
                    result.excused_targets.add(sibling.name)
            continue
        sound.append(instance)
    return sound


def _report_idle(standing: Sequence[Instance], withdrawn: Sequence[Instance], problems: Problems) -> list[Instance]:
    """Every rule fires: one whose instances were all taken by better rules is an error. Returns the instances of such rules."""
    firing = {instance.rule for instance in standing}
    idle: dict[Rule, list[Instance]] = {}
    for instance in withdrawn:
        if instance.rule not in firing:
            idle.setdefault(instance.rule, []).append(instance)
    for rule, instances in list(idle.items()):
        listed = rule.sources or rule.targets
        assert listed is not None
        if all(is_rest(pattern) for pattern in listed.patterns) and rule.kind in ("drop", "keep", "fill", "same"):
            del idle[rule]
            continue
        takers: dict[Span, str] = {}
        for instance in instances:
            if instance.beaten is not None:
                takers.setdefault(instance.beaten.span, instance.beaten.variable)
        problems.add(
            ("idle", rule),
            Diagnostic(
                "MIG205",
                f"this `{rule.kind}` never fires: better rules took all that it names",
                Label(listed.span if listed.span is not None else rule.span),
                tuple(Label(span, f"this took `{variable}`") for span, variable in list(takers.items())[:_TAKERS]),
                notes=("an exact name beats a pattern, a pattern beats `same`, `same` beats a lone `**`",),
                helps=("take it out, or narrow the others",),
                uses=instances[0].scope.uses,
            ),
        )
    return [instance for instances in idle.values() for instance in instances]


def _solve_sizes(scopes: Sequence[Scope], standing: Sequence[Instance]) -> None:
    """Settle sizes from the ops of the instances, until nothing changes."""
    for scope in scopes:
        mine = [instance for instance in standing if instance.scope is scope and instance.operations]
        while scope.unsettled and mine:
            equations = [equation for instance in mine for equation in flow(instance).equations]
            if not solve(scope, equations)[0]:
                break


def _bind_all(standing: Sequence[Instance], problems: Problems) -> tuple[list[Bound], list[Kept], list[Dropped]]:
    bound: list[Bound] = []
    kept: list[Kept] = []
    dropped: list[Dropped] = []
    for instance in standing:
        match instance.rule.kind:
            case "rename" | "copy" | "same":
                bound.extend(bind_instance(instance, problems) or ())
            case "drop":
                dropped.append(Dropped(instance.sources[0].variable, instance.rule))
            case "keep":
                kept.append(Kept(instance.targets[0].variable, instance.rule))
            case "fill":
                filled = _filled(instance, instance.targets[0].variable, problems)
                if filled is not None:
                    bound.append(filled)
    return bound, kept, dropped


def _filled(instance: Instance, variable: Variable, problems: Problems) -> Bound | None:
    from migspec import dtypes

    content = instance.rule.content
    assert content is not None
    context = Context(instance.scope.values, lambda: Wanted(), variable.name)
    try:
        distribution = context.distribution(content)
        kind = dtypes.kind(variable.dtype)
        if kind in ("string", "opaque"):
            raise OpError(
                "MIG402",
                f"`{variable.name}` is {variable.dtype}: only numbers can be filled in",
                helps=("let it keep its value: `keep`",),
            )
        whole = content.kind == "constant" and float(context.number(content.value, "the value")).is_integer()
        if kind in ("integer", "boolean") and not whole:
            raise OpError(
                "MIG402",
                f"`{variable.name}` is {variable.dtype}, and the values to fill it with are no whole numbers",
                helps=("fill it with a whole number, as in `with zeros`, or `keep` its value",),
            )
    except OpError as error:
        problems.add(
            ("fill", instance.rule, error.code),
            Diagnostic(
                error.code,
                error.message,
                Label(span_of(instance.targets[0].pattern), f"{described(variable)} in {instance.scope.targets.map.label}"),
                notes=error.notes,
                helps=error.helps,
                uses=instance.scope.uses,
            ),
            variable.name,
        )
        return None
    return Bound(variable, Fill(distribution, variable.shape, variable.dtype), instance, ())
