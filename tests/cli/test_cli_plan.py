"""`migspec plan` and `migspec why`: what would move, and the statement behind each part."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from command_line import migspec

from migspec.resources import schema_path

BOTH = ("-s", "old.npz", "-t", "new.npz")


class TestPlan:
    def test_says_what_goes_where_and_why(self, folder: Path) -> None:
        finished = migspec("plan", "good.mig", *BOTH)
        assert (finished.code, finished.err) == (0, "")
        assert finished.out == (
            "old.npz -> new.npz\n"
            "\n"
            "good.mig:1: rename dense/kernel -> head/kernel transpose\n"
            "    dense/kernel  float32 [3, 4]\n"
            "      -> head/kernel  float32 [4, 3]\n"
            "\n"
            "good.mig:2: rename dense/bias -> head/bias\n"
            "    dense/bias  float32 [4]\n"
            "      -> head/bias  float32 [4]\n"
            "\n"
            "good.mig:4: keep temperature\n"
            "    keep temperature\n"
            "\n"
            'good.mig:3: drop global_step because "training state"\n'
            "    drop global_step\n"
            "\n"
            "2 moved, 1 kept, 1 dropped; 64 B\n"
        )

    def test_json_is_what_is_saved_and_fits_its_schema(self, folder: Path) -> None:
        finished = migspec("plan", "good.mig", *BOTH, "--output-format", "json")
        assert (finished.code, json.loads(finished.err)) == (0, [])
        schema = json.loads(schema_path("plan").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(json.loads(finished.out))
        migspec("plan", "good.mig", *BOTH, "--out", "plan.json")
        assert (folder / "plan.json").read_text() == finished.out

    def test_quiet_with_an_output_says_nothing(self, folder: Path) -> None:
        finished = migspec("plan", "good.mig", *BOTH, "--out", "plan.json", "--quiet")
        assert (finished.code, finished.out, finished.err) == (0, "", "")
        assert (folder / "plan.json").is_file()

    def test_errors_leave_no_plan(self, folder: Path) -> None:
        (folder / "bad.mig").write_text("rename dense/{n} -> head/{n}\n")
        finished = migspec("plan", "bad.mig", *BOTH, "--out", "plan.json")
        assert (finished.code, finished.out) == (1, "")
        assert finished.codes == ["MIG301", "MIG201", "MIG202"]
        assert not (folder / "plan.json").exists()
        finished = migspec("plan", "bad.mig", *BOTH, "--output-format", "json")
        assert (finished.code, finished.out) == (1, "")
        assert [one["code"] for one in json.loads(finished.err)] == ["MIG301", "MIG201", "MIG202"]

    def test_both_sides_are_needed(self, folder: Path) -> None:
        for sides in ((), BOTH[:2], BOTH[2:]):
            finished = migspec("plan", "good.mig", *sides)
            assert (finished.code, finished.out) == (2, "")
            assert "Missing option" in finished.err


class TestWhy:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("head/kernel", ["in the target", "good.mig:1:", "dense/kernel", "axes in the order 1 0", "float32 [4, 3]"]),
            ("head.kernel", ["in the target", "good.mig:1:"]),
            ("dense/kernel", ["in the source", "good.mig:1:", "goes into head/kernel"]),
            ("temperature", ["in the target", "good.mig:4:", "keeps the value that it has"]),
            ("global_step", ["in the source", "good.mig:3:", 'is left behind: "training state"']),
        ],
    )
    def test_says_what_happens_to_a_variable(self, folder: Path, name: str, said: list[str]) -> None:
        finished = migspec("why", name, "good.mig", *BOTH)
        assert (finished.code, finished.err) == (0, "")
        for part in said:
            assert part in finished.out

    def test_under_an_alias(self, folder: Path) -> None:
        variables = {
            "block/inner/table": {"shape": [3, 4], "dtype": "float32", "aliases": ["block/table"]},
            "bias": {"shape": [4], "dtype": "float32"},
        }
        (folder / "lstm.json").write_text(json.dumps({"variables": variables}))
        (folder / "lstm.mig").write_text(
            "rename dense/kernel -> block/table add 0.5 scale 2\nrename dense/bias -> bias\ndrop global_step\n"
        )
        by_alias = migspec("why", "block/table", "lstm.mig", "-s", "old.npz", "-t", "lstm.json")
        by_name = migspec("why", "block/inner/table", "lstm.mig", "-s", "old.npz", "-t", "lstm.json")
        assert by_alias.code == 0 and by_alias.out == by_name.out
        assert "plus 0.5" in by_alias.out and "times 2" in by_alias.out

    def test_on_both_sides(self, folder: Path) -> None:
        (folder / "same.mig").write_text("same dense/*\ndrop **\n")
        finished = migspec("why", "dense/bias", "same.mig", "-s", "old.npz", "-t", "old.npz")
        assert finished.code == 1 and finished.codes == ["MIG202"]
        (folder / "same.mig").write_text("same **\n")
        finished = migspec("why", "dense/bias", "same.mig", "-s", "old.npz", "-t", "old.npz")
        assert finished.code == 0
        assert "in the target" in finished.out and "in the source" in finished.out

    def test_an_unknown_name(self, folder: Path) -> None:
        finished = migspec("why", "head/kernal", "good.mig", *BOTH)
        assert (finished.code, finished.out, finished.codes) == (1, "", ["MIG203"])
        assert "did you mean `head/kernel`, float32 [4, 3]?" in finished.err

    def test_a_pattern_is_no_name(self, folder: Path) -> None:
        finished = migspec("why", "head/*", "good.mig", "-s", "old.npz", "-t", "new.npz")
        assert finished.codes == ["MIG203"] and "it takes one name" in finished.err and "--filter" in finished.err

    def test_a_name_like_no_other(self, folder: Path) -> None:
        finished = migspec("why", "zzz", "good.mig", "-s", "old.npz", "-t", "new.npz")
        assert finished.codes == ["MIG203"] and "`migspec inspect PATH --all`" in finished.err

    def test_swapped_arguments(self, folder: Path) -> None:
        finished = migspec("why", "good.mig", "head/bias", "-s", "old.npz", "-t", "new.npz")
        assert (finished.code, finished.out) == (2, "")
        assert "the variable comes first, then the spec: migspec why 'head/bias' 'good.mig'" in finished.err

    def test_what_was_allowed(self, folder: Path) -> None:
        (folder / "short.mig").write_text("rename dense/kernel -> head/kernel transpose\nrename dense/bias -> head/bias\n")
        allow = ("--allow", "MIG201", "--allow", "MIG202")
        for name in ("global_step", "temperature"):
            finished = migspec("why", name, "short.mig", *BOTH, *allow)
            assert finished.code == 0 and "--allow MIG20" in finished.out

    def test_a_spec_in_error(self, folder: Path) -> None:
        (folder / "bad.mig").write_text("rename dense/{n} -> head/{n}\n")
        finished = migspec("why", "head/kernel", "bad.mig", *BOTH)
        assert (finished.code, finished.out) == (1, "") and "MIG301" in finished.err
