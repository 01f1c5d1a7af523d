"""Plans in files: what is written is read, and nothing that was edited, cut short or overtaken is run."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from notation import variables_of
from plans import SOURCE, SPEC, TARGET, example, plans

from migspec.compiler import compile_spec, read_spec
from migspec.diagnostics import SpecError
from migspec.expression import Affine, Read
from migspec.plan import Cause, Fingerprint, Move, Plan, check_fresh
from migspec.plan_json import dumps, from_json, load_plan, to_json
from migspec.resources import schema_path
from migspec.text import Text
from migspec.variables import Variable, VariableMap


def refusal(error: pytest.ExceptionInfo[SpecError]) -> str:
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.file
    assert diagnostic.helps
    return diagnostic.code


@given(plans)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(plan) -> None:
    data = to_json(plan)
    Draft202012Validator(json.loads(schema_path("plan").read_text())).validate(data)
    assert from_json(json.loads(json.dumps(data)), "plan.json") == plan


def test_the_example_by_way_of_a_file(tmp_path) -> None:
    path = str(tmp_path / "plan.json")
    Path(path).write_text(dumps(example()), encoding="utf-8")
    assert load_plan(path) == example()
    assert Path(path).read_text().isascii()


def test_the_schema_is_one() -> None:
    schema = json.loads(schema_path("plan").read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


# --- edited ----------------------------------------------------------------------------------------------------------------------

Path_ = tuple[str | int, ...]


def leaves(data: Any, place: Path_ = ()) -> Iterator[Path_]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, (*place, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from leaves(value, (*place, index))
    else:
        yield place


def replaced(data: Any, place: Path_, value: Any) -> Any:
    data = copy.deepcopy(data)
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return data


EXAMPLE = to_json(example())
LEAVES = list(leaves(EXAMPLE))
others = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
)


@given(st.sampled_from(LEAVES), others)
@settings(max_examples=150, deadline=None)
def test_any_value_that_was_changed_is_noticed(place, value) -> None:
    edited = replaced(EXAMPLE, place, value)
    if json.dumps(edited, sort_keys=True) == json.dumps(EXAMPLE, sort_keys=True):
        return
    with pytest.raises(SpecError) as error:
        from_json(edited, "plan.json")
    assert refusal(error) == "MIG509"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_anything_taken_out_or_put_in_is_noticed(data) -> None:
    edited = copy.deepcopy(EXAMPLE)
    places = [inner for place in LEAVES for length in range(len(place)) if isinstance(inner := place[:length], tuple)]
    inner = edited
    for step in data.draw(st.sampled_from(sorted(set(places), key=repr))):
        inner = inner[step]
    if isinstance(inner, dict):
        if data.draw(st.booleans()):
            del inner[data.draw(st.sampled_from(sorted(inner)))]
        else:
            inner["more"] = 1
    elif data.draw(st.booleans()) and len(inner) > 1 and inner[0] != inner[1]:
        inner[0], inner[1] = inner[1], inner[0]
    else:
        inner.pop()
    with pytest.raises(SpecError) as error:
        from_json(edited, "plan.json")
    assert refusal(error) == "MIG509"


# --- malformed -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        '"plan"',
        "{}",
        "NaN",
        '{"format": "migspec-plan"}',
        '{"variables": {}}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "\ufeff{}",
        json.dumps(EXAMPLE)[:-20],
        json.dumps(EXAMPLE)[20:],
        json.dumps({**EXAMPLE, "version": 2}),
        json.dumps({**EXAMPLE, "moves": {}}),
        json.dumps({**EXAMPLE, "digest": "0" * 64}),
    ],
    ids=range(18),
)
def test_what_is_no_plan(tmp_path, text) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as error:
        load_plan(str(path))
    assert refusal(error) == "MIG509"
    assert error.value.diagnostics[0].file == str(path)


@given(st.integers(0, len(json.dumps(EXAMPLE)) - 1))
@settings(max_examples=30, deadline=None)
def test_a_file_cut_short_is_refused(tmp_path_factory, length) -> None:
    path = tmp_path_factory.mktemp("cut") / "plan.json"
    path.write_text(json.dumps(EXAMPLE)[:length])
    with pytest.raises(SpecError) as error:
        load_plan(str(path))
    assert refusal(error) == "MIG509"


def test_a_file_that_is_not_there_or_no_text(tmp_path) -> None:
    with pytest.raises(SpecError) as missing:
        load_plan(str(tmp_path / "plan.json"))
    assert missing.value.diagnostics[0].code == "MIG501"
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError) as binary:
        load_plan(str(tmp_path / "plan.json"))
    assert binary.value.diagnostics[0].code == "MIG501"


def nested(depth: int) -> Plan:
    mark = Fingerprint("x", "0" * 64)
    node: Any = Read("a", (2,), "float32")
    for _ in range(depth):
        node = Affine(node, 2.0, 1.0)
    return Plan((), mark, mark, (Move("t", node, ("a",), Cause("s", 1, "rename a -> t")),), (), ())


def test_a_long_pipeline_is_read_without_trying_every_branch(monkeypatch) -> None:
    # with one `oneOf` for all nodes, a validator took five times as long for each op more
    visits = 0
    descend = Draft202012Validator.descend

    def counted(self, *arguments, **more):
        nonlocal visits
        visits += 1
        return descend(self, *arguments, **more)

    monkeypatch.setattr(Draft202012Validator, "descend", counted)
    seen = {}
    for depth in (20, 40):
        visits = 0
        assert from_json(to_json(nested(depth)), "plan.json") == nested(depth)
        seen[depth] = visits
    assert seen[40] <= 2.1 * seen[20]


def test_nesting_without_end_is_refused() -> None:
    expression: Any = {"op": "read", "side": "source", "variable": "a", "shape": [2], "dtype": "float32"}
    for _ in range(700):
        expression = {"op": "affine", "scale": 1.0, "offset": 1.0, "input": expression}
    data = to_json(nested(1))
    data["moves"][0]["expression"] = expression
    with pytest.raises(SpecError) as error:
        from_json(data, "plan.json")
    assert refusal(error) == "MIG509"


# --- stale -----------------------------------------------------------------------------------------------------------------------


def changed(variables: VariableMap, place: int, how: str) -> VariableMap:
    listed = list(variables)
    one = listed[place]
    match how:
        case "name":
            listed[place] = Variable(one.name + "_", one.shape, one.dtype)
        case "shape":
            listed[place] = Variable(one.name, (*one.shape, 1), one.dtype)
        case "dtype":
            listed[place] = Variable(one.name, one.shape, "float64")
        case "less":
            del listed[place]
        case "more":
            listed.insert(place, Variable("one/more", (1,), "float32"))
    return VariableMap.of("other.npz", listed)


@given(st.sampled_from(("source", "target")), st.sampled_from(("name", "shape", "dtype", "less", "more")), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_other_variables_make_a_plan_stale(side, how, place) -> None:
    plan = example()
    maps = {"source": SOURCE, "target": TARGET}
    check_fresh(plan, **maps)
    maps[side] = changed(maps[side], place, how)
    with pytest.raises(SpecError) as error:
        check_fresh(plan, **maps)
    assert refusal(error) == "MIG510"
    assert side in error.value.diagnostics[0].message
    assert error.value.diagnostics[0].file == "other.npz"


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_and_the_place_of_the_variables_do_not(random) -> None:
    listed = list(SOURCE)
    random.shuffle(listed)
    check_fresh(example(), VariableMap.of("elsewhere.npz", listed), TARGET)


def test_a_spec_that_was_changed_makes_a_plan_stale(tmp_path) -> None:
    spec = tmp_path / "spec.mig"
    spec.write_text(SPEC)
    plan = example(str(spec))
    check_fresh(plan, SOURCE, TARGET)
    spec.write_text(SPEC.replace("seed 7", "seed 8"))
    with pytest.raises(SpecError) as error:
        check_fresh(plan, SOURCE, TARGET)
    assert refusal(error) == "MIG510"
    assert error.value.diagnostics[0].file == str(spec)
    spec.unlink()  # a plan may travel without its spec
    check_fresh(plan, SOURCE, TARGET)


@pytest.mark.parametrize("content", [SPEC.replace("\n", "\r\n"), "\ufeff" + SPEC, SPEC.replace("everything", "ällés")])
def test_a_spec_that_was_not_changed_does_not(tmp_path, content) -> None:
    spec = tmp_path / "spec.mig"
    spec.write_bytes(content.encode())
    plan = compile_spec(read_spec(str(spec)), SOURCE, TARGET).plan
    assert plan is not None
    check_fresh(plan, SOURCE, TARGET)


def test_a_vocabulary_that_was_changed_makes_a_plan_stale_and_one_that_is_gone_does_not(tmp_path) -> None:
    (tmp_path / "old.txt").write_text("the\ncat\n")
    (tmp_path / "new.txt").write_text("cat\nthe\n")
    spec = tmp_path / "spec.mig"
    spec.write_text('rename a -> a  remap rows from "old.txt" to "new.txt"\n')
    source, target = (VariableMap.of(label, [Variable("a", (2, 3), "float32")]) for label in ("old", "new"))
    made = compile_spec(read_spec(str(spec)), source, target).plan
    assert made is not None
    plan = from_json(json.loads(dumps(made)), "plan.json")
    assert plan == made
    check_fresh(plan, source, target)
    (tmp_path / "new.txt").write_text("the\ncat\n")
    with pytest.raises(SpecError) as error:
        check_fresh(plan, source, target)
    assert refusal(error) == "MIG510"
    assert "new.txt" in str(error.value)
    for file in tmp_path.iterdir():
        file.unlink()
    check_fresh(plan, source, target)  # what the files said stands in it


def test_a_plan_with_places_that_its_table_has_not_is_refused() -> None:
    source, target = (VariableMap.of(label, [Variable("a", (2, 3), "float32")]) for label in ("old", "new"))
    made = compile_spec(Text("spec.mig", "rename a -> a  flip 0\n"), source, target).plan
    assert made is not None
    data = to_json(made)
    for indices in ("0 2", "0 x", "-1 0", "0..2", "9999999999999999999999"):
        read = data["moves"][0]["expression"]["input"]
        data["moves"][0]["expression"] = {"op": "take", "axis": 0, "indices": indices, "input": read}
        content = {key: value for key, value in data.items() if key != "digest"}
        data["digest"] = sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        with pytest.raises(SpecError) as error:
            from_json(data, "plan.json")
        assert refusal(error) == "MIG509"


def test_all_that_is_stale_is_told_at_once(tmp_path) -> None:
    spec = tmp_path / "spec.mig"
    spec.write_text(SPEC)
    plan = example(str(spec))
    spec.write_text(SPEC + "# more\n")
    nothing = variables_of("nothing", "")
    with pytest.raises(SpecError) as error:
        check_fresh(plan, nothing, nothing)
    assert [one.code for one in error.value.diagnostics] == ["MIG510"] * 3
