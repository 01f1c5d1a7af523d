"""`migspec fmt` and `migspec explain`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from command_line import migspec

UGLY = "# a comment\nmig   1\nrename a/b   ->   c/d     transpose   # why\n\n\n\nsame    **\n"


@pytest.fixture
def pretty(folder: Path) -> str:
    finished = migspec("fmt", "-", stdin=UGLY.encode())
    assert (finished.code, finished.err) == (0, "")
    assert finished.out != UGLY and "# a comment" in finished.out and "# why" in finished.out
    return finished.out


class TestFmt:
    def test_stdin(self, folder: Path, pretty: str) -> None:
        assert migspec("fmt", "-", stdin=pretty.encode()).out == pretty
        finished = migspec("fmt", "--check", "-", stdin=UGLY.encode())
        assert (finished.code, finished.out, finished.err) == (1, "", "<stdin> is not formatted\n")
        finished = migspec("fmt", "--check", "-", stdin=pretty.encode())
        assert (finished.code, finished.out, finished.err) == (0, "", "")
        finished = migspec("fmt", "--diff", "-", stdin=UGLY.encode())
        assert finished.code == 1 and "-mig   1" in finished.out and "+mig 1" in finished.out

    def test_stdin_that_is_no_text(self, folder: Path) -> None:
        finished = migspec("fmt", "-", stdin=b"rename a -> b\xff\n")
        assert (finished.code, finished.out, finished.codes) == (2, "", ["MIG501"])
        assert migspec("fmt", "-", stdin="drop größe/**\n".encode()).out == "drop größe/**\n"  # whatever the locale's encoding
        assert migspec("fmt", "-", stdin=b"").code == 0

    def test_in_place(self, folder: Path, pretty: str) -> None:
        (folder / "a.mig").write_text(UGLY)
        finished = migspec("fmt", "a.mig")
        assert (finished.code, finished.out, finished.err) == (0, "", "formatted a.mig\n")
        assert (folder / "a.mig").read_text() == pretty
        stamp = (folder / "a.mig").stat().st_mtime_ns
        finished = migspec("fmt", "a.mig")
        assert (finished.code, finished.out, finished.err) == (0, "", "")
        assert (folder / "a.mig").stat().st_mtime_ns == stamp

    def test_the_file_stays_what_it_is(self, folder: Path, pretty: str) -> None:
        """Its permissions, and a link to it."""
        (folder / "real.mig").write_text(UGLY)
        (folder / "real.mig").chmod(0o640)
        (folder / "link.mig").symlink_to("real.mig")
        assert migspec("fmt", "link.mig").code == 0
        assert (folder / "link.mig").is_symlink()
        assert (folder / "real.mig").read_text() == pretty
        assert stat.S_IMODE((folder / "real.mig").stat().st_mode) == 0o640

    def test_windows_line_ends(self, folder: Path, pretty: str) -> None:
        (folder / "a.mig").write_bytes(UGLY.replace("\n", "\r\n").encode())
        assert migspec("fmt", "a.mig").code == 0
        assert (folder / "a.mig").read_bytes() == pretty.encode()

    def test_check_and_diff_change_nothing(self, folder: Path) -> None:
        (folder / "a.mig").write_text(UGLY)
        finished = migspec("fmt", "--check", "a.mig")
        assert (finished.code, finished.out, finished.err) == (1, "", "a.mig is not formatted\n")
        finished = migspec("fmt", "--diff", "a.mig")
        assert finished.code == 1 and finished.err == ""
        assert finished.out.startswith("--- a.mig\n+++ a.mig (formatted)\n") and "\x1b[" not in finished.out
        assert "\x1b[" in migspec("fmt", "--diff", "--color", "always", "a.mig").out
        assert (folder / "a.mig").read_text() == UGLY

    def test_a_folder(self, folder: Path, pretty: str) -> None:
        for name in ("specs/one.mig", "specs/deep/two.mig", "specs/other.txt"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(UGLY)
        finished = migspec("fmt", "--check", "specs")
        assert finished.code == 1
        assert finished.err == "specs/deep/two.mig is not formatted\nspecs/one.mig is not formatted\n"
        assert migspec("fmt", "specs").code == 0
        assert (folder / "specs/deep/two.mig").read_text() == pretty
        assert (folder / "specs/other.txt").read_text() == UGLY
        assert migspec("fmt", "--check", "specs").code == 0

    def test_a_spec_in_error_is_left_alone_and_the_others_are_not(self, folder: Path, pretty: str) -> None:
        (folder / "bad.mig").write_text("renam   a -> b\n")
        (folder / "good2.mig").write_text(UGLY)
        finished = migspec("fmt", "bad.mig", "missing.mig", "good2.mig")
        assert finished.code == 2
        assert finished.codes == ["MIG102", "MIG501"] and "formatted good2.mig" in finished.err
        assert (folder / "bad.mig").read_text() == "renam   a -> b\n"
        assert (folder / "good2.mig").read_text() == pretty
        assert migspec("fmt", "--check", "bad.mig").code == 1

    def test_a_folder_without_specs_is_told(self, folder: Path) -> None:
        (folder / "empty").mkdir()
        finished = migspec("fmt", "empty")
        assert (finished.code, finished.out, finished.err) == (0, "", "empty: there are no .mig files below this folder\n")

    def test_unrelated_names_are_not_suggested(self, folder: Path) -> None:
        assert "did you mean" not in migspec("fmt", "nosuch.mig").err
        assert "did you mean `good.mig`?" in migspec("fmt", "god.mig").err

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_without_permission(self, folder: Path) -> None:
        (folder / "sealed").mkdir()
        (folder / "sealed/a.mig").write_text(UGLY)
        (folder / "sealed").chmod(0o500)
        finished = migspec("fmt", "sealed/a.mig")
        assert (finished.code, finished.codes) == (2, ["MIG514"])


class TestExplain:
    @pytest.mark.parametrize("code", ["MIG301", "mig301", "301"])
    def test_a_code(self, code: str) -> None:
        finished = migspec("explain", code)
        assert (finished.code, finished.err) == (0, "")
        assert finished.out.startswith("# MIG301: ")

    def test_all(self) -> None:
        finished = migspec("explain")
        assert finished.code == 0
        codes = [line.partition("  ")[0] for line in finished.out.splitlines()]
        assert codes == sorted(set(codes)) and {"MIG101", "MIG201", "MIG301", "MIG405", "MIG516"} <= set(codes)
        assert all(line.partition("  ")[2] for line in finished.out.splitlines())

    @pytest.mark.parametrize("code", ["MIG999", "nonsense", "", "../MIG301", "30"])
    def test_an_unknown_code(self, code: str) -> None:
        finished = migspec("explain", code)
        assert (finished.code, finished.out) == (2, "")
        assert "there is no code" in finished.err

    def test_did_you_mean(self) -> None:
        assert "Did you mean MIG30" in migspec("explain", "MIG3010").err

    def test_color(self) -> None:
        assert "\x1b[" in migspec("explain", "MIG301", "--color", "always").out
