"""Hypothesis strategies: the cases of a reusable spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from migspec.diagnostics import file_error
from migspec.interface.check import at_case
from migspec.interface.example import (
    Choice,
    Impossible,
    counts,
    example,
    free_sizes,
    generations,
    most_members,
    optional_groups,
)
from migspec.interface.held import held
from migspec.testing.failure import PropertyFailure
from migspec.testing.settings import LARGEST, SMALLEST
from migspec.testing.subject import Subject, open_subject
from migspec.testing.trial import Trial
from migspec.text import Text

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from migspec.testing.case import Case

_SEEDS = 2**32 - 1
_MEMBERS = 4  # of a family, where the settings say nothing


def require_hypothesis() -> None:
    """Raises `SpecError` (MIG513) without hypothesis."""
    from importlib.util import find_spec

    if find_spec("hypothesis") is None:
        raise file_error(
            "MIG513", "migspec.testing", "cases are drawn by hypothesis", helps=("pip install 'migspec[testing]'",)
        )


def trials(subject: Subject) -> SearchStrategy[Trial]:
    """The cases of a spec, compiled or not: sizes within the ranges of its settings, a generation of names, which optional variables
    are there, numbers, a seed for the values. They shrink to small sizes, the first names, and everything there."""
    require_hypothesis()
    from hypothesis import reject
    from hypothesis import strategies as st

    program, settings = subject.program, subject.settings
    members, groups, names = counts(program), optional_groups(program), generations(program)
    most = most_members(program, _MEMBERS)
    ranges = {
        name: settings.sizes.get(name, (SMALLEST, most if name in members else LARGEST))
        for name in program.sizes
        if name in settings.sizes or name in free_sizes(program)
    }

    @st.composite
    def drawn(draw: DrawFn) -> Trial:
        sizes = {
            name: draw(st.integers(low, high) | st.just(high) if name in members else st.integers(low, high))
            for name, (low, high) in ranges.items()
        }
        generation = draw(st.integers(0, names - 1))
        present = frozenset[int]().union(*(group for group in groups if not draw(st.booleans())))
        chosen = {name: draw(st.sampled_from(values)) for name, values in settings.numbers.items()}
        seed = draw(st.integers(0, _SEEDS))
        try:
            one = example(program, Choice(sizes, generation, present, chosen))
        except Impossible:
            reject()
        return Trial(subject, held(program, one), seed)

    return drawn()


def cases(spec: str | Path | Text) -> SearchStrategy[Case]:
    """The cases of a spec with values of both sides, for tests of one's own: a file, or the name of a spec of the library.

    Raises `SpecError` as `open_subject` does, and MIG513 without hypothesis; a case in which the spec does not hold fails the test.
    """
    subject = open_subject(spec)

    def compiled(trial: Trial) -> Case:
        if trial.held.errors:
            choice = trial.held.example.choice
            raise PropertyFailure(at_case(subject.program, choice, one) for one in trial.held.errors)
        return trial.case

    return trials(subject).map(compiled)
