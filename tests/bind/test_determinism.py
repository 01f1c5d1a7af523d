"""A plan depends on what the maps hold: on no order, and on no separator. And the work grows with rules and variables."""

from __future__ import annotations

import json

import pytest
from binding import as_map, codes, compiled
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.compiler import Compilation
from migspec.names import Trie, normal_name
from migspec.patterns import Matcher
from migspec.plan_json import to_json
from migspec.variables import Variable, VariableMap

SPEC = """
size inputs, units
use tf1/basic_lstm rnn/cell_{i}/basic_lstm_cell -> lstm{_i}/lstm_cell
rename emb/{p:q|k|v}/w -> qkv/w  concat columns
rename experts/{e}/w, experts/{e}/b -> moe/{e}  concat 0
rename blocks/{b}/w -> blocks  stack 0
rename big/w -> small/{s}  split rows
rename dense/w -> dense/kernel  transpose
copy dense/w -> tied
same **
fill new/* with normal 0.02 seed 3
keep old/{i}
drop **/Adam, step
"""

SOURCE = """
rnn/cell_0/basic_lstm_cell/kernel [5, 8]
rnn/cell_0/basic_lstm_cell/bias [8]
rnn/cell_1/basic_lstm_cell/kernel [5, 12]
rnn/cell_1/basic_lstm_cell/bias [12]
emb/q/w [2, 3]
emb/k/w [2, 4]
emb/v/w [2, 5]
experts/0/w [3]
experts/0/b [1]
experts/1/w [2]
experts/1/b [2]
blocks/0/w [2]
blocks/1/w [2]
blocks/2/w [2]
big/w [6, 2]
dense/w [2, 3]
shared/a [2]
shared/b [3]
dense/w/Adam [2, 3]
step [] int64
"""

TARGET = """
lstm/lstm_cell/kernel [3, 8]
lstm/lstm_cell/recurrent_kernel [2, 8]
lstm/lstm_cell/bias [8]
lstm_1/lstm_cell/kernel [2, 12]
lstm_1/lstm_cell/recurrent_kernel [3, 12]
lstm_1/lstm_cell/bias [12]
qkv/w [2, 12]
moe/0 [4]
moe/1 [4]
blocks [3, 2]
small/0 [1, 2]
small/1 [2, 2]
small/2 [3, 2]
dense/kernel [3, 2]
tied [2, 3]
shared/a [2]
shared/b [3]
new/x [2]
new/y [2]
old/0 [2]
old/1 [2]
"""

WRONG = {
    "a source is left over": SPEC.replace(", step", ""),
    "a target is left over": SPEC.replace("keep old/{i}", "keep old/0"),
    "a shape is wrong": SPEC.replace("rename dense/w -> dense/kernel  transpose", "rename dense/w -> dense/kernel"),
    "a name is wrong": SPEC.replace("rename big/w -> small/{s}", "rename bug/w -> small/{s}"),
    "two rules claim one": SPEC.replace("drop **/Adam", "drop emb/**, **/Adam"),
    "nothing is dropped": SPEC.replace("drop **/Adam, step\n", ""),
}


def content(compilation: Compilation, variables: VariableMap) -> object:
    """What a plan does, whatever the order and the separators."""
    if compilation.plan is None:
        return sorted(codes(compilation))
    order = {normal_name(variable.name): place for place, variable in enumerate(variables)}
    plan = to_json(compilation.plan)
    assert [order[normal_name(move["target"])] for move in plan["moves"]] == sorted(
        order[normal_name(move["target"])] for move in plan["moves"]
    )
    moves = sorted(
        (normal_name(move["target"]), json.dumps(move["expression"]), sorted(move["sources"])) for move in plan["moves"]
    )
    return (
        moves,
        sorted(one["variable"] for one in plan["kept"]),
        sorted(one["variable"] for one in plan["dropped"]),
        sorted(plan["notes"]),
    )


@pytest.mark.parametrize("spec", [SPEC, *WRONG.values()], ids=["right", *WRONG])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_the_order_of_the_variables_does_not_matter(spec, data) -> None:
    source, target = as_map("old", SOURCE), as_map("new", TARGET)
    expected = content(compiled(spec, source, target), target)
    assert (spec == SPEC) == isinstance(expected, tuple)
    source = VariableMap.of("old", data.draw(st.permutations(list(source))))
    target = VariableMap.of("new", data.draw(st.permutations(list(target))))
    assert content(compiled(spec, source, target), target) == expected


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_the_separators_do_not_matter(data) -> None:
    def other(variables: VariableMap) -> VariableMap:
        return VariableMap.of(
            variables.label,
            [
                Variable(
                    "".join(data.draw(st.sampled_from("/.")) if letter == "/" else letter for letter in one.name),
                    one.shape,
                    one.dtype,
                )
                for one in variables
            ],
        )

    def normal(plan: object) -> object:
        # random streams are named by the variable's own name, separators and all
        return json.loads(json.dumps(plan).replace(".", "/"))

    source, target = as_map("old", SOURCE), as_map("new", TARGET)
    expected = content(compiled(SPEC, source, target), target)
    spec = SPEC
    for name in ("dense/kernel", "blocks/{b}/w", "emb/{p:q|k|v}/w", "moe/{e}", "new/*"):
        spec = spec.replace(name, name.replace("/", data.draw(st.sampled_from("/."))))
    source, target = other(source), other(target)
    result = content(compiled(spec, source, target), target)
    assert normal(sort_of(result)) == normal(sort_of(expected))


def sort_of(plan: object) -> object:
    assert isinstance(plan, tuple)
    moves, kept, dropped, _ = plan
    return [
        sorted(
            [target, text.replace(".", "/"), sorted(source.replace(".", "/") for source in sources)]
            for target, text, sources in moves
        ),
        sorted(name.replace(".", "/") for name in kept),
        sorted(name.replace(".", "/") for name in dropped),
    ]


# --- growth ----------------------------------------------------------------------------------------------------------------------

RULES = 200


def model(count: int) -> tuple[str, VariableMap, VariableMap]:
    """200 pattern rules, each with its share of the variables."""
    share = count // RULES
    spec = "\n".join(f"rename old_{r}/layer_{{i}}/{{w}} -> new_{r}/{{i}}/{{w}}" for r in range(RULES))
    old = [Variable(f"old_{r}/layer_{n // 2}/{'wb'[n % 2]}", (2,), "float32") for r in range(RULES) for n in range(share)]
    new = [Variable(f"new_{r}/{n // 2}/{'wb'[n % 2]}", (2,), "float32") for r in range(RULES) for n in range(share)]
    return spec, VariableMap.of("old", old), VariableMap.of("new", new)


def test_the_work_grows_with_the_variables(monkeypatch) -> None:
    counts = {"match": 0, "find": 0}
    match, fits, find = Matcher.match, Matcher.fits, Trie.find

    def counted(method):
        def call(self, name):
            counts["match"] += 1
            return method(self, name)

        return call

    def counted_find(self, query):
        for name in find(self, query):
            counts["find"] += 1
            yield name

    monkeypatch.setattr(Matcher, "match", counted(match))
    monkeypatch.setattr(Matcher, "fits", counted(fits))
    monkeypatch.setattr(Trie, "find", counted_find)
    work = {}
    for count in (2_000, 20_000):
        counts.update(match=0, find=0)
        compilation = compiled(*model(count))
        assert compilation.plan is not None
        assert len(compilation.plan.moves) == count
        work[count] = dict(counts)
    for kind in counts:
        # every variable is looked at a few times, not once a rule
        assert work[20_000][kind] <= 3 * 20_000
        assert work[20_000][kind] <= 10.5 * work[2_000][kind]


def test_the_work_does_not_grow_with_rules_times_variables(monkeypatch) -> None:
    seen = 0
    match = Matcher.match

    def counted(self, name):
        nonlocal seen
        seen += 1
        return match(self, name)

    monkeypatch.setattr(Matcher, "match", counted)
    # patterns that begin with a wildcard are looked up from their end
    spec = "\n".join(f"rename {{s}}/w_{r} -> {{s}}/v_{r}" for r in range(100))
    source = VariableMap.of("old", [Variable(f"s{n}/w_{r}", (2,), "float32") for n in range(20) for r in range(100)])
    target = VariableMap.of("new", [Variable(f"s{n}/v_{r}", (2,), "float32") for n in range(20) for r in range(100)])
    compilation = compiled(spec, source, target)
    assert compilation.plan is not None
    assert seen <= 3 * len(source)
