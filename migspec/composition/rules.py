"""The rules of two specs joined where they meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from migspec.composition.middle import Middle, Names, definitions, meeting, renamed
from migspec.diagnostics import Diagnostic, Label
from migspec.rules import Program, Rule
from migspec.syntax import tree

_ONE_BY_ONE = frozenset(
    {"transpose", "permute", "rearrange", "reshape", "squeeze", "expand", "flip", "gates", "rope", "slice", "crop", "pad"}
    | {"repeat", "remap", "add", "scale", "cast", "as_is"}
)
"""The ops that change each tensor of a bundle for itself."""
_SHAPED = ("reshape", "crop", "pad")
_IN_PLACE = frozenset({"gates", "add", "scale", "cast", "as_is", "flip", "rope"})


@dataclass(frozen=True, slots=True)
class Composition:
    """The statements of the composed spec; without them, why there is none (MIG703, MIG704)."""

    spec: tree.Spec
    problems: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """A rule of the first spec: what it reads, the common lines that it makes, and how."""

    rule: Rule
    sources: tuple[tree.Pattern, ...]
    makes: tuple[int, ...]
    ops: tuple[tree.Op, ...]


def composed(first: Program, second: Program) -> Composition:
    """`first`, then `second`, as one spec with the source of the one and the target of the other."""
    work = _Work(first, second, meeting(first, second))
    work.problems.extend(work.middle.problems)
    if not work.problems:
        work.join()
    interface: list[tree.Body] = [line for line, _ in first.interface if line.side == "source"]
    interface += [_line(line, work.middle.names) for line, _ in second.interface if line.side == "target"]
    bodies = [tree.Version(1), *definitions(first, second, work.middle.names), *interface, *work.bodies]
    statements = [tree.Statement(body) for body in bodies]
    gaps = {1, 1 + len(bodies) - len(interface) - len(work.bodies) - 1, len(bodies) - len(work.bodies)}
    spaced = [replace(one, leading=(None,)) if place in gaps else one for place, one in enumerate(statements)]
    return Composition(tree.Spec(first.text, tuple(spaced)), tuple(work.problems))


@dataclass(slots=True)
class _Work:
    first: Program
    second: Program
    middle: Middle
    problems: list[Diagnostic] = field(default_factory=list)
    bodies: list[tree.Body] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)
    joined: set[int] = field(default_factory=set)
    """The places in `steps` of the rules that went into the composition."""

    def join(self) -> None:
        for program in (self.first, self.second):
            for mount in program.mounts:
                self._refuse("a spec that uses others is not composed", mount.statement, "write out what the used spec does")
            for rule in program.slots:
                self._refuse("`slots` are not composed", rule.statement, "write them in the spec that uses the composition")
        for rule in self.first.rules:
            self._take_in(rule)
        consumers = [rule for rule in self.second.rules if rule.kind not in ("keep", "fill")]
        done: set[int] = set()
        for place, rule in enumerate(consumers):
            if place not in done:
                done |= self._continue(rule, place, consumers)
        self.bodies += [_renamed_body(rule, self.middle.names) for rule in self.second.rules if rule.kind in ("keep", "fill")]

    def _take_in(self, rule: Rule) -> None:
        """A rule of the first spec as a step, or as it is where it makes nothing."""
        match rule.statement.body:
            case tree.Drop() as body:
                self.bodies.append(body)
            case tree.Move() as body:
                if body.word == "copy":
                    self._refuse("`copy` is not composed", rule.statement, "compose by hand what is copied")
                self._add_step(rule, body.sources.patterns, body.targets.patterns, body.ops)
            case tree.Same() as body:
                for pattern in body.names.patterns:
                    self._add_step(rule, (pattern,), (pattern,), body.ops)
            case _:
                self._refuse(
                    f"what the first spec makes by `{rule.word}` goes no further", rule.statement, "do it in the second"
                )

    def _add_step(
        self, rule: Rule, sources: Sequence[tree.Pattern], targets: Sequence[tree.Pattern], ops: tuple[tree.Op, ...]
    ) -> None:
        lines = [self.middle.made.get(target) for target in targets]
        known = tuple(line for line in lines if line is not None)
        if len(known) < len(lines):
            self._refuse("the rule does not name its targets as the interface does", rule.statement, "name each line alone")
            return
        self.steps.append(_Step(rule, tuple(sources), known, self._settled(ops, known)))

    def _settled(self, ops: tuple[tree.Op, ...], makes: tuple[int, ...]) -> tuple[tree.Op, ...]:
        """Ops with the arguments that the first spec's targets settle written out, as something else follows them now."""
        shapes = [self.middle.dims[line] for line in makes]
        result = list(ops)
        for place in range(len(ops) - 1, -1, -1):
            op = result[place]
            if op.word in _SHAPED and op.argument("dims") is None and len(set(shapes)) == 1:
                arguments = (*(one for one in op.arguments if one[0] != "dims"), ("dims", shapes[0]))
                result[place] = tree.Op(op.word, arguments, op.span)
            axis = op.argument("axis")
            if op.word == "split" and op.argument("sizes") is None and op.argument("count") is None and isinstance(axis, int):
                sizes = tuple(shape[axis] for shape in shapes)
                result[place] = tree.Op("split", (("axis", axis), ("sizes", sizes), ("count", None)), op.span)
            if op.word not in _IN_PLACE:
                break
        return tuple(result)

    def _continue(self, rule: Rule, place: int, consumers: Sequence[Rule]) -> set[int]:
        """Join a rule of the second spec to those that make what it takes; returns the places of the rules that are done with."""
        body = rule.statement.body
        if isinstance(body, tree.Same) and len(body.names.patterns) > 1:
            for pattern in body.names.patterns:
                one = replace(body, names=replace(body.names, patterns=(pattern,)))
                single = replace(rule, statement=replace(rule.statement, body=one), sources=one.names)
                self._continue(single, place, [single])
            return {place}
        taken = self._taken(rule)
        if taken is None:
            return {place}
        makers = [next((number for number, step in enumerate(self.steps) if line in step.makes), None) for line in taken]
        numbers = list(dict.fromkeys(number for number in makers if number is not None))
        steps = [self.steps[number] for number in numbers]
        if not steps or None in makers:
            if not rule.if_present:
                self._refuse("nothing in the first spec makes what this takes", rule.statement, "check the names of both")
            return {place}
        if len(steps) == 1 and steps[0].makes == taken:
            self._emit(steps, [rule], steps[0].ops)
            return {place}
        if len(steps) == 1 and len(taken) == 1:
            group = self._parallel(rule, steps[0], consumers)
            if group is not None:
                self._emit(steps, [consumers[one] for one in group], steps[0].ops)
                return set(group)
        alike = {step.ops for step in steps}
        if (
            len(alike) == 1
            and all(len(step.makes) == 1 and _is_one_by_one(step) for step in steps)
            and len(steps) == len(taken)
        ):
            self._emit(steps, [rule], steps[0].ops)
            return {place}
        self.problems.append(
            Diagnostic(
                "MIG703",
                "no one rule says what these rules do one after the other",
                Label(rule.span),
                tuple(Label(step.rule.span, "made here") for step in steps),
                helps=("apply the two specs one after the other, or write these rules by hand",),
            )
        )
        return {place}

    def _taken(self, rule: Rule) -> tuple[int, ...] | None:
        assert rule.sources is not None
        lines = [self.middle.taken.get(pattern) for pattern in rule.sources.patterns]
        known = tuple(line for line in lines if line is not None)
        if len(known) == len(lines) and not rule.sources.exceptions:
            return known
        if rule.if_present or all(pattern in _optional(self.second) for pattern in rule.sources.patterns):
            return None
        self._refuse("the rule does not name its sources as the interface does", rule.statement, "name each line alone")
        return None

    def _parallel(self, rule: Rule, step: _Step, consumers: Sequence[Rule]) -> list[int] | None:
        """The rules that take the parts which one step makes, where all do the same with them."""
        places = []
        for line in step.makes:
            found = [place for place, one in enumerate(consumers) if one.sources and self._lines(one) == (line,)]
            if len(found) != 1:
                return None
            places.append(found[0])
        chosen = [consumers[place] for place in places]
        alike = len({_ops(one) for one in chosen}) == 1 and len({one.kind for one in chosen}) == 1
        single = all(len(_targets(one)) == 1 or one.kind == "drop" for one in chosen)
        return places if alike and single and all(op.word in _ONE_BY_ONE for op in _ops(rule)) else None

    def _lines(self, rule: Rule) -> tuple[int | None, ...]:
        assert rule.sources is not None
        return tuple(self.middle.taken.get(pattern) for pattern in rule.sources.patterns)

    def _emit(self, steps: Sequence[_Step], rules: Sequence[Rule], ops: tuple[tree.Op, ...]) -> None:
        sources = tree.PatternList(tuple(pattern for step in steps for pattern in step.sources))
        optional = any(step.rule.if_present for step in steps) or any(rule.if_present for rule in rules)
        if rules[0].kind == "drop":
            self.bodies.append(tree.Drop(sources, rules[0].because, optional))
            return
        targets = tree.PatternList(tuple(pattern for rule in rules for pattern in _targets(rule)))
        theirs = tuple(_op(op, self.middle.names) for op in _ops(rules[0]))
        word = "copy" if any(rule.kind == "copy" for rule in rules) else "rename"
        self.bodies.append(tree.Move(word, sources, targets, (*ops, *theirs), optional))  # type: ignore[arg-type]

    def _refuse(self, message: str, statement: tree.Statement, way: str) -> None:
        helps = (f"{way}, or apply the two specs one after the other",)
        self.problems.append(Diagnostic("MIG703", message, Label(statement.span), helps=helps))


def _renamed_body(rule: Rule, names: Names) -> tree.Body:
    """A `keep` or `fill` of the second spec in the names of the composition."""
    body = rule.statement.body
    if isinstance(body, tree.FillWith):
        low = body.content.low
        content = replace(
            body.content, value=renamed(body.content.value, names), low=None if low is None else renamed(low, names)
        )
        return replace(body, content=content)
    return body


def _line(line: tree.Interface, names: Names) -> tree.Interface:
    family = None if line.family is None else (line.family[0], renamed(line.family[1], names))
    return replace(line, dims=tuple(renamed(dim, names) for dim in line.dims), family=family)


def _op(op: tree.Op, names: Names) -> tree.Op:
    """An op of the second spec in the names of the composition."""
    return tree.Op(op.word, tuple((name, _argument(value, names)) for name, value in op.arguments), op.span)


def _argument(value: tree.Argument, names: Names) -> tree.Argument:
    match value:
        case tree.Number() | tree.Reference() | tree.Negative() | tree.Binary():
            return renamed(value, names)
        case tree.Content(value=one, low=low):
            return replace(value, value=renamed(one, names), low=None if low is None else renamed(low, names))
        case tuple() if value and not isinstance(value[0], int):
            return tuple(renamed(one, names) for one in value if not isinstance(one, int))
        case _:
            return value


def _ops(rule: Rule) -> tuple[tree.Op, ...]:
    body = rule.statement.body
    return body.ops if isinstance(body, tree.Move | tree.Same) else ()


def _targets(rule: Rule) -> tuple[tree.Pattern, ...]:
    body = rule.statement.body
    if isinstance(body, tree.Move):
        return body.targets.patterns
    return body.names.patterns if isinstance(body, tree.Same) else ()


def _is_one_by_one(step: _Step) -> bool:
    return len(step.sources) == 1 and all(op.word in _ONE_BY_ONE for op in step.ops)


def _optional(program: Program) -> set[tree.Pattern]:
    """The names of the optional source lines."""
    lines = (line for line, _ in program.interface if line.side == "source" and line.if_present)
    return {name for line in lines for name in line.names}
