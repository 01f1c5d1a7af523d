"""The statements of a spec turned around."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import assert_never

from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.inverse.operations import NoInverse, Rounding, Sides, turned_around
from migspec.inverse.rivals import rivals
from migspec.names import normal_name
from migspec.patterns import Matcher, is_exact, text_of, unnamed_ranges
from migspec.rules import Mount, Operation, Program
from migspec.syntax import tree
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.syntax.spelling import content_text
from migspec.text import Span, Text

MARK = " (turned around)"
"""What the name of an inverse spec ends in, where it is used by `use inverse`."""

_COPIES = "a copy"
_TITLE = re.compile(rf"(?P<name>[\w.-]+(?:/[\w.-]+)+)(?P<mark>{re.escape(MARK)})?: (?P<old>.+) -> (?P<new>.+)")


@dataclass(frozen=True, slots=True)
class Inverse:
    """The inverse of a spec, and what is to be said about it: MIG701 and MIG703 are errors, then `spec` is incomplete."""

    spec: tree.Spec
    diagnostics: tuple[Diagnostic, ...]

    @property
    def exists(self) -> bool:
        return not any(one.severity is Severity.ERROR for one in self.diagnostics)

    def text(self, name: str) -> Text:
        """Its canonical text."""
        return Text(name, format_spec(self.spec))


def inverse_of(program: Program, known: Collection[str] | None = None) -> Inverse:
    """The inverse of a resolved spec that is in order.

    `known` are the names of variables whose values the target of the inverse has: what a lossy rule has lost is kept from there.
    """
    spec, _ = parse(program.text)
    work = _Work(program, known)
    statements = [turned for statement in spec.statements for turned in work.turn(statement)]
    work.diagnostics.extend(rivals(statements))
    if statements:
        statements[0] = replace(statements[0], leading=_retitled(statements[0].leading))
    return Inverse(tree.Spec(program.text, tuple(_sources_first(statements)), spec.closing), tuple(work.diagnostics))


@dataclass(slots=True)
class _Work:
    program: Program
    known: Collection[str] | None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    operations: dict[int, tuple[Operation, ...]] = field(init=False)
    mounts: dict[int, Mount] = field(init=False)
    moved: set[tree.Pattern] = field(init=False)
    """The sources of the renames, and of the copies that became renames."""

    def __post_init__(self) -> None:
        rules = (*self.program.rules, *self.program.slots)
        self.operations = {rule.span.start: rule.operations for rule in rules}
        self.mounts = {mount.statement.span.start: mount for mount in self.program.mounts}
        self.moved = {
            pattern for rule in rules if rule.kind == "rename" and rule.sources is not None for pattern in rule.sources.patterns
        }

    def turn(self, statement: tree.Statement) -> Iterator[tree.Statement]:
        """The statements that undo one; none where something is lost, which is reported."""
        try:
            first, *others = self._bodies(statement)
        except NoInverse as error:
            kept = self._kept(statement) if error.lost else None
            if kept is None:
                self._report(statement, error)
                return
            first, *others = kept
        yield replace(statement, body=first)
        for body in others:
            yield tree.Statement(body, span=statement.span)

    def _bodies(self, statement: tree.Statement) -> list[tree.Body]:
        match statement.body:
            case tree.Version() | tree.Sizes() | tree.Numbers() | tree.CastAll() as body:
                return [body]
            case tree.Interface() as body:
                return [replace(body, side="target" if body.side == "source" else "source")]
            case tree.Use() as body:
                self._check_used(body, statement)
                return [replace(body, source=body.target, target=body.source, inverse=not body.inverse)]
            case tree.Move(word="copy") as body:
                return self._copy(body, statement)
            case tree.Move() as body:
                return [self._rename(body, statement)]
            case tree.Same() as body:
                patterns = body.names.patterns
                return [replace(body, ops=self._ops(body.ops, statement, Sides(patterns, patterns)))]
            case tree.Slots() as body:
                ops = self._ops(body.ops, statement, Sides((body.source,), (body.target,)))
                return [replace(body, source=body.target, target=body.source, ops=ops)]
            case tree.Drop() as body:
                return [tree.Keep(body.names, body.because, body.if_present)]
            case tree.Keep() as body:
                return [tree.Drop(body.names, body.because, body.if_present)]
            case tree.FillWith() as body:
                return [tree.Drop(body.names, f"filled with {content_text(body.content)}", body.if_present)]
            case _:
                assert_never(statement.body)

    def _rename(self, body: tree.Move, statement: tree.Statement) -> tree.Move:
        _refuse_lost_ranges(body)
        ops = self._ops(body.ops, statement, Sides(body.sources.patterns, body.targets.patterns))
        return tree.Move("rename", body.targets, body.sources, ops, body.if_present)

    def _copy(self, body: tree.Move, statement: tree.Statement) -> list[tree.Body]:
        """A copy gives back what no rename does; what is copied once more is dropped."""
        if all(pattern in self.moved or self._is_same(pattern) for pattern in body.sources.patterns):
            return [tree.Drop(body.targets, _COPIES, body.if_present)]
        self.moved.update(body.sources.patterns)
        parts = any(op.word in ("split", "unstack", "split_gates") for op in body.ops)
        joined = len(body.sources.patterns) == 1 or any(op.word in ("concat", "stack", "concat_gates") for op in body.ops)
        if parts or not joined or len(body.targets.patterns) == 1:
            return [self._rename(body, statement)]
        first, *others = body.targets.patterns
        one = replace(body, targets=replace(body.targets, patterns=(first,)))
        return [self._rename(one, statement), tree.Drop(tree.PatternList(tuple(others)), _COPIES, body.if_present)]

    def _is_same(self, name: tree.Pattern) -> bool:
        """Whether a `same` moves a variable as well, as far as that can be told: where there is an interface, the target has it."""
        declared = [one for line, _ in self.program.interface if line.side == "target" for one in line.names]
        if not is_exact(name) or (self.program.interface and not any(Matcher(one).fits(_path(name)) for one in declared)):
            return False
        lists = [rule.sources for rule in self.program.rules if rule.kind == "same" and rule.sources is not None]
        return any(
            any(Matcher(one).fits(_path(name)) for one in listed.patterns)
            and not any(Matcher(one).fits(_path(name)) for one in listed.exceptions)
            for listed in lists
        )

    def _ops(self, ops: tuple[tree.Op, ...], statement: tree.Statement, sides: Sides) -> tuple[tree.Op, ...]:
        turned, rounding = turned_around(self.operations[statement.span.start], ops, sides)
        self.diagnostics.extend(map(_note, rounding))
        return tuple(turned)

    def _kept(self, statement: tree.Statement) -> list[tree.Body] | None:
        """What a lossy rule read, kept as the target of the inverse has it, and what it wrote, dropped; None if it has not all of it."""
        body = statement.body
        if self.known is None or not isinstance(body, tree.Move | tree.Same):
            return None
        read, written = (body.names, body.names) if isinstance(body, tree.Same) else (body.sources, body.targets)
        names = {normal_name(name) for name in self.known}
        if not all(any(map(Matcher(pattern).fits, names)) for pattern in read.patterns):
            return None
        places = ", ".join(f"`{text_of(pattern)}`" for pattern in written.patterns)
        self.diagnostics.append(
            Diagnostic(
                "MIG706",
                f"{places} is not carried back",
                Label(statement.span, "keeps what the target has for its sources"),
                notes=("right as long as it was not changed since: training changes it",),
                helps=("if it may have changed, write the rule of the other direction by hand",),
                severity=Severity.WARNING,
            )
        )
        return [
            tree.Keep(read, "the spec loses what it reads here", body.if_present),
            tree.Drop(written, "what it was made of is kept", body.if_present),
        ]

    def _check_used(self, use: tree.Use, statement: tree.Statement) -> None:
        """What has no inverse in a used spec has none here."""
        mount = self.mounts[statement.span.start]
        if use.inverse:  # of a spec that was turned around already
            return
        for one in inverse_of(mount.program).diagnostics:
            self.diagnostics.append(in_a_use(one, statement.span))

    def _report(self, statement: tree.Statement, error: NoInverse) -> None:
        self.diagnostics.append(
            Diagnostic(
                "MIG701",
                f"{error.reason}: this rule has no inverse",
                Label(error.span or statement.span),
                notes=self._unknown(statement) if error.lost else (),
                helps=error.helps or ("write the rule of the other direction by hand",),
            )
        )

    def _unknown(self, statement: tree.Statement) -> tuple[str, ...]:
        """Which of the variables that a rule reads the target of the inverse has not, if there is one."""
        body = statement.body
        if self.known is None or not isinstance(body, tree.Move):
            return ()
        names = {normal_name(name) for name in self.known}
        lacking = [text_of(one) for one in body.sources.patterns if not any(map(Matcher(one).fits, names))]
        return (f"what is given has no {', '.join(f'`{name}`' for name in lacking)}",) if lacking else ()


def in_a_use(one: Diagnostic, use: Span) -> Diagnostic:
    """What is said of the inverse of a used spec, where it is used."""
    helps = ("write the rules of this layer out in place of the `use`, those of the other direction by hand",)
    return replace(one, uses=(use, *one.uses), helps=helps if one.code == "MIG701" else one.helps)


def _refuse_lost_ranges(body: tree.Move) -> None:
    """Raise `NoInverse` for an unnamed range on the left alone: on the right, where the inverse would have it, it narrows nothing."""
    said = {name for pattern in body.targets.patterns for name in unnamed_ranges(pattern)}
    for pattern in body.sources.patterns:
        if not said.issuperset(unnamed_ranges(pattern)):
            raise NoInverse("the range without a name stands on the left alone", pattern.span, "write it on both sides")


def _retitled(leading: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """The heading of a library spec, `tf1/dense: A -> B`, with its sides exchanged."""
    match = _TITLE.fullmatch(leading[0]) if leading and leading[0] is not None else None
    if match is None:
        return leading
    mark = "" if match["mark"] else MARK
    return (f"{match['name']}{mark}: {match['new']} -> {match['old']}", *leading[1:])


def _path(name: tree.Pattern) -> str:
    return normal_name(text_of(name))


def _note(one: Rounding) -> Diagnostic:
    return Diagnostic("MIG702", one.headline, Label(one.span), notes=(one.bound,), severity=Severity.NOTE)


def _sources_first(statements: list[tree.Statement]) -> list[tree.Statement]:
    """Where an interface was written sources first, the new sources come first, too; comments stay where they stood."""
    places = [place for place, one in enumerate(statements) if isinstance(one.body, tree.Interface)]
    sides = [one.body.side for one in statements if isinstance(one.body, tree.Interface)]
    if sides != sorted(sides, reverse=True) or places != list(range(places[0], places[-1] + 1) if places else ()):
        return statements
    lines = [statements[place] for place in places]
    ordered = sorted(lines, key=lambda one: isinstance(one.body, tree.Interface) and one.body.side == "target")
    moved = dict(zip(places, ordered, strict=True))
    heading = lines[0].leading if lines else ()
    if places and not any(one.leading for one in lines[1:]):  # what stands above the block stays above it
        moved = {place: replace(one, leading=heading if place == places[0] else ()) for place, one in moved.items()}
    return [moved.get(place, one) for place, one in enumerate(statements)]
