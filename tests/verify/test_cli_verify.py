"""`migspec verify` on the command line: what goes where, exit codes, options that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from migspec.cli.main import run_with

MODELS = """
def old():
    return lambda x: 2 * x

def new():
    return lambda x: x + x

def wrong():
    return lambda x: x + 1.5
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that give the models of `verified_models.py` something to run on."""
    (tmp_path / "verified_models.py").write_text(MODELS)
    numpy.savez(tmp_path / "inputs.npz", x=numpy.arange(6, dtype="float32").reshape(2, 3))
    monkeypatch.chdir(tmp_path)
    return ["--inputs", "inputs.npz"]


def test_outputs_that_agree(models: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_with(["verify", "verified_models:old", "verified_models:new", *models]) == 0
    out, err = capfd.readouterr()
    assert "1 output: agrees" in out and err == ""
    assert run_with(["verify", "verified_models:old", "verified_models:new", *models, "-q"]) == 0
    assert capfd.readouterr() == ("", "")


def test_outputs_that_differ(models: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_with(["verify", "verified_models:old", "verified_models:wrong", *models]) == 1
    out, err = capfd.readouterr()
    assert "largest absolute difference  3.50e+00  at [1, 2]: 10 old, 6.5 new" in out and "1 output: differs" in out
    assert "MIG601" in err and "--spec" in err
    assert run_with(["verify", "verified_models:old", "verified_models:wrong", *models, "--atol", "3.5"]) == 0


def test_for_programs(models: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_with(["verify", "verified_models:old", "verified_models:wrong", *models, "--output-format", "json"]) == 1
    out, err = capfd.readouterr()
    assert err == "" and json.loads(out)["diagnostics"][0]["code"] == "MIG601"
    assert run_with(["verify", "verified_models:old", "verified_models:wrong", *models, "--output-format", "concise"]) == 1
    assert capfd.readouterr().out == "FAIL `output` 3.50e+00 at [1, 2]\n"


def test_nothing_to_compare(models: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_with(["verify", "verified_models:old", "verified_models:new"]) == 2
    assert "MIG604" in capfd.readouterr().err
    assert run_with(["verify", "verified_models:old", "nowhere.keras", *models]) == 2
    assert run_with(["verify", "verified_models:old", "verified_models:new", *models, "--output", "y=z"]) == 2
    assert "MIG602" in capfd.readouterr().err


def test_the_cause_cannot_be_looked_for_in_a_function(models: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    Path("some.mig").write_text("same **\n")
    assert run_with(["verify", "verified_models:old", "verified_models:wrong", *models, "--spec", "some.mig"]) == 2
    out, err = capfd.readouterr()
    assert "1 output: differs" in out and "MIG601" in err and "MIG603" in err


@pytest.mark.parametrize(
    "written",
    [
        ["--range", "x"],
        ["--range", "x=1"],
        ["--range", "x=5:5"],
        ["--shape", "x=2,b"],
        ["--output", "y"],
        ["--samples", "0"],
        ["--atol", "-1"],
        ["--atol", "inf"],
        ["--rtol", "nan"],
        ["--constant", "=3"],
    ],
)
def test_options_that_cannot_be_read(written: list[str], models: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_with(["verify", "verified_models:old", "verified_models:new", *models, *written]) == 2
    assert "Error" in capfd.readouterr().err
