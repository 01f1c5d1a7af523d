"""`migspec test`: reusable specs tried at many sizes; what was tested, what was skipped and why, and what does not hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command_line import migspec, process

from migspec.resources import schema_path

SPEC = """size inputs, units
source w or kernel [inputs, units]
target kernel [units, inputs]
rename w -> kernel  transpose
"""
SETTINGS = 'oracle = "oracles.py:dense"\n'
ORACLE = '''def dense(case):
    """Both layers on the same inputs."""
    inputs = case.random.normal(size=(3, case.sizes["inputs"]))
    print("a layer that speaks")
    return inputs @ case.source["w"], inputs @ case.target["kernel"].T
'''


@pytest.fixture
def layer(folder: Path) -> Path:
    (folder / "layer.mig").write_text(SPEC)
    (folder / "layer.test.toml").write_text(SETTINGS)
    (folder / "oracles.py").write_text(ORACLE)
    return folder


def report(text: str) -> dict[str, Any]:
    """A report in JSON, valid against the published schemas."""
    data = json.loads(text)
    validated(data, "test")
    for spec in data["specs"]:
        validated(spec["diagnostics"], "diagnostics")
        for one in spec["properties"]:
            validated(one["diagnostics"], "diagnostics")
    return dict(data)


def validated(data: Any, name: str) -> None:
    jsonschema.Draft202012Validator(json.loads(schema_path(name).read_text(encoding="utf-8"))).validate(data)


def test_it_says_what_it_tested(layer: Path) -> None:
    finished = migspec("test", "layer.mig")
    assert finished.code == 0
    lines = finished.out.splitlines()
    assert lines[0] == "layer.mig"
    assert [line.split()[:2] for line in lines[1:]] == [
        ["held", name] for name in ("interface", "sizes", "elements", "inverse", "oracle")
    ]
    assert all(": 25 cases" in line for line in lines[1:]) and "largest difference" in lines[-1]
    assert finished.err.endswith("layer.mig: 5 properties held\n")
    assert "a layer that speaks" not in finished.out


def test_how_many_and_which_cases(layer: Path) -> None:
    (layer / "oracles.py").write_text(
        "def dense(case):\n    with open('cases.txt', 'a') as file:\n        file.write(f'{case!r}\\n')\n"
        "    return case.source['w'], case.target['kernel'].T\n"
    )

    def cases(*options: str) -> list[str]:
        (layer / "cases.txt").unlink(missing_ok=True)
        assert migspec("test", "layer.mig", *options).code == 0
        return (layer / "cases.txt").read_text().splitlines()[:-2]  # at last, one case with its weights and with others

    first = cases("--examples", "9")
    assert len(first) == 9 and cases("--examples", "9") == first
    assert cases("--examples", "9", "--seed", "1") != first


def test_an_oracle_that_is_skipped_is_named_with_the_reason(layer: Path) -> None:
    (layer / "layer.test.toml").write_text(SETTINGS + 'requires = ["no_such_framework"]\n')
    finished = migspec("test", "layer.mig", "--examples", "3")
    assert finished.code == 0
    assert "skipped  oracle" in finished.out and "needs no_such_framework, not installed here" in finished.out
    assert finished.err == "layer.mig: 4 properties held, 1 skipped\n"


def test_the_oracle_can_be_left_out(layer: Path) -> None:
    (layer / "oracles.py").write_text("raise SystemExit(3)\n")
    assert migspec("test", "layer.mig", "--examples", "3", "--skip-oracle").code == 0
    finished = migspec("test", "layer.mig", "--examples", "3")
    assert finished.code == 1 and finished.codes == ["MIG717"]


def test_what_fails_is_shown_with_the_line_and_the_sizes(layer: Path) -> None:
    (layer / "layer.mig").write_text(SPEC.replace("transpose", "reshape"))
    finished = migspec("test", "layer.mig")
    assert finished.code == 1 and finished.codes == ["MIG716"]
    assert "FAILED   oracle" in finished.out
    assert "4 | rename w -> kernel  reshape" in finished.out
    assert "at inputs = 2, units = 2" in finished.out
    assert finished.err.endswith("layer.mig: 4 properties held, 1 failed\n")


def test_an_interface_that_does_not_hold(layer: Path) -> None:
    (layer / "layer.mig").write_text(SPEC.replace("  transpose", ""))
    finished = migspec("test", "layer.mig")
    assert finished.code == 1 and finished.codes == ["MIG301"]
    assert finished.out.count("the interface does not hold") == 4


def test_several_specs_of_which_one_cannot_be_tested(layer: Path) -> None:
    finished = migspec("test", "good.mig", "layer.mig", "missing.mig", "--examples", "3")
    assert finished.codes == ["MIG712", "MIG501"] and finished.code == 2
    assert "held     oracle" in finished.out
    assert migspec("test", "good.mig", "layer.mig", "--examples", "3").code == 1


def test_a_spec_of_the_library(folder: Path) -> None:
    finished = migspec("test", "tf1/basic_lstm", "--skip-oracle", "--examples", "5")
    assert finished.code == 0 and finished.out.startswith("tf1/basic_lstm\n")
    wrong = migspec("test", "tf1/basic_lstn")
    assert wrong.code == 1 and "did you mean `tf1/basic_lstm`?" in wrong.out


def test_settings_that_cannot_be_read(layer: Path) -> None:
    (layer / "layer.test.toml").write_text("tolerence = 1\n[sizes]\nunit = [1, 2]\n")
    finished = migspec("test", "layer.mig")
    assert finished.code == 1 and finished.codes == ["MIG710", "MIG710"]
    assert "layer.test.toml" in finished.out and "did you mean `tolerance`?" in finished.out


def test_concise(layer: Path) -> None:
    finished = migspec("test", "layer.mig", "--examples", "4", "--output-format", "concise")
    lines = finished.out.splitlines()
    assert len(lines) == 5 and lines[0] == "layer.mig: interface held: 4 cases"
    (layer / "layer.mig").write_text(SPEC.replace("  transpose", ""))
    finished = migspec("test", "layer.mig", "--examples", "4", "--output-format", "concise")
    assert finished.code == 1 and "layer.mig:4:13: error[MIG301]" in finished.out


def test_quiet(layer: Path) -> None:
    finished = migspec("test", "layer.mig", "--examples", "4", "--quiet")
    assert (finished.code, finished.out) == (0, "") and "held" not in finished.err
    (layer / "layer.mig").write_text(SPEC.replace("  transpose", ""))
    finished = migspec("test", "layer.mig", "--examples", "4", "--quiet")
    assert finished.code == 1 and finished.codes == ["MIG301"]


def test_json(layer: Path) -> None:
    finished = migspec("test", "layer.mig", "good.mig", "--examples", "6", "--seed", "3", "--output-format", "json")
    assert finished.code == 1
    data = report(finished.out)
    assert (data["examples"], data["seed"]) == (6, 3)
    sound, wrong = data["specs"]
    assert [(one["status"], one["cases"]) for one in sound["properties"]] == [("held", 6)] * 5
    assert sound["properties"][-1]["largest_difference"] < 1e-5
    assert wrong["properties"] == [] and wrong["diagnostics"][0]["code"] == "MIG712"


def test_json_of_a_failure(layer: Path) -> None:
    (layer / "layer.mig").write_text(SPEC.replace("transpose", "reshape"))
    (spec,) = report(migspec("test", "layer.mig", "--output-format", "json").out)["specs"]
    failed = spec["properties"][-1]
    assert (failed["name"], failed["status"], failed["diagnostics"][0]["code"]) == ("oracle", "failed", "MIG716")


@pytest.mark.parametrize("options", [("--examples", "0"), ("--examples", "x"), ("--seed", "-1")])
def test_wrong_numbers(layer: Path, options: tuple[str, str]) -> None:
    assert migspec("test", "layer.mig", *options).code == 2


def test_without_hypothesis(layer: Path) -> None:
    program = (
        "import importlib.util, sys\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'hypothesis' else find(name, *rest)\n"
        "from migspec.cli.main import run_with\nsys.exit(run_with(['test', 'layer.mig']))\n"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=layer, check=False)
    assert done.returncode == 2
    assert "MIG513" in done.stderr and "pip install 'migspec[testing]'" in done.stderr


def test_in_a_process_of_its_own(layer: Path) -> None:
    done = process("test", "layer.mig", "--examples", "3", cwd=layer)
    assert done.returncode == 0
    assert done.stderr == "a layer that speaks\n" * 5 + "layer.mig: 5 properties held\n"


def test_a_definition_that_nothing_uses_is_a_warning(layer: Path) -> None:
    (layer / "layer.mig").write_text(f"number rate = 0.1\n{SPEC}")
    finished = migspec("test", "layer.mig", "--skip-oracle")
    assert (finished.code, finished.codes) == (0, ["MIG116"])
    [spec] = report(migspec("test", "layer.mig", "--skip-oracle", "--output-format", "json").out)["specs"]
    assert [one["code"] for one in spec["diagnostics"]] == ["MIG116"]
    assert len(spec["properties"]) == 5
