"""The plan: what a compiled spec will do, with the statement that caused each part, and what it was compiled against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from migspec.bind.types import Binding, Instance
from migspec.cells import is_random_state
from migspec.diagnostics import Diagnostic, Severity, SpecError
from migspec.expression import Expression, Fill
from migspec.library import called
from migspec.rules import Rule
from migspec.text import Span, Text
from migspec.variables import VariableMap


@dataclass(frozen=True, slots=True)
class Cause:
    """A statement of a spec: which spec (one of the library by its name, any other by its file), which line, its text in one line;
    `uses` are the `use` statements that led there.

    That of an optimizer's slot is the `slots` statement, and the last of `uses` is then the rule of its weight.
    """

    spec: str
    line: int
    text: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """One target variable and the expression that fills it. `sources` are the source variables that it reads."""

    target: str
    expression: Expression
    sources: tuple[str, ...]
    cause: Cause


@dataclass(frozen=True, slots=True)
class Left:
    """A variable that is kept or dropped.

    `cause` is None where no statement says so: for what needs none, random state and an optimizer that the spec does not speak of,
    and for what `--allow` lets pass, where `because` names the option.
    """

    variable: str
    cause: Cause | None
    because: str | None = None

    @property
    def unasked(self) -> str | None:
        """What it is, if it needs no statement."""
        if self.cause is not None or self.because is not None:
            return None
        return "random state" if is_random_state(self.variable) else "optimizer state"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What something was when the plan was made: its label and the SHA-256 of its content."""

    label: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a migration does. `allowed` are the findings that `--allow` let pass, `notes` what the reader should know.

    `vocabularies` are the token files that were read: the expressions hold what they said.
    """

    specs: tuple[Fingerprint, ...]
    source: Fingerprint
    target: Fingerprint
    moves: tuple[Move, ...]
    kept: tuple[Left, ...]
    dropped: tuple[Left, ...]
    allowed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    vocabularies: tuple[Fingerprint, ...] = ()


def make_plan(binding: Binding, diagnostics: Iterable[Diagnostic], allowed: Iterable[Diagnostic] = ()) -> Plan:
    """The plan of a binding without errors. Its notes are the notes and warnings among the diagnostics, and those of the rules."""
    allowed = tuple(allowed)
    codes = {one.code for one in allowed}
    causes: dict[tuple[Rule, tuple[Span, ...]], Cause] = {}

    def cause(rule: Rule, uses: tuple[Span, ...] = ()) -> Cause:
        key = (rule, uses)
        if key not in causes:
            causes[key] = _cause(rule.span, uses)
        return causes[key]

    notes = dict.fromkeys(note for bound in binding.bound for note in bound.instance.notes)
    notes.update(dict.fromkeys(_note(one) for one in diagnostics if one.severity is not Severity.ERROR))
    moves = tuple(
        Move(
            bound.target.name,
            bound.expression,
            tuple(variable.name for variable in bound.sources),
            cause(bound.instance.rule, _led_by(bound.instance)),
        )
        for bound in sorted(binding.bound, key=lambda bound: binding.target.place(bound.target.name))
    )
    return Plan(
        tuple(_text_fingerprint(text) for text in dict.fromkeys(binding.program.texts())),
        map_fingerprint(binding.source),
        map_fingerprint(binding.target),
        moves,
        tuple(
            Left(one.target.name, None if one.rule is None else cause(one.rule), one.rule.because if one.rule else None)
            for one in sorted(binding.kept, key=lambda one: binding.target.place(one.target.name))
        )
        + _let_pass("MIG202", binding.target, binding.covered, codes),
        tuple(
            Left(one.source.name, None if one.rule is None else cause(one.rule), one.rule.because if one.rule else None)
            for one in sorted(binding.dropped, key=lambda one: binding.source.place(one.source.name))
        )
        + _let_pass("MIG201", binding.source, binding.used, codes),
        tuple(f"{one.code}: {one.message}" for one in allowed),
        tuple(notes),
        tuple(dict.fromkeys(Fingerprint(one.path, one.sha256) for one in binding.program.vocabularies())),
    )


def _led_by(instance: Instance) -> tuple[Span, ...]:
    """The statements that led to an instance: the `use`s, and for an optimizer's slots the rule of their weight."""
    uses = instance.scope.uses
    return uses if instance.follows is None else (*uses, instance.follows.rule.span)


def _let_pass(code: str, variables: VariableMap, accounted: Collection[str], codes: Collection[str]) -> tuple[Left, ...]:
    """The variables that no statement speaks of, where `--allow` lets that pass: they stand in the plan like all others."""
    if code not in codes:
        return ()
    return tuple(Left(one.name, None, f"--allow {code}") for one in variables if one.name not in accounted)


def map_fingerprint(variables: VariableMap) -> Fingerprint:
    """The fingerprint of a variable map: of names, shapes and dtypes, in whatever order."""
    content = sorted((variable.name, variable.shape, variable.dtype) for variable in variables)
    return Fingerprint(variables.label, hashlib.sha256(json.dumps(content).encode()).hexdigest())


def check_fresh(plan: Plan, source: VariableMap, target: VariableMap) -> None:
    """Raise SpecError (MIG510) if a plan was made for other variables, or from a spec that has changed since."""
    from pathlib import Path

    stale: list[Diagnostic] = []
    for then, now, side in ((plan.source, source, "source"), (plan.target, target, "target")):
        if map_fingerprint(now).sha256 != then.sha256:
            stale.append(
                Diagnostic(
                    "MIG510",
                    f"the plan is stale: the variables of the {side} are not those that it was made for",
                    file=now.label,
                    notes=(f"it was made for {then.label}, whose names, shapes or dtypes were others",),
                    helps=("make the plan again: `migspec plan`",),
                )
            )
    for spec in plan.specs:
        try:
            text = Path(spec.label).read_bytes().decode("utf-8", "replace")  # line ends as they are, as when it was compiled
        except OSError:
            continue  # a plan may travel without its spec
        if _text_fingerprint(Text(spec.label, text)).sha256 != spec.sha256:
            stale.append(
                Diagnostic(
                    "MIG510",
                    "the plan is stale: the spec has changed since it was made",
                    file=spec.label,
                    helps=("make the plan again: `migspec plan`",),
                )
            )
    for vocabulary in plan.vocabularies:
        try:
            content = Path(vocabulary.label).read_bytes()
        except OSError:
            continue  # nor does it need its vocabularies
        if hashlib.sha256(content).hexdigest() != vocabulary.sha256:
            stale.append(
                Diagnostic(
                    "MIG510",
                    "the plan is stale: a vocabulary has changed since it was made",
                    file=vocabulary.label,
                    helps=("make the plan again: `migspec plan`",),
                )
            )
    if stale:
        raise SpecError(stale)


def _cause(span: Span, uses: tuple[Span, ...]) -> Cause:
    return Cause(
        called(span.text.name),
        span.line,
        _one_line(span),
        tuple(f"{called(use.text.name)}:{use.line}: {_one_line(use)}" for use in uses),
    )


def _one_line(span: Span) -> str:
    return " ".join(span.content.split())


def _note(diagnostic: Diagnostic) -> str:
    place = f" ({called(diagnostic.primary.span.text.name)}:{diagnostic.primary.span.line})" if diagnostic.primary else ""
    return f"{diagnostic.code}: {diagnostic.message}{place}"


def _text_fingerprint(text: Text) -> Fingerprint:
    return Fingerprint(text.name, hashlib.sha256(text.content.encode()).hexdigest())


def is_fill(move: Move) -> bool:
    """Whether a move makes its target anew and reads nothing."""
    return isinstance(move.expression, Fill)
