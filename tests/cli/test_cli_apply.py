"""`migspec apply`: what it writes, what it refuses, and that a failure leaves everything as it was."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy
import pytest
from command_line import CHANGED, NEW, OLD, SPEC, assert_written, migspec
from formats import tensorflow_bundle_builder as bundles

import migspec as api

GOOD = ("apply", "good.mig", "--source", "old.npz", "--target", "new.npz")


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, also hidden ones, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_writes_the_output_and_says_so_on_stderr(folder: Path) -> None:
    before = listing(folder)
    finished = migspec(*GOOD, "--out", "out.npz")
    assert (finished.code, finished.out) == (0, "")
    assert finished.err.startswith("wrote out.npz: 2 moved, 1 kept, 1 dropped; 64 B in ")
    assert_written(folder / "out.npz")
    after = listing(folder)
    after.pop("out.npz")
    assert after == before


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_jobs(folder: Path, jobs: str) -> None:
    assert migspec(*GOOD, "-o", "out.npz", "--jobs", jobs).code == 0
    assert_written(folder / "out.npz")


def test_quiet_and_json_say_nothing_when_all_is_well(folder: Path) -> None:
    finished = migspec(*GOOD, "-o", "a.npz", "--quiet")
    assert (finished.code, finished.out, finished.err) == (0, "", "")
    finished = migspec(*GOOD, "-o", "b.npz", "--output-format", "json")
    assert (finished.code, finished.out, json.loads(finished.err)) == (0, "", [])


def test_the_format_is_what_the_name_says_or_what_is_asked_for(folder: Path) -> None:
    from safetensors.numpy import load_file

    assert migspec(*GOOD, "-o", "out.safetensors").code == 0
    assert migspec(*GOOD, "-o", "out.bin", "--format", "safetensors").code == 0
    for name in ("out.safetensors", "out.bin"):
        written = load_file(folder / name)
        assert {key: value.tolist() for key, value in written.items()} == {k: v.tolist() for k, v in CHANGED.items()}
    assert migspec(*GOOD, "-o", "out.safetensors", "--format", "npz", "--force").code == 0
    assert_written(folder / "out.safetensors")


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("out.bin", (), "MIG508"),
        ("out", (), "MIG508"),
        ("out.h5", (), "MIG508"),
        ("out.npz", ("--format", "numpyz"), "MIG508"),
        ("out.keras", (), "MIG508"),
        ("out.weights.h5", (), "MIG508"),
        ("nowhere/out.npz", (), "MIG514"),
        ("good.mig/out.npz", (), "MIG514"),
    ],
)
def test_an_output_that_cannot_be_is_refused(folder: Path, name: str, options: tuple[str, ...], code: str) -> None:
    before = listing(folder)
    finished = migspec(*GOOD, "--out", name, *options)
    assert (finished.code, finished.out, finished.codes) == (2, "", [code])
    assert "help:" in finished.err
    assert listing(folder) == before


def test_an_existing_output_needs_force(folder: Path) -> None:
    (folder / "out.npz").write_bytes(b"precious")
    finished = migspec(*GOOD, "-o", "out.npz")
    assert (finished.code, finished.codes) == (2, ["MIG506"])
    assert "--force" in finished.err
    assert (folder / "out.npz").read_bytes() == b"precious"
    assert migspec(*GOOD, "-o", "out.npz", "--force").code == 0
    assert_written(folder / "out.npz")


@pytest.mark.parametrize("out", ["old.npz", "new.npz", "./old.npz", "linked.npz", "hard.npz"])
def test_never_onto_a_file_that_is_read(folder: Path, out: str) -> None:
    (folder / "linked.npz").symlink_to("new.npz")
    os.link(folder / "old.npz", folder / "hard.npz")
    before = listing(folder)
    for force in ((), ("--force",)):
        finished = migspec(*GOOD, "-o", out, *force)
        assert (finished.code, finished.codes) == (2, ["MIG507"])
    assert listing(folder) == before


def test_a_folder_is_no_output(folder: Path) -> None:
    (folder / "out.npz").mkdir()
    for force, code in (((), "MIG506"), (("--force",), "MIG514")):
        finished = migspec(*GOOD, "-o", "out.npz", *force)
        assert (finished.code, finished.codes) == (2, [code])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(folder: Path) -> None:
    (folder / "sealed").mkdir(mode=0o500)
    finished = migspec(*GOOD, "-o", "sealed/out.npz")
    assert (finished.code, finished.codes) == (2, ["MIG514"])


def test_a_variable_map_as_target(folder: Path) -> None:
    assert migspec("apply", "mapped.mig", "-s", "old.npz", "-t", "new.json", "-o", "out.npz").code == 0
    assert_written(folder / "out.npz")


def test_keep_needs_a_target_with_values(folder: Path) -> None:
    finished = migspec("apply", "good.mig", "-s", "old.npz", "-t", "new.json", "-o", "out.npz")
    assert (finished.code, finished.codes) == (1, ["MIG218"])
    assert "temperature" in finished.err and not (folder / "out.npz").exists()
    assert migspec("check", "good.mig", "-s", "old.npz", "-t", "new.json").code == 0  # the map stands for a model with values


def test_errors_of_the_spec_stop_it(folder: Path) -> None:
    (folder / "bad.mig").write_text("rename dense/{n} -> head/{n}\n")
    before = listing(folder)
    finished = migspec("apply", "bad.mig", "-s", "old.npz", "-t", "new.npz", "-o", "out.npz")
    assert (finished.code, finished.out) == (1, "")
    assert finished.codes == ["MIG301", "MIG201", "MIG202"]
    assert listing(folder) == before


def test_json_on_stderr_for_every_kind_of_error(folder: Path) -> None:
    (folder / "bad.mig").write_text("rename dense/{n} -> head/{n}\ndrop global_step\nkeep temperature\n")
    (folder / "out.npz").touch()
    for spec, code, status in (("bad.mig", "MIG301", 1), ("good.mig", "MIG506", 2), ("none.mig", "MIG501", 2)):
        arguments = ("apply", spec, "-s", "old.npz", "-t", "new.npz", "-o", "out.npz", "--output-format", "json")
        finished = migspec(*arguments)
        assert (finished.code, finished.out) == (status, "")
        assert [one["code"] for one in json.loads(finished.err)][-1] == code


class TestDamage:
    """A source that turns out damaged only when its values are read."""

    @staticmethod
    def bundle(folder: Path) -> Path:
        kernel, bias = OLD["dense/kernel"].tobytes(), OLD["dense/bias"].tobytes()
        step = numpy.int64(7).tobytes()
        data = bias + kernel + step
        items = [
            bundles.entry("dense/bias", shape=[4], data=bias, offset=0),
            bundles.entry("dense/kernel", shape=[3, 4], data=kernel, offset=len(bias)),
            bundles.entry("global_step", dtype=9, data=step, offset=len(bias + kernel)),
        ]
        bundles.write(folder / "model.ckpt", items, data)
        return folder / "model.ckpt.data-00000-of-00001"

    @staticmethod
    def apply(*options: str) -> object:
        return migspec("apply", "good.mig", "-s", "model.ckpt", "-t", "new.npz", "-o", "out.npz", *options)

    def test_sound(self, folder: Path) -> None:
        self.bundle(folder)
        assert migspec("apply", "good.mig", "-s", "model.ckpt", "-t", "new.npz", "-o", "out.npz").code == 0
        assert_written(folder / "out.npz")

    @pytest.mark.parametrize("jobs", ["1", "2"])
    @pytest.mark.parametrize("old", [None, b"precious"])
    @pytest.mark.parametrize(("damage", "codes"), [("cut", {"MIG503"}), ("flip", {"MIG504"}), ("gone", {"MIG501"})])
    def test_nothing_changes(self, folder: Path, damage: str, codes: set[str], old: bytes | None, jobs: str) -> None:
        data = self.bundle(folder)
        match damage:
            case "cut":
                data.write_bytes(data.read_bytes()[:20])
            case "flip":
                values = bytearray(data.read_bytes())
                values[30] ^= 1
                data.write_bytes(bytes(values))
            case "gone":
                data.unlink()
        if old is not None:
            (folder / "out.npz").write_bytes(old)
        before = listing(folder)
        finished = migspec("apply", "good.mig", "-s", "model.ckpt", "-t", "new.npz", "-o", "out.npz", "--force", "--jobs", jobs)
        assert (finished.code, finished.out) == (2, "")
        assert set(finished.codes) == codes
        assert str(data.name) in finished.err
        assert listing(folder) == before  # the old output stands, and no temporary file

    def test_a_member_of_an_npz(self, folder: Path) -> None:
        content = bytearray((folder / "old.npz").read_bytes())
        place = bytes(content).index(OLD["dense/kernel"].tobytes())
        content[place + 8] ^= 1
        (folder / "old.npz").write_bytes(bytes(content))
        before = listing(folder)
        finished = migspec(*GOOD, "-o", "out.npz")
        assert (finished.code, finished.codes) == (2, ["MIG504"])
        assert "old.npz" in finished.err
        assert listing(folder) == before

    def test_check_does_not_mind(self, folder: Path) -> None:
        self.bundle(folder).unlink()
        assert migspec("check", "good.mig", "-s", "model.ckpt", "-t", "new.npz").code == 0


class TestPlan:
    """A plan that was saved is run as it is, or refused."""

    SIDES = ("-s", "old.npz", "-t", "new.npz")

    def test_saved_and_run(self, folder: Path) -> None:
        finished = migspec("plan", "good.mig", *self.SIDES, "--out", "plan.json")
        assert finished.code == 0
        assert json.loads((folder / "plan.json").read_text())["format"] == "migspec-plan"
        (folder / "good.mig").rename(folder / "gone.mig")  # the plan holds all that it needs
        assert migspec("apply", "plan.json", *self.SIDES, "-o", "out.npz").code == 0
        assert_written(folder / "out.npz")

    def test_saved_again(self, folder: Path) -> None:
        for _ in range(2):
            assert migspec("plan", "good.mig", *self.SIDES, "--out", "plan.json").code == 0

    @pytest.mark.parametrize("out", ["good.mig", "old.npz", "new.npz", "new.json", "."])
    def test_nothing_but_an_older_plan_is_replaced(self, folder: Path, out: str) -> None:
        before = listing(folder)
        finished = migspec("plan", "good.mig", *self.SIDES, "--out", out)
        assert (finished.code, finished.out, finished.codes) == (2, "", ["MIG506"])
        assert listing(folder) == before

    def test_nowhere_to_save(self, folder: Path) -> None:
        finished = migspec("plan", "good.mig", *self.SIDES, "--out", "nowhere/plan.json")
        assert (finished.code, finished.codes) == (2, ["MIG514"])

    def test_stale(self, folder: Path) -> None:
        migspec("plan", "good.mig", *self.SIDES, "--out", "plan.json")
        apply = ("apply", "plan.json", *self.SIDES, "-o", "out.npz")
        (folder / "good.mig").write_text(SPEC + "# changed\n")
        finished = migspec(*apply)
        assert (finished.code, finished.codes) == (2, ["MIG510"])
        assert "the spec has changed" in finished.err and "migspec plan" in finished.err
        (folder / "good.mig").write_text(SPEC)
        for side, other in (("old.npz", OLD), ("new.npz", NEW)):
            kept = (folder / side).read_bytes()
            numpy.savez(folder / side, **other, more=numpy.zeros(1))
            finished = migspec(*apply)
            assert (finished.code, finished.codes) == (2, ["MIG510"])
            assert side in finished.err
            (folder / side).write_bytes(kept)
        assert not (folder / "out.npz").exists()
        assert migspec(*apply).code == 0

    def test_new_values_of_the_same_variables_are_not_stale(self, folder: Path) -> None:
        migspec("plan", "good.mig", *self.SIDES, "--out", "plan.json")
        numpy.savez(folder / "old.npz", **{**OLD, "dense/bias": OLD["dense/bias"] + 1})
        assert migspec("apply", "plan.json", *self.SIDES, "-o", "out.npz").code == 0
        with numpy.load(folder / "out.npz") as written:
            assert written["head/bias"].tolist() == (OLD["dense/bias"] + 1).tolist()

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"head/bias"', '"temperature"'),
            ('"axes": [\n', '"axes": [\n     0,'),
            ('"version": 1', '"version": 2'),
            ('"digest"', '"digested"'),
            ('"moves"', '"moved"'),
            ("}", ""),
        ],
    )
    def test_edited(self, folder: Path, old: str, new: str) -> None:
        migspec("plan", "good.mig", *self.SIDES, "--out", "plan.json")
        text = (folder / "plan.json").read_text()
        assert old in text
        (folder / "plan.json").write_text(text.replace(old, new, 1))
        finished = migspec("apply", "plan.json", *self.SIDES, "-o", "out.npz")
        assert (finished.code, finished.codes) == (2, ["MIG509"])
        assert "plan" in finished.err and not (folder / "out.npz").exists()

    @pytest.mark.parametrize("content", [b"{", b"{}", b'{"format": "migspec-plan"}', b"{\xff", b"{" * 200000, b'{"a": ' * 5000])
    def test_malformed(self, folder: Path, content: bytes) -> None:
        (folder / "plan.json").write_bytes(content)
        finished = migspec("apply", "plan.json", *self.SIDES, "-o", "out.npz")
        assert finished.code == 2 and finished.codes in (["MIG509"], ["MIG501"])

    def test_settings_go_into_the_plan_when_it_is_made(self, folder: Path) -> None:
        migspec("plan", "good.mig", *self.SIDES, "--out", "plan.json")
        for option in (("--set", "n=1"), ("--allow", "MIG201")):
            finished = migspec("apply", "plan.json", *self.SIDES, "-o", "out.npz", *option)
            assert finished.code == 2 and "migspec plan" in finished.err

    def test_what_was_allowed_is_in_the_plan(self, folder: Path) -> None:
        (folder / "short.mig").write_text("rename dense/kernel -> head/kernel transpose\nrename dense/bias -> head/bias\n")
        allow = ("--allow", "MIG201", "--allow", "MIG202")
        finished = migspec("plan", "short.mig", *self.SIDES, *allow, "--out", "plan.json")
        assert finished.code == 0
        assert "drop global_step" in finished.out and "keep temperature" in finished.out and "--allow MIG201" in finished.out
        plan = json.loads((folder / "plan.json").read_text())
        assert [one.partition(":")[0] for one in plan["allowed"]] == ["MIG201", "MIG202"]
        assert migspec("apply", "plan.json", *self.SIDES, "-o", "out.npz").code == 0
        assert_written(folder / "out.npz")


class TestLiveModelThatIsNone:
    """`--target module:function` where the module or the function fails: told with the place, never as a traceback."""

    @pytest.mark.parametrize(
        ("module", "reference", "said"),
        [
            ("", "no_such_module_here:build", "there is no module `no_such_module_here`"),
            ("import no_such_thing_here\n", "faulty_a:build", "no_such_thing_here"),
            ("def build(:\n", "faulty_b:build", "SyntaxError"),
            ("raise ValueError('not today')\n", "faulty_c:build", "not today"),
            ("def other(): pass\n", "faulty_d:build", "`other`"),
            ("def build(): raise KeyError('weights')\n", "faulty_e:build", "faulty_e.py:1"),
            ("def build(): pass\n", "faulty_f:build", "None"),
            ("def build(): return 3\n", "faulty_g:build", "int"),
            ("def build(size): pass\n", "faulty_h:build", "without arguments"),
            ("build = 3\n", "faulty_i:build", "no function"),
            ("def build(): raise SystemExit(3)\n", "faulty_j:build", "SystemExit"),
        ],
    )
    def test_told(self, folder: Path, module: str, reference: str, said: str) -> None:
        name = reference.partition(":")[0]
        if module:
            (folder / f"{name}.py").write_text(module)
        try:
            for command in (("check", "good.mig"), ("apply", "good.mig", "-o", "out.npz")):
                finished = migspec(*command, "-s", "old.npz", "-t", reference)
                assert (finished.code, finished.codes) == (2, ["MIG511"])
                assert said in finished.out + finished.err
            assert migspec("inspect", reference).codes == ["MIG511"]
        finally:
            sys.modules.pop(name, None)


def test_python_says_the_same(folder: Path) -> None:
    """The API and the command line write the same bytes."""
    api.compile("good.mig", "old.npz", "new.npz").apply("python.npz")
    assert migspec(*GOOD, "-o", "shell.npz").code == 0
    assert (folder / "python.npz").read_bytes() == (folder / "shell.npz").read_bytes()


@pytest.mark.parametrize("read", ["outer.mig", "inner.mig", "old.txt", "plan.json"])
def test_no_file_that_is_read_is_overwritten(folder: Path, read: str) -> None:
    (folder / "outer.mig").write_text("use inner.mig a -> b\n")
    (folder / "inner.mig").write_text(
        'source e [2, 3]\ntarget e [2, 3]\nrename e -> e  remap rows from "old.txt" to "new.txt"\n'
    )
    (folder / "old.txt").write_text("one\ntwo\n")
    (folder / "new.txt").write_text("two\none\n")
    numpy.savez(folder / "a.npz", **{"a/e": numpy.ones((2, 3))})
    numpy.savez(folder / "b.npz", **{"b/e": numpy.ones((2, 3))})
    sides = ("-s", "a.npz", "-t", "b.npz")
    assert migspec("plan", "outer.mig", *sides, "-o", "plan.json").code == 0
    before = listing(folder)
    for spec in ("plan.json",) if read == "plan.json" else ("outer.mig", "plan.json"):
        finished = migspec("apply", spec, *sides, "-o", read, "--format", "npz", "--force")
        assert (finished.code, "MIG507" in finished.err) == (2, True), finished.err
    assert listing(folder) == before
