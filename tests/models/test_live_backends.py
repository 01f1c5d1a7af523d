"""Live Keras models on the backends that are not TensorFlow: names, dtypes, optimizers, devices, and failures that change nothing.

What their layers compute is in `test_layer_matrix`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")

BACKEND = """
import sys
import keras, numpy, migspec
from filling import fill, restores_after_each_failure
from migspec.models.recognition import open_model
from pytest import MonkeyPatch
assert keras.backend.backend() == sys.argv[1] and "tensorflow" not in sys.modules

model = keras.Sequential([keras.Input((5, 4)), keras.layers.LSTM(3, dropout=0.1), keras.layers.Dense(2, dtype="bfloat16")], name="net")
model.compile("adam", "mse")
model.optimizer.build(model.trainable_variables)
live = open_model(model, "model")
assert live.variables["lstm/lstm_cell/kernel"].aliases[-1] == "layers/lstm/cell/vars/0"
assert live.variables["adam/net_dense_bias_velocity"].aliases[-1] == "optimizer/vars/11"
assert live.variables["dense/kernel"].dtype == "bfloat16"
before = {one.name: live.read(one.name) for one in live.variables}
assert len(before) == 5 + 1 + 12
new = {name: (value.astype("float64") * 2 + 1).astype(value.dtype) for name, value in before.items()}
fill(live, new)
assert all(live.read(name).tobytes() == value.tobytes() for name, value in new.items())
assert int(model.optimizer.iterations) == 1
fill(live, before)
for error in (ValueError("no"), KeyboardInterrupt()):
    with MonkeyPatch.context() as patched:
        restores_after_each_failure(live, patched, type(model.variables[0]), "assign", error)

# slots from a file: training goes on as that of the model which has been saved
def network():
    keras.utils.set_random_seed(1)
    inner = [keras.Input((3,)), keras.layers.Dense(4, "tanh", name="first"), keras.layers.Dense(2, name="second")]
    made = keras.Sequential(inner, name="net")
    made.compile(keras.optimizers.Adam(0.05, name="adam"), "mse")
    return made
stream = numpy.random.default_rng(1)
batches = [(stream.normal(size=(8, 3)).astype("float32"), stream.normal(size=(8, 2)).astype("float32")) for _ in range(15)]
old, new = network(), network()
new.optimizer.build(new.trainable_variables)
for x, y in batches[:5]:
    old.train_on_batch(x, y)
old.save("old.keras")
with open("slots.mig", "w") as spec:
    spec.write("same first/*, second/*\\nslots adam/{weight:_}_momentum -> adam/{weight:_}_momentum\\n")
    spec.write("slots adam/{weight:_}_velocity -> adam/{weight:_}_velocity\\nsame adam/iteration, adam/learning_rate\\n")
migspec.compile("slots.mig", "old.keras", new).apply(verify=True)
for x, y in batches[5:]:
    old.train_on_batch(x, y)
    new.train_on_batch(x, y)
for one, other in zip(old.variables, new.variables):
    assert numpy.abs(keras.ops.convert_to_numpy(one) - keras.ops.convert_to_numpy(other)).max() <= 1e-6

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
    here = Path(__file__).parent
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": f"{here}{os.pathsep}{here.parents[1]}"}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    command = [sys.executable, "-c", BACKEND, backend]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
