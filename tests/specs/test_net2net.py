"""Wider networks that compute what the old ones did: outputs of real Keras layers of random sizes, before and after."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow as Keras' backend")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, whose layers are the oracle")

import migspec  # noqa: E402
from migspec.compiler import compile_spec  # noqa: E402
from migspec.text import Text  # noqa: E402
from migspec.variables import Variable, VariableMap  # noqa: E402

layers = keras.layers
some = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
sizes = st.integers(1, 7)
factors = st.integers(1, 5)


def randomised(model: Any, seed: int) -> Any:
    """The model with every weight random, variances positive."""
    generator = numpy.random.default_rng(seed)
    for variable in model.variables:
        values = generator.standard_normal(variable.shape).astype(numpy.float32)
        variable.assign(numpy.abs(values) + 0.5 if variable.path.endswith("variance") else values)
    return model


def largest_difference(folder: Path, spec: str, old: Any, new: Any, shape: tuple[int, ...]) -> float:
    """Migrate one live model into the other, and compare what they compute, as a part of the largest output."""
    (folder / "spec.mig").write_text(spec)
    migspec.compile(folder / "spec.mig", randomised(old, 1), randomised(new, 2)).apply()
    x = numpy.random.default_rng(3).standard_normal((4, *shape)).astype(numpy.float32)
    expected = numpy.asarray(old(x))
    return float(numpy.abs(numpy.asarray(new(x)) - expected).max() / max(1.0, numpy.abs(expected).max()))


@some
@given(sizes, sizes, sizes, factors, st.booleans())
def test_a_dense_pair(tmp_path: Path, inputs: int, units: int, outputs: int, factor: int, bias: bool) -> None:
    def network(width: int) -> Any:
        return keras.Sequential(
            [
                keras.Input((inputs,)),
                layers.Dense(width, "tanh", use_bias=bias, name="hidden"),
                layers.Dense(outputs, use_bias=bias, name="head"),
            ]
        )

    spec = "use net2net/widen_dense  hidden -> hidden\nuse net2net/after_wider_dense  head -> head\n"
    assert largest_difference(tmp_path, spec, network(units), network(factor * units), (inputs,)) <= 1e-5


@settings(some, max_examples=4)
@given(st.integers(1, 4), st.integers(1, 4), factors)
def test_convolutions_a_batch_norm_and_a_flattened_head(tmp_path: Path, filters: int, channels: int, factor: int) -> None:
    def network(first: int, second: int) -> Any:
        return keras.Sequential(
            [
                keras.Input((6, 5, channels)),
                layers.Conv2D(first, 3, name="conv"),
                layers.BatchNormalization(name="norm"),
                layers.ReLU(),
                layers.Conv2D(second, 2, activation="relu", name="conv_1"),
                layers.Flatten(),
                layers.Dense(3, name="head"),
            ]
        )

    middle = "use net2net/widen_conv  conv -> conv\nuse net2net/widen_batch_norm  norm -> norm\n"
    spec = middle + "use net2net/after_wider_conv  conv_1 -> conv_1\nsame head/*\n"
    assert largest_difference(tmp_path, spec, network(filters, 2), network(factor * filters, 2), (6, 5, channels)) <= 1e-5
    spec = "same conv/*, norm/*\nuse net2net/widen_conv  conv_1 -> conv_1\nuse net2net/after_wider_dense  head -> head\n"
    assert largest_difference(tmp_path, spec, network(filters, 2), network(filters, 2 * factor), (6, 5, channels)) <= 1e-5


def test_half_of_the_pair_alone_changes_the_outputs(tmp_path: Path) -> None:
    def network(width: int) -> Any:
        return keras.Sequential([keras.Input((4,)), layers.Dense(width, "tanh", name="hidden"), layers.Dense(2, name="head")])

    spec = "use net2net/widen_dense  hidden -> hidden\nrename head/kernel -> head/kernel repeat rows 2\nsame head/bias\n"
    assert largest_difference(tmp_path, spec, network(3), network(6), (4,)) >= 0.1


def test_a_width_that_is_no_multiple_is_refused() -> None:
    source = VariableMap.of("old", [Variable("hidden/kernel", (4, 3), "float32")])
    target = VariableMap.of("new", [Variable("hidden/kernel", (4, 7), "float32")])
    found = compile_spec(Text("spec.mig", "use net2net/widen_dense  hidden -> hidden\n"), source, target).diagnostics
    assert [one.code for one in found] == ["MIG307"]
