"""The optimizer of a live model: named as in the model's files, filled by `slots`, and left alone by a spec that does not speak of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from filling import restores_after_each_failure, values_of
from keras_models import keras, layers

import migspec
from migspec.diagnostics import SpecError
from migspec.models.recognition import open_model
from migspec.plan_text import plan_text

optimizers = keras.optimizers


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(3)


def network(
    optimizer: Any = None, *, trained: int = 0, build: bool = True, names: tuple[str, str] = ("first", "second")
) -> Any:
    """Two dense layers. With an optimizer it is compiled, and trained for some steps, or its optimizer built."""
    inner = [keras.Input((3,)), layers.Dense(4, "tanh", name=names[0]), layers.Dense(2, name=names[1])]
    model = keras.Sequential(inner, name="net")
    if optimizer is not None:
        model.compile(optimizer, "mse")
        if trained:
            for x, y in batches(trained):
                model.train_on_batch(x, y)
        elif build:
            model.optimizer.build(model.trainable_variables)
    return model


def batches(count: int, seed: int = 1) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    stream = numpy.random.default_rng(seed)
    return [(stream.normal(size=(8, 3)).astype("float32"), stream.normal(size=(8, 2)).astype("float32")) for _ in range(count)]


def compiled(folder: Path, spec: str, source: object, target: object) -> migspec.Migration:
    (folder / "spec.mig").write_text(spec)
    return migspec.compile(folder / "spec.mig", source, target)


def found(action: Callable[[], Any]) -> dict[str, str]:
    """What a compilation is refused for: notes and helps by code."""
    with pytest.raises(SpecError) as caught:
        action()
    return {one.code: " ".join((one.message, *one.notes, *one.helps)) for one in caught.value.diagnostics}


def state_of(model: Any) -> list[Any]:
    return [variable.numpy().tolist() for variable in model.optimizer.variables]


def adam(rate: float = 0.001) -> Any:
    return optimizers.Adam(rate, name="adam")  # Keras would count: `adam_1`


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": optimizers.Adam,
    "a name of its own": lambda: optimizers.Adam(name="mine"),
    "averages and accumulators": lambda: optimizers.Adam(amsgrad=True, use_ema=True, gradient_accumulation_steps=2),
    "a schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
    "sgd": optimizers.SGD,
    "momentum": lambda: optimizers.SGD(momentum=0.9),
    "rmsprop": lambda: optimizers.RMSprop(momentum=0.5, centered=True),
    "adagrad": optimizers.Adagrad,
    "adadelta": optimizers.Adadelta,
    "adamax": optimizers.Adamax,
    "nadam": optimizers.Nadam,
    "ftrl": optimizers.Ftrl,
    "lion": optimizers.Lion,
    "lamb": optimizers.Lamb,
    "scaled losses": lambda: optimizers.LossScaleOptimizer(optimizers.Adam()),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_names_and_values_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    model = network(OPTIMIZERS[name](), trained=2)
    live = open_model(model, "model")
    model.save(tmp_path / "model.keras")
    with migspec.open(tmp_path / "model.keras") as stored:
        if name == "nadam":  # training gives the one that has no name of its own a path
            assert live.variables["nadam/variable"].aliases[-1] in stored
        else:
            assert {one.name for one in live.variables} == set(stored)
        for one in live.variables:
            there = stored.variables[one.name if one.name in stored else one.aliases[-1]]
            assert (there.shape, there.dtype) == (one.shape, one.dtype)
            assert live.read(one.name).tobytes() == stored[there.name].tobytes()
    assert sum(one.of_optimizer for one in live.variables) == len(model.optimizer.variables)


@pytest.mark.parametrize("make", [optimizers.Adafactor, lambda: optimizers.Muon(exclude_layers=["second"])])
def test_where_the_file_has_numbers_alone_they_are_aliases(make: Callable[[], Any], tmp_path: Path) -> None:
    model = network(make(), trained=1)
    live = open_model(model, "model")
    model.save(tmp_path / "model.keras")
    called = {name: one.name for one in live.variables for name in (one.name, *one.aliases)}
    with migspec.open(tmp_path / "model.keras") as stored:
        for name in stored:
            assert live.read(called[name]).tobytes() == stored[name].tobytes()


def test_an_optimizer_that_training_did_not_build_answers_to_both_names() -> None:
    model = network(optimizers.LossScaleOptimizer(optimizers.Adam()))
    names = {one.name: one.aliases for one in open_model(model, "model").variables}
    assert "loss_scale_optimizer/adam/net_first_kernel_momentum" in names["adam/net_first_kernel_momentum"]


def test_a_failure_at_any_variable_changes_neither_weights_nor_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(adam(), trained=2)
    live = open_model(model, "model")
    assert len(live.variables) == 14
    restores_after_each_failure(live, monkeypatch, type(model.variables[0]), "_direct_assign", ValueError("no"))


def test_a_line_of_the_interface_speaks_of_it(tmp_path: Path) -> None:
    old, new = network(adam(0.5), trained=3), network(adam(0.25))
    interface = "".join(f"{side} adam/iteration []\n" for side in ("source", "target"))
    compiled(tmp_path, f"{interface}same **\n", old, new).apply()
    assert state_of(new) == state_of(old)


SAME_WEIGHTS = ["same **", "rename {layer}/{name} -> {layer}/{name}", "rename */kernel -> */kernel\nrename **/bias -> **/bias"]


@pytest.mark.parametrize("spec", SAME_WEIGHTS)
@pytest.mark.parametrize("both", [False, True])
def test_a_spec_that_does_not_speak_of_it_leaves_it_alone(spec: str, both: bool, tmp_path: Path) -> None:
    """Weights alone are moved into a compiled model, or out of one, or both: also where the names are the same."""
    old = network(adam(0.5), trained=3)
    new = network(adam(0.25) if both else None, trained=1 if both else 0)
    before = state_of(new) if both else []
    migration = compiled(tmp_path, spec, old, new)
    migration.apply(verify=True)
    assert all(numpy.array_equal(one, other) for one, other in zip(old.variables, new.variables, strict=True))
    text = plan_text(migration.plan)
    assert "optimizer state of the source, left behind without being named\n    drop adam/iteration\n" in text
    if both:
        assert state_of(new) == before
        assert "optimizer state of the target, kept without being named\n    keep adam/iteration\n" in text
    assert "4 moved" in text


def test_a_lone_rest_does_not_reach_it(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "old.npz", kernel=numpy.ones((3, 4), "float32"))
    model = network(adam(0.5), trained=1)
    before = state_of(model)
    compiled(tmp_path, "rename kernel -> first/kernel\nfill ** with zeros\n", tmp_path / "old.npz", model).apply()
    assert state_of(model) == before
    assert model.layers[1].kernel.numpy().max() == 0


def test_a_spec_that_speaks_of_it_answers_for_all_of_it(tmp_path: Path) -> None:
    old, new = network(adam(0.5), trained=3), network(adam(0.25), trained=1)
    spec = "same first/*, second/*\n"
    told = found(lambda: compiled(tmp_path, f"{spec}drop adam/**\nkeep **/learning_rate\n", old, new))
    assert set(told) == {"MIG202"} and "adam/iteration" in told["MIG202"] and "learning_rate" not in told["MIG202"]
    told = found(lambda: compiled(tmp_path, f"{spec}rename adam/iteration -> adam/iteration\n", old, new))
    assert set(told) == {"MIG201", "MIG202"}
    before = state_of(new)
    compiled(tmp_path, f"{spec}drop adam/**\nkeep adam/**\n", old, new).apply()
    assert state_of(new) == before
    compiled(tmp_path, f"{spec}same adam/**\n", old, new).apply()
    assert state_of(new) == state_of(old)


def test_one_spec_for_the_model_and_for_its_file(tmp_path: Path) -> None:
    spec = "same first/*, second/*, adam/**\n"
    old, new = network(adam(), trained=3), network(adam())
    old.save(tmp_path / "old.keras")
    new.save(tmp_path / "new.keras")
    for source in (old, tmp_path / "old.keras"):
        for target in (new, tmp_path / "new.keras"):
            compiled(tmp_path, spec, source, target).apply(tmp_path / "out.keras", overwrite=True)
            assert state_of(keras.saving.load_model(tmp_path / "out.keras")) == state_of(old)


def test_slots_into_a_live_model_from_a_file(tmp_path: Path) -> None:
    old = network(adam(0.05), trained=5, names=("hidden", "head"))
    old.save(tmp_path / "old.keras")
    new = network(adam(0.05))
    spec = (
        "rename hidden/* -> first/*\nrename head/* -> second/*\n"
        "slots adam/{weight:_}_momentum -> adam/{weight:_}_momentum\nslots adam/{weight:_}_velocity -> adam/{weight:_}_velocity\n"
        "same adam/iteration, adam/learning_rate\n"
    )
    compiled(tmp_path, spec, tmp_path / "old.keras", new).apply(verify=True)
    for x, y in batches(20, 2):
        old.train_on_batch(x, y)
        new.train_on_batch(x, y)
    for one, other in zip(old.variables, new.variables, strict=True):
        numpy.testing.assert_allclose(other.numpy(), one.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("optimizer", [None, adam])
def test_an_optimizer_without_slots_is_told_how_to_be_built(optimizer: Any, tmp_path: Path) -> None:
    old = network(adam(), trained=1)
    new = network(None if optimizer is None else optimizer(), build=False)
    spec = "same **\nslots adam/{weight:_}_momentum -> adam/{weight:_}_momentum\n"
    told = found(lambda: compiled(tmp_path, spec, old, new))
    assert "model.optimizer.build(model.trainable_variables)" in told["MIG204"] and "did you mean" not in told["MIG204"]


def test_what_is_written_has_it_if_the_spec_speaks_of_it(tmp_path: Path) -> None:
    old, new = network(adam(), trained=1), network(adam())
    compiled(tmp_path, "same **", old, new).apply(tmp_path / "weights.npz")
    compiled(tmp_path, "same first/*, second/*, adam/**", old, new).apply(tmp_path / "all.npz")
    weights = {"first/kernel", "first/bias", "second/kernel", "second/bias"}
    with migspec.open(tmp_path / "weights.npz") as one, migspec.open(tmp_path / "all.npz") as other:
        assert set(one) == weights
        assert set(other) - weights == {variable.path for variable in new.optimizer.variables}


def test_a_variable_map_in_json_says_which_variables_are_the_optimizers(tmp_path: Path) -> None:
    from migspec.formats.variable_map_json import to_json

    model = network(adam())
    (tmp_path / "map.json").write_text(json.dumps(to_json(open_model(model, "model").variables)))
    plan = compiled(tmp_path, "same **", network(), tmp_path / "map.json").plan
    assert len(plan.moves) == 4 and len(plan.kept) == 10


def test_two_models_of_which_one_is_compiled_do_not_differ(tmp_path: Path) -> None:
    from migspec.difference.comparison import between
    from migspec.difference.measure import Tolerance

    old, new = network(adam(), trained=1), network()
    compiled(tmp_path, "same **", old, new).apply()
    for one, other in ((old, new), (new, old)):
        difference = between(open_model(one, "one"), open_model(other, "other"), tolerance=Tolerance()).run()
        assert [pair.verdict for pair in difference.compared] == ["equal"] * 4
        assert not difference.only_left.variables and not difference.only_right.variables


def test_a_model_that_is_not_compiled_is_as_it_was() -> None:
    assert [one.of_optimizer for one in open_model(network(), "model").variables] == [False] * 4
    assert values_of(open_model(network(), "model")).keys() == {"first/kernel", "first/bias", "second/kernel", "second/bias"}


def test_slots_into_tf_keras(tmp_path: Path) -> None:
    """Keras 2 names slots after the class of its optimizer: as in the file that it saves."""
    legacy = pytest.importorskip("tf_keras", reason="needs tf_keras, which is Keras 2")

    def made(names: tuple[str, str]) -> Any:
        inner = [legacy.Input((3,)), legacy.layers.Dense(4, "tanh", name=names[0]), legacy.layers.Dense(2, name=names[1])]
        model = legacy.Sequential(inner)
        model.compile(legacy.optimizers.Adam(0.05), "mse")
        return model

    old, new = made(("hidden", "head")), made(("first", "second"))
    new.optimizer.build(
        new.trainable_variables
    )  # its slots are called `m/first/kernel`; those of `old`, `Adam/m/hidden/kernel`
    for x, y in batches(5):
        old.train_on_batch(x, y)
    with pytest.warns(UserWarning, match="legacy"):
        old.save(tmp_path / "old.h5")
    live = open_model(old, "old")
    with migspec.open(tmp_path / "old.h5") as stored:
        assert {one.name for one in live.variables} == set(stored)
    spec = "rename hidden/* -> first/*\nrename head/* -> second/*\nsame iteration\n" + "".join(
        f"slots Adam/{kind}/{{weight}} -> Adam/{kind}/{{weight}}\n" for kind in "mv"
    )
    for source in (old, tmp_path / "old.h5"):
        compiled(tmp_path, spec, source, new).apply(verify=True)
    for x, y in batches(20, 2):
        old.train_on_batch(x, y)
        new.train_on_batch(x, y)
    for one, other in zip(old.variables, new.variables, strict=True):
        numpy.testing.assert_allclose(other.numpy(), one.numpy(), rtol=0, atol=1e-6)
