"""The properties that a reusable spec is tested for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from migspec.diagnostics import Diagnostic, Label
from migspec.interface.check import at_case, clashes
from migspec.interface.held import settled_sizes
from migspec.rules import Program, Rule
from migspec.testing.blame import blamed
from migspec.testing.elements import misplaced
from migspec.testing.failure import PropertyFailure
from migspec.testing.inverse import not_back
from migspec.testing.oracle import OracleFailure, blind, largest_difference, load_oracle, missing
from migspec.testing.subject import Subject
from migspec.testing.trial import Trial, Values

_HELP = "look at this rule first: the outputs differ through what it moves"
_RULES = 4  # so many of those that may be to blame are shown


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a spec.

    `holds` raises `PropertyFailure` if it does not hold in a case, and gives the largest difference that it measured, if it measures
    one. `shows_nothing` says what is wrong if it would hold in this case whatever the values are; None if it would not, or where that
    cannot be told. `inapplicable` says why a spec cannot have it, None if it can; it raises `SpecError` if that cannot be found out.
    """

    name: str
    title: str
    holds: Callable[[Trial], float | None]
    inapplicable: Callable[[Subject], str | None] = lambda _: None
    shows_nothing: Callable[[Trial], Diagnostic | None] = lambda _: None


def _interface_holds(trial: Trial) -> None:
    program, example = trial.subject.program, trial.held.example
    _fail(trial, (*clashes(program, example), *trial.held.errors))


def _sizes_settle(trial: Trial) -> None:
    """The sizes that the shapes settle are those that made the shapes; none is another one's by chance."""
    _require_sound(trial)
    program, example = trial.subject.program, trial.held.example
    wrong = [
        Diagnostic(
            "MIG714",
            f"the size `{name}` is {example.values[name]}, and the shapes make it {value}",
            _label(program, name),
            helps=("let a `source` or `target` line name it by itself, `[..., " + name + "]`",),
        )
        for name, value in settled_sizes(program, example).items()
        if value is not None and name in example.values and value != example.values[name]
    ]
    _fail(trial, wrong)


def _elements_move(trial: Trial) -> None:
    _require_sound(trial)
    _fail(trial, misplaced(trial))


def _inverse_is_identity(trial: Trial) -> None:
    _require_sound(trial)
    inverse = trial.subject.inverse
    assert isinstance(inverse, Program)
    _fail(trial, not_back(trial, inverse))


def _no_inverse(subject: Subject) -> str | None:
    inverse = subject.inverse
    if isinstance(inverse, Program):
        return None
    lossy = [one.message for one in inverse.diagnostics if one.code == "MIG701"]
    if not lossy:
        raise inverse
    return f"the spec has no inverse: {lossy[0]}"


def _outputs_agree(trial: Trial) -> float:
    """The largest difference between the outputs of the old layer and the new one."""
    _require_sound(trial)
    settings = trial.subject.settings
    oracle = load_oracle(settings)
    try:
        difference, where = largest_difference(settings, oracle, trial.case)
    except OracleFailure as failure:
        _fail(trial, [failure.diagnostic])
    if difference <= settings.tolerance:
        return difference

    def differ(source: Values) -> bool:
        try:
            return largest_difference(settings, oracle, trial.case_of(source))[0] > settings.tolerance
        except OracleFailure:
            return False

    blame = blamed(trial, differ)
    first, *others = map(_rule_label, blame.rules[:_RULES])
    helps = (_HELP,) if len(blame.rules) == 1 else ()
    message = f"the old layer and the new one differ by {difference:.6g}"
    notes = (
        f"the largest difference is {where}",
        f"the tolerance is {settings.tolerance:g}; the oracle: {settings.oracle}",
        blame.reason,
    )
    _fail(trial, [Diagnostic("MIG716", message, first, tuple(others), notes, helps)])
    return difference


def _outputs_ignore_weights(trial: Trial) -> Diagnostic | None:
    """Other values for all source variables, the same inputs: an output must change."""
    other = replace(trial, seed=trial.seed + 1).source
    moved = {source.name for bound in trial.held.binding.bound for source in bound.sources}
    if all((other[name] == trial.source[name]).all() for name in moved):
        return None  # nothing is moved, or nothing can have another value
    settings = trial.subject.settings
    found = blind(settings, load_oracle(settings), trial.case, trial.case_of(other))
    return None if found is None else at_case(trial.subject.program, trial.held.example.choice, found)


def _no_oracle(subject: Subject) -> str | None:
    if subject.settings.oracle is None:
        return f"{subject.settings.path.name} names no oracle" if subject.settings.path.is_file() else "there is no oracle"
    lacking = missing(subject.settings)
    if lacking is None:
        load_oracle(subject.settings)
    return lacking


def _rule_label(rule: Rule) -> Label:
    listed = rule.targets or rule.sources
    assert listed is not None
    return Label(listed.patterns[0].span or rule.span)


def _label(program: Program, name: str) -> Label | None:
    span = program.sizes[name].span
    return None if span is None else Label(span)


def _require_sound(trial: Trial) -> None:
    """A case in which the spec does not even hold has no other property; `interface` reports it."""
    _fail(trial, trial.held.errors)


def _fail(trial: Trial, found: Iterable[Diagnostic]) -> None:
    """Raise `PropertyFailure` for what was found, if anything was, with a note that names the case."""
    diagnostics = [at_case(trial.subject.program, trial.held.example.choice, one) for one in found]
    if diagnostics:
        raise PropertyFailure(diagnostics)


INTERFACE = Property("interface", "the interface holds, and both sides are covered", _interface_holds)
ORACLE = Property(
    "oracle", "the old layer and the new one compute the same", _outputs_agree, _no_oracle, _outputs_ignore_weights
)
PROPERTIES: tuple[Property, ...] = (
    INTERFACE,
    Property("sizes", "the sizes that the shapes settle are those that made them", _sizes_settle),
    Property("elements", "every element moves as its rule says", _elements_move),
    Property("inverse", "inverse after forward is the identity", _inverse_is_identity, _no_inverse),
    ORACLE,
)
"""Every property, the cheapest first. Each holds only where the first one does."""
