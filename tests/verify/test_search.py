"""The search for corrections: what it says of itself when it runs out of tries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy
import pytest

from migspec.verify.blame.cause import _nothing_found
from migspec.verify.blame.correction import Correction
from migspec.verify.blame.experiment import Experiment, Score
from migspec.verify.blame.search import Found, search
from migspec.verify.feeding import Fed
from migspec.verify.sides.called import called


class Places:
    """An experiment on one number for each correction: `left` says what is left of the difference with these numbers set."""

    def __init__(self, count: int, left: Callable[[frozenset[str]], float]) -> None:
        self.values = {str(place): numpy.zeros(1) for place in range(count)}
        self.runs = 0
        self._left = left

    def score(self, values: Mapping[str, numpy.ndarray]) -> Score:
        self.runs += 1
        left = self._left(frozenset(values))
        return Score(left == 0, left)


def setting(place: int) -> Correction:
    return Correction((), str(place), lambda values: {str(place): values[str(place)] + 1})


def searched(count: int, tries: int, left: Callable[[frozenset[str]], float]) -> Found:
    places = Places(count, left)
    found = search(cast("Experiment", places), map(setting, range(count)), tries)
    assert found.tried == places.runs <= tries
    return found


def nothing_helps(_: frozenset[str]) -> float:
    return 1.0


def some_help(set_now: frozenset[str]) -> float:
    """Three of them help, and never quite."""
    return 0.8 ** len(set_now & {"0", "1", "2"})


@pytest.mark.parametrize(("tries", "stopped"), [(0, True), (9, True), (10, False), (11, False)])
def test_one_round(tries: int, stopped: bool) -> None:
    assert searched(10, tries, nothing_helps).stopped == stopped


def test_it_has_stopped_until_it_needs_no_more_tries() -> None:
    whole = searched(10, 10**6, some_help)
    assert not whole.stopped and whole.tried == 10 + 3 * 9 + 3 * 8
    for tries in range(whole.tried):
        found = searched(10, tries, some_help)
        assert (found.stopped, found.tried) == (True, tries)
    assert not searched(10, whole.tried, some_help).stopped


def test_what_mends_all_ends_it() -> None:
    found = searched(10, 5, lambda set_now: 0.0 if "4" in set_now else 1.0)
    assert found.score.passed and not found.stopped and found.tried == 5


def test_a_search_that_stopped_says_so_before_it_speaks_of_the_graphs() -> None:
    side = called(lambda x: x, "new")
    fed = Fed({}, {}, ())
    stopped = _nothing_found((side, side), fed, searched(10, 7, nothing_helps), [], 3)
    assert stopped.code == "MIG606"
    assert stopped.message == "the search for variables that were moved wrongly stopped before it was done, after 7 tries"
    assert "--tries 1000" in stopped.helps[0] and "graphs differ" in stopped.helps[1]
    assert not any("more were not" in note for note in stopped.notes)
    done = _nothing_found((side, side), fed, searched(10, 10, nothing_helps), [], 3)
    assert done.message == "the graphs themselves differ, as far as can be told"
    assert not any("--tries" in one for one in done.helps)
