"""The pytest plugin: specs as tests, only if somebody asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_files import DENSE, DENSE_ORACLE, DENSE_SETTINGS, GATES, written

pytest_plugins = ["pytester"]

NAMES = ["interface", "sizes", "elements", "inverse", "oracle"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with a sound spec, one that is for two files, and a test; the plugin is there, and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_PLUGINS", "migspec.testing.plugin")
    (pytester.path / "specs").mkdir()
    written(pytester.path / "specs", DENSE, DENSE_SETTINGS, DENSE_ORACLE)
    (pytester.path / "specs" / "for_two_files.mig").write_text("rename a -> b\n")
    pytester.makepyfile("def test_something():\n    pass\n")
    return pytester


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


def test_nobody_asks(project: pytest.Pytester) -> None:
    assert len(collected(project.runpytest_inprocess("--collect-only", "-q"))) == 1
    assert len(collected(project.runpytest_inprocess("--collect-only", "-q", "specs", "."))) == 1


@pytest.mark.parametrize("asked", [("--migspec",), ("-o", "migspec_specs=true")])
def test_all_specs_with_an_interface(project: pytest.Pytester, asked: tuple[str, ...]) -> None:
    result = project.runpytest_inprocess("--collect-only", "-q", *asked)
    assert sorted(collected(result)) == sorted(
        [*(f"specs/layer.mig::{name}" for name in NAMES), "test_all_specs_with_an_interface.py::test_something"]
    )


def test_a_spec_that_is_named(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("specs/layer.mig", "-v", "--migspec-examples", "5")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["specs/layer.mig::oracle PASSED*"])


def test_one_property(project: pytest.Pytester) -> None:
    project.runpytest_inprocess("specs/layer.mig::elements", "--migspec-examples", "5").assert_outcomes(passed=1)


def test_a_failure_is_what_migspec_test_prints(project: pytest.Pytester) -> None:
    written(project.path / "specs", DENSE.replace("add more", "add 1.0"), DENSE_SETTINGS)
    result = project.runpytest_inprocess("specs/layer.mig")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        ["*the old layer and the new one compute the same*", "error?MIG716?: *", "*rename b -> bias  add 1.0"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*site-packages*")


def test_an_interface_that_does_not_hold_fails_once(project: pytest.Pytester) -> None:
    written(project.path / "specs", DENSE.replace("  transpose", ""))
    result = project.runpytest_inprocess("specs/layer.mig", "-rs")
    result.assert_outcomes(failed=1, skipped=4)
    result.stdout.fnmatch_lines(["*the interface does not hold*"])


def test_what_is_skipped_says_why(project: pytest.Pytester) -> None:
    written(project.path / "specs", GATES, 'oracle = "oracles.py:gates"\nrequires = ["no_such_framework"]\n', name="gates")
    result = project.runpytest_inprocess("specs/gates.mig", "-rs", "--migspec-examples", "3")
    result.assert_outcomes(passed=4, skipped=1)
    result.stdout.fnmatch_lines(["*needs no_such_framework, not installed here*"])


def test_a_spec_that_cannot_be_read_is_an_error(project: pytest.Pytester) -> None:
    (project.path / "specs" / "layer.mig").write_text("renam a -> b\n")
    result = project.runpytest_inprocess("--migspec")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*error?MIG102?*"])


def test_a_spec_without_an_interface_is_an_error_if_it_is_named(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("specs/for_two_files.mig")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*MIG712*"])


@pytest.mark.parametrize("asked", [("--migspec-examples", "0"), ("-o", "migspec_examples=many")])
def test_numbers_that_are_none(project: pytest.Pytester, asked: tuple[str, ...]) -> None:
    result = project.runpytest_inprocess(*asked)
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_the_number_of_cases_and_the_seed(project: pytest.Pytester) -> None:
    folder = project.path / "specs"
    oracle = (
        "import pathlib\n"
        "def dense(case):\n"
        "    with pathlib.Path(__file__).with_name('cases.txt').open('a') as file:\n"
        "        file.write(f'{case!r}\\n')\n"
        "    return case.source['w'], case.target['kernel'].T\n"
    )
    records = written(folder, DENSE, DENSE_SETTINGS, oracle).with_name("cases.txt")

    def cases(*asked: str) -> list[str]:
        Path(records).unlink(missing_ok=True)
        project.runpytest_inprocess("specs/layer.mig::oracle", *asked).assert_outcomes(passed=1)
        return Path(records).read_text().splitlines()[:-2]  # at last, one case with its weights and with others

    few = cases("-o", "migspec_examples=7")
    assert len(few) == 7
    assert cases("--migspec-examples", "7") == few
    assert cases("--migspec-examples", "7", "--migspec-seed", "3") != few
    assert len(cases()) == 25


def test_the_entry_point_is_declared() -> None:
    import tomllib

    root = Path(__file__).parent.parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"migspec": "migspec.testing.plugin"}
