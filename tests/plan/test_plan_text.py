"""A plan for a person: every variable stands in it, and `why` tells where each comes from and goes."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notation import variables_of
from plans import SOURCE, SPEC, TARGET, example

from migspec.compiler import compile_spec
from migspec.diagnostics import SpecError
from migspec.expression import Read
from migspec.plan import Cause, Fingerprint, Move, Plan
from migspec.plan_text import bytes_text, plan_bytes, plan_text, summary
from migspec.text import Text
from migspec.why import why


def names_in(text: str) -> list[str]:
    pieces = re.split(r"\{([0-9]+)\.\.([0-9]+)\}", text)
    ranges = [[str(n) for n in range(int(low), int(high) + 1)] for low, high in zip(pieces[1::3], pieces[2::3], strict=True)]
    return ["".join(a + b for a, b in zip(pieces[0::3], (*choice, ""), strict=True)) for choice in product(*ranges)]


def told(plan: Plan) -> dict[str, list[str]]:
    """What the text says is moved from, moved into, kept and dropped, folded names written out."""
    found: dict[str, list[str]] = {"from": [], "into": [], "keep": [], "drop": []}
    for line in plan_text(plan).splitlines():
        for kind, form in (
            ("into", r"      -> (\S+)  .*"),
            ("keep", r"    keep (\S+).*"),
            ("drop", r"    drop (\S+).*"),
            ("from", r"    (\S+)  \S.*"),
        ):
            match = re.fullmatch(form, line)
            if match:
                found[kind] += names_in(match[1])
                break
    return found


def test_every_variable_stands_in_it_once() -> None:
    plan = example()
    text = told(plan)
    assert sorted(text["into"] + text["keep"]) == sorted(variable.name for variable in TARGET)
    moved = {name for move in plan.moves for name in move.sources}
    assert set(text["from"]) == moved
    assert sorted([*moved, *text["drop"]]) == sorted(variable.name for variable in SOURCE)
    assert len(text["drop"]) == len(set(text["drop"]))


def test_each_line_stands_under_the_statement_that_caused_it() -> None:
    lines = plan_text(example()).splitlines()
    written = SPEC.splitlines()
    for number, statement in enumerate(written, 1):
        if statement.startswith(("#", "use")):
            continue
        assert f"spec.mig:{number}: {' '.join(statement.split())}" in lines
    # a mounted spec's statements are shown with the `use` that led there
    assert any(line.startswith("spec.mig:2:") and "use tf1/basic_lstm" in line for line in lines)
    assert 'because "training state"' in "\n".join(lines)


@given(st.integers(1, 4), st.integers(1, 3), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_layers_fold_whatever_the_order(layers, heads, random) -> None:
    old = [f"l_{i}/h_{h}/{w} [{2 + i}, 4] float32" for i in range(layers) for h in range(heads) for w in "ab"]
    new = [
        f"m/{i}/{h}/{w}{half} [{2 + i}, 2] float32" for i in range(layers) for h in range(heads) for w in "ab" for half in "xy"
    ]
    random.shuffle(old)
    random.shuffle(new)
    source, target = variables_of("old", "\n".join(old)), variables_of("new", "\n".join(new))
    plan = compile_spec(
        Text("s.mig", "rename l_{i}/h_{h}/{w} -> m/{i}/{h}/{w}x, m/{i}/{h}/{w}y  split columns"), source, target
    ).plan
    assert plan is not None
    text = told(plan)
    assert sorted(text["into"]) == sorted(variable.name for variable in target)
    assert sorted(text["from"]) == sorted(variable.name for variable in source)


def test_the_summary_counts() -> None:
    plan = example()
    assert plan_bytes(plan) == sum(v.nbytes for v in TARGET if v.name not in ("kept", "dropout/seed_generator_state"))
    assert summary(plan) == f"9 moved, 2 filled, 2 kept, 4 dropped; {bytes_text(plan_bytes(plan))}"
    assert plan_text(plan).splitlines()[-1] == summary(plan)
    assert plan_text(plan).splitlines()[0] == "old.npz -> new.npz"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (123_456, "123 kB"),
        (999_999, "1 MB"),
        (2_000_000_000, "2 GB"),
        (3 * 10**12, "3 TB"),
    ],
)
def test_bytes(count, text) -> None:
    assert bytes_text(count) == text


def test_what_one_use_leads_to_stands_together_and_its_statement_once() -> None:
    """Even where the target's variables have another order; uses inside uses stand below theirs."""
    place = "spec.mig:1: use a x -> y", "spec.mig:2: use a z -> w", "/b/a.mig:5: use b x -> y"
    causes = [
        Cause("a.mig", 1, "rename k -> k", (place[0],)),
        Cause("spec.mig", 3, "rename m -> m"),
        Cause("b.mig", 1, "rename k -> k", (place[0], place[2])),
        Cause("a.mig", 1, "rename k -> k", (place[1],)),
        Cause("b.mig", 2, "rename b -> b", (place[0], place[2])),
        Cause("a.mig", 2, "rename b -> b", (place[0],)),
    ]
    moves = tuple(
        Move(f"t{number}", Read(f"s{number}", (2,), "float32"), (f"s{number}",), cause) for number, cause in enumerate(causes)
    )
    nothing = Fingerprint("model", "")
    lines = [line for line in plan_text(Plan((), nothing, nothing, moves, (), ())).splitlines() if not line.startswith(" ")]
    assert lines[1:-2] == [
        "",
        *(place[0], "a.mig:1: rename k -> k", place[2], "b.mig:1: rename k -> k", "b.mig:2: rename b -> b"),
        "",
        *(place[0], "a.mig:2: rename b -> b"),
        "",
        "spec.mig:3: rename m -> m",
        "",
        *(place[1], "a.mig:1: rename k -> k"),
    ]


# --- why -------------------------------------------------------------------------------------------------------------------------


def answer(name: str) -> list[str]:
    return why(name, example(), SOURCE, TARGET).splitlines()


def test_why_a_target() -> None:
    lines = answer("blocks/1/w")
    assert lines[0].startswith("blocks/1/w  float32 [3, 2]")
    assert "  spec.mig:3: rename layer_{i}/w -> blocks/{i}/w transpose" in lines
    assert "  layer_1/w  float32 [2, 3]" in lines
    assert lines[-1].endswith("float32 [3, 2]")


def test_why_a_target_of_a_mounted_spec() -> None:
    text = "\n".join(answer("lstm/lstm_cell/bias"))
    assert "use tf1/basic_lstm" in text
    assert "  tf1/basic_lstm:" in text
    assert "plus 1.0" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lstm/lstm_cell/recurrent_kernel", ("axis 0, places 3 to 4", "joined along axis 1")),
        ("all/w", ("layer_0/w", "layer_1/w", "cast from float32", "float16 [2, 2, 3]")),
        ("conv", ("normally distributed, standard deviation 0.02, seed 7", "plus 0.333")),
        ("mean/a", ("old/a", "other/a", "added", "times 0.5", "by steps of -1")),
        ("made/1", ("uniform from -0.1 to 0.1, seed 3",)),
        ("kept", ("keeps the value that it has", '"it is new"')),
        ("dropout/seed_generator_state", ("random state, which needs no statement",)),
        ("shared.w", ("shared/x/w", "in the target")),
    ],
)
def test_why_says_each_step(name, words) -> None:
    text = "\n".join(answer(name))
    for word in words:
        assert word in text


def test_why_a_source() -> None:
    text = "\n".join(answer("layer_0/w"))
    assert "in the source" in text
    assert "goes into blocks/0/w" in text
    assert "goes into all/w" in text


def test_why_what_was_dropped() -> None:
    text = "\n".join(answer("layer_0/w/Adam"))
    assert 'is left behind: "training state"' in text
    assert "spec.mig:8: drop" in text
    assert "is left behind" in "\n".join(answer("junk/1"))


def test_why_a_name_that_both_sides_have() -> None:
    text = "\n".join(answer("conv"))
    assert "in the source" in text
    assert "in the target" in text


def test_why_a_name_that_neither_side_has() -> None:
    with pytest.raises(SpecError) as error:
        answer("blocks/7/w")
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "MIG203"
    assert any("blocks/" in one for one in diagnostic.helps)


def test_a_variable_that_two_statements_drop_or_keep_is_left_once_by_the_one_that_names_it_best() -> None:
    spec = "drop **\ndrop a*\ndrop a1\nkeep **\nkeep b1, b*"
    plan = compile_spec(
        Text("s.mig", spec),
        variables_of("old", "a1 [1] float32\na2 [1] float32\nc [1] int8"),
        variables_of("new", "b1 [1] int8"),
    ).plan
    assert plan is not None
    assert {left.variable: left.cause.line for left in plan.dropped if left.cause} == {"a1": 3, "a2": 2, "c": 1}
    assert len(plan.dropped) == 3
    assert [(left.variable, left.cause.line) for left in plan.kept if left.cause] == [("b1", 5)]
