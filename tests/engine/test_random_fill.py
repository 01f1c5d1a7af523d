"""Random fills: the same everywhere and always, in any order, and random."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.expression import Normal, Uniform
from migspec.random_fill import draw, standard_normal_quantiles

DISTRIBUTIONS = (Normal(0.02, 7, "dense/kernel"), Uniform(-0.1, 0.1, 7, "dense/kernel"))


PINNED_NORMAL = ["0x1.c63c7cc65a259p-2", "0x1.9b5a4472a6cf2p+1", "0x1.125e56a041c71p+1", "0x1.cb3b09e9f256dp-1"]
PINNED_FAR = ["0x1.171ed9371b1bdp-2", "0x1.052d83d2d88e1p+0"]
PINNED_UNIFORM = ["0x1.57b8a26699960p-1", "0x1.ffaa1f20f1be7p-1", "0x1.f7ca1630e01c4p-1", "0x1.a157d2323518ep-1"]


def test_these_values_are_a_promise() -> None:
    assert [value.hex() for value in draw(Normal(1.0, 7, "dense/kernel"), 0, 4).tolist()] == PINNED_NORMAL
    assert [value.hex() for value in draw(Normal(1.0, 7, "dense/kernel"), 10**12, 2).tolist()] == PINNED_FAR
    assert [value.hex() for value in draw(Uniform(0.0, 1.0, 7, "dense/kernel"), 0, 4).tolist()] == PINNED_UNIFORM


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DISTRIBUTIONS), st.integers(0, 70_000), st.integers(0, 300))
def test_any_block_is_that_part_of_the_whole(distribution: Normal | Uniform, start: int, count: int) -> None:
    whole = draw(distribution, 0, 71_000)
    assert (draw(distribution, start, count) == whole[start : start + count]).all()


def test_other_seeds_and_other_names_give_other_values() -> None:
    draws = [draw(Normal(1.0, seed, stream), 0, 1000) for seed in (-1, 0, 1, 2**70) for stream in ("a", "b", "1\na", "")]
    correlations = numpy.corrcoef(draws) - numpy.eye(len(draws))
    assert numpy.abs(correlations).max() < 0.15


def test_normal_moments_and_distribution() -> None:
    count = 400_000
    values = draw(Normal(1.0, 1, "w"), 0, count)
    assert abs(values.mean()) < 4 / math.sqrt(count)
    assert abs(values.std() - 1) < 4 / math.sqrt(2 * count)
    assert abs((values**3).mean()) < 4 * math.sqrt(15 / count)
    assert abs((values**4).mean() - 3) < 4 * math.sqrt(96 / count)
    # Kolmogorov-Smirnov: the chance of a larger distance than 1.95 / sqrt(n) is 1 in 1000
    steps = numpy.array([NormalDist().cdf(value) for value in numpy.sort(values)[::100]])
    assert numpy.abs(steps - numpy.arange(0, count, 100) / count).max() < 2 / math.sqrt(count)


def test_uniform_range_and_distribution() -> None:
    values = draw(Uniform(-0.1, 0.3, 1, "w"), 0, 400_000)
    assert values.min() >= -0.1
    assert values.max() < 0.3
    counts, _ = numpy.histogram(values, 100, (-0.1, 0.3))
    assert abs(((counts - 4000) ** 2 / 4000).sum() - 99) < 4 * math.sqrt(2 * 99)


def test_uniform_stays_below_high_where_rounding_would_reach_it() -> None:
    high = math.nextafter(1.0, 2.0)
    assert set(draw(Uniform(1.0, high, 1, "w"), 0, 1000).tolist()) == {1.0}
    assert draw(Uniform(1.0, 1.0, 1, "w"), 0, 3).tolist() == [1.0] * 3


@pytest.mark.parametrize("stddev", [0.0, 1.0, 0.02])
def test_stddev_is_a_factor(stddev: float) -> None:
    assert (draw(Normal(stddev, 7, "w"), 0, 10) == draw(Normal(1.0, 7, "w"), 0, 10) * stddev).all()


def test_quantiles_are_those_of_the_standard_library() -> None:
    small = [10.0**-exponent for exponent in numpy.linspace(0.31, 15.6, 400)]
    probabilities = numpy.array([*small, *(1 - p for p in small), 0.5, 0.075, 0.925])
    expected = numpy.array([NormalDist().inv_cdf(p) for p in probabilities])
    assert numpy.allclose(standard_normal_quantiles(probabilities), expected, rtol=2e-15, atol=1e-17)
