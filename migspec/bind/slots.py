"""Optimizer state that follows its weights: for each instance that moves weights, one that moves their slots.

A slot takes its weight's own rule, but for what is no matter of layout. The ops of an expression act on the gradients as well, and
a slot is made of gradients:

- What moves elements (transposes, gates, splits, joins, slices) moves those of a slot just so. For second moments too:
  they are kept element by element.
- What is added to a weight leaves its gradient alone, so `add` does not apply.
- Of weights that are summed, each has the gradient of the sum, so their slots are equal, and so is their mean.
- New elements have had no gradient yet: zeros.
- A weight that is scaled, averaged or repeated has another gradient than before, and an optimizer goes other ways
  with it: no value of a slot would be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from migspec import arithmetic
from migspec.bind.match import matches
from migspec.bind.ownership import preview
from migspec.bind.problems import Problems, described, nearest_variables
from migspec.bind.side import Side, span_of
from migspec.bind.types import PATTERN, REST, Element, Enumeration, Instance, Scope
from migspec.diagnostics import Diagnostic, Label
from migspec.names import normal_name
from migspec.ops import Add, CastTo, MeanOf, Pad, Remap, Repeat, Scale, SumOf
from migspec.patterns import Template, paste
from migspec.rules import WEIGHT, Operation, Rule
from migspec.syntax.tree import Content, Number, Pattern
from migspec.text import Span
from migspec.variables import Variable

_WEIGHT = "weight"
_ZEROS = Content("constant", Number(0))
_BUILD = (
    "the new model must be compiled, and its optimizer built: `model.compile(...)`, then "
    "`model.optimizer.build(model.trainable_variables)`"
)


def follow_weights(
    root: Scope, instances: Sequence[Instance], problems: Problems, enumeration: Enumeration
) -> Iterator[Instance]:
    """The instances of all `slots` of a spec, given those of all its other rules.

    The slots of a weight that is dropped are dropped, those of one that is kept or filled are kept, unless a rule says otherwise.
    """
    standing = preview(instances)
    for rule in root.program.slots:
        yield from _Slots(rule, root, standing, problems, enumeration).instances()


def excuse_slots(root: Scope, enumeration: Enumeration) -> None:
    """The slots of weights that rules in error spoke of are not reported as uncovered as well."""
    result, unheard = enumeration, Problems()
    for rule in root.program.slots:
        source, target = _names(rule, root)
        sides = (
            (source, result.excused_sources, result.missing_sources),
            (target, result.excused_targets, result.missing_targets),
        )
        for name, excused, missing in sides:
            weights = [name.side.index.map[one] for one in excused if one in name.side.index.map]
            slots = [name.find(one, root, unheard) for one in weights]
            excused.update(one.variable.name for one in slots if one is not None)
            missing.extend([name.called(one) for one in missing])


@dataclass(frozen=True, slots=True)
class _Name:
    """How one side names a slot after its weight."""

    side: Side
    pattern: Pattern
    template: Template

    def find(self, weight: Variable, scope: Scope, problems: Problems) -> Element | None:
        """The slot of a weight, under any of the weight's names; None if there is none."""
        for name in (weight.name, *weight.aliases):
            captures = {WEIGHT: normal_name(name)}
            found = self.side.index.lookup(self.template.render(captures))
            if len(found) > 1:
                matches(paste(self.pattern, captures), self.side, scope, problems, captures_matter=False)
            elif found and found[0].variable is not weight:
                return Element(found[0].variable, 2 * PATTERN + (found[0].alias > 0), self.pattern)
        return None

    def called(self, weight: str) -> str:
        """What the slot of a weight of this name is called."""
        return self.template.render({WEIGHT: normal_name(weight)})


def _names(rule: Rule, root: Scope) -> tuple[_Name, _Name]:
    """How a `slots` statement names slots on both sides."""
    assert rule.sources is not None
    assert rule.targets is not None
    (old,), (new,) = rule.sources.patterns, rule.targets.patterns
    return _Name(Side(root.sources, "source"), old, Template(old)), _Name(Side(root.targets, "target"), new, Template(new))


class _Slots:
    """One `slots` statement at work."""

    def __init__(
        self, rule: Rule, root: Scope, standing: Sequence[Instance], problems: Problems, enumeration: Enumeration
    ) -> None:
        self._rule = rule
        self._rules = {"rename": rule} | {kind: replace(rule, kind=kind) for kind in ("copy", "drop", "keep")}
        self._root = root
        self._standing = standing
        self._problems = problems
        self._enumeration = enumeration
        self._source, self._target = _names(rule, root)

    def instances(self) -> Iterator[Instance]:
        fired = False
        for weights in self._standing:
            match weights.rule.kind:
                case "rename" | "copy" | "same":
                    made = self._moved(weights)
                case "drop":
                    made = self._left("drop", weights.sources, self._source)
                case "keep" | "fill":
                    made = self._left("keep", weights.targets, self._target)
            for one in made:
                fired = True
                yield one
        if not fired and not self._rule.if_present and not self._problems and not self._enumeration.failed:
            self._report_nothing()

    def _find(self, name: _Name, weights: Sequence[Element]) -> list[Element | None]:
        """The slot of each weight, in the place of the weight where that is one of a bundle."""
        found = [name.find(one.variable, self._root, self._problems) for one in weights]
        return [
            None if slot is None else replace(slot, coordinates=weight.coordinates)
            for slot, weight in zip(found, weights, strict=True)
        ]

    def _left(self, kind: str, weights: Sequence[Element], name: _Name) -> Iterator[Instance]:
        """The slots of weights that stay where they are; whatever else is said of such a slot goes before."""
        for slot in self._find(name, weights):
            if slot is None:
                continue
            unasked = (replace(slot, rank=2 * REST + 1),)
            if kind == "drop":
                yield Instance(self._rules[kind], self._root, {}, sources=unasked)
            else:
                yield Instance(self._rules[kind], self._root, {}, targets=unasked)

    def _moved(self, weights: Instance) -> Iterator[Instance]:
        """The instance that moves the slots of some weights, if they have slots: on neither side, and there are none to move."""
        sources, targets = self._find(self._source, weights.sources), self._find(self._target, weights.targets)
        found_sources = tuple(one for one in sources if one is not None)
        found_targets = tuple(one for one in targets if one is not None)
        if not found_sources and not found_targets:
            return
        if len(found_sources) == len(sources) and len(found_targets) == len(targets):
            kind = "copy" if weights.rule.kind == "copy" else "rename"
            yield Instance(
                self._rules[kind],
                weights.scope,
                weights.captures,
                found_sources,
                found_targets,
                (*_followed(weights.operations), *self._own(weights.scope)),
                follows=weights,
            )
            return
        spoken = {element.variable.name for one in self._standing for element in (*one.sources, *one.targets)}
        if self._rule.if_present or any(one.variable.name in spoken for one in (*found_sources, *found_targets)):
            return
        if len(found_sources) < len(sources):
            lacking = weights.sources[sources.index(None)].variable
            self._report_missing(self._source, lacking, found_targets or found_sources, "MIG211")
        else:
            lacking = weights.targets[targets.index(None)].variable
            self._report_missing(self._target, lacking, found_sources, "MIG204")
        self._enumeration.excused_sources.update(one.variable.name for one in found_sources)
        self._enumeration.excused_targets.update(one.variable.name for one in found_targets)

    def _own(self, scope: Scope) -> Iterator[Operation]:
        """What the statement itself does to slots, in values: the names of this spec are not those of one that it uses."""
        for operation in self._rule.operations:
            word = operation.word
            if isinstance(word, Scale) and scope is not self._root:
                try:
                    value = arithmetic.value_of(word.value, self._root.values)
                except (arithmetic.NotYetKnown, ZeroDivisionError):
                    self._report_unsettled(operation.span)
                    continue
                word = Scale(Number(value))
            yield Operation(word, operation.span)

    def _report_missing(self, name: _Name, weight: Variable, found: Sequence[Element], code: str) -> None:
        side, other = name.side, self._target.side if name is self._source else self._source.side
        called = name.called(weight.name)
        has = found[0].variable
        if code == "MIG211":
            message = f"the weight `{weight.name}` has no slot `{called}`"
            helps = (
                f"if it was not trained: end the statement in `if present`, and `fill {has.name} with zeros`",
                *nearest_variables(called, side.index.map)[:1],
            )
        else:
            message = f"there is no target variable `{called}`, the slot of `{weight.name}`"
            alike = [one.name for one in side.index.map if one.shape == weight.shape]
            helps = (
                f"leave the old one behind: `drop {has.name}`",
                *(nearest_variables(called, side.index.map, alike)[:2] or (_BUILD,)),
            )
        self._problems.add(
            (code, self._rule, name.side.word),
            Diagnostic(
                code,
                message,
                Label(span_of(name.pattern), f"not in {side.label}"),
                notes=(f"`{has.name}` {described(has)} is its slot in {other.label}",),
                helps=helps,
            ),
            weight.name,
        )

    def _report_unsettled(self, span: Span) -> None:
        self._problems.add(
            ("slots", span),
            Diagnostic(
                "MIG305",
                f"`{span.content}` is not determined where slots of used specs are moved",
                Label(span),
                helps=("give its sizes and numbers their values: `size NAME = ...`, or `--set NAME=...`",),
            ),
        )

    def _report_nothing(self) -> None:
        example = next((one for weights in self._standing for one in weights.sources if weights.targets), None)
        name = "" if example is None else self._source.called(example.variable.name)
        notes = (f"it looks for `{name}`, for example, in {self._source.side.label}",) if name else ()
        self._problems.add(
            ("slots", self._rule),
            Diagnostic(
                "MIG203",
                "`slots` finds no slot of a weight, on neither side",
                Label(self._rule.span),
                notes=notes,
                helps=nearest_variables(name, self._source.side.index.map)
                or (f"`migspec inspect {self._source.side.label}` lists its variables",),
            ),
        )


def _followed(operations: Sequence[Operation]) -> Iterator[Operation]:
    """The ops of a weight as its slots take them."""
    for operation in operations:
        match operation.word:
            case Add():
                continue
            case CastTo(old=str()):
                yield Operation(CastTo(), operation.span)  # a slot may be of another dtype than its weight
            case SumOf():
                yield Operation(MeanOf(), operation.span)
            case Pad() as pad:
                yield Operation(replace(pad, content=_ZEROS), operation.span)
            case Remap() as remap:
                content = None if remap.content is None else _ZEROS
                yield Operation(replace(remap, content=content), operation.span)
            case _:
                yield operation


def refused_operation(instance: Instance) -> Operation | None:
    """The op of a weight's rule that no value of a slot could follow, if it has one."""
    assert instance.follows is not None
    return next((one for one in instance.follows.operations if isinstance(one.word, Scale | MeanOf | Repeat)), None)


def report_refused(instance: Instance, operation: Operation, problems: Problems) -> None:
    """The error for slots whose weight takes such an op."""
    source, target = instance.sources[0].variable, instance.targets[0].variable
    word = "repeated" if isinstance(operation.word, Repeat) else "averaged" if isinstance(operation.word, MeanOf) else "scaled"
    problems.add(
        ("refused", instance.rule, operation.span),
        Diagnostic(
            "MIG413",
            f"slots cannot follow `{operation.span.content}`",
            Label(operation.span, f"the weight is {word} here"),
            (Label(instance.rule.span, f"and `{source.name}` would follow it"),),
            notes=(f"a weight that is {word} has other gradients, and an optimizer goes other ways with it",),
            helps=(f"let the optimizer begin anew for this weight: `drop {source.name}` and `fill {target.name} with zeros`",),
            uses=instance.scope.uses,
        ),
        target.name,
    )
