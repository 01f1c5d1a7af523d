"""What the tests of the seeds share: running a spec of this folder, and models to judge by. Skips where there is no oracle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow, which is the oracle")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, which is the oracle")

from oracles import tf1_lstm  # noqa: E402

import migspec  # noqa: E402

layers = keras.layers
HERE = Path(__file__).parent


def migrate(spec: str | Path, source: object, target: object) -> None:
    """Run a spec beside this file, or one of the test's own, into a live model."""
    migspec.compile(HERE / spec, source, target).apply()


def refusal(spec: str | Path, source: object, target: object) -> list[tuple[str, str]]:
    """The code of each error that stops a spec, and all that it says."""
    with pytest.raises(migspec.SpecError) as caught:
        migspec.compile(HERE / spec, source, target)
    return [(one.code, "\n".join((one.message, *one.notes, *one.helps))) for one in caught.value.diagnostics]


def edited(folder: Path, spec: str, *changes: tuple[str, str]) -> Path:
    """A copy of a spec beside this file with something else in it."""
    text = (HERE / spec).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / spec
    path.write_text(text, encoding="utf-8")
    return path


def values_of(model: Any) -> dict[str, numpy.ndarray]:
    return {variable.path: numpy.array(variable) for variable in model.variables}


def run(model: Any, inputs: numpy.ndarray) -> numpy.ndarray:
    return numpy.asarray(model(inputs, training=False))


def difference(model: Any, recording: tf1_lstm.Recording) -> float:
    return float(numpy.abs(run(model, recording.inputs) - recording.outputs).max())
