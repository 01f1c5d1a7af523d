"""From rules and two variable maps to one expression for each target variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migspec.bind.failed import report_failed
from migspec.bind.instances import enumerate_rule
from migspec.bind.interface import needs_absent, report_contradiction
from migspec.bind.mount import assert_interface, initial_values, mount
from migspec.bind.ownership import settle
from migspec.bind.pipeline import bind_instance, flow
from migspec.bind.problems import Problems, described
from migspec.bind.side import span_of
from migspec.bind.sizes import broken_links, broken_uses, follow_use, solve
from migspec.bind.sugar import expand_short_forms, has_short_form, spoken_of
from migspec.bind.swapped import swapped_files, swapped_rule
from migspec.bind.types import Binding, Bound, Dropped, Enumeration, Instance, Kept, Scope
from migspec.bind.unclaimed import Unclaimed
from migspec.bind.unspoken import unspoken, without_unspoken
from migspec.cells import Cells, is_random_state
from migspec.diagnostics import Diagnostic, Label, SpecError
from migspec.expression import Fill
from migspec.names import NameIndex
from migspec.ops import Context, OpError, Wanted
from migspec.ops.values import refused_fill
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
    seen_source, seen_target = without_unspoken(program, source, target)
    root = Scope(program, NameIndex(seen_source), NameIndex(seen_target), values, cast_all=program.cast_all)
    if program.interface:
        assert_interface(root, problems)
    enumeration = Enumeration()
    scopes = _enumerate(root, problems, enumeration)
    swapped = swapped_files(root) if problems or enumeration.failed else None
    if swapped is not None:
        return _nothing_bound(program, source, target, swapped)
    sugared = _expand_sugar(enumeration.instances, seen_source, seen_target, problems, enumeration)
    if program.slots:
        from migspec.bind.slots import follow_weights

        sugared = [*sugared, *follow_weights(root, sugared, problems, enumeration)]
    unclaimed = Unclaimed(seen_source, seen_target, sugared, enumeration)
    standing, withdrawn = settle(sugared, problems, unclaimed)
    beaten, reported = report_failed(enumeration, standing, problems)
    withdrawn.extend(beaten)
    if program.slots:
        from migspec.bind.slots import excuse_slots

        excuse_slots(root, enumeration)
    idle = _report_idle([*standing, *reported], withdrawn, problems)
    enumeration.excused_targets.update(element.variable.name for instance in idle for element in instance.targets)
    broken = _solve_sizes(scopes, standing, problems)
    bound, kept, dropped = _bind_all([instance for instance in standing if instance.scope not in broken], problems)
    used = {element.variable.name for instance in sugared if instance.beaten is None for element in instance.sources}
    covered = {element.variable.name for instance in sugared if instance.beaten is None for element in instance.targets}
    left = unspoken(source, seen_source)
    dropped.extend(Dropped(variable, None) for variable in left)
    state = [variable for variable in seen_target if variable.name not in covered and is_random_state(variable.name)]
    state.extend(unspoken(target, seen_target))
    kept.extend(Kept(variable, None) for variable in state)
    return Binding(
        program,
        source,
        target,
        tuple(bound),
        tuple(kept),
        tuple(dropped),
        frozenset(used | enumeration.excused_sources | {variable.name for variable in left}),
        frozenset(covered | enumeration.excused_targets | problems.explained | {variable.name for variable in state}),
        tuple(withdrawn),
        tuple(enumeration.missing_sources),
        tuple(enumeration.missing_targets),
        tuple(problems),
    )


def _nothing_bound(program: Program, source: VariableMap, target: VariableMap, cause: Diagnostic) -> Binding:
    """The binding of a spec with an error that makes anything else meaningless: nothing is left uncovered by another cause."""
    used, covered = ({variable.name for variable in one} for one in (source, target))
    return Binding(program, source, target, (), (), (), frozenset(used), frozenset(covered), (), (), (), (cause,))


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
        before = len(result.instances), len(result.failed)
        wrong = Problems(uses=scope.uses)
        enumerate_rule(rule, scope, wrong, result)
        if before == (len(result.instances), len(result.failed)):
            if not wrong:
                _report_barren(rule, scope, problems)
            wrong = (wrong and swapped_rule(rule, scope, result)) or wrong
        problems.explained |= wrong.explained
        problems.absorb(wrong)
    scopes = [scope]
    for mounted in scope.program.mounts:
        for inner in mount(scope, mounted, problems, result):
            scopes.extend(_enumerate(inner, problems, result))
    problems.uses = ()
    return scopes


def _report_barren(rule: Rule, scope: Scope, problems: Problems) -> None:
    """Every rule fires: an error for one that has no instances at all, though every name in it stands for something."""
    listed = rule.sources or rule.targets
    assert listed is not None
    rest = rule.kind in ("drop", "keep", "fill") and any(is_rest(pattern) for pattern in listed.patterns)
    if rule.if_present or rest or needs_absent(rule, scope):
        return
    why = "no choice of its captures suits all of its names"
    if listed.exceptions or (rule.targets is not None and rule.targets.exceptions):
        why = "its `except` takes out all that it names"
    elif rule.kind == "same":
        why = "each name that both sides have stands for two variables"
    problems.add(
        ("barren", rule),
        Diagnostic(
            "MIG205",
            f"this `{rule.kind}` never fires: {why}",
            Label(listed.span if listed.span is not None else rule.span),
            helps=("take it out, or widen it",),
            uses=scope.uses,
        ),
    )


def _expand_sugar(
    instances: Sequence[Instance], source: VariableMap, target: VariableMap, problems: Problems, result: Enumeration
) -> list[Instance]:
    source_cells, target_cells = Cells(source), Cells(target)
    sound: list[Instance] = []
    for instance in instances:
        if has_short_form(instance):
            sources, targets = spoken_of(instance, source_cells, target_cells)
            if not expand_short_forms(instance, source_cells, target_cells, problems):
                result.excused_sources |= sources
                result.excused_targets |= targets
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
        if rule.word == "slots" and rule.kind in ("drop", "keep"):  # what nobody asked for
            del idle[rule]
            continue
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
                f"this `{rule.word}` never fires: better rules took all that it names",
                Label(listed.span if listed.span is not None else rule.span),
                tuple(Label(span, f"this took `{variable}`") for span, variable in list(takers.items())[:_TAKERS]),
                notes=("an exact name beats a pattern, a pattern beats `same`, `same` beats a lone `**`",),
                helps=("take it out, or narrow the others",),
                uses=instances[0].scope.uses,
            ),
        )
    return [instance for instances in idle.values() for instance in instances]


def _solve_sizes(scopes: Sequence[Scope], standing: Sequence[Instance], problems: Problems) -> set[Scope]:
    """Settle sizes from the ops of the instances, until nothing changes. Reports definitions that then do not hold, and returns the
    scopes that have one: there nothing else can be said.
    """
    broken: set[Scope] = set()
    progress = True
    while progress:
        progress = False
        for scope in scopes:
            if scope.unsettled:
                mine = [one for one in standing if one.scope is scope and one.operations]
                progress |= solve(scope, [equation for instance in mine for equation in flow(instance).equations])[0]
            progress |= follow_use(scope)
    for scope in scopes:
        links = [*broken_links(scope), *broken_uses(scope)]
        if links:
            broken.add(scope)
            report_contradiction(scope, links[0], {}, problems)
    return broken


def _bind_all(standing: Sequence[Instance], problems: Problems) -> tuple[list[Bound], list[Kept], list[Dropped]]:
    """What becomes of every instance. A variable that several `drop`s or `keep`s name is left once, by the one that names it best."""
    bound: list[Bound] = []
    kept: dict[str, tuple[int, Kept]] = {}
    dropped: dict[str, tuple[int, Dropped]] = {}
    wrong: set[Instance] = set()
    for instance in standing:
        match instance.rule.kind:
            case "rename" | "copy" | "same":
                if instance.follows in wrong:
                    continue  # its slots are wrong for the same cause
                if instance.follows is not None and _is_refused(instance, problems):
                    continue
                made = bind_instance(instance, problems)
                if made is None:
                    wrong.add(instance)
                bound.extend(made or ())
            case "drop":
                left = instance.sources[0]
                if left.variable.name not in dropped or left.rank < dropped[left.variable.name][0]:
                    dropped[left.variable.name] = left.rank, Dropped(left.variable, instance.rule)
            case "keep":
                left = instance.targets[0]
                if left.variable.name not in kept or left.rank < kept[left.variable.name][0]:
                    kept[left.variable.name] = left.rank, Kept(left.variable, instance.rule)
            case "fill":
                filled = _filled(instance, instance.targets[0].variable, problems)
                if filled is not None:
                    bound.append(filled)
    return bound, [one for _, one in kept.values()], [one for _, one in dropped.values()]


def _is_refused(slots: Instance, problems: Problems) -> bool:
    """Whether slots cannot follow an op of their weight, which is reported."""
    from migspec.bind.slots import refused_operation, report_refused

    operation = refused_operation(slots)
    if operation is not None:
        report_refused(slots, operation, problems)
    return operation is not None


def _filled(instance: Instance, variable: Variable, problems: Problems) -> Bound | None:
    from migspec import dtypes

    content = instance.rule.content
    assert content is not None
    context = Context(instance.scope.values, lambda: Wanted(), (variable.name,))
    try:
        distribution = context.distribution(content)
        reason = refused_fill(content, variable.dtype, context)
        if reason:
            help_ = "fill it with a whole number, as in `with zeros`, or `keep` its value"
            if dtypes.kind(variable.dtype) in ("string", "opaque"):
                help_ = "let it keep its value: `keep`"
            elif dtypes.kind(variable.dtype) == "float":
                help_ = "fill it with a smaller value, or `keep` its own"
            raise OpError("MIG402", f"`{variable.name}` is {variable.dtype}{reason}", helps=(help_,))
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
