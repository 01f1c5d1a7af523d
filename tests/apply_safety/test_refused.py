"""Outputs that may not be: refused before anything is written, for every format, with the place and the cause."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from writer_cases import Case

import migspec


@pytest.fixture
def place(case: Case) -> Iterator[Case]:
    """The case with its old output in place; whatever else a test makes there is gone after it."""
    case.save_old()
    yield case
    case.clear()


def refused(case: Case, out: Path | str, *, overwrite: bool = True) -> list[str]:
    """The codes of what is said against this output; nothing may have changed."""
    watched = [*case.folder.rglob("*")]
    before = {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in watched if path.is_file()}
    migration = case.migration()
    try:
        with pytest.raises(migspec.SpecError) as caught:
            migration.apply(out, format=case.format, overwrite=overwrite)
    finally:
        migration.close()
    after = [*case.folder.rglob("*")]
    assert after == watched
    assert {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in after if path.is_file()} == before
    assert all(one.message and one.file for one in caught.value.diagnostics)
    return [one.code for one in caught.value.diagnostics]


def is_folder(case: Case) -> bool:
    return case.out.is_dir()


def suffixed(case: Case, stem: str) -> str:
    """A name with the ending of the format."""
    return case.out.name.replace("out", stem, 1)


def test_onto_the_source(place: Case) -> None:
    link, hard = place.out.with_name(suffixed(place, "link")), place.out.with_name(suffixed(place, "hard"))
    link.symlink_to(place.source)
    os.link(place.source, hard)
    around = place.folder / "place" / ".." / place.source.name
    for out in (place.source, link, hard, around):
        if place.format == "weights.json" and not str(out).endswith(".weights.json"):
            continue  # refused for its name already
        assert refused(place, out) == ["MIG507"]


def test_into_the_template(place: Case) -> None:
    """Onto the target, or onto a file that it consists of."""
    assert refused(place, place.target) == ["MIG507"] or place.target.suffix == ".json"
    with migspec.open(place.target) as template:
        files = [Path(file) for file in template.reader.files]
    for file in files:
        assert refused(place, file)[0] in ("MIG507", "MIG508")
    if place.target.is_dir():
        inside = place.target / "inside"
        assert refused(place, inside) == ["MIG507"]


def test_what_exists(place: Case) -> None:
    assert refused(place, place.out, overwrite=False) == ["MIG506"]
    link = place.out.with_name(suffixed(place, "dangling"))
    link.symlink_to("nowhere")
    assert refused(place, link, overwrite=False) == ["MIG506"]


def test_a_folder_of_another_kind(place: Case) -> None:
    """Somebody's folder is no output, nor is it replaced by one."""
    other = place.out.with_name(suffixed(place, "other"))
    other.mkdir()
    (other / "precious").write_text("years of work")
    assert refused(place, other, overwrite=False) in (["MIG506"], ["MIG514"])
    assert refused(place, other) in (["MIG506"], ["MIG514"])
    assert (other / "precious").read_text() == "years of work"


def test_no_such_folder(place: Case) -> None:
    assert refused(place, place.out.parent / "none" / place.out.name) == ["MIG514"]
    assert refused(place, place.source / place.out.name) == ["MIG514"]


def test_a_name_that_no_file_system_takes(place: Case) -> None:
    assert refused(place, str(place.out.with_name(suffixed(place, "nul\0nul")))) == ["MIG514"]
    assert refused(place, str(place.out.with_name(suffixed(place, "x" * 300)))) == ["MIG514"]


def test_a_name_with_dots(place: Case) -> None:
    """`..` is a name like any other."""
    out = place.out.parent / ".." / "place" / "." / suffixed(place, "dots")
    migration = place.migration()
    migration.apply(out, format=place.format, verify=True)
    migration.close()
    with migspec.open(out) as written:
        assert set(written) == set(place.new)


def test_a_symbolic_link_is_followed(place: Case) -> None:
    """What it points to is replaced, and the link stays."""
    link = place.out.with_name(suffixed(place, "linked"))
    if not place.out.exists() or place.format == "weights.json":
        pytest.skip("an output of several files has no one file that a link could point to")
    link.symlink_to(place.out.name)
    migration = place.migration()
    migration.apply(link, format=place.format, overwrite=True)
    migration.close()
    assert link.is_symlink() and place.state() == "new"
