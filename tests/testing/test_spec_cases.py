"""Cases of a spec for tests of one's own, and how a spec is found."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from unittest import mock

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec_files import DENSE, written

from migspec.diagnostics import SpecError
from migspec.testing import Case, PropertyFailure, cases, open_subject, trials
from migspec.text import Text

some = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@some
@given(cases("tf1/basic_lstm"))
def test_cases_of_the_library(case: Case) -> None:
    inputs, units = case.sizes["inputs"], case.sizes["units"]
    assert {name: value.shape for name, value in case.source.items()} == {
        "kernel": (inputs + units, 4 * units),
        "bias": (4 * units,),
    }
    i, f, c, o = numpy.split(case.target["bias"], 4)
    assert (i == case.source["bias"][:units]).all() and (o == case.source["bias"][3 * units :]).all()
    assert (c == case.source["bias"][units : 2 * units]).all()
    assert numpy.allclose(f, case.source["bias"][2 * units : 3 * units] + case.numbers["forget_bias"])


@some
@given(st.data())
def test_settings_names_and_optional_variables(tmp_path: Path, data: st.DataObject) -> None:
    path = written(tmp_path, DENSE, "[sizes]\ninputs = [3, 4]\n[numbers]\nmore = [0.5, 2.0]\n[values]\nw = [5, 6]\n")
    case = data.draw(cases(path))
    assert 3 <= case.sizes["inputs"] <= 4 and 1 <= case.sizes["units"] <= 12
    assert case.numbers["more"] in (0.5, 2.0)
    assert ("b" in case.source) == ("bias" in case.target)
    assert case.source["w"].min() >= 5 and case.source["w"].max() <= 6
    assert (case.target["kernel"] == case.source["w"].T).all()
    assert repr(case).startswith("Case(inputs=") and len(repr(case)) < 100


@some
@given(st.data())
def test_trials_have_the_names_of_their_generation(tmp_path: Path, data: st.DataObject) -> None:
    trial = data.draw(trials(open_subject(written(tmp_path, DENSE))))
    choice = trial.held.example.choice
    assert ("kernel" if choice.generation else "w") in trial.source
    assert set(trial.case.source) <= {"w", "b"}
    assert "units" in repr(trial)


def test_every_generation_and_presence_is_drawn(tmp_path: Path) -> None:
    seen = set()

    @settings(max_examples=60, deadline=None, database=None)
    @given(trials(open_subject(written(tmp_path, DENSE))))
    def look(trial: object) -> None:
        choice = trial.held.example.choice  # type: ignore[attr-defined]
        seen.add((choice.generation, bool(choice.present)))

    look()
    assert seen == {(0, False), (0, True), (1, False), (1, True)}


def test_a_family_has_few_members_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    spec = "size n, k\nsource l_{i} [n] for i < k\ntarget l_{i} [n] for i < k\nsame **"
    for content, largest in ((None, 4), ("[sizes]\nk = [6, 6]\n", 6)):
        counts = set()

        @settings(max_examples=40, deadline=None, database=None)
        @given(cases(written(tmp_path, spec, content)))
        def look(case: Case) -> None:
            counts.add(len(case.source))  # noqa: B023 - called before the next round

        look()
        assert max(counts) == largest


def test_values_of_every_dtype(tmp_path: Path) -> None:
    dtypes = ("float16", "bfloat16", "float64", "int8", "bool", "complex64", "string", "uint32")
    spec = "size n\n" + "".join(f"source {name} [n] {name}\ntarget {name} [n] {name}\n" for name in dtypes) + "same **"

    @settings(max_examples=10, deadline=None, database=None)
    @given(cases(written(tmp_path, spec, "[values]\nint8 = [3, 4]\n")))
    def look(case: Case) -> None:
        for name in dtypes:
            assert case.source[name].dtype.name == ("object" if name == "string" else name)
            assert (case.source[name] == case.target[name]).all()
        assert set(case.source["int8"].tolist()) <= {3, 4}
        assert all(isinstance(one, bytes) for one in case.source["string"])

    look()


def test_a_case_in_which_the_spec_does_not_hold_fails_the_test(tmp_path: Path) -> None:
    @settings(max_examples=20, deadline=None, database=None)
    @given(cases(written(tmp_path, DENSE.replace("  transpose", ""))))
    def look(case: Case) -> None:
        assert case

    with pytest.raises(PropertyFailure, match="MIG301"):
        look()


def test_a_size_with_a_definition_can_be_tried_with_other_values(tmp_path: Path) -> None:
    spec = "size n, heads = 12\nsource w [heads, n]\ntarget w [heads * n]\nrename w -> w  reshape"
    for content, expected in ((None, {12}), ("[sizes]\nheads = [2, 3]\n", {2, 3})):
        seen = set()

        @settings(max_examples=20, deadline=None, database=None)
        @given(cases(written(tmp_path, spec, content)))
        def look(case: Case) -> None:
            seen.add(case.sizes["heads"])  # noqa: B023 - called before the next round

        look()
        assert seen == expected


@pytest.mark.parametrize("name", ["tf1/basic_lstm", "tf1/basic_lstm.mig"])
def test_a_spec_of_the_library_or_one_beside(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_subject(name).settings.oracle is not None
    written(tmp_path, DENSE)
    assert open_subject("layer").program.reusable
    assert open_subject(Text("layer.mig", DENSE)).program.reusable


@pytest.mark.parametrize(
    ("content", "code"),
    [("rename a -> b", "MIG712"), ("renam a -> b", "MIG102"), ("use nowhere a -> b", "MIG213")],
)
def test_what_cannot_be_tested(content: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        open_subject(written(tmp_path, content))
    assert [one.code for one in raised.value.diagnostics] == [code]


def test_no_such_spec() -> None:
    with pytest.raises(SpecError) as raised:
        open_subject("tf1/basic_lstn")
    (one,) = raised.value.diagnostics
    assert one.code == "MIG213" and "did you mean `tf1/basic_lstm`?" in one.helps


def test_without_hypothesis(tmp_path: Path) -> None:
    there = importlib.util.find_spec

    def missing(name: str, package: str | None = None) -> object:
        return None if name == "hypothesis" else there(name, package)

    with mock.patch.object(importlib.util, "find_spec", missing), pytest.raises(SpecError) as raised:
        cases(written(tmp_path, DENSE))
    (one,) = raised.value.diagnostics
    assert (one.code, one.helps) == ("MIG513", ("pip install 'migspec[testing]'",))


def test_importing_it_is_cheap() -> None:
    import subprocess

    program = (
        "import sys, migspec.testing\n"
        "from migspec.testing.plugin import pytest_collect_file\n"
        "print([one for one in ('numpy', 'lark', 'hypothesis', 'migspec.syntax') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
