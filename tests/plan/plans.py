"""Plans of every shape: a compiled one with everything in it, and random ones."""

from __future__ import annotations

from hypothesis import strategies as st
from notation import variables_of

from migspec.compiler import compile_spec
from migspec.expression import (
    Affine,
    Cast,
    Concat,
    Constant,
    Expression,
    Fill,
    Normal,
    Permute,
    Read,
    Reshape,
    Slice,
    Sum,
    Take,
    Uniform,
    size_of,
)
from migspec.indices import Indices
from migspec.plan import Cause, Fingerprint, Left, Move, Plan
from migspec.text import Text

SPEC = """# everything that a plan can hold
use tf1/basic_lstm rnn/basic_lstm_cell -> lstm/lstm_cell
rename layer_{i}/w -> blocks/{i}/w   transpose
copy   layer_{i}/w -> all/w          stack 0   cast
rename conv -> conv                  pad normal 0.02 seed 7   add 1 / 3
rename old/{n}, other/{n} -> mean/{n}    mean   flip 0
same   shared/**
drop   **/Adam, step                 because "training state"
drop   **
keep   kept                          because "it is new"
fill   made/* with uniform -0.1 0.1 seed 3
"""

SOURCE = variables_of(
    "old.npz",
    """\
rnn/basic_lstm_cell/kernel [5, 8] float32
rnn/basic_lstm_cell/bias [8] float32
layer_0/w [2, 3] float32
layer_1/w [2, 3] float32
conv [2, 2] float32
old/a [2] float32
other/a [2] float32
shared/x/w [2] int32
layer_0/w/Adam [2, 3] float32
step [] int64
junk/0 [1] float32
junk/1 [1] float32""",
)

TARGET = variables_of(
    "new.npz",
    """\
lstm/lstm_cell/kernel [3, 8] float32
lstm/lstm_cell/recurrent_kernel [2, 8] float32
lstm/lstm_cell/bias [8] float32
blocks/0/w [3, 2] float32
blocks/1/w [3, 2] float32
all/w [2, 2, 3] float16
conv [2, 4] float32
mean/a [2] float32
shared/x/w [2] int32 also shared/w
kept [7] float32
made/0 [2] float32
made/1 [3] float32
dropout/seed_generator_state [2] uint32""",
)


def example(spec: str = "spec.mig") -> Plan:
    plan = compile_spec(Text(spec, SPEC), SOURCE, TARGET).plan
    assert plan is not None
    return plan


shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
dtypes = st.sampled_from(("float32", "bfloat16", "int8", "bool", "complex64"))
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=8)
distributions = st.one_of(
    st.builds(Constant, numbers),
    st.builds(Normal, numbers, st.integers(0, 9), texts),
    st.builds(Uniform, numbers, numbers, st.integers(0, 9), texts),
)


@st.composite
def expressions(draw: st.DrawFn) -> Expression:
    """An expression of any node in any place; what it is worth does not matter here."""
    shape, dtype = draw(shapes), draw(dtypes)
    node: Expression = draw(
        st.one_of(
            st.builds(Read, texts, st.just(shape), st.just(dtype), st.sampled_from(("source", "target"))),
            st.builds(Fill, distributions, st.just(shape), st.just(dtype)),
        )
    )
    for _ in range(draw(st.integers(0, 8))):
        rank = len(node.shape)
        kind = draw(
            st.sampled_from(("permute", "reshape", "cast", "affine", "sum", *(("slice", "take", "concat") if rank else ())))
        )
        if kind == "permute":
            node = Permute(node, tuple(draw(st.permutations(range(rank)))))
        elif kind == "reshape":
            node = Reshape(node, draw(st.sampled_from(((size_of(node.shape),), (1, *node.shape)))))
        elif kind == "cast":
            node = Cast(node, draw(dtypes))
        elif kind == "affine":
            node = Affine(node, draw(numbers), draw(numbers))
        elif kind == "sum":
            node = Sum((node,) * draw(st.integers(1, 3)))
        elif kind == "slice":
            axis = draw(st.integers(0, rank - 1))
            count = draw(st.integers(0, node.shape[axis]))
            node = Slice(node, axis, 0, count) if draw(st.booleans()) or not count else Slice(node, axis, count - 1, count, -1)
        elif kind == "take":
            axis = draw(st.integers(0, rank - 1))
            places = st.lists(st.integers(0, node.shape[axis] - 1), max_size=6) if node.shape[axis] else st.just([])
            node = Take(node, axis, Indices.of(draw(places)))
        else:
            node = Concat((node,) * draw(st.integers(1, 3)), draw(st.integers(0, rank - 1)))
        if size_of(node.shape) > 1000:
            break
    return node


causes = st.builds(Cause, texts, st.integers(1, 99), texts, st.lists(texts, max_size=2).map(tuple))
fingerprints = st.builds(Fingerprint, texts, st.sampled_from(("0" * 64, "f" * 64)))
lefts = st.builds(Left, texts, st.none() | causes, st.none() | texts)
plans = st.builds(
    Plan,
    st.lists(fingerprints, max_size=2).map(tuple),
    fingerprints,
    fingerprints,
    st.lists(st.builds(Move, texts, expressions(), st.lists(texts, max_size=3).map(tuple), causes), max_size=3).map(tuple),
    st.lists(lefts, max_size=2).map(tuple),
    st.lists(lefts, max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    st.lists(fingerprints, max_size=2).map(tuple),
)
