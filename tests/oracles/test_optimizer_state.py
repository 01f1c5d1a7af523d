"""Training goes on where it stopped: 20 more steps of a migrated Keras model are the 20 more steps of the TensorFlow 1 graph.

The weights that come of it differ by less than 1e-6, those of a model whose optimizer begins anew by more than a thousand times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

pytest.importorskip("tensorflow", reason="needs TensorFlow, whose optimizers are the oracle")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3, whose optimizers are filled")

from training import NAMES, batches, keras_network, largest_difference, train_keras, train_tensorflow1  # noqa: E402

import migspec  # noqa: E402

WEIGHTS = "rename {layer}/w -> {layer}/kernel\nrename {layer}/b -> {layer}/bias\n"
STEP = "rename global_step -> {optimizer}/iteration\nkeep {optimizer}/learning_rate\n"
RATE = 0.02
TOLERANCE = 1e-6

# What TensorFlow 1 and Keras have for one and the same optimizer, and what their slots are called. The epsilons are those of TensorFlow 1:
# Keras has other defaults (1e-7). All of them enter their formulas at the same places.
OPTIMIZERS: dict[str, tuple[Callable[[Any], Any], Callable[[], Any], str]] = {
    "adam": (
        lambda train: train.AdamOptimizer(RATE),
        lambda: keras.optimizers.Adam(RATE, epsilon=1e-8, name="adam"),
        "slots {weight}/Adam   -> adam/{weight:_}_momentum\n"
        "slots {weight}/Adam_1 -> adam/{weight:_}_velocity\n"
        'drop beta1_power, beta2_power because "Keras computes them from the iteration"\n',
    ),
    "momentum": (
        lambda train: train.MomentumOptimizer(RATE, 0.9),
        lambda: keras.optimizers.SGD(RATE, 0.9, name="momentum"),
        f"number rate = {RATE}\nslots {{weight}}/Momentum -> momentum/{{weight:_}}_momentum  scale -rate\n",
    ),
    "nesterov": (
        lambda train: train.MomentumOptimizer(RATE, 0.9, use_nesterov=True),
        lambda: keras.optimizers.SGD(RATE, 0.9, nesterov=True, name="nesterov"),
        f"number rate = {RATE}\nslots {{weight}}/Momentum -> nesterov/{{weight:_}}_momentum  scale -rate\n",
    ),
    "rmsprop": (
        lambda train: train.RMSPropOptimizer(RATE, 0.9, epsilon=1e-10),
        lambda: keras.optimizers.RMSprop(RATE, 0.9, epsilon=1e-10, name="rmsprop"),
        'slots {weight}/RMSProp -> rmsprop/{weight:_}_velocity\ndrop **/RMSProp_1 because "without momentum, the last step"\n',
    ),
    "rmsprop_momentum": (
        lambda train: train.RMSPropOptimizer(RATE, 0.9, 0.5, 1e-10, centered=True),
        lambda: keras.optimizers.RMSprop(RATE, 0.9, 0.5, 1e-10, centered=True, name="rmsprop_momentum"),
        "slots {weight}/RMSProp   -> rmsprop_momentum/{weight:_}_velocity\n"
        "slots {weight}/RMSProp_1 -> rmsprop_momentum/{weight:_}_average_gradient\n"
        "slots {weight}/RMSProp_2 -> rmsprop_momentum/{weight:_}_momentum\n",
    ),
    "adagrad": (
        lambda train: train.AdagradOptimizer(RATE),
        lambda: keras.optimizers.Adagrad(RATE, epsilon=0.0, name="adagrad"),
        "slots {weight}/Adagrad -> adagrad/{weight:_}_accumulator\n",
    ),
}


def migrated(folder: Path, source: Path, spec: str, optimizer: Callable[[], Any]) -> Any:
    """The Keras model that comes of a migration of files: a new one as template, another one written."""
    keras.utils.clear_session()
    template, out, text = folder / "new.keras", folder / "out.keras", folder / "spec.mig"
    keras_network(optimizer()).save(template)
    text.write_text(spec)
    migspec.compile(text, source, template).apply(out, overwrite=True)
    return keras.models.load_model(out)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_more_steps(name: str, tmp_path: Path) -> None:
    old_optimizer, new_optimizer, slots = OPTIMIZERS[name]
    before, after = batches(15, 1), batches(20, 2)
    source = tmp_path / "model"
    expected = train_tensorflow1(source, old_optimizer, before, after)

    spec = WEIGHTS + slots + STEP.format(optimizer=name)
    model = migrated(tmp_path, source, spec, new_optimizer)
    assert int(model.optimizer.iterations) == 15
    followed = largest_difference(train_keras(model, after), expected)

    fresh = WEIGHTS + f"keep {name}/**\ndrop **\n"
    anew = largest_difference(train_keras(migrated(tmp_path, source, fresh, new_optimizer), after), expected)
    assert followed <= TOLERANCE
    assert anew >= 1000 * TOLERANCE


def test_the_momentum_of_keras_is_another_multiple(tmp_path: Path) -> None:
    """Without the `scale`, training would go astray: the two frameworks do not keep the same quantity."""
    old_optimizer, new_optimizer, slots = OPTIMIZERS["momentum"]
    after = batches(20, 2)
    expected = train_tensorflow1(tmp_path / "model", old_optimizer, batches(15, 1), after)
    spec = WEIGHTS + slots.replace("  scale -rate", "") + STEP.format(optimizer="momentum")
    model = migrated(tmp_path, tmp_path / "model", spec, new_optimizer)
    assert largest_difference(train_keras(model, after), expected) >= 1000 * TOLERANCE


@pytest.mark.parametrize("name", ["adam", "rmsprop_momentum"])
def test_from_one_keras_file_into_another(name: str, tmp_path: Path) -> None:
    """A model whose layers are called otherwise goes on as the old one would have done."""
    _, optimizer, _ = OPTIMIZERS[name]
    keras.utils.clear_session()
    model = keras_network(optimizer())
    for x, y in batches(15, 1):
        model.train_on_batch(x, y)
    model.save(tmp_path / "old.keras")
    layers = [keras.Input((6,)), keras.layers.Dense(5, "tanh", name="hidden"), keras.layers.Dense(3, name="head")]
    new = keras.Sequential(layers, name="renamed")
    new.compile(optimizer(), "mse")
    new.optimizer.build(new.trainable_variables)
    new.save(tmp_path / "new.keras")
    kinds = ("momentum", "velocity", *(("average_gradient",) if name != "adam" else ()))
    (tmp_path / "spec.mig").write_text(
        "rename first/* -> hidden/*\nrename second/* -> head/*\n"
        + "".join(f"slots {name}/{{weight:_}}_{kind} -> {name}/{{weight:_}}_{kind}\n" for kind in kinds)
        + f"same {name}/iteration, {name}/learning_rate\n"
    )
    migspec.compile(tmp_path / "spec.mig", tmp_path / "old.keras", tmp_path / "new.keras").apply(tmp_path / "out.keras")
    moved = keras.models.load_model(tmp_path / "out.keras")
    for x, y in batches(20, 2):
        model.train_on_batch(x, y)
        moved.train_on_batch(x, y)
    for old_weight, new_weight in zip(model.trainable_variables, moved.trainable_variables, strict=True):
        numpy.testing.assert_allclose(new_weight.numpy(), old_weight.numpy(), rtol=0, atol=TOLERANCE)
    assert set(NAMES.values()) == {variable.path.partition("/")[2] for variable in model.trainable_variables}
