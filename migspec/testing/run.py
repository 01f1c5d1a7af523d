"""Properties of a spec tried in many cases; what fails is shrunk to the smallest sizes that show it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from migspec.diagnostics import Diagnostic, SpecError
from migspec.interface.check import no_sizes
from migspec.testing.failure import PropertyFailure
from migspec.testing.properties import INTERFACE, PROPERTIES, Property
from migspec.testing.strategies import require_hypothesis, trials
from migspec.testing.subject import Subject, open_subject
from migspec.testing.trial import Trial

EXAMPLES = 25
"""How many cases a property is tried in, where nobody says."""

UNSOUND = "the interface does not hold"
"""Why the other properties are skipped then."""

_REPEATS = 4  # so many times as many cases as are asked for are drawn again because their sizes were tried already
_SHRINKS = 150  # cases that are tried to make a failing one smaller


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """What came of one property of a spec: in how many cases it was tried, the largest difference if it measures one, why it was
    skipped, what is wrong, and which sizes whoever uses the spec must give it."""

    property: Property
    status: Literal["held", "failed", "skipped"]
    cases: int = 0
    difference: float | None = None
    reason: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    parameters: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """`Outcome(oracle held, 25 cases, largest difference 2.4e-07)`; all that a property is made of would be too long to read."""
        facts = [] if self.status == "skipped" else [f"{self.cases} {'case' if self.cases == 1 else 'cases'}"]
        if self.difference is not None and self.status == "held":
            facts.append(f"largest difference {self.difference:.2g}")
        facts.extend(f"{one.code}: {one.message}" for one in self.diagnostics)
        facts.extend([self.reason] if self.reason is not None else [])
        return f"Outcome({', '.join([f'{self.property.name} {self.status}', *facts])})"


def run_property(subject: Subject, one: Property, *, examples: int = EXAMPLES, seed: int = 0) -> Outcome:
    """Try one property in `examples` cases. The same spec, seed and examples give the same cases.

    Raises `SpecError` (MIG513) without hypothesis.
    """
    require_hypothesis()
    try:
        reason = one.inapplicable(subject)
    except SpecError as error:
        return Outcome(one, "failed", diagnostics=error.diagnostics)
    if reason is not None:
        return Outcome(one, "skipped", reason=reason)
    return _Run(subject, one, examples).outcome(seed)


def run_properties(
    subject: Subject, *, examples: int = EXAMPLES, seed: int = 0, skip: Collection[str] = ()
) -> Iterator[Outcome]:
    """Try every property, but for those whose names are in `skip`. Where the interface does not hold, nothing else is tried.

    Raises ValueError for a name in `skip` that no property has, or if `skip` is one string rather than several.
    """
    _check_names(skip)
    return _outcomes(subject, examples, seed, skip)


def _check_names(skip: Collection[str]) -> None:
    known = [one.name for one in PROPERTIES]
    if isinstance(skip, str):
        raise ValueError(f"skip takes a list of names, not one string: [{skip!r}]; the properties are {', '.join(known)}")
    for name in skip:
        if name not in known:
            raise ValueError(f"there is no property {name!r} to skip; the properties are {', '.join(known)}")


def _outcomes(subject: Subject, examples: int, seed: int, skip: Collection[str]) -> Iterator[Outcome]:
    for one in PROPERTIES:
        if one.name in skip:
            yield Outcome(one, "skipped", reason="left out, as asked")
            continue
        outcome = run_property(subject, one, examples=examples, seed=seed)
        yield outcome
        if outcome.status == "failed" and one is INTERFACE:
            for other in PROPERTIES:
                if other is not INTERFACE:
                    yield Outcome(other, "skipped", reason=UNSOUND)
            return


def assert_sound(
    spec: str | Path, *, examples: int = EXAMPLES, seed: int = 0, skip: Collection[str] = ()
) -> tuple[Outcome, ...]:
    """Every property of a spec, in a test of one's own, but for those whose names are in `skip`.

    Raises `PropertyFailure`, an AssertionError, with what does not hold, `SpecError` as `open_subject` does, and ValueError as
    `run_properties` does; returns what was tried, and what was skipped and why.
    """
    outcomes = tuple(run_properties(open_subject(spec), examples=examples, seed=seed, skip=skip))
    found = [diagnostic for outcome in outcomes for diagnostic in outcome.diagnostics]
    if found:
        raise PropertyFailure(found)
    return outcomes


class _Run:
    """One property in many cases. What is found out about a case is remembered: a case that is shrunk is looked at more than once."""

    def __init__(self, subject: Subject, one: Property, examples: int) -> None:
        self._subject, self._property, self._examples = subject, one, examples
        self._cases = 0
        self._difference: float | None = None
        self._parameters: dict[str, None] = {}
        self._failures: dict[object, PropertyFailure] = {}
        self._shrinks = 0
        self._seen: set[object] = set()
        self._repeats = 0
        self._held: list[Trial] = []

    def outcome(self, seed: int) -> Outcome:
        """Let hypothesis draw the cases, and make a failing one smaller."""
        import hypothesis
        from hypothesis import HealthCheck, Phase, Verbosity, settings
        from hypothesis.errors import Flaky, Unsatisfiable

        run = hypothesis.seed(seed)(
            settings(
                max_examples=self._examples,
                database=None,
                deadline=None,
                derandomize=False,
                phases=(Phase.generate, Phase.shrink),
                print_blob=False,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                verbosity=Verbosity.quiet,
            )(hypothesis.given(trials(self._subject))(self._try))
        )
        try:
            run()
        except PropertyFailure as failure:
            return self._finished("failed", failure.diagnostics)
        except Unsatisfiable:
            return self._finished("failed", (no_sizes(self._subject.program),))
        except Flaky:
            return self._finished("failed", (self._unsteady(),))
        nothing = self._showing_nothing()
        return self._finished("held") if nothing is None else self._finished("failed", (nothing,))

    def _try(self, trial: Trial) -> None:
        from hypothesis import reject

        example = trial.held.example
        choice = example.choice
        kind = (tuple(choice.sizes.items()), choice.generation, choice.present, tuple(choice.numbers.items()))
        key = (kind, trial.seed)
        if key in self._failures:
            raise self._failures[key]
        if self._failures:
            self._shrinks += 1
            if self._shrinks > _SHRINKS:
                return
        elif kind in self._seen and self._repeats < _REPEATS * self._examples:
            self._repeats += 1  # hypothesis likes to draw what it has drawn before; other sizes show more than other values
            reject()
        else:
            self._seen.add(kind)
            self._cases += 1
        self._parameters |= dict.fromkeys(trial.held.parameters)
        try:
            difference = self._property.holds(trial)
        except PropertyFailure as failure:
            self._failures[key] = failure
            raise
        if difference is not None and not self._failures:
            self._difference = max(difference, self._difference or 0.0)
        if not self._failures:
            self._held.append(trial)

    def _showing_nothing(self) -> Diagnostic | None:
        """What is wrong if all cases held for a reason that is none. One that did not is enough."""
        found = None
        for trial in self._held:
            one = self._property.shows_nothing(trial)
            if one is None:
                return None
            found = found or one
        return found

    def _finished(self, status: Literal["held", "failed"], diagnostics: tuple[Diagnostic, ...] = ()) -> Outcome:
        return Outcome(
            self._property,
            status,
            self._cases,
            self._difference,
            diagnostics=diagnostics,
            parameters=tuple(self._parameters),
        )

    def _unsteady(self) -> Diagnostic:
        return Diagnostic(
            "MIG717",
            f"`{self._property.name}` has two answers for one case",
            file=str(self._subject.settings.path),
            helps=("an oracle draws all that is random from `case.random`, and keeps nothing from one case to the next",),
        )
