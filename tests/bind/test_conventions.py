"""Layouts that shapes cannot settle: where a rule is warned about, and what answers it."""

from __future__ import annotations

import pytest
from binding import compiled

from migspec.check.conventions import fits_both_ways


@pytest.mark.parametrize(
    ("spec", "source", "target"),
    [
        ("rename a.weight -> a/kernel", "a.weight [4, 4]", "a/kernel [4, 4]"),
        ("rename a/kernel -> a.weight", "a/kernel [4, 4]", "a.weight [4, 4]"),
        ("rename a.weight -> a/kernel", "a.weight [3, 5, 3]", "a/kernel [3, 5, 3]"),
        ("rename q.weight, k.weight -> a/kernel  concat columns", "q.weight [4, 4]\nk.weight [4, 4]", "a/kernel [4, 8]"),
        ("rename {i}.weight -> a/kernel  stack 0", "0.weight [4, 4]\n1.weight [4, 4]", "a/kernel [2, 4, 4]"),
        ("rename a.weight -> q/kernel, k/kernel  split rows", "a.weight [8, 4]", "q/kernel [4, 4]\nk/kernel [4, 4]"),
        ("rename a.weight -> a/kernel  reshape", "a.weight [4, 4, 1, 1]", "a/kernel [4, 4]"),
        ("rename r.weight_hh_l0 -> a/kernel  flip 0", "r.weight_hh_l0 [8, 8]", "a/kernel [8, 8]"),
    ],
)
def test_one_warning_a_rule(spec: str, source: str, target: str) -> None:
    assert [one.code for one in compiled(spec, source, target).diagnostics] == ["MIG407"]
    looked = spec.replace(" -> ", " -> ", 1) + "  as is"
    assert compiled(looked, source, target).diagnostics == ()


def test_no_warning_within_one_convention() -> None:
    assert compiled("rename a/weights -> a/kernel", "a/weights [4, 4]", "a/kernel [4, 4]").diagnostics == ()
    assert compiled("rename a.weight -> e/embeddings", "a.weight [4, 4]", "e/embeddings [4, 4]").diagnostics == ()


@pytest.mark.parametrize("shape", [(4,), (4, 5), (1, 1), (1, 5, 1), (3, 3, 4, 5), (3, 5, 3, 5), ()])
def test_shapes_that_fit_one_way_or_need_no_order(shape: tuple[int, ...]) -> None:
    assert not fits_both_ways(shape)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5, 3), (3, 3, 3, 3), (3, 5, 3, 5, 3)])
def test_shapes_that_fit_both_ways(shape: tuple[int, ...]) -> None:
    assert fits_both_ways(shape)
