"""`migspec demo`, as its user sees it: what it prints is true, what it says to type works, and it fails when it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from migspec.cli.main import run_with
from migspec.demo import files
from migspec.demo.workplace import workplace, writing
from migspec.diagnostics import SpecError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    """The module that `--target new_model:build` imports is gone when the next test begins, as in a process of its own."""
    yield
    sys.modules.pop("new_model", None)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the demo left, and what it printed."""
    pytest.importorskip("tensorflow", reason="the demo needs TensorFlow")
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "migspec", "demo", "--keep", "play"], cwd=folder, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return folder / "play", done.stdout


def difference(output: str, of: str) -> float:
    """The number that stands before these words."""
    found = re.search(rf"^ *(\S+)  {re.escape(of)}", output, re.MULTILINE)
    assert found, of
    return float(found[1])


def test_the_steps_and_their_commands(kept: tuple[Path, str]) -> None:
    _, output = kept
    assert re.findall(r"^\d\. (.*)$", output, re.MULTILINE) == [
        "The old model",
        "The new model",
        "The spec",
        "Slips are caught before a weight is read",
        "The migration",
        "The proof",
    ]
    sides = "--source old/model.ckpt --target new_model:build"
    assert re.findall(r"^\$ migspec (.*)$", output, re.MULTILINE)[:4] == [
        "inspect old/model.ckpt",
        f"check lstm.mig {sides}",
        f"check slips.mig {sides}",
        f"apply lstm.mig {sides} --out new_model.keras",
    ]
    assert "lstm_0/basic_lstm_cell/kernel/Adam_1" in output  # the optimizer's slots are there to be dropped
    assert "lstm.mig: sound and covers both sides" in output
    assert re.findall(r"^error\[(MIG\d+)\]", output, re.MULTILINE) == ["MIG405", "MIG201", "MIG202"]
    assert "wrote new_model.keras" in output
    assert max(len(line) for line in output.splitlines()) <= 130


def test_the_numbers_are_true(kept: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines after `>>>`, typed by a user in that folder, give the number that the demo printed."""
    import keras
    import numpy

    folder, output = kept
    monkeypatch.chdir(folder)
    typed = re.findall(r"^>>> (.*)$", output, re.MULTILINE)
    names = {"keras": keras, "numpy": numpy}
    for line in typed[:-1]:
        exec(line, names)
    answer = float(eval(typed[-1], names))
    assert answer <= 1e-5
    assert difference(output, "the file, loaded by Keras alone") <= 1e-5
    assert difference(output, "a model in memory") <= 1e-5
    assert difference(output, "had the spec said `gates ifco -> ifco`") > 0.1
    assert difference(output, "had it said `add 0.0 to f`") > 0.1


def test_its_files_can_be_played_with(
    kept: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = kept
    assert {path.name for path in folder.iterdir()} >= {"lstm.mig", "slips.mig", "new_model.py", "new_model.keras", "old"}
    assert (folder / "lstm.mig").read_text() in output
    assert (folder / "new_model.py").read_text() in output
    lines = re.findall(r"^\$ (.*)$", output.partition("to play on:")[2], re.MULTILINE)
    assert [" ".join(line.split()[:2]) for line in lines] == ["cd play", "migspec plan", "migspec why", "migspec explain"]
    monkeypatch.chdir(folder)
    for line in lines[1:]:
        assert run_with(line.split()[1:]) == 0, line
        assert capsys.readouterr().out


def test_a_difference_that_is_too_large_or_no_number_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow", reason="the demo needs TensorFlow")
    from migspec.demo import comparison

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(comparison, "loaded_difference", lambda *_: float("nan"))
    monkeypatch.setattr(comparison, "live_difference", lambda *_: 0.0)
    before = Path.cwd()
    assert run_with(["demo"]) == 1
    assert "the migration failed" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [] and Path.cwd() == before  # it leaves nothing behind
    assert "new_model" not in sys.modules


def test_a_command_that_fails_ends_the_demo_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow", reason="the demo needs TensorFlow")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = files.spec_text()
    monkeypatch.setattr(files, "spec_text", lambda: text.replace("dense/{part}", "dense_{i}/{part}"))
    assert run_with(["demo"]) == 1
    output = capsys.readouterr().out
    assert "error[MIG203]" in output
    assert "4. Slips" not in output
    assert list(tmp_path.iterdir()) == []


def old_keras() -> ModuleType:
    module = ModuleType("keras")
    module.__dict__["__version__"] = "2.15.0"
    return module


@pytest.mark.parametrize(
    ("module", "replacement", "note"),
    [
        ("tensorflow", lambda: None, "import of tensorflow halted"),
        ("keras", lambda: None, "import of keras halted"),
        ("keras", old_keras, "keras 2.15.0 is installed"),
    ],
)
def test_what_is_missing_is_named_with_what_to_install(
    module: str, replacement: object, note: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if module == "keras":
        monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    assert callable(replacement)
    monkeypatch.setitem(sys.modules, module, replacement())
    assert run_with(["demo"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error[MIG513]: the demo needs TensorFlow and Keras 3" in captured.err
    assert note in captured.err
    assert "pip install 'migspec[tensorflow]'" in captured.err
    assert "from a checkout: `pip install '.[tensorflow]'`" in captured.err


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(SpecError, match=r"MIG506.*is not empty"), workplace(str(tmp_path), "new_model"):
        pass
    with pytest.raises(SpecError, match=r"MIG506.*is no folder"), workplace(str(tmp_path / "mine"), "new_model"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_only_a_refusal_to_make_the_folder_is_one_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(BrokenPipeError), workplace(None, "new_model"):
        raise BrokenPipeError  # whoever read the output has gone
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(SpecError, match="MIG514"), workplace(None, "new_model"):
        pass


def test_a_refusal_to_write_is_a_diagnostic(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"MIG514.*no space left"), writing("lstm.mig"):
        raise OSError(28, "No space left on device")
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow's own refusals need TensorFlow")
    with pytest.raises(SpecError, match=r"MIG514.*TensorFlow cannot write"), writing("old/model.ckpt"):
        raise tensorflow.errors.PermissionDeniedError(None, None, "old; Permission denied")
    with pytest.raises(ZeroDivisionError), writing("lstm.mig"):
        raise ZeroDivisionError


def test_the_spec_is_short_and_in_canonical_form(tmp_path: Path) -> None:
    assert len(files.spec_text().splitlines()) <= 10
    (tmp_path / "lstm.mig").write_text(files.spec_text())
    assert run_with(["fmt", "--check", str(tmp_path / "lstm.mig")]) == 0


def test_each_wrong_spec_says_something_else() -> None:
    texts = [files.spec_text(), files.with_slips(), files.with_wrong_gates(), files.with_wrong_forget_bias()]
    assert len(set(texts)) == 4
    assert [line[:1] for line in files.changes(files.spec_text(), files.with_slips())] == ["-", "+", "-", "+"]
