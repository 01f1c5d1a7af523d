"""A live model is a side like any other."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow as Keras' backend")
keras = pytest.importorskip("keras", minversion="3.0", reason="needs Keras 3")

from migspec.cli.main import run_with  # noqa: E402
from migspec.difference.comparison import between  # noqa: E402
from migspec.difference.result import Tolerance  # noqa: E402
from migspec.sides import open_side  # noqa: E402

MODULE = """
import keras
def build():
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(5, name="first"), keras.layers.Dense(2, name="second")])
"""


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_a_model_and_its_file(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "compared_model.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import compared_model

    path = str(tmp_path / f"saved.{ending}")
    model = compared_model.build()
    model.save(path) if ending == "keras" else model.save_weights(path)
    assert run_with(["diff", "compared_model:build", path]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.splitlines()[-1] == f"compared_model:build and {path} agree: 4 equal"

    model.get_layer("second").bias.assign([0.0, 1.0])
    found = between(open_side(path), open_side(model), tolerance=Tolerance()).run()
    [other] = [one for one in found.compared if one.verdict == "different"]
    assert other.right.name == "second/bias" and other.measurement is not None and other.measurement.largest is not None
    assert (other.measurement.largest.index, other.measurement.largest.absolute) == ((1,), 1.0)
    sys.modules.pop("compared_model")
