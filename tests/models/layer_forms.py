"""One layer in every form of live model that migspec fills and reads: what the matrix of layers and adapters is made of.

All but PyTorch's have the weights in the layout of Keras, below the name `new`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
from keras_layers import new_model
from old_layers import OldLayer, tf
from tensorflow_layers import SHAPES, NewLayer, compute

v1 = tf.compat.v1


@dataclass(frozen=True)
class Form:
    """`model` is what migspec fills and reads, `runs` what `verify` runs, `call` gives the outputs."""

    model: Any
    runs: Any
    call: Callable[[numpy.ndarray], Any]


def _keras(name: str, old: OldLayer, folder: Path) -> Form:
    keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")
    model = new_model(keras, name)
    return Form(model, model, model)


def _tf_keras(name: str, old: OldLayer, folder: Path) -> Form:
    keras = pytest.importorskip("tf_keras", reason="needs tf_keras, which is Keras 2")
    model = new_model(keras, name)
    return Form(model, model, model)


def _module(name: str, old: OldLayer, folder: Path) -> Form:
    layer = NewLayer(name)
    return Form(layer, layer, layer)


def _checkpoint(name: str, old: OldLayer, folder: Path) -> Form:
    layer = NewLayer(name)
    return Form(tf.train.Checkpoint(new=layer.new), layer, layer)


def _saved_model(name: str, old: OldLayer, folder: Path) -> Form:
    layer = NewLayer(name)
    layer(tf.constant(old.inputs))  # traced, so that it is saved
    tf.saved_model.save(layer, str(folder / "saved"))
    loaded = tf.saved_model.load(str(folder / "saved"))
    return Form(loaded, lambda inputs: loaded(tf.constant(inputs)), lambda inputs: loaded(tf.constant(inputs)))


def _session(name: str, old: OldLayer, *, resource: bool) -> Form:
    with tf.Graph().as_default() as graph:
        given = v1.placeholder(tf.float32, old.inputs.shape, name="inputs")
        start = v1.random_uniform_initializer(0.1, 1, seed=1)
        weights = {
            path: v1.get_variable(f"new/{path}", shape, initializer=start, use_resource=resource)
            for path, shape in SHAPES[name].items()
        }
        result = compute(name, lambda path: tf.convert_to_tensor(weights[path]), given)
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())
        graph.finalize()
    return Form(session, session, lambda inputs: session.run(result, {given: inputs}))


def _reference_variables(name: str, old: OldLayer, folder: Path) -> Form:
    return _session(name, old, resource=False)


def _resource_variables(name: str, old: OldLayer, folder: Path) -> Form:
    return _session(name, old, resource=True)


FORMS: dict[str, Callable[[str, OldLayer, Path], Form]] = {
    "keras": _keras,
    "tf_keras": _tf_keras,
    "tf.Module": _module,
    "tf.train.Checkpoint": _checkpoint,
    "saved_model.load": _saved_model,
    "session, reference variables": _reference_variables,
    "session, resource variables": _resource_variables,
}
