"""Whatever a spec says of whatever variables: a plan that can be run, shown and saved, or diagnostics; never anything else."""

from __future__ import annotations

import json

from binding import compiled, migrated
from hypothesis import event, given, settings
from hypothesis import strategies as st

from migspec.dtypes import kind
from migspec.names import normal_name
from migspec.plan_json import from_json, to_json
from migspec.plan_text import plan_text
from migspec.variables import Variable, VariableMap
from migspec.why import why

NAMES = ["a", "a/w", "a.w", "b/0", "b/1", "b/01", "b/²", "c_1/k", "c/k", "c_x/k", "lstm/kernel", "lstm/recurrent_kernel", "lstm/bias",
    "basic_lstm_cell/kernel", "basic_lstm_cell/bias", "d/Adam", "seed_generator_state"]  # fmt: skip
PATTERNS = ["*", "**", "a", "a/w", "b/*", "b/{i}", "b/{i:int}", "b/{i+1}", "b/{i:0..1}", "c_{i}/k", "c{_i}/k", "c_{p:1|x}/k", "{s:**}/k", "**/Adam",
    "{q}/{w}", "{q}/w", "{q}", "*/*", "lstm/kernel", "lstm/recurrent_kernel", "lstm/*", "basic_lstm_cell/kernel", "basic_lstm_cell/bias", "{p+1}/k",
    "lstm/bias", "{0..1}", "b/{0..1}", "nothing"]  # fmt: skip
OPS = ["transpose", "transpose 1 0", "permute AB -> BA", 'rearrange "a b -> b a"', 'rearrange "(n a) b -> n a b"', "reshape", "reshape [n, -1]",
    "reshape [2, 2]", "squeeze 0", "expand 0", "flip 0", "gates icfo -> ifco", "gates icfo -> ifco on 0", "rope half -> interleaved on 0 heads n",
    "split rows", "split rows [n, m]", "split columns in 2", "split gates ifco", "split gates icfo -> ifco", "concat 0", "stack 0", "stack {i} 0",
    "concat 0 [n, m]", "concat columns in n", "concat gates ifco", "concat gates ifco -> icfo", "reshape from [n, -1]", "cast from float16", "unstack {i} 0",
    "stack {q} -1", "unstack 0", "slice 0 [1:]", "slice 0 [:n]", "crop", "crop to [2, 2]", "pad zeros", "pad 0.5 to [4, 4]", "pad normal 0.1 seed 1",
    "repeat 0 n", "add 1.0", "add x to f", "scale 1 / m", "scale 0", "cast", "cast float16", "cast int8", "sum", "mean", "as is"]  # fmt: skip

lists = st.builds(
    lambda patterns, exceptions: ", ".join(patterns) + (f" except {exceptions}" if exceptions else ""),
    st.one_of(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=size) for size in (1, 1, 2)),
    st.sampled_from((None, None, None, "a", "b/{i+1}", "lstm/*")),
)
pipelines = st.one_of(st.lists(st.sampled_from(OPS), max_size=size).map("  ".join) for size in (0, 1, 3))
present = st.sampled_from(("", "", " if present"))
alike = st.sampled_from(PATTERNS).flatmap(
    lambda pattern: st.builds("rename {} -> {}  {}".format, st.just(pattern), st.just(pattern), pipelines)
)
statements = st.one_of(
    alike,
    st.builds("{} {} -> {}  {}{}".format, st.sampled_from(("rename", "copy")), lists, lists, pipelines, present),
    st.builds("same {}  {}{}".format, lists, pipelines, present),
    st.builds("drop {}{}".format, lists, present),
    st.builds("keep {}{}".format, lists, present),
    st.builds(
        "fill {} with {}{}".format,
        lists,
        st.sampled_from(("zeros", "n", "0.5", "300", "normal 0.1 seed 1", "uniform -1 1 seed 2")),
        present,
    ),
    st.builds(
        "use tf1/basic_lstm {} -> {}{}".format,
        st.sampled_from(("basic_lstm_cell", "{s}_@", "*")),
        st.sampled_from(("lstm", "{s}", "*")),
        present,
    ),
    st.sampled_from(
        (
            "cast",
            "source {q}/k [n, m]",
            "target lstm/kernel [n, 4 * m]",
            "source b/{i} [n] for i < m",
            "target nothing [n] if present",
        )
    ),
)
variables = st.lists(
    st.builds(
        Variable,
        st.sampled_from(NAMES),
        st.sampled_from(((2,), (2,), (2, 2), (2, 2), (4, 4), (8,), (), (0, 2), (1, 2, 4))),
        st.sampled_from(("float32", "float32", "float32", "float16", "int8", "complex64", "string", "resource")),
        st.lists(st.sampled_from(NAMES), max_size=1).map(tuple),
    ),
    max_size=6,
    unique_by=lambda variable: variable.name,
)


sides = st.one_of(st.tuples(variables, variables), variables.map(lambda both: (both, both)))
rests = st.sampled_from(((), ("drop **", "keep **"), ("same **", "drop **", "keep **")))


@given(st.lists(statements, min_size=1, max_size=4), rests, sides, st.sampled_from(({}, {"n": 2}, {"x": 0.5})))
@settings(max_examples=300, deadline=None)
def test_a_plan_or_diagnostics(written, rest, both_sides, given_values) -> None:
    old, new = both_sides
    spec = "size n, m\nnumber x = 1.0\n" + "\n".join([*written, *rest])
    compilation = compiled(
        spec, VariableMap.of("old", old), VariableMap.of("new", new), given=given_values, allow=("MIG201", "MIG202")
    )
    for one in compilation.diagnostics:
        assert "\n" not in one.message
        assert one.code.startswith("MIG")
    if compilation.plan is None:
        event("diagnostics")
        assert compilation.has_errors
        return
    event(f"{min(3, len(compilation.plan.moves))} moves")
    plan = compilation.plan
    assert plan_text(plan)
    assert from_json(json.loads(json.dumps(to_json(plan))), "plan.json") == plan
    filled = [move.target for move in plan.moves] + [left.variable for left in plan.kept]
    assert sorted(filled) == sorted(variable.name for variable in new)
    read = {name for move in plan.moves for name in move.sources}
    assert read | {left.variable for left in plan.dropped} == {variable.name for variable in old}
    for variable in (*old, *new):
        assert normal_name(variable.name) in normal_name(
            why(variable.name, plan, compilation.binding.source, compilation.binding.target)
        )
    if all(kind(variable.dtype) not in ("string", "opaque") for variable in old):
        _, made = migrated(compilation)
        for move in plan.moves:
            assert made[move.target].shape == compilation.binding.target[move.target].shape
            assert made[move.target].dtype.name == compilation.binding.target[move.target].dtype
