"""Several files appear together, whatever happens: a crash at any moment, an error at any moment, old files in the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from crash_everywhere import crashed_everywhere

from migspec.diagnostics.model import SpecError
from migspec.formats.output import Destination
from migspec.formats.output_files import OutputFiles

NAMES = ("m.data-0", "m.data-1", "m.index")


def write(folder: Path, content: str, names: tuple[str, ...] = NAMES, stale: tuple[Path, ...] = (), **options: bool) -> None:
    """An output whose index says what its other files hold."""
    output = OutputFiles(Destination("", **options), [str(folder / name) for name in names])
    try:
        for file in output.files:
            file.pwrite(content.encode(), 0)
        output.commit(stale)
    finally:
        output.abort()


def visible(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")}


def whole(content: str) -> dict[str, str]:
    return dict.fromkeys(NAMES, content)


def code(caught: pytest.ExceptionInfo[SpecError]) -> str:
    [diagnostic] = caught.value.diagnostics
    return diagnostic.code


def test_nothing_is_visible_before_commit(tmp_path: Path) -> None:
    output = OutputFiles(Destination(""), [str(tmp_path / name) for name in NAMES])
    output.files[0].pwrite(b"x", 0)
    assert visible(tmp_path) == {}
    output.commit()
    output.abort()
    assert visible(tmp_path) == whole("") | {"m.data-0": "x"}
    assert len(list(tmp_path.iterdir())) == 3


def test_an_old_output_is_replaced_and_what_it_had_more_is_removed(tmp_path: Path) -> None:
    write(tmp_path, "old")
    stale = tmp_path / "m.data-2"
    stale.write_text("old")
    write(tmp_path, "new", overwrite=True, stale=(stale, tmp_path / "m.data-1", tmp_path / "never.there"))
    assert visible(tmp_path) == whole("new")
    assert len(list(tmp_path.iterdir())) == 3


def test_of_a_stale_link_the_link_is_removed(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    blob, link = tmp_path / "cache" / "blob", tmp_path / "m.data-2"
    blob.write_text("another's")
    link.symlink_to(blob)
    write(tmp_path, "new", stale=(link,))
    assert not os.path.lexists(link)
    assert blob.read_text() == "another's"


@pytest.mark.parametrize("name", NAMES)
def test_one_file_that_exists_is_enough_to_refuse(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("another's")
    with pytest.raises(SpecError) as caught:
        write(tmp_path, "new")
    assert code(caught) == "MIG506"
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path, name: str) -> None:
    output = OutputFiles(Destination(""), [str(tmp_path / other) for other in NAMES])
    (tmp_path / name).write_text("another's")
    with pytest.raises(SpecError) as caught:
        output.commit()
    output.abort()
    assert code(caught) == "MIG506"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "another's"}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("function", ["replace", "rename", "fsync"])
def test_an_error_at_any_moment_leaves_the_old_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, old: bool
) -> None:
    real = getattr(os, function)
    calls = 0

    def fail(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(errno.ENOSPC, "full")
        return real(*arguments, **options)

    for failing in range(1, 20):
        folder = tmp_path / str(failing)
        folder.mkdir()
        if old:
            write(folder, "old")
        calls = 0
        monkeypatch.setattr(os, function, fail)
        try:
            write(folder, "new", overwrite=True)
        except SpecError as error:
            assert error.diagnostics[0].code == "MIG514"
            assert visible(folder) == (whole("old") if old else {})
        else:
            assert visible(folder) == whole("new")
        monkeypatch.undo()
        assert {path.name for path in folder.iterdir()} == set(visible(folder))
        if calls < failing:
            break
    assert 1 < failing < 19 or (function, old) == ("rename", False)


CRASH = """
def prepare(folder):
    for name in {old!r}:
        open(f"{{folder}}/{{name}}", "w").write("old")

def run(folder):
    from pathlib import Path
    import test_output_files
    test_output_files.write(Path(folder), "new", overwrite={overwrite!r}, stale=(Path(folder) / "m.data-2",))

def again(folder):
    run(folder)
"""


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_crash_at_any_moment(tmp_path: Path, overwrite: bool) -> None:
    old = (*NAMES, "m.data-2") if overwrite else ()
    outcomes = crashed_everywhere(tmp_path, CRASH.format(old=old, overwrite=overwrite))
    found = set()
    for outcome in outcomes:
        after = {name: content for name, content in outcome.after.items() if not name.startswith(".")}
        content = after.get("m.index", "none")
        found.add(content)
        if content != "none":
            assert {name: after[name] for name in NAMES} == whole(content)
        refused = content == "new" and not overwrite  # the output is there, only what was moved aside is not removed yet
        assert outcome.again == (None if refused and outcome is not outcomes[-1] else whole("new"))
    assert found == ({"old", "none", "new"} if overwrite else {"none", "new"})


def test_files_without_an_index_are_another_s_if_nothing_was_left_beside_them(tmp_path: Path) -> None:
    (tmp_path / "m.data-0").write_text("another's")
    (tmp_path / ".m.index.migspec-1-00000000.tmp").touch()  # of a process that lives
    with pytest.raises(SpecError) as caught:
        write(tmp_path, "new")
    assert code(caught) == "MIG506"
    assert (tmp_path / "m.data-0").read_text() == "another's"
