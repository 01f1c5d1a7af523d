"""The properties of reusable specs: sound ones have them all, and each property finds the faults that it is there for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spec_files import DENSE, DENSE_ORACLE, DENSE_SETTINGS, GATES, GATES_ORACLE, written

from migspec import ops
from migspec.compiler import check_spec
from migspec.diagnostics import Diagnostic
from migspec.expression import Affine, Concat, Slice
from migspec.library import load, read_vocabulary
from migspec.resolve import resolve
from migspec.testing import Outcome, PropertyFailure, assert_sound, open_subject, run_properties, run_property
from migspec.testing.properties import PROPERTIES
from migspec.testing.subject import Subject
from migspec.text import Text

BY_NAME = {one.name: one for one in PROPERTIES}


def tried(path: Path, name: str, **options: int) -> Outcome:
    return run_property(open_subject(path), BY_NAME[name], **options)


def fault(outcome: Outcome) -> Diagnostic:
    assert outcome.status == "failed"
    (one,) = outcome.diagnostics
    return one


def line(one: Diagnostic) -> str:
    assert one.primary is not None
    return one.primary.span.text.line(one.primary.span.line)


# --- sound specs ------------------------------------------------------------------------------------------------------


def test_a_sound_spec_has_every_property(tmp_path: Path) -> None:
    outcomes = assert_sound(written(tmp_path, DENSE, DENSE_SETTINGS, DENSE_ORACLE))
    assert [(one.property.name, one.status, one.cases) for one in outcomes] == [(name, "held", 25) for name in BY_NAME]
    assert outcomes[-1].difference is not None and outcomes[-1].difference < 1e-5


FAMILIES = {
    "a range": "rename a_{i:0..8} -> b_{i}",
    "an unnamed range": "rename a_{0..24} -> b_{0..24}",
    "choices": "rename a_{i:0|1|2|3|4} -> b_{i}",
    "names": "rename a_0 -> b_0\n" + "".join(f"rename a_{i} -> b_{i} if present\n" for i in range(1, 7)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_more_members_than_its_rules_name(tmp_path: Path, name: str) -> None:
    spec = f"size k, n\nsource a_{{i}} [n] for i < k\ntarget b_{{i}} [n] for i < k\n{FAMILIES[name]}\n"
    path = written(tmp_path, spec)
    assert {one.code for one in check_spec(Text(str(path), spec)).diagnostics} == {"MIG201", "MIG202"}
    assert tried(path, "interface").status == "failed"


SOUND = {
    "split and stack": (
        "size n, k\nsource l_{i}/w [n, 3 * n] for i < k\ntarget q [k, n, n]\ntarget v [k, n, 2 * n]\n"
        "rename l_{i}/w -> q, v  stack 0  split -1 [n, 2 * n]"
    ),
    "slice": "size n, m\nsource w [n + m, 2]\ntarget w [n, 2]\nrename w -> w  slice rows [m:]",
    "crop": "size n, m\nsource w [n + m, m]\ntarget w [n, m]\nrename w -> w  crop",
    "crop of gates": "size n, m\nsource w [4 * n + 4 * m]\ntarget w [4 * n]\nrename w -> w  gates ifco -> icfo  crop",
    "repeat": "size n, k\nsource w [n, 2]\ntarget w [n, 2 * k]\nrename w -> w  repeat columns k",
    "repeat twice": "size n, k\nsource w [n]\ntarget w [k * 6 * n]\nrename w -> w  repeat 0 k  repeat 0 6",
    "pad": "size n, m\nsource w [n, n]\ntarget w [n + m, n]\nrename w -> w  pad 0.5",
    "pad and add": "size n, m\nsource w [n]\ntarget w [n + m]\nrename w -> w  pad 0.5  scale 2  add 0.25",
    "pad at random": "size n, m\nsource w [n]\ntarget w [n + m]\nrename w -> w  pad normal 0.1 seed 3",
    "pad of gates": "size n\nsource w [4 * n]\ntarget w [4 * n + 4]\nrename w -> w  gates ifco -> icfo  pad ones",
    "sum": "size n\nsource a [n]\nsource b [n]\ntarget c [n]\nrename a, b -> c  sum",
    "padded sum": "size n\nsource a [n]\nsource b [n]\ntarget c [n + 2]\nrename a, b -> c  pad 0.5 to [n + 2]  sum",
    "mean and scale": "size n, k\nsource a_{i} [n] for i < k\ntarget c [n]\nrename a_{i} -> c  mean  scale 3.0",
    "add to a gate": "size n\nsource b [4 * n]\ntarget b [4 * n]\nrename b -> b  gates icfo -> ifco  add 1.5 to f",
    "fill and keep": "size n\nsource w [n]\ntarget w [n]\ntarget s [n, n]\ntarget k [n]\nsame w\nfill s with 0.5\nkeep k",
    "random fill": "size n\nsource w [n]\ntarget w [n]\ntarget s [n]\nsame w\nfill s with uniform -1 1 seed 2",
    "drop": "size n\nsource w [n]\nsource step [] int64\ntarget w [n]\nsame w\ndrop step",
    "copy": "size n\nsource w [n]\ntarget a [n]\ntarget b [n]\ncopy w -> a, b",
    "narrow cast": "size n\nsource w [n] float32\ntarget w [n] bfloat16\nrename w -> w  cast",
    "wide cast": "size n\nsource w [n] int32\ntarget w [n] int64\nrename w -> w  cast",
    "half precision": "size n\nsource w [n] float16\ntarget w [n] float16\nrename w -> w  add 0.5  scale 0.75",
    "strings": "size n\nsource w [n, 2] string\ntarget w [2, n] string\nrename w -> w  transpose",
    "booleans and complex": "size n\nsource m [n] bool\nsource c [n] complex64\ntarget m [n] bool\ntarget c [n] complex64\nsame *",
    "parameter": 'size h, d\nsource w [h * d]\ntarget w [h * d]\nrename w -> w  rearrange "(h d) -> (d h)"',
    "optional family": "size n, k\nsource l_{i} [n] for i < k if present\nsource w [n]\ntarget w [n]\n"
    "target m_{i} [n] for i < k if present\nrename l_{i} -> m_{i}\nrename w -> w",
}


@pytest.mark.parametrize("spec", list(SOUND.values()), ids=list(SOUND))
def test_whatever_a_rule_may_say_it_does(spec: str, tmp_path: Path) -> None:
    outcomes = assert_sound(written(tmp_path, spec), examples=12)
    assert [one.property.name for one in outcomes if one.status == "held"][:3] == ["interface", "sizes", "elements"]


def test_a_parameter_is_named(tmp_path: Path) -> None:
    outcomes = assert_sound(written(tmp_path, SOUND["parameter"]), examples=5)
    assert outcomes[0].parameters == ("h", "d")


# --- faults -----------------------------------------------------------------------------------------------------------


def test_the_interface_does_not_hold(tmp_path: Path) -> None:
    path = written(tmp_path, DENSE.replace("  transpose", ""))
    outcomes = list(run_properties(open_subject(path)))
    one = fault(outcomes[0])
    assert one.code == "MIG301" and line(one) == "rename w -> kernel"
    assert one.notes[-1] in ("at inputs = 1, units = 2", "at inputs = 2, units = 1")
    assert [(other.status, other.reason) for other in outcomes[1:]] == [("skipped", "the interface does not hold")] * 4


def test_a_side_is_not_covered_where_something_optional_is_there(tmp_path: Path) -> None:
    one = fault(tried(written(tmp_path, DENSE.replace("rename b -> bias  add more", "keep bias if present")), "interface"))
    assert one.code == "MIG201" and line(one) == "source b [units] if present"


def test_sizes_that_are_taken_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from migspec.interface import held

    right = held.assert_interface

    def exchanged(scope: Any, problems: Any) -> None:
        right(scope, problems)
        scope.values["inputs"], scope.values["units"] = scope.values["units"], scope.values["inputs"]

    monkeypatch.setattr(held, "assert_interface", exchanged)
    outcome = tried(written(tmp_path, DENSE), "sizes")
    assert outcome.status == "failed" and {one.code for one in outcome.diagnostics} == {"MIG714"}
    assert line(outcome.diagnostics[0]) == "size inputs, units"
    assert {one.notes[-1] for one in outcome.diagnostics} <= {"at inputs = 1, units = 2", "at inputs = 2, units = 1"}


def _blocks_twice(self: Any, bundle: Any, context: Any) -> Any:
    del self, context

    def doubled(tensor: Any) -> Any:
        length = tensor.shape[-1] // 4
        axis = len(tensor.shape) - 1
        places = (0, 2, 2, 3)
        return tensor.with_(Concat(tuple(Slice(tensor.expression, axis, at * length, length) for at in places), axis))

    return tuple(map(doubled, bundle))


def _one_further(self: Any, bundle: Any, context: Any) -> Any:
    del self, context
    return tuple(tensor.with_(Slice(tensor.expression, 0, 1, tensor.shape[0] - 1)) for tensor in bundle)


def _tiled(self: Any, bundle: Any, context: Any) -> Any:
    count = context.whole(self.count, "count")
    return tuple(tensor.with_(Concat((tensor.expression,) * count, 0)) for tensor in bundle)


def _reversed(self: Any, bundle: Any, context: Any) -> Any:
    (wanted,) = context.wanted(1)
    (tensor,) = bundle
    missing = wanted.full_shape[0] - tensor.shape[0]
    from migspec.expression import Constant, Fill

    return (tensor.with_(Concat((Fill(Constant(0.5), (missing,), tensor.dtype), tensor.expression), 0)),)


def _other_fill(self: Any, bundle: Any, context: Any) -> Any:
    (wanted,) = context.wanted(1)
    (tensor,) = bundle
    missing = wanted.full_shape[0] - tensor.shape[0]
    from migspec.expression import Constant, Fill

    return (tensor.with_(Concat((tensor.expression, Fill(Constant(0.75), (missing,), tensor.dtype)), 0)),)


def _first_alone(self: Any, bundle: Any, context: Any) -> Any:
    del self, context
    return bundle[:1]


def _added_twice(self: Any, bundle: Any, context: Any) -> Any:
    value = 2 * context.number(self.value, "value")
    return tuple(tensor.with_(Affine(tensor.expression, offset=value)) for tensor in bundle)


FAULTS = {
    "a block twice, another never": (ops.Gates, _blocks_twice, GATES, "is moved"),
    "one element too far": (ops.SliceOf, _one_further, "size n\nsource w [n + 1]\ntarget w [n]\nrename w -> w  slice 0 [:n]", "numpy"),
    "tiles for repeats": (ops.Repeat, _tiled, "size n\nsource w [n]\ntarget w [3 * n]\nrename w -> w  repeat 0 3", "numpy"),
    "padded in front": (ops.Pad, _reversed, "size n\nsource w [n]\ntarget w [n + 2]\nrename w -> w  pad 0.5", "numpy"),
    "padded with another value": (
        ops.Pad, _other_fill, "size n\nsource w [n]\ntarget w [n + 2]\nrename w -> w  pad 0.5", "value",
    ),
    "a summand lost": (ops.SumOf, _first_alone, SOUND["sum"], "is moved never"),
    "added twice": (ops.Add, _added_twice, "size n\nsource w [n]\ntarget w [n]\nrename w -> w  add 0.5", "value"),
    "a mean of the first": (ops.MeanOf, _first_alone, SOUND["mean and scale"], "is moved never"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_an_element_that_is_not_where_its_rule_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word, wrong, spec, said = FAULTS[name]
    path = written(tmp_path, spec)
    assert tried(path, "elements", examples=10).status == "held"
    monkeypatch.setattr(word, "apply", wrong)
    one = fault(tried(path, "elements", examples=10))
    assert one.code == "MIG713" and said in one.message
    assert line(one).startswith("rename ")
    assert one.notes[-1].startswith(("at n = ", "at units = "))


def test_a_fill_with_another_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, SOUND["fill and keep"])
    from migspec.expression import Constant
    from migspec.ops import Context

    monkeypatch.setattr(Context, "distribution", lambda self, content, place=0, count=1: Constant(0.75))
    one = fault(tried(path, "elements", examples=5))
    assert one.code == "MIG713" and line(one) == "fill s with 0.5"


def _with_inverse(subject: Subject, text: str) -> Subject:
    inverse, problems = resolve(Text("inverse.mig", text), load, read_vocabulary)
    assert problems == ()
    subject.__dict__["inverse"] = inverse
    return subject


INVERSE = """size units
source bias [4 * units]
target b [4 * units]
rename bias -> b  gates ifco -> icfo
"""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (INVERSE.replace("ifco -> icfo", "ifco -> iofc"), "does not come back"),
        (INVERSE.replace("rename bias -> b  gates ifco -> icfo", "drop bias\nkeep b"), "does not bring"),
        (INVERSE.replace("-> icfo", "-> icfo  add 1e-6"), "does not come back"),
    ],
)
def test_an_inverse_that_is_none(wrong: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, GATES)
    assert tried(path, "inverse").status == "held"
    one = fault(run_property(_with_inverse(open_subject(path), wrong), BY_NAME["inverse"]))
    assert one.code == "MIG715" and said in one.message
    assert line(one).startswith("rename b -> bias") and one.notes[-1] == "at units = 1"


def test_an_inverse_that_does_not_hold(tmp_path: Path) -> None:
    subject = _with_inverse(open_subject(written(tmp_path, GATES)), INVERSE.replace("  gates", "  expand 0  gates"))
    assert fault(run_property(subject, BY_NAME["inverse"])).message == "the inverse of the spec does not hold"


def test_what_is_lossy_has_no_inverse_and_says_why(tmp_path: Path) -> None:
    outcome = tried(written(tmp_path, SOUND["slice"]), "inverse")
    assert outcome.status == "skipped" and outcome.reason is not None and "no inverse" in outcome.reason


@pytest.mark.parametrize(
    ("right", "wrong", "at"),
    [
        ("rename w -> kernel  transpose", "rename w -> kernel  reshape", "inputs = 2, units = 2"),
        ("add more", "add 1.0", "inputs = 1, units = 1"),
        ("add more", "as is", "inputs = 1, units = 1"),
    ],
)
def test_outputs_that_differ_point_at_the_rule(right: str, wrong: str, at: str, tmp_path: Path) -> None:
    path = written(tmp_path, DENSE.replace(right, wrong), DENSE_SETTINGS, DENSE_ORACLE)
    one = fault(tried(path, "oracle"))
    assert one.code == "MIG716" and wrong in line(one) and "look at this rule first" in one.helps[0]
    assert one.notes[-1].startswith(f"at {at}, more = 0.5")


def test_where_several_rules_may_be_wrong_none_comes_first(tmp_path: Path) -> None:
    oracle = "def dense(case):\n    w, b = (sum(abs(case.source[one]).ravel()) for one in 'wb')\n    return w * b, -w * b\n"
    spec = DENSE.replace("[units] if present", "[units]").replace("add more", "add more / more - 1")
    one = fault(tried(written(tmp_path, spec, 'oracle = "oracles.py:dense"\n', oracle), "oracle"))
    assert one.code == "MIG716" and one.secondary and one.helps == ()


def test_gates_in_the_wrong_order(tmp_path: Path) -> None:
    path = written(tmp_path, GATES, 'oracle = "oracles.py:gates"\n', GATES_ORACLE)
    assert tried(path, "oracle").status == "held"
    path.write_text(GATES.replace("icfo -> ifco", "icfo -> icfo"))
    one = fault(tried(path, "oracle"))
    assert one.code == "MIG716" and "in output[1] at [0]" in one.notes[0] and one.notes[-1] == "at units = 1"


def test_assert_sound_raises_with_what_is_wrong(tmp_path: Path) -> None:
    path = written(tmp_path, GATES.replace("icfo -> ifco", "icfo -> icfo"), 'oracle = "oracles.py:gates"\n', GATES_ORACLE)
    with pytest.raises(PropertyFailure, match="the old layer and the new one differ"):
        assert_sound(path)
    assert [one.status for one in assert_sound(path, skip=("oracle",))][-1] == "skipped"


@pytest.mark.parametrize(
    ("skip", "said"),
    [
        ("oracle", r"skip takes a list of names, not one string: \['oracle'\]"),
        (["oracle", "orcale"], "there is no property 'orcale' to skip"),
        (["interface", 3], "there is no property 3 to skip"),
    ],
)
def test_what_cannot_be_skipped(skip: Any, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, DENSE)
    with pytest.raises(ValueError, match=f"{said}.*the properties are interface, sizes, elements, inverse, oracle"):
        assert_sound(path, skip=skip)
    with pytest.raises(ValueError, match=said):
        run_properties(open_subject(path), skip=skip)  # at once, before the first property is asked for


def test_an_outcome_is_short_to_read(tmp_path: Path) -> None:
    *_, inverse, oracle = assert_sound(written(tmp_path, DENSE, DENSE_SETTINGS, DENSE_ORACLE), examples=3)
    assert repr(inverse) == "Outcome(inverse held, 3 cases)"
    assert repr(oracle).startswith("Outcome(oracle held, 3 cases, largest difference ")
    assert repr(assert_sound(written(tmp_path, DENSE, name="alone"))[-1]) == "Outcome(oracle skipped, there is no oracle)"
    failed = tried(written(tmp_path, DENSE, DENSE_SETTINGS, "def dense(case): return 1\n"), "oracle")
    assert repr(failed) == "Outcome(oracle failed, 1 case, MIG717: the oracle returns no pair)"


def test_the_same_seed_gives_the_same_cases(tmp_path: Path) -> None:
    settings = 'oracle = "oracles.py:recorded"\n'
    oracle = (
        "import json, pathlib\n"
        "def recorded(case):\n"
        "    with pathlib.Path(__file__).with_name('cases.txt').open('a') as file:\n"
        "        file.write(json.dumps([dict(case.sizes), float(case.source['w'].sum()), float(case.random.random())]) + '\\n')\n"
        "    return case.source['w'], case.target['kernel'].T\n"
    )
    path = written(tmp_path, DENSE, settings, oracle)
    records = tmp_path / "cases.txt"

    def cases(seed: int) -> list[str]:
        records.unlink(missing_ok=True)
        assert tried(path, "oracle", seed=seed, examples=15).cases == 15
        return records.read_text().splitlines()[:-2]  # at last, one case with its weights and with others

    first = cases(0)
    assert len(set(first)) == 15
    assert cases(0) == first
    assert cases(1) != first


def test_small_sizes_and_large_ones_are_tried(tmp_path: Path) -> None:
    seen: list[dict[str, int]] = []
    from dataclasses import replace

    one = replace(BY_NAME["interface"], holds=lambda trial: seen.append(dict(trial.held.example.choice.sizes)))
    run_property(open_subject(written(tmp_path, DENSE)), one, examples=60)
    assert {sizes["inputs"] for sizes in seen} >= {1, 12}
    assert len({tuple(sizes.values()) for sizes in seen}) > 30
