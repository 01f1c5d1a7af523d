"""The search for the corrections that make a difference vanish."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from migspec.verify.blame.correction import Correction
from migspec.verify.blame.experiment import Experiment, Score

if TYPE_CHECKING:
    import numpy

ROUNDS: Final = 3
"""How many mistakes may have come together."""

WIDTH: Final = 3
"""How many of the best are tried with a second correction."""

GAIN: Final = 0.9
"""A correction is carried on if it leaves at most this share of the difference."""


@dataclass(frozen=True)
class Found:
    """The corrections that came nearest, in the order in which they were made, and what they left of the difference.

    `stopped` says that there was more to try than `tries` allowed. How much more is not known: what is tried next depends on what
    the trials before it gave.
    """

    steps: tuple[Correction, ...]
    score: Score
    tried: int
    stopped: bool


@dataclass(frozen=True)
class _State:
    steps: tuple[Correction, ...]
    values: dict[str, numpy.ndarray]
    score: Score


def search(experiment: Experiment, candidates: Iterable[Correction], tries: int) -> Found:
    """Try every correction alone, then the best ones with a second and a third, in at most `tries` runs of the model.

    It ends at the first that makes all outputs agree. The experiment is left as it is after the last trial.
    """
    every = list(candidates)
    best = _State((), {}, Score(False, 1.0))
    front = [best]
    runs = 0
    stopped = False
    for _ in range(ROUNDS):
        reached: list[_State] = []
        for state in front:
            for correction in every:
                if correction in state.steps:
                    continue
                if runs >= tries:
                    stopped = True
                    break
                values = state.values | correction.change({**experiment.values, **state.values})
                score = experiment.score(values)
                runs += 1
                if score is None:
                    continue
                after = _State((*state.steps, correction), values, score)
                if score.passed:
                    return Found(after.steps, score, runs, stopped=False)
                if score.left <= GAIN * state.score.left:
                    reached = sorted([*reached, after], key=lambda state: state.score.left)[:WIDTH]
        if reached and reached[0].score.left < best.score.left:
            best = reached[0]
        front = reached
        if not front or stopped:
            break
    return Found(best.steps, best.score, runs, stopped)
