"""Mistakes planted in migrations of real models: `verify` names the variables to blame, or says that the graphs differ.

At least 9 of 10 must come out right; that they all do today is what each test says for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy
import pytest
from old_and_new import (
    IMAGES,
    LANGUAGE_MODEL,
    keras_images,
    keras_language_model,
    keras_tagger,
    randomised,
    tf1_images,
    tf1_language_model,
)

import migspec
from migspec.models.base import LiveModel
from migspec.models.recognition import open_model
from migspec.verify import Report, verify

LSTM = {"lstm/lstm_cell", "lstm_1/lstm_cell"}
KERNELS = {f"{cell}/{name}" for cell in LSTM for name in ("kernel", "recurrent_kernel")}
BIASES = {f"{cell}/bias" for cell in LSTM}


@dataclass(frozen=True)
class Fault:
    """Two models, and a spec with a mistake in it, or a new model with one. `blamed` are the variables that must be named."""

    old: Callable[[], Any]
    new: Callable[[], Any]
    spec: str
    code: str = "MIG605"
    blamed: set[str] = field(default_factory=set)
    says: str = ""
    spoil: Callable[[Any], None] | None = None


def _with(spec: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        assert before in spec
        spec = spec.replace(before, after)
    return spec


def _language(*changes: tuple[str, str], blamed: set[str], says: str = "") -> Fault:
    return Fault(tf1_language_model, keras_language_model, _with(LANGUAGE_MODEL, *changes), blamed=blamed, says=says)


def _images(*changes: tuple[str, str], new: Callable[[], Any] = keras_images, **expected: Any) -> Fault:
    return Fault(tf1_images, new, _with(IMAGES, *changes), **expected)


def _tagger(spec: str, new: Callable[[], Any] = keras_tagger, **expected: Any) -> Fault:
    return Fault(_old_tagger, new, f"{spec}\nsame **\ndrop **/seed_generator_state\n", **expected)


def _old_tagger() -> Any:
    return randomised(keras_tagger())


def _old_images() -> Any:
    return randomised(keras_images())


def _legacy_images() -> Any:
    return keras_images(pytest.importorskip("tf_keras", reason="needs tf_keras, which is Keras 2"))


_INTO_TF1 = """
rename conv/kernel -> conv/weights
rename conv/bias -> conv/biases
same bn/**
rename fc_{i}/kernel -> fc_{i}/weights  transpose
rename fc_{i}/bias -> fc_{i}/biases
"""


def _noise(model: Any) -> None:
    kernel = next(one for one in model.weights if one.path.endswith("fc_0/kernel"))
    kernel.assign(kernel.numpy() + numpy.random.default_rng(1).normal(0, 1, kernel.shape))


_ALL_GATES = [("gates icfo -> ifco", "gates ifco -> ifco")]
_KERNEL = "recurrent_kernel  split rows  gates icfo -> ifco"

FAULTS = {
    "gate order of all cells": _language(*_ALL_GATES, blamed=KERNELS | BIASES, says="icfo"),
    "gate order of all kernels": _language((_KERNEL, _KERNEL.replace("icfo ->", "ifco ->")), blamed=KERNELS),
    "onnx's gate order": _language(("gates icfo -> ifco", "gates iofc -> ifco"), blamed=KERNELS | BIASES),
    "gate order of the biases": _language(("bias  gates icfo -> ifco", "bias  gates ifoc -> ifco"), blamed=BIASES),
    "gate order of one cell": Fault(
        tf1_language_model,
        keras_language_model,
        LANGUAGE_MODEL
        + "rename rnn/cell_1/basic_lstm_cell/kernel -> lstm_1/lstm_cell/kernel, lstm_1/lstm_cell/recurrent_kernel"
        + "  split rows  gates ifco -> ifco\n",
        blamed={name for name in KERNELS if "lstm_1" in name},
    ),
    "no forget bias": _language(("add 1.0 to f", "add 0.0 to f"), blamed=BIASES, says="forget bias"),
    "forget bias added twice": _language(("add 1.0 to f", "add 2.0 to f"), blamed=BIASES, says="forget bias"),
    "gate order and no forget bias": _language(
        *_ALL_GATES, ("add 1.0 to f", "add 0.0 to f"), blamed=KERNELS | BIASES, says="forget bias"
    ),
    "a square matrix transposed": _images(
        ("fc_{i}/kernel  as is", "fc_{i}/kernel  transpose"), blamed={"fc_0/kernel", "fc_1/kernel"}, says="transposed"
    ),
    "one square matrix transposed": _images(
        ("same bn/**", "same bn/**\nrename fc_0/weights -> fc_0/kernel  transpose"), blamed={"fc_0/kernel"}, says="transposed"
    ),
    "the window's axes exchanged": _images(("conv/kernel", "conv/kernel  transpose 1 0 2 3"), blamed={"conv/kernel"}),
    "a window reshaped instead of transposed": _images(
        ("conv/kernel", "conv/kernel  transpose 3 2 0 1  reshape [3, 3, 2, 4]"), blamed={"conv/kernel"}
    ),
    "biases of two layers exchanged": _images(
        ("rename fc_{i}/biases -> fc_{i}/bias", "rename fc_0/biases -> fc_1/bias\nrename fc_1/biases -> fc_0/bias"),
        blamed={"fc_0/bias", "fc_1/bias"},
        says="exchanged",
    ),
    "two layers exchanged": _images(
        ("fc_{i}/kernel  as is", "fc_{1-i}/kernel  as is"),
        ("-> fc_{i}/bias", "-> fc_{1-i}/bias"),
        blamed={"fc_0/bias", "fc_1/bias", "fc_0/kernel", "fc_1/kernel"},
        says="two layers, exchanged",
    ),
    "beta and moving mean exchanged": _images(
        ("same bn/**", "same bn/**\nrename bn/beta -> bn/moving_mean\nrename bn/moving_mean -> bn/beta"),
        blamed={"bn/beta", "bn/moving_mean"},
        says="exchanged",
    ),
    "epsilon of a batch norm": Fault(
        tf1_images, partial(keras_images, epsilon=1e-5), IMAGES, "MIG606", says="epsilon of BatchNormalization"
    ),
    "biases exchanged in a tf_keras model": _images(
        ("rename fc_{i}/biases -> fc_{i}/bias", "rename fc_{i}/biases -> fc_{1-i}/bias"),
        new=_legacy_images,
        blamed={"fc_0/bias", "fc_1/bias"},
    ),
    "a square matrix transposed into a TensorFlow 1 graph": Fault(
        _old_images, tf1_images, _INTO_TF1, blamed={"fc_0/weights", "fc_1/weights"}, says="transposed"
    ),
    "another activation": Fault(
        tf1_images, partial(keras_images, activation="softsign"), IMAGES, "MIG606", says="as far as can be told"
    ),
    "logits": Fault(
        lambda: randomised(keras_images(activation="sigmoid")),
        partial(keras_images, activation="linear"),
        "same **",
        "MIG606",
        says="logits",
    ),
    "a corrupted variable": Fault(tf1_images, keras_images, IMAGES, "MIG607", {"fc_0/kernel"}, spoil=_noise),
    "directions exchanged": _tagger(
        "rename both/forward_lstm/{w} -> both/backward_lstm/{w}\nrename both/backward_lstm/{w} -> both/forward_lstm/{w}".replace(
            "{w}", "lstm_cell/{w}"
        ),
        blamed={
            f"both/{d}_lstm/lstm_cell/{w}" for d in ("forward", "backward") for w in ("kernel", "recurrent_kernel", "bias")
        },
        says="exchanged",
    ),
    "query and key exchanged": _tagger(
        "rename attention/query/{w} -> attention/key/{w}\nrename attention/key/{w} -> attention/query/{w}",
        blamed={f"attention/{part}/{w}" for part in ("query", "key") for w in ("kernel", "bias")},
    ),
    "gates of a GRU": _tagger(
        "rename gru/gru_cell/{w} -> gru/gru_cell/{w}  gates rzh -> zrh",
        blamed={f"gru/gru_cell/{w}" for w in ("kernel", "recurrent_kernel", "bias")},
    ),
    "recurrent blocks transposed": _tagger(
        'rename gru/gru_cell/recurrent_kernel -> gru/gru_cell/recurrent_kernel  rearrange "a (3 b) -> b (3 a)"',
        blamed={"gru/gru_cell/recurrent_kernel"},
        says="transposed",
    ),
    "slope of a leaky relu": _tagger("", new=partial(keras_tagger, slope=0.01), code="MIG606", says="slope of LeakyReLU"),
}


@cache
def _made(build: Callable[[], Any]) -> Any:
    """One model of a kind for all tests: old ones never change, and a migration gives a new one all of its weights."""
    return build()


def answer(fault: Fault, folder: Path, tries: int = 1000) -> tuple[Report, LiveModel, dict[str, numpy.ndarray]]:
    """The report on a fault, the new model, and the values that it had before."""
    old, new = _made(fault.old), _made(fault.new)
    spec = folder / "planted.mig"
    spec.write_text(fault.spec)
    migspec.compile(spec, old, new).apply()
    if fault.spoil is not None:
        fault.spoil(new)
    live = open_model(new, "new")
    before = {one.name: live.read(one.name) for one in live.variables}
    return verify(old, new, spec=str(spec), samples=3, tries=tries), live, before


def is_right(fault: Fault, report: Report) -> bool:
    causes = [one for one in report.diagnostics if one.code != "MIG601"]
    if not causes or {one.code for one in causes} != {fault.code}:
        return False
    text = " ".join(one.message for one in causes)
    return fault.says in text and all(named(name, text) for name in fault.blamed) and not others_named(fault, text)


def named(name: str, text: str) -> bool:
    return name in variables(text)


def others_named(fault: Fault, text: str) -> bool:
    return fault.code != "MIG606" and bool(variables(text) - fault.blamed)


def variables(text: str) -> set[str]:
    """The variables that a message names; `fc_{0..1}/bias` stands for two."""
    found = set()
    for name in re.findall(r"`([\w/{}.]+/[\w/{}.]+)`", text):
        span = re.search(r"\{(\d+)\.\.(\d+)\}", name)
        numbers = range(int(span[1]), int(span[2]) + 1) if span else [0]
        found |= {name.replace(span[0], str(number)) if span else name for number in numbers}
    return found


@pytest.mark.parametrize("name", FAULTS)
def test_the_mistake_is_found(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    report, new, before = answer(fault, tmp_path)
    told = "\n".join(f"{one.code} {one.message} {one.notes}" for one in report.diagnostics)
    assert not report.passed
    assert is_right(fault, report), told
    assert all(numpy.array_equal(new.read(name), value) for name, value in before.items())  # as it was


def test_too_few_tries_are_not_taken_for_a_difference_of_the_graphs(tmp_path: Path) -> None:
    fault = FAULTS["query and key exchanged"]
    found = {}
    for tries in (3, 1000):
        report, _, _ = answer(fault, tmp_path, tries)
        found[tries] = report.diagnostics[1]
    assert (found[3].code, found[1000].code) == ("MIG606", "MIG605")
    assert found[3].message.endswith("stopped before it was done, after 3 tries") and "--tries 1000" in found[3].helps[0]
