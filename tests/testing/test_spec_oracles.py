"""Oracles: how they are found, what they may return, and what is said if they cannot be run."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_files import DENSE, written

from migspec.diagnostics import Diagnostic
from migspec.testing import Outcome, open_subject, run_property
from migspec.testing.properties import ORACLE


def tried(folder: Path, oracle: str | None, settings: str = 'oracle = "oracles.py:dense"\n', name: str = "layer") -> Outcome:
    return run_property(open_subject(written(folder, DENSE, settings, oracle, name)), ORACLE, examples=5)


def fault(outcome: Outcome) -> Diagnostic:
    (one,) = outcome.diagnostics
    return one


RIGHT = "    old, new = case.source['w'], case.target['kernel'].T\n"


@pytest.mark.parametrize(
    "returned",
    [
        "old, new",
        "[old], (new,)",
        "{'a': [old, 1.0]}, {'a': [new, 1]}",
        "old.tolist(), new.tolist()",
        "old + 1e-7, new",
        "old * 1j, new * 1j",
    ],
)
def test_what_an_oracle_may_return(returned: str, tmp_path: Path) -> None:
    outcome = tried(tmp_path, f"def dense(case):\n{RIGHT}    return {returned}\n")
    assert outcome.status == "held" and outcome.difference is not None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return old", "returns no pair"),
        ("return [old, new]", "returns no pair"),
        ("return [], []", "two kinds"),
        ("return {'a': old}, {'b': new}", "two kinds"),
        ("return [old], [new, new]", "two kinds"),
        ("return old, new[None]", "different shapes"),
        ("return old[:0], new[:0]", "empty"),
        ("raise RuntimeError('the layer is missing')", "raised an exception"),
        ("raise SystemExit(3)", "raised an exception"),
    ],
)
def test_what_it_may_not(body: str, said: str, tmp_path: Path) -> None:
    one = fault(tried(tmp_path, f"def dense(case):\n{RIGHT}    {body}\n"))
    assert one.code == "MIG717" and said in one.message
    assert one.file == str(tmp_path / "layer.test.toml")
    assert one.notes[-1].startswith("at inputs = 1, units = 1")
    if "RuntimeError" in body:
        assert "RuntimeError: the layer is missing" in one.notes
        assert any("oracles.py:3: raise RuntimeError" in note for note in one.notes)


@pytest.mark.parametrize(
    "bad", ["old * float('nan'), new", "old, new + float('inf')", "old * float('nan'), new * float('nan')"]
)
def test_what_is_not_finite_differs(bad: str, tmp_path: Path) -> None:
    one = fault(tried(tmp_path, f"def dense(case):\n{RIGHT}    return {bad}\n"))
    assert (one.code, one.message) == ("MIG716", "the old layer and the new one differ by inf")


def test_the_tolerance(tmp_path: Path) -> None:
    oracle = f"def dense(case):\n{RIGHT}    return old + 0.01, new\n"
    assert fault(tried(tmp_path, oracle)).code == "MIG716"
    outcome = tried(tmp_path, oracle, 'oracle = "oracles.py:dense"\ntolerance = 0.02\n')
    assert outcome.status == "held" and outcome.difference == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('oracle = "oracles.py:dens"\n', "has no function `dens`"),
        ('oracle = "missing.py:dense"\n', "cannot be loaded"),
        ('oracle = "no.such.module:dense"\n', "cannot be loaded"),
        ('oracle = "broken.py:dense"\n', "cannot be loaded"),
    ],
)
def test_an_oracle_that_is_not_there(settings: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def dense(case:\n")
    one = fault(tried(tmp_path, "def dense(case): pass\n", settings))
    assert one.code == "MIG717" and said in one.message
    if "dens`" in said:
        assert one.helps == ("did you mean `dense`?",)


def test_an_oracle_in_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package_of_oracles").mkdir()
    (tmp_path / "package_of_oracles" / "ours.py").write_text(f"def dense(case):\n{RIGHT}    return old, new\n")
    monkeypatch.chdir(tmp_path)
    assert tried(tmp_path, None, 'oracle = "package_of_oracles.ours:dense"\n').status == "held"


def test_an_oracle_imports_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_the_oracle.py").write_text("def turned(value):\n    return value.T\n")
    oracle = "def dense(case):\n    from beside_the_oracle import turned\n    return case.source['w'], turned(case.target['kernel'])\n"
    assert tried(tmp_path, oracle).status == "held"


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for folder, factor in (("a", 1.0), ("b", 2.0)):
        (tmp_path / folder).mkdir()
        outcome = tried(tmp_path / folder, f"def dense(case):\n{RIGHT}    return old * {factor}, new\n")
        assert outcome.status == ("held" if factor == 1.0 else "failed")


def test_what_it_prints_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, f"def dense(case):\n{RIGHT}    print('hello')\n    return old, new\n").status == "held"
    captured = capsys.readouterr()
    assert captured.out == "" and "hello" in captured.err


def test_modules_that_are_not_installed(tmp_path: Path) -> None:
    settings = 'oracle = "oracles.py:dense"\nrequires = ["json", "no_such_framework", "other.missing"]\n'
    outcome = tried(tmp_path, "raise ImportError\n", settings)
    assert outcome.status == "skipped"
    assert outcome.reason == "needs no_such_framework and other.missing, not installed here"


def test_no_oracle(tmp_path: Path) -> None:
    assert tried(tmp_path, None, "tolerance = 1\n").reason == "layer.test.toml names no oracle"
    assert run_property(open_subject(written(tmp_path, DENSE, name="alone")), ORACLE).reason == "there is no oracle"


def test_an_oracle_with_two_answers(tmp_path: Path) -> None:
    oracle = f"calls = []\ndef dense(case):\n{RIGHT}    calls.append(1)\n    return old + (len(calls) == 3), new\n"
    outcome = tried(tmp_path, oracle)
    assert outcome.status == "failed"
    assert {one.code for one in outcome.diagnostics} <= {"MIG716", "MIG717"}
