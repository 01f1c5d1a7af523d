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


@pytest.mark.parametrize("bad", ["old * float('nan'), new", "old, new + float('inf')"])
def test_what_is_not_finite_differs(bad: str, tmp_path: Path) -> None:
    one = fault(tried(tmp_path, f"def dense(case):\n{RIGHT}    return {bad}\n"))
    assert (one.code, one.message) == ("MIG716", "the old layer and the new one differ by inf")


@pytest.mark.parametrize(
    "bad",
    [
        "old * float('nan'), new * float('nan')",
        "old + float('inf'), new + float('inf')",
        "[1, old - float('inf')], [1, new / 0]",
    ],
)
def test_what_is_finite_on_neither_side_proves_nothing(bad: str, tmp_path: Path) -> None:
    oracle = f"def dense(case):\n    import numpy\n    numpy.seterr(all='ignore')\n{RIGHT}    return {bad}\n"
    one = fault(tried(tmp_path, oracle))
    assert (one.code, one.message) == ("MIG717", "the oracle's outputs are not finite")
    assert any("at [0, 0]" in note for note in one.notes) and "[values]" in one.helps[0]


@pytest.mark.parametrize(
    ("bad", "said", "fact"),
    [
        ("'old', 'new'", "what is no number", "the output, old: a `str`"),
        ("[old], [None]", "what is no number", "output[0], new: a `NoneType`"),
        ("{'a': old.astype(object)}, {'a': new}", "what is no number", "output['a'], old: an array of object"),
        ("old.astype('datetime64[s]'), new", "what is no number", "the output, old: an array of datetime64[s]"),
        ("case, case", "what is no number", "the output, old: a `Case`"),
        ("Symbolic(), new", "can make no array of", "TypeError: it has no value"),
    ],
)
def test_outputs_that_are_no_numbers(bad: str, said: str, fact: str, tmp_path: Path) -> None:
    symbolic = "class Symbolic:\n    def __array__(self, *options, **more):\n        raise TypeError('it has no value')\n"
    one = fault(tried(tmp_path, f"{symbolic}def dense(case):\n{RIGHT}    return {bad}\n"))
    assert one.code == "MIG717" and said in one.message
    assert any(fact in note for note in one.notes) and one.helps


def test_outputs_in_bfloat16_are_numbers(tmp_path: Path) -> None:
    oracle = f"def dense(case):\n    import ml_dtypes\n{RIGHT}    return old.astype(ml_dtypes.bfloat16), new.astype(ml_dtypes.bfloat16)\n"
    assert tried(tmp_path, oracle).status == "held"


@pytest.mark.parametrize("returned", ["1, 1", "0 * old, 0 * new", "[x, x.shape], [x, x.shape]", "old > 5, new > 5"])
def test_outputs_that_do_not_depend_on_the_weights(returned: str, tmp_path: Path) -> None:
    one = fault(tried(tmp_path, f"def dense(case):\n    x = case.random.normal(size=(2, 3))\n{RIGHT}    return {returned}\n"))
    assert (one.code, one.message) == ("MIG717", "the outputs do not depend on the weights")
    assert one.notes[-1].startswith("at inputs = ")


def test_outputs_that_depend_on_them_in_one_case_alone(tmp_path: Path) -> None:
    oracle = f"def dense(case):\n{RIGHT}    seen = case.sizes['inputs'] > 4\n    return old * seen, new * seen\n"
    outcome = run_property(open_subject(written(tmp_path, DENSE, 'oracle = "oracles.py:dense"\n', oracle)), ORACLE, examples=25)
    assert outcome.status == "held"


@pytest.mark.parametrize(
    ("spec", "settings"),
    [
        ("size n\nsource w [n]\ntarget w [n]\nrename w -> w\n", "[values]\nw = [1, 1]\n"),
        ("size n\nsource w [n]\ntarget b [n]\ndrop w\nfill b with 0.0\n", ""),
    ],
)
def test_weights_that_cannot_be_others(spec: str, settings: str, tmp_path: Path) -> None:
    path = written(tmp_path, spec, f'oracle = "oracles.py:dense"\n{settings}', "def dense(case):\n    return 1, 1\n")
    assert run_property(open_subject(path), ORACLE, examples=5).status == "held"


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


def test_a_missing_file_names_those_beside(tmp_path: Path) -> None:
    for missing, near in (("oracle.py", "oracles.py"), ("./oracls.py", "oracles.py")):
        one = fault(tried(tmp_path, "def dense(case): pass\n", f'oracle = "{missing}:dense"\n'))
        assert one.message == "the oracle cannot be loaded"
        assert one.notes == (f"the oracle: {missing}:dense", f"there is no file {tmp_path / missing}")
        assert one.helps == (f"did you mean `{near}`?",)


@pytest.mark.parametrize(
    ("content", "said", "line"),
    [
        (
            "import json\nimport no_such_module\n",
            "ModuleNotFoundError: No module named 'no_such_module'",
            ":2: import no_such_module",
        ),
        ("from json import lodas\n", "ImportError: cannot import name 'lodas'", ":1: from json import lodas"),
        ("x = 1\ndef dense(case:\n", "SyntaxError: '(' was never closed", ":2"),
        ("import json\njson.loads('{')\n", "json.decoder.JSONDecodeError", ":2: json.loads('{')"),
    ],
)
def test_an_oracle_file_that_cannot_be_imported(content: str, said: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(content)  # a name without `oracle` in it
    one = fault(tried(tmp_path, None, 'oracle = "ours.py:dense"\n'))
    assert said in one.notes[1]
    assert one.notes[2:] == (f"{tmp_path / 'ours.py'}{line}",)


def test_a_failure_in_a_helper_names_the_line_that_raised(tmp_path: Path) -> None:
    (tmp_path / "helpers_beside.py").write_text("def inner(value):\n    return value.reshape(7, -1, 11)\n")
    oracle = f"from helpers_beside import inner\ndef outer(value):\n    return inner(value)\ndef dense(case):\n{RIGHT}    return outer(old), new\n"
    one = fault(tried(tmp_path, oracle))
    assert f"{tmp_path / 'helpers_beside.py'}:2: return value.reshape(7, -1, 11)" in one.notes
    assert f"called at {tmp_path / 'oracles.py'}:6: return outer(old), new" in one.notes


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


@pytest.mark.parametrize(
    ("requires", "reason"),
    [
        (["kears"], "needs kears, not installed here: did you mean `keras`?"),
        (["tensorlow", "json"], "needs tensorlow, not installed here: did you mean `tensorflow`?"),
        (["our_frame", "no_such_framework"], "needs our_frame and no_such_framework, not installed here"),
        (["torchvisiom"], "needs torchvisiom, not installed here"),
        (["no_such_framework", "jsno", "json"], "needs no_such_framework and jsno, not installed here: did you mean `json`?"),
    ],
)
def test_a_module_whose_name_is_misspelled(requires: list[str], reason: str, tmp_path: Path) -> None:
    outcome = tried(tmp_path, "", f'oracle = "oracles.py:dense"\nrequires = {requires}\n')
    assert (outcome.status, outcome.reason) == ("skipped", reason)


def test_no_oracle(tmp_path: Path) -> None:
    assert tried(tmp_path, None, "tolerance = 1\n").reason == "layer.test.toml names no oracle"
    assert run_property(open_subject(written(tmp_path, DENSE, name="alone")), ORACLE).reason == "there is no oracle"


def test_an_oracle_with_two_answers(tmp_path: Path) -> None:
    oracle = f"calls = []\ndef dense(case):\n{RIGHT}    calls.append(1)\n    return old + (len(calls) == 3), new\n"
    outcome = tried(tmp_path, oracle)
    assert outcome.status == "failed"
    assert {one.code for one in outcome.diagnostics} <= {"MIG716", "MIG717"}
