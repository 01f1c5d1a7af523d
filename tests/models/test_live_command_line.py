"""Live models of every kind named as `package.module:function` on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy
import pytest
from old_layers import tf

import migspec
from migspec.cli.main import run_with

MODELS = """
import numpy, tensorflow as tf

def module():
    result = tf.Module()
    result.new = {"w": tf.Variable(tf.zeros([2, 3])), "b": tf.Variable(tf.zeros([3]))}
    return result

def checkpoint():
    return tf.train.Checkpoint(new=module().new)

def session():
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        v1.get_variable("new/w", [2, 3], initializer=v1.zeros_initializer(), use_resource=False)
        v1.get_variable("new/b", [3], initializer=v1.zeros_initializer(), use_resource=True)
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())
    return graph, session

def legacy():
    import tf_keras
    return tf_keras.Sequential([tf_keras.Input((2,)), tf_keras.layers.Dense(3, name="new")])

def torch():
    import torch
    result = torch.nn.Module()
    result.new = torch.nn.Linear(2, 3)
    return result
"""

SPECS = {
    "legacy": "rename w -> new/kernel\nrename b -> new/bias\n",
    "torch": "rename w -> new.weight transpose\nrename b -> new.bias\n",
}


@pytest.mark.parametrize("function", ["module", "checkpoint", "session", "legacy", "torch"])
def test_filled_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], function: str
) -> None:
    for package in {"legacy": ["tf_keras"], "torch": ["torch"]}.get(function, []):
        pytest.importorskip(package, reason=f"needs {package}")
    monkeypatch.chdir(tmp_path)
    Path("live_models.py").write_text(MODELS)
    Path("spec.mig").write_text(SPECS.get(function, "rename w -> new/w\nrename b -> new/b\n"))
    old = {"w": numpy.arange(6, dtype="float32").reshape(2, 3), "b": numpy.ones(3, "float32")}
    tf.raw_ops.SaveV2(prefix="old.ckpt", tensor_names=list(old), shape_and_slices=["", ""], tensors=list(old.values()))
    try:
        assert run_with(["inspect", f"live_models:{function}"]) == 0
        assert "new" in capsys.readouterr().out
        assert (
            run_with(["apply", "spec.mig", "-s", "old.ckpt", "-t", f"live_models:{function}", "-o", "new.npz", "--verify"]) == 0
        )
    finally:
        sys.modules.pop("live_models", None)
    with migspec.open("new.npz") as written:
        values = {name.rpartition(".")[2].rpartition("/")[2]: value for name, value in written.items()}
    first, second = (
        values[name] for name in {"legacy": ("kernel", "bias"), "torch": ("weight", "bias")}.get(function, ("w", "b"))
    )
    assert numpy.array_equal(first.T if function == "torch" else first, old["w"]) and numpy.array_equal(second, old["b"])
