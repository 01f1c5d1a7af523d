"""`migspec diff`: what differs, folded and the largest first; and whether a file is the migration of another."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy
import pytest
from command_line import NEW, OLD, Finished, migspec

from migspec.resources import schema_path

SPEC = ("--spec", "good.mig")
BOTH = ("-s", "old.npz", "-t", "new.npz")

LEFT = {
    **{f"layer_{number}/kernel": numpy.full((2, 3), number, "float32") for number in range(12)},
    "alike": numpy.arange(3.0),
    "half": numpy.array([0.1, 1.0], "float32"),
    "missing": numpy.array([0.0, numpy.nan, 2.0]),
    "old/bias": numpy.zeros(3, "float32"),
    "shape": numpy.zeros((2, 3), "float32"),
    "step": numpy.int64(7),
}
RIGHT = {
    **{
        name: value + numpy.float32(number in (3, 4, 5)) * value
        for number, (name, value) in enumerate(LEFT.items())
        if number < 12
    },
    "alike": LEFT["alike"],
    "half": LEFT["half"].astype("float16"),
    "missing": numpy.array([-0.0, numpy.nan, numpy.nan]),
    "new/bias": LEFT["old/bias"],
    "shape": numpy.zeros((3, 2), "float32"),
    "step": numpy.int64(9),
}


@pytest.fixture
def sides(folder: Path) -> Path:
    numpy.savez(folder / "a.npz", **LEFT)
    numpy.savez(folder / "b.npz", **RIGHT)
    return folder


@pytest.fixture
def migrated(folder: Path) -> Path:
    """The folder, with the migration of `old.npz` as `out.npz`."""
    assert migspec("apply", "good.mig", *BOTH, "-o", "out.npz").code == 0
    return folder


def with_value(folder: Path, name: str, value: object) -> None:
    """One variable of `out.npz` gets another value."""
    with numpy.load(folder / "out.npz") as file:
        values = {**file, name: numpy.asarray(value)}
    numpy.savez(folder / "out.npz", **values)


def as_json(finished: Finished) -> dict[str, object]:
    found = json.loads(finished.out)
    jsonschema.Draft202012Validator(json.loads(schema_path("difference").read_text(encoding="utf-8"))).validate(found)
    assert isinstance(found, dict) and found["agrees"] == (finished.code == 0)
    return found


class TestTwoSides:
    def test_says_what_differs_the_largest_first(self, sides: Path) -> None:
        finished = migspec("diff", "a.npz", "b.npz")
        assert (finished.code, finished.err) == (1, "")
        assert finished.out == (
            "a.npz -> b.npz\n"
            "\n"
            "different\n"
            "    missing  float64 [3]\n"
            "      2 of 3 elements differ, 1 by more than allowed; most at [2]: 2.0 and nan\n"
            "      L2 norms nan and nan, of the difference inf\n"
            "    shape  float32 [2, 3] and float32 [3, 2]\n"
            "    layer_{3..5}/kernel  float32 [2, 3]\n"
            "      18 of 18 elements differ; most in layer_5/kernel at [0, 0]: 5.0 and 10.0, by 5\n"
            "      relative differences up to 0.5\n"
            "      L2 norms 17.3205 and 34.641, of the difference 17.3205\n"
            "    step  int64 []\n"
            "      7 and 9, by 2\n"
            "\n"
            "close\n"
            "    half  float32 [2] and float16 [2]\n"
            "      1 of 2 elements differs; at [0]: 0.100000001 and 0.0999755859, by 2.44156e-05\n"
            "      relative differences up to 0.000244156\n"
            "      L2 norms 1.00499 and 1.00499, of the difference 2.44156e-05\n"
            "\n"
            "only in a.npz\n"
            "    old/bias  float32 [3]  renamed? new/bias\n"
            "\n"
            "only in b.npz\n"
            "    new/bias  float32 [3]\n"
            "\n"
            "a.npz and b.npz differ: 6 different, 1 close, 10 equal, 1 only in a.npz, 1 only in b.npz\n"
        )

    def test_one_line_each(self, sides: Path) -> None:
        finished = migspec("diff", "a.npz", "b.npz", "--output-format", "concise")
        assert finished.code == 1
        assert finished.out.splitlines() == [
            "different: missing  float64 [3]: 2 of 3 elements differ, 1 by more than allowed; most at [2]: 2.0 and nan",
            "different: shape  float32 [2, 3] and float32 [3, 2]",
            "different: layer_{3..5}/kernel  float32 [2, 3]: 18 of 18 elements differ; "
            "most in layer_5/kernel at [0, 0]: 5.0 and 10.0, by 5",
            "different: step  int64 []: 7 and 9, by 2",
            "close: half  float32 [2] and float16 [2]: 1 of 2 elements differs; at [0]: 0.100000001 and 0.0999755859, by 2.44156e-05",
            "only in a.npz: old/bias  float32 [3]  renamed? new/bias",
            "only in b.npz: new/bias  float32 [3]",
            "a.npz and b.npz differ: 6 different, 1 close, 10 equal, 1 only in a.npz, 1 only in b.npz",
        ]

    def test_all_shows_the_equal_ones_and_folds_nothing(self, sides: Path) -> None:
        lines = migspec("diff", "a.npz", "b.npz", "--all").out.splitlines()
        assert "    layer_4/kernel  float32 [2, 3]" in lines
        assert "    layer_11/kernel  float32 [2, 3]" in lines[lines.index("equal") :]
        assert not [line for line in lines if "{" in line]

    def test_a_file_and_itself(self, sides: Path) -> None:
        finished = migspec("diff", "a.npz", "a.npz")
        assert (finished.code, finished.err) == (0, "")
        assert finished.out == "a.npz -> a.npz\n\na.npz and a.npz agree: 18 equal\n"

    def test_quiet_says_it_by_the_exit_code(self, sides: Path) -> None:
        for other, code in (("a.npz", 0), ("b.npz", 1)):
            finished = migspec("diff", "a.npz", other, "--quiet")
            assert (finished.code, finished.out, finished.err) == (code, "", "")

    @pytest.mark.parametrize("jobs", [1, 4])
    def test_json_has_every_variable(self, sides: Path, jobs: int) -> None:
        finished = migspec("diff", "a.npz", "b.npz", "--output-format", "json", "--jobs", jobs)
        found = as_json(finished)
        assert (finished.code, finished.err) == (1, "")
        variables = {one["right"]["name"]: one for one in found["variables"]}
        assert list(variables) == [name for name in RIGHT if name in LEFT]
        assert variables["layer_4/kernel"] == {
            "verdict": "different",
            "left": {"name": "layer_4/kernel", "shape": [2, 3], "dtype": "float32"},
            "right": {"name": "layer_4/kernel", "shape": [2, 3], "dtype": "float32"},
            "sources": [],
            "measurement": {
                "size": 6,
                "differing": 6,
                "beyond": 6,
                "largest": {"index": [0, 0], "left": "4.0", "right": "8.0", "absolute": 4.0, "relative": 0.5},
                "relative": 0.5,
                "norms": {
                    "left": pytest.approx(96**0.5),
                    "right": pytest.approx(384**0.5),
                    "difference": pytest.approx(96**0.5),
                },
            },
        }
        assert variables["missing"]["measurement"]["largest"]["absolute"] == "inf"
        assert variables["missing"]["measurement"]["norms"]["left"] == "nan"
        assert variables["shape"]["measurement"] is None
        assert found["only_left"] == [{"name": "old/bias", "shape": [3], "dtype": "float32", "renamed": "new/bias"}]
        assert found["counts"] == {"different": 6, "unreadable": 0, "close": 1, "equal": 10, "alike": 0}


class TestTolerance:
    def test_what_is_close_passes_if_it_is_asked_for(self, folder: Path) -> None:
        numpy.savez(folder / "a.npz", w=numpy.array([1.0, 0.0, 3.0], "float32"))
        numpy.savez(folder / "b.npz", w=numpy.array([1.0, -0.0, 3.0], "float32"))
        numpy.savez(folder / "c.npz", w=numpy.array([1.0, 0.0, 3.003], "float32"))
        finished = migspec("diff", "a.npz", "b.npz")
        assert finished.code == 1
        assert finished.out.splitlines()[-1] == "a.npz and b.npz differ: 1 close; `--atol 0` lets what is close pass"
        finished = migspec("diff", "a.npz", "b.npz", "--atol", "0")
        assert finished.code == 0
        assert finished.out.splitlines()[-1] == "a.npz and b.npz agree within the tolerance: 1 close"
        for options, code in (
            ((), 1),
            (("--atol", "0.0031"), 0),
            (("--atol", "0.0029"), 1),
            (("--rtol", "1.01e-3"), 0),
            (("--rtol", "9e-4"), 1),
            (("--rtol", "9e-4", "--atol", "0.001"), 0),
        ):
            assert migspec("diff", "a.npz", "c.npz", *options).code == code, options

    def test_a_copy_in_half_precision(self, folder: Path) -> None:
        values = numpy.random.default_rng(1).normal(size=(30, 40)).astype("float32")
        numpy.savez(folder / "a.npz", w=values)
        numpy.savez(folder / "b.npz", w=values.astype("float16"))
        assert migspec("diff", "a.npz", "b.npz").code == 1
        assert migspec("diff", "a.npz", "b.npz", "--atol", "0").code == 0
        numpy.savez(folder / "b.npz", w=(values + 1e-2).astype("float16"))
        assert migspec("diff", "a.npz", "b.npz", "--atol", "0").code == 1

    @pytest.mark.parametrize("options", [(), ("--atol", "0"), ("--atol", "1e300", "--rtol", "1e300")])
    def test_an_overflow_is_no_rounding(self, folder: Path, options: tuple[str, ...]) -> None:
        numpy.savez(folder / "a.npz", w=numpy.array([1.0, 7e4, 1e6], "float32"))
        numpy.savez(folder / "b.npz", w=numpy.array([1.0, numpy.inf, numpy.inf], "float16"))
        finished = migspec("diff", "a.npz", "b.npz", *options)
        assert finished.code == 1
        assert "2 of 3 elements differ; most at [1]: 70000.0 and inf" in finished.out
        assert finished.out.splitlines()[-1] == "a.npz and b.npz differ: 1 different"

    @pytest.mark.parametrize("value", ["-1", "nan", "inf", "much"])
    def test_what_is_no_tolerance(self, folder: Path, value: str) -> None:
        finished = migspec("diff", "old.npz", "new.npz", "--atol", value)
        assert (finished.code, finished.out) == (2, "")
        assert "--atol" in finished.err


class TestFilter:
    def test_only_what_fits(self, sides: Path) -> None:
        assert migspec("diff", "a.npz", "b.npz", "--filter", "layer_{0..2}/*").code == 0
        finished = migspec("diff", "a.npz", "b.npz", "--filter", "**/kernel except layer_4/*", "--output-format", "json")
        assert len(as_json(finished)["variables"]) == 11
        finished = migspec("diff", "a.npz", "b.npz", "--filter", "*/bias", "--output-format", "concise")
        assert [line.partition(":")[0] for line in finished.out.splitlines()[:-1]] == ["only in a.npz", "only in b.npz"]

    def test_a_pattern_that_fits_nothing_is_no_agreement(self, sides: Path) -> None:
        finished = migspec("diff", "a.npz", "a.npz", "--filter", "kernel")
        assert (finished.code, finished.out) == (2, "")
        assert "no variable fits 'kernel'" in finished.err
        assert migspec("diff", "a.npz", "a.npz", "--filter", "{").codes == ["MIG106"]

    @pytest.mark.parametrize(
        ("pattern", "told"),
        [
            ("step, foo", "no variable fits 'foo'"),
            ("foo, step", "no variable fits 'foo'"),
            ("step except foo", "no variable fits 'foo', which stands after `except`"),
            ("step except step", "'step except step' leaves no variable to look at"),
        ],
    )
    def test_each_part_of_a_pattern_has_to_fit(self, sides: Path, pattern: str, told: str) -> None:
        finished = migspec("diff", "a.npz", "a.npz", "--filter", pattern)
        assert (finished.code, finished.out) == (2, "")
        assert told in finished.err

    def test_it_is_enough_to_fit_one_side(self, sides: Path) -> None:
        for pattern in ("old/bias, new/bias", "** except old/*, new/*", "step except old/bias"):
            assert migspec("diff", "a.npz", "b.npz", "--filter", pattern).code == 1, pattern

    def test_with_a_spec_what_it_fills_keeps_or_drops_can_be_named(self, migrated: Path) -> None:
        for pattern in ("head/bias", "head/bias, temperature", "head/*, global_step", "** except global_step"):
            assert migspec("diff", "old.npz", "out.npz", *SPEC, "--filter", pattern).code == 0, pattern
        for pattern in ("head/bias, heat", "head/* except dense/bias"):  # what is moved goes by its new name
            finished = migspec("diff", "old.npz", "out.npz", *SPEC, "--filter", pattern)
            assert (finished.code, finished.out) == (2, "") and "no variable fits" in finished.err, pattern


class TestThroughASpec:
    def test_the_migration_is_what_the_spec_makes(self, migrated: Path) -> None:
        finished = migspec("diff", "old.npz", "out.npz", *SPEC)
        assert (finished.code, finished.err) == (0, "")
        assert finished.out == (
            "old.npz -> out.npz\n"
            "\n"
            "good.mig:4: keep temperature\n"
            "    keep temperature\n"
            "\n"
            'good.mig:3: drop global_step because "training state"\n'
            "    drop global_step\n"
            "\n"
            "out.npz is what good.mig makes of old.npz: 2 equal, 1 kept, 1 dropped\n"
        )

    def test_one_element_is_another(self, migrated: Path) -> None:
        kernel = OLD["dense/kernel"].T.copy()
        kernel[3, 1] = -1
        with_value(migrated, "head/kernel", kernel)
        finished = migspec("diff", "old.npz", "out.npz", *SPEC)
        assert finished.code == 1
        lines = finished.out.splitlines()
        assert lines[2:6] == [
            "different",
            "    head/kernel  float32 [4, 3]",
            "      1 of 12 elements differs; at [3, 1]: 7.0 and -1.0, by 8",
            "      relative differences up to 1.14286",
        ]
        assert lines[-1] == "out.npz is not what good.mig makes of old.npz: 1 different, 1 equal, 1 kept, 1 dropped"
        finished = migspec("diff", "old.npz", "out.npz", *SPEC, "--output-format", "json")
        assert json.loads(finished.err) == []
        found = as_json(finished)
        assert [one["sources"] for one in found["variables"]] == [["dense/kernel"], ["dense/bias"]]
        assert found["kept"][0]["statement"] == {"spec": "good.mig", "line": 4, "text": "keep temperature"}
        assert found["dropped"][0]["because"] == "training state"
        assert migspec("diff", "old.npz", "out.npz", *SPEC, "--filter", "**/bias").code == 0

    def test_a_saved_plan_does_as_well(self, migrated: Path) -> None:
        assert migspec("plan", "good.mig", *BOTH, "--out", "plan.json").code == 0
        assert migspec("diff", "old.npz", "out.npz", "--spec", "plan.json", "-q").code == 0
        assert migspec("diff", "old.npz", "new.npz", "--spec", "plan.json", "-q").code == 1
        assert migspec("diff", "old.npz", "out.npz", "--spec", "plan.json", "--set", "n=1").code == 2
        numpy.savez(migrated / "out.npz", **{"head/kernel": NEW["head/kernel"]})
        assert migspec("diff", "old.npz", "out.npz", "--spec", "plan.json").codes == ["MIG510"]

    def test_a_spec_that_does_not_fit_is_shown_as_check_shows_it(self, migrated: Path) -> None:
        (migrated / "bad.mig").write_text("rename dense/{n} -> head/{n}\n")
        checked = migspec("check", "bad.mig", "-s", "old.npz", "-t", "out.npz")
        finished = migspec("diff", "old.npz", "out.npz", "--spec", "bad.mig")
        assert (finished.code, finished.out, finished.err) == (checked.code, "", checked.out) and finished.code == 1
        finished = migspec("diff", "old.npz", "out.npz", "--spec", "bad.mig", "--output-format", "json")
        assert [one["code"] for one in json.loads(finished.err)] == checked.codes

    def test_allowed_findings_are_told(self, migrated: Path) -> None:
        (migrated / "part.mig").write_text("rename dense/bias -> head/bias\n")
        allow = ("--allow", "201", "--allow", "202")
        finished = migspec("diff", "old.npz", "out.npz", "--spec", "part.mig", *allow)
        assert finished.code == 0 and finished.codes == ["MIG201", "MIG202"]
        assert "1 equal, 2 kept, 2 dropped" in finished.out

    def test_a_missing_spec(self, migrated: Path) -> None:
        finished = migspec("diff", "old.npz", "out.npz", "--spec", "god.mig")
        assert (finished.code, finished.out, finished.codes) == (2, "", ["MIG501"])
        assert "good.mig" in finished.err

    @pytest.mark.parametrize("option", [("--target", "new.npz"), ("--set", "n=1"), ("--allow", "201")])
    def test_options_of_a_spec_need_one(self, folder: Path, option: tuple[str, str]) -> None:
        finished = migspec("diff", "old.npz", "new.npz", *option)
        assert finished.code == 2 and "--spec" in finished.err


class TestTarget:
    """The output calls its variables otherwise than the target that the spec was written for."""

    @pytest.fixture
    def named(self, folder: Path) -> Path:
        variables = {
            "head/kernel": {"shape": [4, 3], "dtype": "float32", "aliases": ["layers/0/vars/0"]},
            "head/bias": {"shape": [4], "dtype": "float32", "aliases": ["layers/0/vars/1"]},
            "temperature": {"shape": [1], "dtype": "float32"},
        }
        (folder / "named.json").write_text(json.dumps({"variables": variables}))
        values = {
            "layers/0/vars/0": OLD["dense/kernel"].T,
            "layers/0/vars/1": OLD["dense/bias"],
            "temperature": NEW["temperature"],
        }
        numpy.savez(folder / "out.npz", **values)
        return folder

    def test_they_are_found_by_their_aliases(self, named: Path) -> None:
        assert migspec("diff", "old.npz", "out.npz", *SPEC).codes[0] == "MIG204"
        finished = migspec("diff", "old.npz", "out.npz", *SPEC, "--target", "named.json")
        assert (finished.code, finished.err) == (0, "")
        assert finished.out.splitlines()[-1].endswith("2 equal, 1 kept, 1 dropped")

    def test_one_that_is_missing_is_no_agreement(self, named: Path) -> None:
        numpy.savez(named / "out.npz", **{"layers/0/vars/0": OLD["dense/kernel"].T, "more": numpy.zeros(2)})
        finished = migspec("diff", "old.npz", "out.npz", *SPEC, "--target", "named.json")
        assert finished.code == 1
        assert finished.out.splitlines()[2:8] == [
            "only in named.json",
            "    head/bias  float32 [4]",
            "",
            "only in out.npz",
            "    more  float64 [2]",
            "",
        ]

    def test_what_is_kept_is_compared_with_a_target_that_has_values(self, migrated: Path) -> None:
        finished = migspec("diff", "old.npz", "out.npz", *SPEC, "--target", "new.npz")
        assert (finished.code, finished.out.splitlines()[-1]) == (
            0,
            "out.npz is what good.mig makes of old.npz: 3 equal, 1 dropped",
        )
        with_value(migrated, "temperature", numpy.array([0.5], "float32"))
        assert migspec("diff", "old.npz", "out.npz", *SPEC).code == 0
        finished = migspec("diff", "old.npz", "out.npz", *SPEC, "--target", "new.npz")
        assert finished.code == 1
        assert "    temperature  float32 [1]\n      0.25 and 0.5, by 0.25\n" in finished.out


class TestMapsWithoutValues:
    def test_names_shapes_and_dtypes_alone(self, folder: Path) -> None:
        finished = migspec("diff", "new.npz", "new.json")
        assert (finished.code, finished.out.splitlines()[-1]) == (
            0,
            "new.npz and new.json agree: 3 alike, values are not compared, as new.json has none",
        )
        assert as_json(migspec("diff", "new.json", "new.json", "--output-format", "json"))["without_values"] == ["new.json"]
        changed = json.loads((folder / "new.json").read_text())
        changed["variables"]["head/bias"]["dtype"] = "float64"
        (folder / "other.json").write_text(json.dumps(changed))
        finished = migspec("diff", "new.npz", "other.json")
        assert finished.code == 1
        assert "different\n    head/bias  float32 [4] and float64 [4]\n" in finished.out

    def test_through_a_spec(self, folder: Path) -> None:
        finished = migspec("diff", "old.npz", "new.json", *SPEC)
        assert finished.code == 0 and "2 alike" in finished.out


def test_progress_is_not_drawn_into_a_pipe(sides: Path) -> None:
    assert migspec("diff", "a.npz", "b.npz").err == ""
