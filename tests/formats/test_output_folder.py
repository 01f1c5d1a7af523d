"""Folders appear complete or not at all, and take the place of nothing but their like."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

import pytest
from crash_everywhere import crashed_everywhere

from migspec.diagnostics.model import SpecError
from migspec.formats.output import Destination
from migspec.formats.output_folder import OutputFolder

FILES = ("marker", "part/0", "part/deep/1")


def is_ours(folder: Path) -> bool:
    return (folder / "marker").is_file()


def write(path: Path, content: str, **options: bool) -> None:
    output = OutputFolder(Destination(str(path), **options), is_ours)
    try:
        for name in FILES:
            output.create(name).pwrite(content.encode(), 0)
        output.create_folder("empty")
        output.commit()
    finally:
        output.abort()


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def whole(text: str) -> dict[str, str]:
    return dict.fromkeys(FILES, text)


def code(caught: pytest.ExceptionInfo[SpecError]) -> str:
    [diagnostic] = caught.value.diagnostics
    return diagnostic.code


def test_nothing_is_visible_before_commit(tmp_path: Path) -> None:
    output = OutputFolder(Destination(str(tmp_path / "out")), is_ours)
    output.create("a/b").pwrite(b"x", 0)
    (output.temporary / "by-another").write_text("y")
    assert not (tmp_path / "out").exists()
    output.commit()
    output.abort()
    assert content(tmp_path) == {"out/a/b": "x", "out/by-another": "y"}


def test_an_aborted_folder_leaves_nothing(tmp_path: Path) -> None:
    output = OutputFolder(Destination(str(tmp_path / "out")), is_ours)
    output.create("a/b").pwrite(b"x", 0)
    output.abort()
    output.abort()
    assert list(tmp_path.iterdir()) == []


def test_an_old_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    (tmp_path / "out" / "more").write_text("old")
    (tmp_path / "out").chmod(0o750)
    with pytest.raises(SpecError) as caught:
        write(tmp_path / "out", "new")
    assert code(caught) == "MIG506"
    write(tmp_path / "out", "new", overwrite=True)
    assert content(tmp_path / "out") == whole("new")
    assert (tmp_path / "out" / "empty").is_dir()
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750
    assert len(list(tmp_path.iterdir())) == 1


def test_an_empty_folder_may_be_replaced_and_one_of_another_kind_may_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "new", overwrite=True)
    assert content(tmp_path / "empty") == whole("new")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    before = content(tmp_path)
    for name in ("other", "file"):
        with pytest.raises(SpecError) as caught:
            write(tmp_path / name, "new", overwrite=True)
        assert code(caught) == "MIG506"
    assert content(tmp_path) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path, overwrite: bool) -> None:
    output = OutputFolder(Destination(str(tmp_path / "out"), overwrite), is_ours)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis").write_text("years of work")
    with pytest.raises(SpecError) as caught:
        output.commit()
    output.abort()
    assert code(caught) == "MIG506"
    assert content(tmp_path) == {"out/thesis": "years of work"}


def test_a_folder_in_which_something_is_read_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for path in ("out", "out/", "link", "out/part"):
        destination = Destination(str(tmp_path / path), overwrite=True, reading=(str(tmp_path / "link" / "part" / "0"),))
        with pytest.raises(SpecError) as caught:
            OutputFolder(destination, is_ours)
        assert code(caught) == "MIG507"
    assert content(tmp_path / "out") == whole("old")


def test_of_a_link_the_folder_that_it_points_to_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    write(tmp_path / "link", "new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "out") == whole("new")


@pytest.mark.parametrize("path", ["missing/out", "file/out", "x" * 300])
def test_a_place_that_cannot_be_written(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError) as caught:
        write(tmp_path / path, "new")
    assert code(caught) == "MIG514"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize("name", ["../out", "/out", "part/../../out"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    output = OutputFolder(Destination(str(tmp_path / "out")), is_ours)
    with pytest.raises(ValueError, match="does not lie in the folder"):
        output.create(name)
    output.abort()


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    output = OutputFolder(Destination(str(tmp_path / "out")), is_ours)
    output.create("part")
    for create in (output.create, output.create_folder):
        with pytest.raises(SpecError) as caught:
            create("part/0")
        assert code(caught) == "MIG514"
    output.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("function", ["fsync", "rename"])
@pytest.mark.parametrize("exchanging", [False, True])
def test_an_error_at_any_moment_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, old: bool, exchanging: bool
) -> None:
    real = getattr(os, function)
    calls = 0

    def fail(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(errno.EIO, "broken")
        return real(*arguments, **options)

    if not exchanging:
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: None)  # a system that cannot exchange two folders
    for failing in range(1, 30):
        folder = tmp_path / str(failing)
        folder.mkdir()
        if old:
            write(folder / "out", "old")
        calls = 0
        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            try:
                write(folder / "out", "new", overwrite=True)
            except SpecError as error:
                assert error.diagnostics[0].code == "MIG514"
                assert [content(path) for path in folder.iterdir()] == ([whole("old")] if old else [])
            else:
                assert [content(path) for path in folder.iterdir()] == [whole("new")]
        if calls < failing:
            break
    assert 1 < failing < 29 or (function, old, exchanging) == ("rename", True, True)


CRASH = """
import ctypes
if not {exchanging!r}:
    ctypes.CDLL = lambda *_, **__: None

import test_output_folder
from pathlib import Path

def prepare(folder):
    if {old!r}:
        test_output_folder.write(Path(folder) / "out", "old")

def run(folder):
    test_output_folder.write(Path(folder) / "out", "new", overwrite={old!r})

def again(folder):
    run(folder)
"""


@pytest.mark.parametrize(("old", "exchanging"), [(False, True), (True, True), (True, False)])
def test_a_crash_at_any_moment(tmp_path: Path, old: bool, exchanging: bool) -> None:
    outcomes = crashed_everywhere(tmp_path, CRASH.format(old=old, exchanging=exchanging))
    found = set()
    for outcome in outcomes:
        after = {name.removeprefix("out/"): text for name, text in outcome.after.items() if name.startswith("out/")}
        text = after.get("marker", "none")
        found.add(text)
        assert after == ({} if text == "none" else whole(text))
        refused = text == "new" and not old and outcome is not outcomes[-1]  # the output is there
        assert outcome.again == (None if refused else {f"out/{name}": text for name, text in whole("new").items()})
    assert found == {"new", *(("old",) if old else ("none",)), *(() if exchanging else ("none",))}


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    leftover = tmp_path / ".out.migspec-4194304-00000000.tmp"  # more than any process number
    (leftover / "part").mkdir(parents=True)
    write(tmp_path / "other", "new")
    assert not leftover.exists()
    shutil.rmtree(tmp_path / "other")
