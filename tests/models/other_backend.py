"""The matrix of layers for Keras on a backend that is not TensorFlow: run in a process of its own, as `keras` has one backend.

Arguments: the backend, then the layers. In the current folder lie the old layers' checkpoints, recordings, specs and wrong specs.
Prints JSON: for each layer the difference of the outputs as target and as source, and whether `verify` found the mistake.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import numpy
from keras_layers import new_model

import migspec
from migspec.verify import verify


def largest_difference(one: Any, other: Any) -> float:
    arrays = [keras.ops.convert_to_numpy(value) for value in (one, other)]
    return float(numpy.abs(arrays[0] - arrays[1]).max())


def measured(name: str) -> dict[str, Any]:
    with numpy.load(f"{name}.npz") as recorded:
        inputs, outputs = recorded["inputs"], recorded["outputs"]
    model = new_model(keras, name)
    before = largest_difference(model(inputs), outputs)
    migspec.compile(f"{name}.mig", f"{name}.ckpt", model).apply()
    target = largest_difference(model(inputs), outputs)
    other = new_model(keras, name)
    migspec.compile("same.mig", model, other).apply()
    source = largest_difference(other(inputs), outputs)
    migspec.compile(f"{name}.wrong.mig", f"{name}.ckpt", model).apply()
    return {"before": before, "target": target, "source": source, "wrong": verify(f"{name}.npz", model).passed}


def main() -> None:
    assert keras.backend.backend() == sys.argv[1] and "tensorflow" not in sys.modules
    print(json.dumps({name: measured(name) for name in sys.argv[2:]}))


if __name__ == "__main__":
    main()
