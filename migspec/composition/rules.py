"""The rules of two specs joined where they meet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from migspec.composition.long_forms import in_long_forms
from migspec.composition.middle import Middle, Names, definitions, meeting, renamed
from migspec.composition.undone import without_undone
from migspec.diagnostics import Diagnostic, Label
from migspec.patterns import capture_names, text_of
from migspec.rules import Program, Rule
from migspec.syntax import tree
from migspec.text import Span

_ONE_BY_ONE = frozenset(
    {"transpose", "permute", "rearrange", "reshape", "squeeze", "expand", "flip", "gates", "rope", "slice", "crop", "pad"}
    | {"repeat", "remap", "add", "scale", "cast", "as_is"}
)
"""The ops that change each tensor of a bundle for itself."""
_SHORT_FORMS = ("split_gates", "concat_gates")
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
    targets: tuple[tree.Pattern, ...]
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
    bodies = [
        tree.Version(1),
        *definitions(first, second, work.middle.names, [*interface, *work.bodies]),
        *interface,
        *work.bodies,
    ]
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
            if program.cast_all is not None:
                self.problems.append(_unsaid("`cast` alone is not composed", program.cast_all, "write `cast` behind each rule"))
            for rule in program.rules:
                form = _of_two_kernels(rule, program)
                if form is not None:
                    self._refuse(
                        f"`{form}` may be of a second kernel that it does not name", rule.statement, "name both kernels"
                    )
                elif _is_unclear(rule):
                    self._refuse("a short form without both orders, or of several tensors", rule.statement, "write it out")
        self.first, self.second = in_long_forms(self.first), in_long_forms(self.second)
        for rule in self.first.rules:
            self._take_in(rule)
        if self.problems:  # what follows would be about what is missing now
            return
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
        self.steps.append(_Step(rule, tuple(sources), tuple(targets), known, self._settled(ops, known)))

    def _settled(self, ops: tuple[tree.Op, ...], makes: tuple[int, ...]) -> tuple[tree.Op, ...]:
        """Ops with the arguments that the first spec's targets settle written out, as something else follows them now."""
        shapes = [self.middle.dims[line] for line in makes]
        result = list(ops)
        for place in range(len(ops) - 1, -1, -1):
            op = result[place]
            if op.word in _SHAPED and op.argument("dims") is None and len(set(shapes)) == 1:
                # `reshape from [..]` takes what comes here in any case: what follows is what it can no longer tell.
                arguments = (*(one for one in op.arguments if one[0] not in ("dims", "old")), ("dims", shapes[0]))
                result[place] = tree.Op(op.word, arguments, op.span)
            axis = op.argument("axis")
            splits = op.word == "split" and op.argument("sizes") is None and op.argument("count") is None
            if splits and isinstance(axis, int) and all(-len(shape) <= axis < len(shape) for shape in shapes):
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
        if any(_regroups(step, rule) for step in steps):
            message = "what one of these rules does with each of several tensors, one rule for both would do with all of them together"
            self.problems.append(_unsaid(message, rule.span, "write these rules by hand", steps))
            return {place}
        if len(steps) == 1 and steps[0].makes == taken:
            self._emit(steps, [rule], steps[0].ops)
            return {place}
        if len(steps) == 1 and len(taken) == 1:
            group = self._parallel(rule, steps[0], consumers)
            if group is not None and not any(_spread(consumers[one]) for one in group):
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
            _unsaid(
                "no one rule is known to say what these rules do one after the other",
                rule.span,
                "write these rules by hand",
                steps,
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
        self._refuse_other_meanings(ops, rules[0], steps)
        ops, theirs = without_undone(ops, steps[0].rule.operations, _ops(rules[0]), rules[0].operations)
        theirs = tuple(_op(op, self.middle.names) for op in map(self._relabelled, theirs))
        word = "copy" if any(rule.kind == "copy" for rule in rules) else "rename"
        self.bodies.append(tree.Move(word, sources, targets, (*ops, *theirs), optional))  # type: ignore[arg-type]

    def _refuse_other_meanings(self, ops: tuple[tree.Op, ...], rule: Rule, steps: Sequence[_Step]) -> None:
        """What the same words would do differently in one rule."""
        theirs = _ops(rule)
        words = [op.word for op in theirs]
        before_gates = words[: words.index("gates")] if "gates" in words else words
        made = [op.argument("content") for op in ops]
        random = [isinstance(one, tree.Content) and one.kind != "constant" for one in made]
        again = any(
            isinstance(one, tree.Content) and one.kind != "constant" for one in (op.argument("content") for op in theirs)
        )
        folders = {PurePath(program.text.name).parent for program in (self.first, self.second)}
        tokens = sum("remap" in [op.word for op in several] for several in (ops, theirs))
        why = ""
        if any(op.word == "gates" for op in ops) and {"pad", "crop"} & set(before_gates):
            why = "behind the `gates` of the first rule, `pad` and `crop` would work block by block"
        elif any(op.argument("gate") is not None for op in theirs[: len(before_gates)]):
            why = "a gate that no `gates` of the second rule names would be one of the first"
        elif any(random) or (again and any(isinstance(one, tree.Content) for one in made)):
            why = "random values follow the name of the target: those of one rule would be others"
        elif tokens and len(folders) > 1:
            why = "the paths of vocabularies are relative to each spec, and these are in two folders"
        if why:
            self.problems.append(_unsaid(why, rule.span, "write these rules by hand", steps))

    def _relabelled(self, op: tree.Op) -> tree.Op:
        """A `rearrange` of the second spec with its sizes in the names of the composition, and its other labels unlike all of those."""
        if op.word != "rearrange":
            return op
        names = self.middle.names
        taken = {*self.first.sizes, *self.first.numbers}
        taken |= {one.name for one in names.values() if isinstance(one, tree.Reference)}

        def label(found: re.Match[str]) -> str:
            value = names.get(found[0])
            if isinstance(value, tree.Reference):
                return value.name
            # No size, or one that the first spec computes: its axes settle it as they did.
            return f"{found[0]}_" if found[0] in taken else found[0]

        pattern = re.sub("[A-Za-z_][A-Za-z0-9_]*", label, str(op.argument("pattern")))
        return tree.Op(op.word, (("pattern", pattern),), op.span)

    def _refuse(self, message: str, statement: tree.Statement, way: str) -> None:
        helps = (f"{way}, or apply the two specs one after the other",)
        self.problems.append(Diagnostic("MIG703", message, Label(statement.span), helps=helps))


def _of_two_kernels(rule: Rule, program: Program) -> str | None:
    """The short form of a rule with one name on either side, where the interface has a recurrent kernel beside the one that is named."""
    body = rule.statement.body
    form = next((op.word for op in getattr(body, "ops", ()) if op.word in _SHORT_FORMS), None)
    if form is None or not isinstance(body, tree.Move) or len(body.sources.patterns) > 1 or len(body.targets.patterns) > 1:
        return None
    side, names = ("target", body.targets) if form == "split_gates" else ("source", body.sources)
    sibling = replace(names.patterns[0], segments=(*names.patterns[0].segments[:-1], (tree.Plain("recurrent_kernel"),)))
    declared = {text_of(name) for line, _ in program.interface if line.side == side for name in line.names}
    return form.replace("_", " ") if text_of(sibling) in declared else None


def _is_unclear(rule: Rule) -> bool:
    """Whether a rule has a short form that goes by what it is bound to."""
    forms = [op for op in _ops(rule) if op.word in _SHORT_FORMS]
    return bool(forms) and (_spread(rule) or any(None in (op.argument("old"), op.argument("new")) for op in forms))


def _unsaid(message: str, place: Span, way: str, steps: Sequence[_Step] = ()) -> Diagnostic:
    made = tuple(Label(step.rule.span, "made here") for step in steps)
    return Diagnostic("MIG703", message, Label(place), made, helps=(f"apply the two specs one after the other, or {way}",))


def _regroups(step: _Step, rule: Rule) -> bool:
    """Whether one rule would do at once, or in another order, what these do with each tensor, or with each bundle of some."""
    listed = rule.sources.patterns if rule.sources is not None else ()
    sources, middle, targets = (_captures(one) for one in (step.sources, step.targets, _targets(rule)))
    gathered = [] if rule.kind == "drop" else [name for name in _captures(listed) if name not in targets]
    spread = [name for name in middle if name not in sources]
    anew = [name for name in targets if name not in _captures(listed)]
    one_by_one = _is_one_by_one(step) and len(step.targets) == 1
    if spread:  # gathered again as they were, they are one bundle
        single = len(step.targets) == 1 == len(listed)
        names_none = not any(op.argument("capture") is not None for op in (*step.ops, *_ops(rule)))
        alike = all(op.word in _ONE_BY_ONE for op in _ops(rule)) and len(_targets(rule)) == 1 and not (gathered or anew)
        alike = alike and [name for name in targets if name in spread] == spread
        if not single or not ((names_none and gathered == spread) or alike):
            return True
    elif gathered and not (
        one_by_one and [one for one in sources if one in gathered] == [one for one in middle if one in gathered]
    ):
        return True
    return any(name in sources and name not in middle for name in anew)


def _spread(rule: Rule) -> bool:
    """Whether a rule has a capture on one side alone, which makes a bundle."""
    sources = rule.sources.patterns if rule.sources is not None else ()
    return rule.kind != "drop" and set(_captures(sources)) != set(_captures(_targets(rule)))


def _captures(patterns: Sequence[tree.Pattern]) -> list[str]:
    return list(dict.fromkeys(name for pattern in patterns for name in capture_names(pattern)))


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
