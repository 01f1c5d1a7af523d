"""Flax's batch norm lies in two collections: how the spec of the library is mounted on it."""

from __future__ import annotations

from notation import variables_of

from migspec.compiler import compile_spec
from migspec.diagnostics import Severity
from migspec.diagnostics.render import render
from migspec.text import Text

SOURCE = """\
params/BatchNorm_0/scale [4] float32
params/BatchNorm_0/bias [4] float32
params/BatchNorm_1/scale [5] float32
params/BatchNorm_1/bias [5] float32
batch_stats/BatchNorm_0/mean [4] float32
batch_stats/BatchNorm_0/var [4] float32
batch_stats/BatchNorm_1/mean [5] float32
batch_stats/BatchNorm_1/var [5] float32
"""
TARGET = "".join(
    f"batch_normalization{ending}/{name} [{length}] float32\n"
    for ending, length in (("", 4), ("_1", 5))
    for name in ("gamma", "beta", "moving_mean", "moving_variance")
)


def test_a_capture_of_the_source_alone_gathers_both_collections() -> None:
    spec = Text("spec.mig", "use flax/batch_norm {collection}/BatchNorm_{i} -> batch_normalization{_i}\n")
    result = compile_spec(spec, variables_of("old", SOURCE), variables_of("new", TARGET))
    assert not result.diagnostics, render(result.diagnostics)
    assert result.binding is not None
    moved = {bound.target.name: [one.name for one in bound.sources] for bound in result.binding.bound}
    assert moved["batch_normalization_1/gamma"] == ["params/BatchNorm_1/scale"]
    assert moved["batch_normalization_1/moving_mean"] == ["batch_stats/BatchNorm_1/mean"]
    assert len(moved) == 8


def test_a_capture_of_the_target_alone_gathers_too() -> None:
    """So that it holds for a spec turned around as well."""
    target = (
        TARGET.replace("batch_normalization/", "a/").replace("batch_normalization_1/", "a_1/").replace("a/moving", "b/moving")
    )
    target = target.replace("a_1/moving", "b_1/moving")
    spec = Text("spec.mig", "use flax/batch_norm {collection}/BatchNorm_{i} -> {w:a|b}{_i}\n")
    result = compile_spec(spec, variables_of("old", SOURCE), variables_of("new", target))
    assert not result.diagnostics, render(result.diagnostics)


def test_what_fits_one_line_twice_is_an_error() -> None:
    spec = Text("spec.mig", "use flax/batch_norm {collection}/{layer} -> batch_normalization\n")
    target = "".join(line for line in TARGET.splitlines(keepends=True) if "_1/" not in line)
    result = compile_spec(spec, variables_of("old", SOURCE), variables_of("new", target))
    assert {one.code for one in result.diagnostics if one.severity is Severity.ERROR} == {"MIG208"}
    assert "`params/BatchNorm_0/scale` float32 [4], `params/BatchNorm_1/scale` float32 [5]" in render(result.diagnostics)
