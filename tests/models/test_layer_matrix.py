"""Every adapter times every kind of layer, as the target and as the source of a migration: the outputs agree, within 1e-5 in float32.

The oracles are TensorFlow's own ops (`old_layers`) and, for PyTorch, Keras. A spec with a mistake that no shape tells is caught by
`verify`, for each of them too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from layer_forms import FORMS, Form
from old_layers import NAMES, OldLayer, keras_spec, largest_difference, old_layer, wrong_keras_spec
from tensorflow_layers import NewLayer

import migspec
from migspec.verify import report_text, verify

TOLERANCE = 1e-5
WITHOUT_SEEDS = "drop **/seed_generator_state if present\n"
SAME = f"same **\n{WITHOUT_SEEDS}"


def migrate(folder: Path, spec: str, source: object, target: object) -> None:
    (folder / "spec.mig").write_text(spec)
    migspec.compile(folder / "spec.mig", source, target).apply()


def recording(folder: Path, old: OldLayer) -> str:
    numpy.savez(folder / "recorded.npz", inputs=old.inputs, outputs=old.outputs)
    return str(folder / "recorded.npz")


matrix = pytest.mark.parametrize(
    ("make", "name"), [pytest.param(make, name, id=f"{form}, {name}") for form, make in FORMS.items() for name in NAMES]
)
Make = Callable[[str, OldLayer, Path], Form]


@matrix
def test_as_the_target(make: Make, name: str, tmp_path: Path) -> None:
    old = old_layer(tmp_path, name)
    new = make(name, old, tmp_path)
    assert largest_difference(new.call(old.inputs), old.outputs) > 0.1  # the new layer did compute something else
    migrate(tmp_path, keras_spec(name, "new"), old.checkpoint, new.model)
    assert largest_difference(new.call(old.inputs), old.outputs) <= TOLERANCE
    report = verify(recording(tmp_path, old), new.runs)
    assert report.passed, report_text(report)


@matrix
def test_a_wrong_spec_is_caught(make: Make, name: str, tmp_path: Path) -> None:
    old = old_layer(tmp_path, name)
    new = make(name, old, tmp_path)
    migrate(tmp_path, wrong_keras_spec(name), old.checkpoint, new.model)
    report = verify(recording(tmp_path, old), new.runs)
    assert not report.passed and report.outputs[0].beyond


@matrix
def test_as_the_source(make: Make, name: str, tmp_path: Path) -> None:
    old = old_layer(tmp_path, name)
    filled = make(name, old, tmp_path)
    migrate(tmp_path, keras_spec(name, "new"), old.checkpoint, filled.model)
    new = NewLayer(name)
    migrate(tmp_path, SAME, filled.model, new)
    assert largest_difference(new(old.inputs), filled.call(old.inputs)) <= TOLERANCE
    assert largest_difference(new(old.inputs), old.outputs) <= TOLERANCE


@pytest.fixture(scope="module")
def on_backend(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """What `other_backend` measures of a backend, once for all layers."""
    folder = tmp_path_factory.mktemp("layers")
    measured: dict[str, dict[str, Any]] = {}

    def of(backend: str) -> dict[str, Any]:
        if backend not in measured:
            pytest.importorskip(backend, reason=f"needs {backend} as Keras' backend")
            measured[backend] = _measure(backend, folder)
        return measured[backend]

    return of


def _measure(backend: str, folder: Path) -> dict[str, Any]:
    for name in NAMES:
        old = old_layer(folder, name)
        numpy.savez(folder / f"{name}.npz", inputs=old.inputs, outputs=old.outputs)
        (folder / f"{name}.mig").write_text(keras_spec(name, "new"))
        (folder / f"{name}.wrong.mig").write_text(wrong_keras_spec(name))
    (folder / "same.mig").write_text(SAME)
    here = Path(__file__).parent
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": f"{here}{os.pathsep}{here.parents[1]}"}
    command = [sys.executable, "-m", "other_backend", backend, *NAMES]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_on_another_backend(backend: str, name: str, on_backend: Callable[[str], dict[str, Any]]) -> None:
    found = on_backend(backend)[name]
    assert found["before"] > 0.1
    assert found["target"] <= TOLERANCE and found["source"] <= TOLERANCE
    assert not found["wrong"]


@pytest.mark.parametrize("name", NAMES)
def test_pytorch_as_the_target(name: str, tmp_path: Path) -> None:
    from torch_layers import INTO_TORCH, WRONG_INTO_TORCH, torch, torch_layer

    old, new, inputs = _keras_layer(name), torch_layer(name), _torch_inputs(name)
    assert largest_difference(_called(new, inputs), numpy.asarray(old(inputs))) > 0.1
    migrate(tmp_path, INTO_TORCH[name] + WITHOUT_SEEDS, old, new)
    assert largest_difference(_called(new, inputs), numpy.asarray(old(inputs))) <= TOLERANCE
    report = verify(old, new, inputs={"inputs": inputs})
    assert report.passed, report_text(report)
    before, after = WRONG_INTO_TORCH[name]
    assert INTO_TORCH[name].count(before) == 1
    migrate(tmp_path, INTO_TORCH[name].replace(before, after) + WITHOUT_SEEDS, old, new)
    assert not verify(old, new, inputs={"inputs": inputs}).passed
    assert not any(parameter.grad is not None for parameter in new.parameters()) and isinstance(new, torch.nn.Module)


@pytest.mark.parametrize("name", NAMES)
def test_pytorch_as_the_source(name: str, tmp_path: Path) -> None:
    from torch_layers import FROM_TORCH, torch, torch_layer

    old, new, inputs = torch_layer(name), _keras_layer(name), _torch_inputs(name)
    if name == "batch_norm":  # statistics that have not moved would hide a mistake
        with torch.no_grad():
            old.train()(torch.from_numpy(inputs * 3 + 1))
        old.eval()
    assert largest_difference(new(inputs), _called(old, inputs)) > 0.1
    migrate(tmp_path, FROM_TORCH[name], old, new)
    assert largest_difference(new(inputs), _called(old, inputs)) <= TOLERANCE


def _keras_layer(name: str) -> Any:
    """The layer of Keras that PyTorch has too, with random weights."""
    keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")
    from keras_layers import new_model

    model = new_model(keras, name, inputs=6, reset_after=True)
    stream = numpy.random.default_rng(3)
    for variable in model.variables:
        value = stream.normal(0, 0.5, variable.shape)
        variable.assign(numpy.abs(value) + 0.5 if "variance" in variable.path else value)
    return model


def _torch_inputs(name: str) -> numpy.ndarray:
    shape = {"dense": (3, 6), "batch_norm": (3, 6), "conv": (3, 7, 7, 2)}.get(name, (3, 5, 6))
    return numpy.random.default_rng(4).normal(0, 1, shape).astype("float32")


def _called(module: Any, inputs: numpy.ndarray) -> numpy.ndarray:
    import torch

    with torch.no_grad():
        found: numpy.ndarray = module(torch.from_numpy(inputs)).numpy()
    return found
