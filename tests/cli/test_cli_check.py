"""`migspec check`: its verdict is the exit code, and its diagnostics are the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command_line import migspec

from migspec.resources import schema_path

BOTH = ("--source", "old.npz", "--target", "new.npz")


def diagnostics(text: str) -> list[dict[str, Any]]:
    """Diagnostics in JSON, valid against the published schema."""
    data = json.loads(text)
    schema = json.loads(schema_path("diagnostics").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(data)
    return list(data)


def test_sound(folder: Path) -> None:
    finished = migspec("check", "good.mig", *BOTH)
    assert (finished.code, finished.out) == (0, "")
    assert finished.err == "good.mig: sound and covers both sides\n"


def test_alone(folder: Path) -> None:
    finished = migspec("check", "good.mig")
    assert (finished.code, finished.out) == (0, "")
    assert "on its own" in finished.err and "--source" in finished.err


@pytest.mark.parametrize("content", ["", "# all of it is comments\n\n", "mig 1\n", "size n = 2\n", "cast\n"])
def test_a_spec_without_a_rule_is_not_sound(folder: Path, content: str) -> None:
    (folder / "nothing.mig").write_text(content)
    finished = migspec("check", "nothing.mig")
    assert (finished.code, finished.codes) == (1, ["MIG115"])
    assert "sound" not in finished.err


def test_definitions_that_nothing_uses(folder: Path) -> None:
    """`heads` is a label of `rearrange`, and `width` gives `units` its value; what an unused one alone uses is not used either."""
    (folder / "sizes.mig").write_text(
        "size heads = 4\nsize width = 8\nsize units = 2 * width\nnumber rate = 0.1\nnumber slower = rate / 2\n"
        'rename q -> k  rearrange "(heads dim) m -> m heads dim"\nrename w -> v  reshape [units, 3]\n'
    )
    finished = migspec("check", "sizes.mig", "--output-format", "concise")
    assert finished.code == 0
    assert finished.out.splitlines() == [
        "sizes.mig:4:8: warning[MIG116]: nothing uses the number `rate`",
        "sizes.mig:5:8: warning[MIG116]: nothing uses the number `slower`",
    ]
    with (folder / "sizes.mig").open("a") as file:
        file.write("rename x ->\n")  # where something is in error, what it would have used is not known
    assert "MIG116" not in migspec("check", "sizes.mig").codes


def test_only_what_the_spec_itself_defines_must_be_used(folder: Path) -> None:
    (folder / "inner.mig").write_text("size n\nnumber idle = 1.0\nsource w [n]\ntarget w [n]\nrename w -> w\n")
    (folder / "outer.mig").write_text("number given = 2.0\nuse inner  a -> b  with idle = given\n")
    assert migspec("check", "inner.mig").codes == ["MIG116"]
    finished = migspec("check", "outer.mig")
    assert (finished.code, finished.codes) == (0, [])


def test_errors_are_the_result(folder: Path) -> None:
    (folder / "bad.mig").write_text("rename dense/kernel -> head/kernel\nrename dense/bia -> head/bias\ndrop global_step\n")
    finished = migspec("check", "bad.mig", *BOTH)
    assert finished.code == 1
    assert finished.codes == ["MIG301", "MIG203", "MIG202"]  # from the top of the spec to its end
    assert "did you mean `dense/bias`" in finished.out and "temperature" in finished.out
    assert finished.err == "3 errors\n"


def test_concise(folder: Path) -> None:
    (folder / "bad.mig").write_text("rename dense/{n} -> head/{n}\nkeep temperature\ndrop global_step\n")
    finished = migspec("check", "bad.mig", *BOTH, "--output-format", "concise")
    assert finished.code == 1 and finished.err == ""
    (line,) = finished.out.splitlines()
    assert line.startswith("bad.mig:1:") and "error[MIG301]" in line


@pytest.mark.parametrize(
    ("spec", "code", "codes"),
    [
        (None, 0, []),
        ("rename dense/{n} -> head/{n}\n", 1, ["MIG301", "MIG201", "MIG202"]),
        ("renam dense/kernel -> head/kernel\nrename a -> b transpoze\n", 1, ["MIG102", "MIG103"]),
        ("rename dense/kernel → head/kernel\n", 1, ["MIG104"]),
    ],
)
def test_json(folder: Path, spec: str | None, code: int, codes: list[str]) -> None:
    if spec is not None:
        (folder / "bad.mig").write_text(spec, encoding="utf-8")
    finished = migspec("check", "bad.mig" if spec else "good.mig", *BOTH, "--output-format", "json")
    assert (finished.code, finished.err) == (code, "")
    found = diagnostics(finished.out)
    assert [one["code"] for one in found] == codes
    assert all(one["file"] == "bad.mig" for one in found)


def test_json_of_a_file_that_cannot_be_read(folder: Path) -> None:
    finished = migspec("check", "good.mig", "-s", "old.np", "-t", "new.npz", "--output-format", "json")
    assert finished.code == 2
    (found,) = diagnostics(finished.out)
    assert found["code"] == "MIG501" and found["range"] is None
    assert any("old.npz" in one for one in found["helps"])


def test_every_spec_gets_its_verdict(folder: Path) -> None:
    """One that cannot be read does not hide what is wrong with the next."""
    (folder / "bad.mig").write_text("rename dense/{n} -> head/{n}\ndrop global_step\nkeep temperature\n")
    finished = migspec("check", "missing.mig", "bad.mig", "good.mig", *BOTH)
    assert finished.code == 2
    assert finished.codes == ["MIG501", "MIG301"]
    alone = migspec("check", "missing.mig", "good.mig")
    assert (alone.code, alone.codes) == (2, ["MIG501"])


def test_quiet_leaves_errors(folder: Path) -> None:
    assert migspec("check", "good.mig", *BOTH, "--quiet") == migspec("check", "good.mig", *BOTH, "-q")
    finished = migspec("check", "good.mig", *BOTH, "-q")
    assert (finished.code, finished.out, finished.err) == (0, "", "")
    (folder / "bad.mig").write_text("rename dense/{n} -> head/{n}\ndrop global_step\nkeep temperature\n")
    finished = migspec("check", "bad.mig", *BOTH, "-q")
    assert (finished.code, finished.codes, finished.err) == (1, ["MIG301"], "")


def test_color(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bad.mig").write_text("rename dense/{n} -> head/{n}\ndrop global_step\nkeep temperature\n")
    plain = migspec("check", "bad.mig", *BOTH).out
    assert "\x1b[" not in plain  # no terminal
    assert migspec("check", "bad.mig", *BOTH, "--color", "never").out == plain
    colored = migspec("check", "bad.mig", *BOTH, "--color", "always").out
    assert "\x1b[" in colored
    monkeypatch.setenv("NO_COLOR", "1")
    assert migspec("check", "bad.mig", *BOTH).out == plain
    assert migspec("check", "bad.mig", *BOTH, "--color", "always").out == colored  # what is asked for wins


class TestSet:
    SPEC = """size n
number shift = 0
rename dense/kernel -> head/kernel reshape [n, 3]
rename dense/bias -> head/bias add shift
drop global_step
keep temperature
"""

    def test_a_size_and_a_number(self, folder: Path) -> None:
        (folder / "sized.mig").write_text(self.SPEC)
        assert migspec("check", "sized.mig", *BOTH, "--set", "n=4", "--set", "shift=-1.5e0").code == 0
        finished = migspec("check", "sized.mig", *BOTH, "--set", "n=6")
        assert finished.code == 1 and finished.codes == ["MIG302"]

    @pytest.mark.parametrize("given", ["n", "=4", "n=", "n=four", "n=nan", "=", ""])
    def test_what_is_no_setting_is_a_usage_error(self, folder: Path, given: str) -> None:
        (folder / "sized.mig").write_text(self.SPEC)
        finished = migspec("check", "sized.mig", *BOTH, "--set", given)
        assert (finished.code, finished.out) == (2, "")
        assert "NAME=VALUE" in finished.err

    @pytest.mark.parametrize("sides", [BOTH, ()])
    @pytest.mark.parametrize(("given", "code"), [("m=4", "MIG112"), ("n=0", "MIG114"), ("n=1.5", "MIG114"), ("n=-3", "MIG114")])
    def test_what_the_spec_cannot_take_is_a_finding(self, folder: Path, given: str, code: str, sides: tuple[str, ...]) -> None:
        (folder / "sized.mig").write_text(self.SPEC)
        finished = migspec("check", "sized.mig", *sides, "--set", given)
        assert (finished.code, finished.codes) == (1, [code])

    def test_infinity_is_no_number_to_compute_with(self, folder: Path) -> None:
        (folder / "sized.mig").write_text(self.SPEC)
        finished = migspec("check", "sized.mig", *BOTH, "--set", "n=inf")
        assert finished.code in (1, 2) and finished.out + finished.err


class TestAllow:
    SPEC = "rename dense/kernel -> head/kernel transpose\nrename dense/bias -> head/bias\n"

    def test_coverage_becomes_a_warning(self, folder: Path) -> None:
        (folder / "short.mig").write_text(self.SPEC)
        assert migspec("check", "short.mig", *BOTH).code == 1
        finished = migspec("check", "short.mig", *BOTH, "--allow", "MIG201")
        assert finished.code == 1 and "warning[MIG201]" in finished.out and "error[MIG202]" in finished.out
        finished = migspec("check", "short.mig", *BOTH, "--allow", "201", "--allow", "mig202")
        assert finished.code == 0 and finished.out.count("warning[") == 2 and "error[" not in finished.out

    @pytest.mark.parametrize("code", ["MIG301", "405", "MIG101", "MIG999", "everything", ""])
    def test_nothing_else_can_be_allowed(self, folder: Path, code: str) -> None:
        finished = migspec("check", "good.mig", *BOTH, "--allow", code)
        assert (finished.code, finished.out) == (2, "")
        assert "MIG201 and MIG202" in finished.err

    def test_other_errors_stay_errors(self, folder: Path) -> None:
        (folder / "bad.mig").write_text("rename dense/kernel -> head/kernel\n")
        finished = migspec("check", "bad.mig", *BOTH, "--allow", "MIG201", "--allow", "MIG202")
        assert finished.code == 1 and "error[MIG301]" in finished.out


def test_one_side_alone_is_a_usage_error(folder: Path) -> None:
    for side in (BOTH[:2], BOTH[2:]):
        finished = migspec("check", "good.mig", *side)
        assert (finished.code, finished.out) == (2, "")
        assert "both --source and --target" in finished.err


@pytest.mark.parametrize(
    "command",
    [
        ("check",),
        ("invert",),
        ("fmt", "--check"),
        ("plan", *BOTH),
        ("apply", *BOTH, "--out", "out.npz"),
    ],
    ids=lambda command: command[0],
)
def test_a_name_of_the_library_that_is_misspelled(folder: Path, command: tuple[str, ...]) -> None:
    first, *rest = command
    finished = migspec(first, "torch/lnear", *rest)
    assert finished.code in (1, 2) and "did you mean `torch/linear`?" in finished.out + finished.err
    for other in (("compose", "torch/lnear", "good.mig"), ("why", "head/kernel", "torch/lnear", *BOTH)):
        finished = migspec(*other)
        assert finished.code in (1, 2) and "did you mean `torch/linear`?" in finished.out + finished.err


def test_a_file_that_is_not_there_is_no_name_of_the_library(folder: Path) -> None:
    for name in ("specs/model.mig", "../x/new.mig", str(folder / "torch" / "lnear")):
        finished = migspec("check", name)
        assert "MIG501" in finished.codes and "did you mean" not in finished.out + finished.err
