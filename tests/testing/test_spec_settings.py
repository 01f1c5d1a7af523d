"""`SPEC.test.toml`: what it may say, and what is said about anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_files import DENSE, written

from migspec.diagnostics import SpecError
from migspec.testing import open_subject
from migspec.testing.settings import Settings


def settings(folder: Path, content: str) -> Settings:
    return open_subject(written(folder, DENSE, content)).settings


def test_without_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, DENSE)
    assert open_subject(path).settings == Settings(tmp_path / "layer.test.toml")


def test_all_of_it(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        'oracle = "a.b:c"\nrequires = ["x", "y.z"]\ntolerance = 0\n[sizes]\ninputs = [2, 3]\n'
        "[numbers]\nmore = [0, -1.5]\n[values]\nw = [0, 1]\nb = [-0.5, -0.5]\n",
    )
    assert (found.oracle, found.requires, found.tolerance) == ("a.b:c", ("x", "y.z"), 0.0)
    assert (found.sizes, found.numbers) == ({"inputs": (2, 3)}, {"more": (0, -1.5)})
    assert found.values == {"w": (0, 1), "b": (-0.5, -0.5)}


@pytest.mark.parametrize(
    ("content", "said", "help_"),
    [
        ("tolerence = 1", "there is no setting `tolerence`", "did you mean `tolerance`?"),
        ("[size]\ninputs = [1, 2]", "there is no setting `size`", "did you mean `sizes`?"),
        ("zzz = 1", "there is no setting `zzz`", "settings are oracle, requires, tolerance, sizes, numbers, values"),
        ("oracle = 3", "`oracle` is 3", None),
        ('oracle = "dense"', "`oracle` is 'dense'", None),
        ('oracle = "a.py:b c"', "`oracle` is 'a.py:b c'", None),
        ('requires = "torch"', "`requires` is 'torch'", None),
        ('requires = [""]', "`requires` is ['']", None),
        ("tolerance = -1", "`tolerance` is -1", None),
        ("tolerance = nan", "`tolerance` is nan", None),
        ("tolerance = true", "`tolerance` is True", None),
        ("sizes = 3", "`sizes` is 3", None),
        ("[sizes]\nunit = [1, 2]", "the spec defines no size `unit`, named in `[sizes]`", "did you mean `units`?"),
        ("[sizes]\nunits = [0, 2]", "`sizes.units` is [0, 2]", None),
        ("[sizes]\nunits = [3, 2]", "`sizes.units` is [3, 2]", None),
        ("[sizes]\nunits = 3", "`sizes.units` is 3", None),
        ("[sizes]\nunits = [1, 2.5]", "`sizes.units` is [1, 2.5]", None),
        ("[numbers]\nunits = [1]", "the spec defines no number `units`, named in `[numbers]`", "it defines: `more`"),
        ("[numbers]\nmore = []", "`numbers.more` is []", None),
        ("[numbers]\nmore = ['a']", "`numbers.more` is ['a']", None),
        ("[values]\nbb = [0, 1]", "the spec has no source variable `bb`, named in `[values]`", "did you mean `b`?"),
        ("[values]\nb = [1, 0]", "`values.b` is [1, 0]", None),
    ],
)
def test_what_it_cannot_mean(content: str, said: str, help_: str | None, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        settings(tmp_path, content)
    (one,) = raised.value.diagnostics
    assert (one.code, one.message, one.file) == ("MIG710", said, str(tmp_path / "layer.test.toml"))
    assert one.helps and (help_ is None or help_ in one.helps)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        settings(tmp_path, "a = 1\ntolerance = -1\n[sizes]\nx = [1, 2]\nunits = 1\n")
    assert [one.code for one in raised.value.diagnostics] == ["MIG710"] * 4


@pytest.mark.parametrize("content", ["oracle = ", "[sizes\n", "a = 1\na = 2\n"])
def test_no_toml(content: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        settings(tmp_path, content)
    (one,) = raised.value.diagnostics
    assert (one.code, one.message) == ("MIG710", "the settings are no TOML") and one.notes


def test_no_text(tmp_path: Path) -> None:
    path = written(tmp_path, DENSE)
    (tmp_path / "layer.test.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError) as raised:
        open_subject(path)
    assert raised.value.diagnostics[0].code == "MIG710"
