"""`--verify` and `--checksum` for every format: what is found right, what is found wrong, and what `sha256sum -c` says."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from writer_cases import Case

import migspec
from migspec import application
from migspec.formats.checksum_file import checksum_path


@pytest.fixture
def place(case: Case) -> Iterator[Case]:
    case.save_old()
    yield case
    case.clear()


def apply(case: Case, out: Path | None = None, **options: Any) -> None:
    migration = case.migration()
    try:
        migration.apply(out or case.out, format=case.format, **{"overwrite": True, **options})
    finally:
        migration.close()


def listed(case: Case) -> dict[str, str]:
    """The list of digests: a file's name and its digest."""
    lines = Path(checksum_path(str(case.out))).read_text().splitlines()
    return {line.partition("  ")[2]: line.partition("  ")[0] for line in lines}


def expected(case: Case) -> dict[str, str]:
    """The digests of everything in place."""
    files = [path for path in case.out.parent.rglob("*") if path.is_file() and path.suffix != ".sha256"]
    return {str(path.relative_to(case.out.parent)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_is_right(place: Case) -> None:
    counts: list[int] = []
    apply(place, verify=True, progress=counts.append)
    assert place.state() == "new"
    assert sum(counts) == 2 * sum(value.nbytes for value in place.new.values())  # written, and read back


def test_a_byte_that_changed_on_the_disk(place: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between writing and reading back, one bit of one value."""
    name = list(place.new)[3]

    def damage() -> str:
        with migspec.open(place.out) as written:
            extent = written.reader.extent(name)
        if extent is None:  # compressed: whatever its reader makes of damage
            return ""
        with open(extent.path, "r+b") as file:  # noqa: PTH123
            file.seek(extent.offset + 4 * (5 * 256 + 7) + 2)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 1]))
        return f"byte {extent.offset + 4 * (5 * 256 + 7) + 2} of `{extent.path}`"

    places: list[str] = []
    monkeypatch.setattr(application, "open_reader", after(lambda: places.append(damage()), application.open_reader))
    if place.format == "hdf5":
        pytest.skip("values that are compressed have no place of their own")
    with pytest.raises(migspec.SpecError) as caught:
        apply(place, verify=True)
    [found] = caught.value.diagnostics
    assert found.code == "MIG517" and f"`{name}`" in found.message and found.file
    assert found.notes[0].startswith("element [5, 7] is ")
    assert places[0] in found.notes[1]


def after(action: Callable[[], None], real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        action()
        return real(*given, **named)

    return call


def test_an_output_that_holds_other_values(place: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody else wrote there meanwhile."""
    monkeypatch.setattr(application, "open_reader", after(place.save_old, application.open_reader))
    with pytest.raises(migspec.SpecError) as caught:
        apply(place, verify=True)
    [found] = caught.value.diagnostics
    assert found.code == "MIG517" and f"`{next(iter(place.new))}`" in found.message
    assert "6 of 6 variables differ" in found.notes[-1]


def test_every_file_has_its_digest(place: Case) -> None:
    place.clear()
    apply(place, checksum=True, overwrite=False)
    assert listed(place) == expected(place)
    assert place.temporaries() == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_reads_the_list(place: Case) -> None:
    place.clear()
    apply(place, checksum=True, overwrite=False)
    check = ["sha256sum", "--check", "--strict", "--quiet", Path(checksum_path(str(place.out))).name]
    assert subprocess.run(check, cwd=place.out.parent, check=False).returncode == 0
    file = next(iter(listed(place)))
    with (place.out.parent / file).open("ab") as output:
        output.write(b"!")
    assert subprocess.run(check, cwd=place.out.parent, check=False, capture_output=True).returncode == 1


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_list_that_exists(place: Case, overwrite: bool) -> None:
    place.clear()
    path = Path(checksum_path(str(place.out)))
    path.write_text("somebody's own\n")
    if not overwrite:
        with pytest.raises(migspec.SpecError) as caught:
            apply(place, checksum=True, overwrite=False)
        assert [(one.code, one.file) for one in caught.value.diagnostics] == [("MIG506", str(path))]
        assert place.listing() == [path.name]
        return
    apply(place, checksum=True)
    assert listed(place) == expected(place)


def test_the_digests_of_an_output_that_is_replaced(place: Case) -> None:
    """They would be wrong from then on: they are replaced too, or the output is not."""
    place.clear()
    apply(place, checksum=True)
    before = expected(place)
    with pytest.raises(migspec.SpecError) as caught:
        apply(place)
    [found] = caught.value.diagnostics
    assert found.code == "MIG506" and found.file == checksum_path(str(place.out))
    assert expected(place) == before
    place.restore_old()
    apply(place, checksum=True)
    assert listed(place) == expected(place)
    Path(checksum_path(str(place.out))).unlink()
    apply(place)


def test_a_list_that_speaks_of_something_else_stays(place: Case) -> None:
    path = Path(checksum_path(str(place.out)))
    for text in ("notes\n", f"{'0' * 64}  another.file\n"):
        path.write_text(text)
        apply(place)
        assert path.read_text() == text


def test_it_is_gone_before_the_new_one_is_made(place: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old digests beside the new output would call it damaged."""
    apply(place, checksum=True)

    def fail(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(application, "write_checksums", fail)
    with pytest.raises(OSError):
        apply(place, checksum=True)
    assert place.state() == "new"
    assert not Path(checksum_path(str(place.out))).exists()


def test_names_that_sha256sum_escapes(place: Case) -> None:
    if place.format != "npz":
        pytest.skip("the list is the same for every format")
    out = place.out.with_name("a\\b\nc.npz")
    apply(place, out, checksum=True)
    path = Path(checksum_path(str(out)))
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert path.read_bytes() == f"\\{digest}  a\\\\b\\nc.npz\n".encode()
    if shutil.which("sha256sum"):
        assert subprocess.run(["sha256sum", "-c", "--quiet", path.name], cwd=path.parent, check=False).returncode == 0


def test_a_checksum_needs_a_file(place: Case) -> None:
    migration = place.migration()
    with pytest.raises(ValueError, match="out"):
        migration.apply(checksum=True)
    migration.close()
