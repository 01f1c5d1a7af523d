"""What is turned around twice is itself again: specs of exact `rename`, `same` and `use` alone, made up and those of the library."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inverting import bound, filled, inverted

from migspec.compiler import read_spec
from migspec.library import library_specs, load, read_vocabulary
from migspec.ops import Lost, Word
from migspec.resolve import resolve
from migspec.rules import Program
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.text import Text
from migspec.variables import Variable, VariableMap

AXES = st.sampled_from(("rows", "columns", "0", "1", "-1", "-2"))
SIZES = st.lists(st.sampled_from(("n", "2", "3 * m", "n + m", "7")), min_size=1, max_size=3).map(
    lambda dims: f"[{', '.join(dims)}]"
)
DIMS = st.one_of(SIZES, st.sampled_from(("[n, -1]", "[-1]", "[2, -1, m]")))
ORDERS = st.permutations("ifco").map("".join)
GATE_PAIRS = st.tuples(ORDERS, ORDERS).map(" -> ".join)
LAYOUTS = st.permutations(("interleaved", "half")).map(" -> ".join)
FLOATS = st.sampled_from(("float32", "float64", "complex64"))

ONE_BY_ONE = st.one_of(
    st.sampled_from(("transpose", "transpose 2 0 1", "transpose 1 0", "permute OIHW -> HWIO", "reshape", "cast", "as is")),
    st.sampled_from(('rearrange "(h d) m -> m h d"', 'rearrange "x y -> (y x)"', 'rearrange "1 m (n d) -> m n d"')),
    st.builds("{} {}".format, st.sampled_from(("squeeze", "expand", "flip")), AXES),
    st.builds("reshape {}".format, DIMS),
    st.builds("reshape from {}".format, DIMS),
    st.builds("cast {}".format, FLOATS),
    st.builds("cast from {}".format, FLOATS),
    st.builds("gates {}".format, GATE_PAIRS),
    st.builds("gates {} on {}".format, GATE_PAIRS, AXES),
    st.builds("rope {} on {} heads {}".format, LAYOUTS, AXES, st.sampled_from(("8", "n", "2 * m"))),
)
SHORT_FORMS = st.one_of(
    st.builds("{} gates {}".format, st.sampled_from(("split", "concat")), st.one_of(ORDERS, GATE_PAIRS)),
)


def parts(word: str) -> st.SearchStrategy[str]:
    """`split` or `concat` with each of its arguments and without."""
    return st.one_of(
        st.builds(f"{word} {{}}".format, AXES),
        st.builds(f"{word} {{}} {{}}".format, AXES, SIZES),
        st.builds(f"{word} {{}} in {{}}".format, AXES, st.sampled_from(("2", "n"))),
    )


PARTING = st.one_of(parts("split"), st.builds("unstack {}".format, AXES))
JOINING = st.one_of(parts("concat"), st.builds("stack {}".format, AXES))
SIDES = (
    # what is moved one by one
    ("a", "b", ""),
    ("a{i}/w", "b/{i+1}/w", ""),
    ("a/layer_{i:0..3}/{p:w|b}", "b/l{_i}/{q:kernel|bias}", ""),
    ("a/{s:**}/w", "b/{s}/w", ""),
    ("a/*/{0..3}/**", "b/*.{0..3}.**", ""),
    ("a/{i}/* except a/*/debug", "b/{i}.*", ""),
    ("a{_i}", "b/{2*i+1}", ""),
    # parts of one, and one of parts
    ("a", "b, c", "part"),
    ("a/{l}", "b/{l}/k, c/{l}/k", "part"),
    ("a", "b/{e}", "part"),
    ("a{_i}", "b/{e}", "part"),
    ("a, b", "c", "join"),
    ("a/{e}", "b", "join"),
    ("a/{i}/e{e}/w", "b/{i}", "join"),
    ("a/{e}", "b{_i}", "join"),
    ("a, b", "c, d", "join part"),
    ("a/{e}", "b/{f}", "join part"),
    # along captures by name
    ("a/{e}", "b", "stack {e}"),
    ("a/{i}/{e}", "b", "stack {e}, stack {i}"),
    ("a/{i}/{e}", "b", "stack {i}, stack {e}"),
    ("a/{i}/{e}", "b", "stack {i}, join"),
    ("b", "a/{i}/{e}", "unstack {e}, unstack {i}"),
    ("b", "a/{i}/{e}", "part, unstack {e}"),
    ("a, b", "c/{e}, d/{e}", "unstack {e}"),
    ("c/{e}, d/{e}", "a, b", "stack {e}"),
    # the short forms
    ("a/lstm_cell/kernel", "b/kernel", "short"),
    ("b/kernel", "a/lstm_cell/kernel", "short"),
    ("a/lstm_cell/kernel", "b/kernel, b/recurrent_kernel", "short"),
    ("b/{w}", "a/lstm_cell/{w}", "short"),
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """A `rename` that some variables could fit."""
    sources, targets, steps = draw(st.sampled_from(SIDES))
    ops = draw(st.lists(ONE_BY_ONE, max_size=2))
    for step in re.split(r", | (?=part)", steps) if steps else ():
        if step == "part":
            ops.append(draw(PARTING))
        elif step == "join":
            ops.append(draw(JOINING))
        elif step == "short":
            ops.append(draw(SHORT_FORMS))
        else:
            ops.append(f"{step} {draw(AXES)}")
        ops += draw(st.lists(ONE_BY_ONE, max_size=2))
    return f"rename {sources} -> {targets}  {'  '.join(ops)}{draw(st.sampled_from(('', '', ' if present')))}"


@st.composite
def statements(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(("rename", "rename", "rename", "same", "use")))
    if kind == "rename":
        return draw(rules())
    if kind == "same":
        names = draw(st.sampled_from(("**", "a/*, b", "a/** except a/*/w")))
        return f"same {names}  {'  '.join(draw(st.lists(ONE_BY_ONE, max_size=3)))}{draw(st.sampled_from(('', ' if present')))}"
    mounts = draw(st.sampled_from(("a/{i}/lstm_cell -> b{_i}", "", "b/{s}_@ -> c/{s}/@", "x -> y if present")))
    return f"use {draw(st.sampled_from(('', 'inverse ')))}tf1/dense {mounts}"


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A spec of some statements with names of their own, and comments."""
    lines = [draw(st.sampled_from(("mig 1", "# a heading\n\nmig 1"))), "size n, m"]
    for place, statement in enumerate(draw(st.lists(statements(), min_size=1, max_size=4))):
        lines += draw(st.sampled_from(([], ["# a comment"], [""])))
        own = (
            re.sub(r"(?<=[ ,])([a-d])(?=[/{, ]|$)", rf"v{place}\1", statement) if statement.startswith("rename") else statement
        )
        lines.append(own + draw(st.sampled_from(("", "  # a remark"))))
    return "\n".join(lines) + "\n"


@given(specs())
@settings(max_examples=120, deadline=None)
def test_whatever_is_exact_is_itself_again(spec: str) -> None:
    formatted = format_spec(parse(Text("spec.mig", spec))[0])
    once = inverted(formatted)
    assert inverted(once) == formatted


Step = tuple[str, Callable[[numpy.ndarray], numpy.ndarray]]


@st.composite
def in_place(draw: st.DrawFn, shape: tuple[int, ...], *, last: bool) -> Step:
    """An op on one tensor, and what numpy makes of it; the `last` one may leave its result to the target."""
    dims = list(draw(st.permutations((*shape, 1))))
    written = [str(length) for length in dims]
    if draw(st.booleans()):
        written[draw(st.integers(0, len(dims) - 1))] = "-1"
    steps: list[Step] = [
        ("transpose", numpy.transpose),
        ("flip 0", lambda values: numpy.flip(values, 0)),
        ("expand 1", lambda values: numpy.expand_dims(values, 1)),
        (f"reshape [{', '.join(written)}]", lambda values: values.reshape(dims)),
    ]
    if last:
        steps.append(("reshape", lambda values: values.reshape(dims)))
        steps.append((f"reshape from {list(shape)}", lambda values: values.reshape(dims)))
    return draw(st.sampled_from(steps))


@st.composite
def cuts(draw: st.DrawFn) -> tuple[str, numpy.ndarray, list[numpy.ndarray]]:
    """Ops that cut one tensor in parts, the tensor, and what numpy makes of it."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=2, max_size=3)))
    values = start = numpy.arange(numpy.prod(shape), dtype=numpy.float32).reshape(shape)
    ops: list[str] = []
    for _ in range(draw(st.integers(0, 2))):
        op, change = draw(in_place(values.shape, last=False))
        ops, values = [*ops, op], change(values)
    axis = draw(st.integers(-values.ndim, values.ndim - 1))
    length = values.shape[axis]
    count = draw(st.sampled_from([one for one in range(1, length + 1) if length % one == 0]))
    equal = draw(st.booleans())
    places = sorted(draw(st.lists(st.integers(0, length), max_size=2)))
    sizes = [length // count] * count if equal else numpy.diff([0, *places, length]).tolist()
    made = numpy.split(values, numpy.cumsum(sizes)[:-1], axis)
    behind = draw(st.integers(0, 2)) if len({one.shape for one in made}) == 1 else 0
    forms = [f"split {axis} {sizes}"]
    forms += [f"split {axis} in {count}"] if equal else []
    forms += [f"split {axis}"] if not behind else []
    ops.append(draw(st.sampled_from(forms)))
    for place in range(behind):
        op, change = draw(in_place(made[0].shape, last=place == behind - 1))
        ops, made = [*ops, op], [change(one) for one in made]
    return "  ".join(ops), start, made


@given(cuts())
@settings(max_examples=120, deadline=None)
def test_what_is_cut_is_as_numpy_cuts_it_and_comes_back(case: tuple[str, numpy.ndarray, list[numpy.ndarray]]) -> None:
    ops, values, made = case
    names = [f"b{place}" for place in range(len(made))]
    spec = f"rename a -> {', '.join(names)}  {ops}\n"
    source = VariableMap.of("old", [Variable("a", values.shape, "float32")])
    target = VariableMap.of("new", [Variable(name, one.shape, "float32") for name, one in zip(names, made, strict=True)])
    there = filled(bound(spec, source, target), {"a": values})
    assert all((there[name] == one).all() for name, one in zip(names, made, strict=True))
    once = inverted(spec)
    back = filled(bound(once, target, source), there)["a"]
    assert back.tobytes() == values.tobytes()
    again = inverted(once)
    assert again == format_spec(parse(Text("spec.mig", spec))[0])
    assert bound(again, source, target).bound


def _is_exact_both_ways(word: Word) -> bool:
    inverse = word.inverse()
    return word.exactness == "exact" and not isinstance(inverse, Lost) and all(one.exactness == "exact" for one in inverse)


def exact(program: Program) -> bool:
    """Whether a spec, with all that it uses, is of exact `rename`, `same` and `use` alone."""
    rules_ = all(
        rule.word in ("rename", "same") and all(_is_exact_both_ways(operation.word) for operation in rule.operations)
        for rule in program.rules
    )
    return rules_ and not program.slots and all(exact(mount.program) for mount in program.mounts)


def program_of(name: str) -> Program:
    program, problems = resolve(read_spec(str(library_specs()[name])), load, read_vocabulary)
    assert not problems
    return program


EXACT = [name for name in library_specs() if exact(program_of(name))]


def test_most_of_the_library_is_exact() -> None:
    assert len(EXACT) >= 40
    assert "models/mixtral_to_keras_hub" in EXACT
    lossy = {name for name in library_specs() if name.startswith("net2net/")}
    assert not lossy & set(EXACT)


@pytest.mark.parametrize("name", EXACT)
def test_a_spec_of_the_library_is_itself_again(name: str) -> None:
    formatted = format_spec(parse(read_spec(str(library_specs()[name])))[0])
    assert inverted(inverted(formatted)) == formatted


def test_the_axis_is_written_as_it_was() -> None:
    for axis in ("rows", "0", "columns", "-1"):
        spec = f"rename a -> b, c  split {axis} [2, 3]\n"
        assert inverted(spec) == f"rename b, c -> a  concat {axis} [2, 3]\n"
        assert inverted(inverted(spec)) == spec


def test_rows_joined_before_a_short_form() -> None:
    spec = "rename k, j -> a  concat rows  concat gates icfo -> ifco\n"
    assert inverted(spec) == "rename a -> k, j  split gates ifco -> icfo  split rows\n"
    assert inverted(inverted(spec)) == spec
