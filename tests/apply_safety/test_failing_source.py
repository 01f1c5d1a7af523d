"""A source that is cut short, vanishes or cannot be read in the middle of an `apply`: the error names it, and nothing has changed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from writer_cases import Case

import migspec


@pytest.fixture
def source(case: Case) -> Iterator[Path]:
    """The source, whole again after the test."""
    case.save_old()
    content = case.source.read_bytes()
    yield case.source
    case.source.write_bytes(content)


@pytest.mark.parametrize("jobs", [1, 2])
def test_cut_short(case: Case, source: Path, jobs: int) -> None:
    size = source.stat().st_size
    migration = case.migration()
    os.truncate(source, size - 100)
    with pytest.raises(migspec.SpecError) as caught, ThreadPoolExecutor(jobs) as executor:
        migration.apply(case.out, format=case.format, overwrite=True, executor=executor)
    [found] = caught.value.diagnostics
    assert (found.code, found.file) == ("MIG503", str(source))
    assert case.state() == "old" and case.temporaries() == []


def test_gone(case: Case, source: Path) -> None:
    migration = case.migration()
    source.unlink()
    with pytest.raises(migspec.SpecError) as caught:
        migration.apply(case.out, format=case.format, overwrite=True)
    [found] = caught.value.diagnostics
    assert (found.code, found.file) == ("MIG501", str(source))
    assert case.state() == "old" and case.temporaries() == []


@pytest.mark.parametrize("good", [0, 1, 3])
def test_a_read_error(case: Case, source: Path, good: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device fails after some good reads of the source."""
    migration = case.migration()
    inode = source.stat().st_ino
    reads: list[int] = []

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def read(descriptor: int, *rest: Any) -> Any:
            if os.fstat(descriptor).st_ino == inode:
                reads.append(descriptor)
                if len(reads) > good:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(descriptor, *rest)

        return read

    for name in ("preadv", "pread", "read", "readv"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    try:
        migration.apply(case.out, format=case.format, overwrite=True)
        error = None
    except migspec.SpecError as caught:
        error = caught
    monkeypatch.undo()
    if error is None:  # everything had been read by then
        assert len(reads) <= good and case.state() == "new"
        return
    [found] = error.diagnostics
    assert (found.code, found.file) == ("MIG501", str(source))
    assert "input/output error" in " ".join((found.message, *found.notes)).lower()
    assert case.state() == "old" and case.temporaries() == []
