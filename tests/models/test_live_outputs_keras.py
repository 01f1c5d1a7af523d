"""Old TensorFlow 1 layers moved into live Keras models compute what they did, on every backend and in Keras 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from keras_layers import new_model
from old_layers import NAMES, keras_spec, largest_difference, old_layer

import migspec

keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")


def migrated(folder: Path, name: str, package: object) -> float:
    old = old_layer(folder, name)
    (folder / "spec.mig").write_text(keras_spec(name, "new"))
    model = new_model(package, name)
    before = largest_difference(model(old.inputs), old.outputs)
    migspec.compile(folder / "spec.mig", old.checkpoint, model).apply()
    assert before > 0.1  # the new model did compute something else
    return largest_difference(model(old.inputs), old.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_keras(tmp_path: Path, name: str) -> None:
    assert migrated(tmp_path, name, keras) <= 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_tf_keras(tmp_path: Path, name: str) -> None:
    legacy = pytest.importorskip("tf_keras", reason="needs tf_keras, which is Keras 2")
    assert migrated(tmp_path, name, legacy) <= 1e-5


BACKEND = """
import json, sys
import keras, numpy, migspec
from keras_layers import new_model
from filling import fill, restores_after_each_failure
from migspec.models.recognition import open_model
from pytest import MonkeyPatch
assert keras.backend.backend() == sys.argv[1] and "tensorflow" not in sys.modules
differences = {}
for name in sys.argv[2:]:
    model = new_model(keras, name)
    inputs, outputs = numpy.load(name + ".inputs.npy"), numpy.load(name + ".outputs.npy")
    migspec.compile(name + ".mig", name + ".ckpt", model).apply()
    differences[name] = float(numpy.abs(keras.ops.convert_to_numpy(model(inputs)) - outputs).max())
print(json.dumps(differences))

model = keras.Sequential([keras.Input((5, 4)), keras.layers.LSTM(3, dropout=0.1), keras.layers.Dense(2, dtype="bfloat16")])
live = open_model(model, "model")
assert live.variables["lstm/lstm_cell/kernel"].aliases[-1] == "layers/lstm/cell/vars/0"
assert live.variables["dense/kernel"].dtype == "bfloat16"
before = {one.name: live.read(one.name) for one in live.variables}
new = {name: (value.astype("float64") * 2 + 1).astype(value.dtype) for name, value in before.items()}
fill(live, new)
assert all(live.read(name).tobytes() == value.tobytes() for name, value in new.items())
fill(live, before)
for error in (ValueError("no"), KeyboardInterrupt()):
    with MonkeyPatch.context() as patched:
        restores_after_each_failure(live, patched, type(model.variables[0]), "assign", error)

if sys.argv[1] == "jax":  # on two devices
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="new")])
    before = [variable.value.sharding for variable in model.variables]
    assert len(before[0].device_set) == 2
    fill(open_model(model, "model"), {"new/kernel": numpy.ones((4, 3), "float32")})
    assert [variable.value.sharding for variable in model.variables] == before
    assert all(numpy.array_equal(part.data, numpy.ones((4, 3))) for part in model.variables[0].value.addressable_shards)
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend, reason=f"needs {backend} as Keras' backend")
    for name in NAMES:
        old = old_layer(tmp_path, name)
        numpy.save(tmp_path / f"{name}.inputs.npy", old.inputs)
        numpy.save(tmp_path / f"{name}.outputs.npy", old.outputs)
        (tmp_path / f"{name}.mig").write_text(keras_spec(name, "new"))
    here = Path(__file__).parent
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": f"{here}{os.pathsep}{here.parents[1]}"}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    command = [sys.executable, "-c", BACKEND, backend, *NAMES]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    differences = json.loads(done.stdout)
    assert set(differences) == set(NAMES) and max(differences.values()) <= 1e-5, differences
