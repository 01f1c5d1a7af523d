"""The inverse of a spec: what is exact comes back bit for bit, what is lost is refused, and twice turned around is the spec."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inverting import bound, filled, inverted, numbered, there_and_back
from notation import variables_of

from migspec.compiler import read_spec
from migspec.diagnostics import Severity, SpecError
from migspec.invert import invert
from migspec.library import library_specs
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.text import Text
from migspec.variables import Variable, VariableMap

EXACT = {
    "transpose": ("rename a -> b  transpose", "a [2, 3] float32", "b [3, 2] float32"),
    "a permutation": ("rename a -> b  transpose 2 0 1", "a [2, 3, 4] float32", "b [4, 2, 3] float32"),
    "letters": ("rename a -> b  permute OIHW -> HWIO", "a [2, 3, 4, 5] float32", "b [4, 5, 3, 2] float32"),
    "einops": (
        'size heads = 2\nrename a -> b  rearrange "(heads d) m -> m heads d"',
        "a [6, 5] float32",
        "b [5, 2, 3] float32",
    ),
    "squeeze": ("rename a -> b  squeeze 1", "a [2, 1, 3] float32", "b [2, 3] float32"),
    "expand": ("rename a -> b  expand -1", "a [2, 3] float32", "b [2, 3, 1] float32"),
    "flip": ("rename a -> b  flip 0", "a [4] float32", "b [4] float32"),
    "reshape": ("rename a -> b  reshape [6, -1]", "a [2, 3, 4] float32", "b [6, 4] float32"),
    "reshape, then transpose": ("rename a -> b  reshape [6, 4]  transpose", "a [2, 3, 4] float32", "b [4, 6] float32"),
    "transpose, then reshape": ("rename a -> b  transpose 1 0 2  reshape", "a [2, 3, 4] float32", "b [3, 8] float32"),
    "gates": ("rename a -> b  gates icfo -> ifco", "a [2, 8] float32", "b [2, 8] float32"),
    "gates on an axis": ("rename a -> b  gates rzh -> zrh on 0", "a [6, 2] float32", "b [6, 2] float32"),
    "rope": ("rename a -> b  rope interleaved -> half on 0 heads 2", "a [8, 3] float32", "b [8, 3] float32"),
    "split": ("rename a -> b, c  split rows [1, 2]  transpose", "a [3, 2] float32", "b [2, 1] float32\nc [2, 2] float32"),
    "concat": ("rename a, b -> c  transpose  concat 0", "a [2, 1] float32\nb [2, 3] float32", "c [4, 2] float32"),
    "concat, then gates": (
        "rename a, b -> c  concat rows  gates ifco -> icfo",
        "a [2, 4] float32\nb [1, 4] float32",
        "c [3, 4] float32",
    ),
    "stack": (
        "rename a/{i} -> b  stack 0",
        "\n".join(f"a/{i} [2, 3] float32" for i in range(12)),
        "b [12, 2, 3] float32",
    ),
    "unstack": (
        "rename b -> a/{i}  unstack -1",
        "b [2, 3, 12] float32",
        "\n".join(f"a/{i} [2, 3] float32" for i in range(12)),
    ),
    "two stacks, the inner first": (
        "rename l{i}/e{e} -> b  transpose  stack {e} 0  stack {i} 1",
        "\n".join(f"l{i}/e{e} [2, 3] float32" for i in range(2) for e in range(3)),
        "b [3, 2, 3, 2] float32",
    ),
    "two stacks, the outer first": (
        "rename l{i}/e{e} -> b  stack {i} 0  stack {e} 2",
        "\n".join(f"l{i}/e{e} [4] float32" for i in range(2) for e in range(3)),
        "b [2, 4, 3] float32",
    ),
    "a slower capture stacked first": (
        "rename l{i}/e{e} -> b  stack {i} 0  stack 0",
        "\n".join(f"l{i}/e{e} [4] float32" for i in range(2) for e in range(3)),
        "b [3, 2, 4] float32",
    ),
    "a slower capture stacked alone": (
        "rename l{i}/e{e} -> b  stack {i} 0  concat 1",
        "\n".join(f"l{i}/e{e} [4] float32" for i in range(2) for e in range(3)),
        "b [2, 12] float32",
    ),
    "something between two stacks": (
        "rename l{i}/e{e} -> b  stack {i} 0  transpose  stack {e} 2  flip 2",
        "\n".join(f"l{i}/e{e} [4] float32" for i in range(2) for e in range(3)),
        "b [4, 2, 3] float32",
    ),
    "a capture unstacked in each of two": (
        "rename a, b -> x/{e}, y/{e}  unstack {e} 0",
        "a [3, 2] float32\nb [3, 2] float32",
        "\n".join(f"{x}/{e} [2] float32" for x in "xy" for e in range(3)),
    ),
    "a faster capture stacked into several": (
        "rename l{i}/e{e} -> m{k}  stack {e} 0",
        "\n".join(f"l{i}/e{e} [2] float32" for i in range(2) for e in range(3)),
        "m0 [3, 2] float32\nm1 [3, 2] float32",
    ),
    "a bundle that is one variable": (
        "rename b{_k} -> a/{i}  unstack 0  transpose",
        "b [4, 2, 3] float32",
        "\n".join(f"a/{i} [3, 2] float32" for i in range(4)),
    ),
    "parts of written lengths, reshaped as the target has it": (
        "rename a -> b, c  split rows [4, 6]  reshape",
        "a [10, 3] float32",
        "b [2, 2, 3] float32\nc [3, 6] float32",
    ),
    "parts of one length, reshaped": (
        "rename a -> b  split rows in 2  reshape [6, 2]  concat columns",
        "a [8, 3] float32",
        "b [6, 4] float32",
    ),
    "joined and split again": (
        "rename a, b -> c, d  concat rows in 2  split columns",
        "a [2, 3] float32\nb [2, 3] float32",
        "c [4, 1] float32\nd [4, 2] float32",
    ),
    "a shape from which": ("rename a -> b  reshape from [2, -1]  flip 0", "a [2, 6] float32", "b [3, 4] float32"),
    "reshaped, turned, and reshaped again": (
        "rename a -> b  reshape [2, 6]  transpose  reshape",
        "a [3, 4] float32",
        "b [4, 3] float32",
    ),
    "a cast from": ("rename a -> b  cast from float16", "a [2] float16", "b [2] float32"),
    "two unstacks": (
        "rename b -> l{i}/e{e}  unstack {i} 1  unstack {e} 0  transpose",
        "b [3, 2, 3, 2] float32",
        "\n".join(f"l{i}/e{e} [2, 3] float32" for i in range(2) for e in range(3)),
    ),
    "pad": ("rename a -> b  pad zeros", "a [2, 3] float32", "b [4, 5] float32"),
    "pad by blocks": (
        "rename a -> b  gates icfo -> ifco  pad ones",
        "a [2, 8] float32",
        "b [2, 12] float32",
    ),
    "a cast that widens": ("rename a -> b  cast", "a [2, 3] float16", "b [2, 3] float32"),
    "as is": ("rename a -> b  as is", "a [3, 3] float32", "b [3, 3] float32"),
    "captures": (
        "rename layer_{i}/{p:w|b} -> layers.{i+1}.{p}",
        "layer_0/w [2] float32\nlayer_0/b [3] float32\nlayer_1/w [2] float32\nlayer_1/b [3] float32",
        "layers.1.w [2] float32\nlayers.1.b [3] float32\nlayers.2.w [2] float32\nlayers.2.b [3] float32",
    ),
    "Keras' numbering": (
        "rename cell_{i}/w -> lstm{_i}/w",
        "cell_0/w [2] float32\ncell_1/w [2] float32",
        "lstm/w [2] float32\nlstm_1/w [2] float32",
    ),
    "same, dropped, kept and filled": (
        'same w  transpose\ndrop step because "training"\nkeep head/* because "new"\nfill scale with ones',
        "w [2, 3] float32\nstep [] int64",
        "w [3, 2] float32\nhead/w [2] float32\nscale [2] float32",
    ),
    "a copy beside a rename": (
        "rename e -> e\ncopy e -> out  transpose",
        "e [2, 3] float32",
        "e [2, 3] float32\nout [3, 2] float32",
    ),
    "copies alone": ("copy e -> x, y, z", "e [2] float32", "x [2] float32\ny [2] float32\nz [2] float32"),
    "a copy in parts": ("copy e -> x, y  split 0", "e [4] float32", "x [1] float32\ny [3] float32"),
    "what scales behind what adds": (
        "rename a -> b  gates icfo -> ifco  scale 2  add 1 to f  transpose",
        "a [2, 8] float32",
        "b [8, 2] float32",
    ),
    "a pad in between": (
        "rename a -> b  gates icfo -> ifco  transpose  pad ones  scale 2",
        "a [2, 8] float32",
        "b [12, 4] float32",
    ),
    "a pad of what gates do not see": (
        "rename a -> b  pad zeros to [24]  reshape [2, 12]  gates rzh -> zrh",
        "a [20] float32",
        "b [2, 12] float32",
    ),
    "a copy beside `same`": ("same **\ncopy e -> out  transpose", "e [2, 3] float32", "e [2, 3] float32\nout [3, 2] float32"),
    "copies of what is joined": (
        "copy a, b -> x, y  concat 0",
        "a [2] float32\nb [3] float32",
        "x [5] float32\ny [5] float32",
    ),
    "a cast of everything": ("same **\ncast", "a [2] float16\nb [3] float16", "a [2] float32\nb [3] float32"),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_is_exact_comes_back_bit_for_bit(name: str) -> None:
    spec, source, target = EXACT[name]
    values, back = there_and_back(spec, variables_of("old", source), variables_of("new", target))
    assert back, "nothing came back"
    for one, value in back.items():
        assert value.dtype == values[one].dtype
        assert value.tobytes() == values[one].tobytes(), one
    lost = {"step"} if "drop" in spec else set()
    assert set(back) == set(values) - lost


def test_a_forget_bias_is_taken_off_again() -> None:
    spec = "size inputs, units\nnumber bias = 0.75\nrename k -> k, r  split rows [inputs, units]  gates icfo -> ifco\n"
    spec += "rename b -> b  gates icfo -> ifco  add bias to f\n"
    source = variables_of("old", "k [5, 8] float32\nb [8] float32")
    target = variables_of("new", "k [3, 8] float32\nr [2, 8] float32\nb [8] float32")
    values, back = there_and_back(spec, source, target)
    assert set(back) == {"k", "b"}
    assert all(numpy.array_equal(back[name], values[name]) for name in back)
    assert "gates ifco -> icfo  add -bias to f" in inverted(spec)
    notes = invert(Text("spec.mig", spec)).notes
    assert [(one.code, one.severity) for one in notes] == [("MIG702", Severity.NOTE)]


@given(st.lists(st.floats(-100, 100, width=32), min_size=8, max_size=8), st.floats(-4, 4, width=32))
@settings(max_examples=60, deadline=None)
def test_how_close_a_sum_comes_back_is_as_the_note_says(values: list[float], bias: float) -> None:
    spec = f"number bias = {bias!r}\nrename b -> b  gates icfo -> ifco  add bias to f\n"
    side = VariableMap.of("side", [Variable("b", (8,), "float32")])
    old = numpy.array(values, numpy.float32)
    made = filled(bound(spec, side, side), {"b": old})
    back = filled(bound(inverted(spec), side, side), made)["b"]
    bound_ = (2 * numpy.abs(old.astype(float)) + abs(bias)) * 2**-24
    assert (numpy.abs(back.astype(float) - old) <= bound_).all()


@pytest.mark.parametrize(
    ("op", "word"),
    [
        ("slice 0 [1:]", "slice"),
        ("crop to [1]", "crop"),
        ("repeat 0 2", "repeat"),
        ("cast bfloat16", "cast bfloat16"),
    ],
)
def test_a_lossy_rule_is_refused_by_name(op: str, word: str) -> None:
    with pytest.raises(SpecError) as refused:
        inverted(f"rename x -> y\nrename a -> b  {op}\n")
    (error,) = refused.value.diagnostics
    assert error.code == "MIG701"
    assert f"`{word}`" in error.message
    assert error.primary is not None
    assert (error.primary.span.line, error.primary.span.content) == (2, op)


HIDDEN = {
    "a list in parts": ("rename a, b -> c, d, e, f  split rows in 2", "split"),
    "a list, unstacked": ("rename a, b -> c, d, e, f  unstack 0", "unstack"),
    "parts in parts": ("rename a -> b{i}  split rows in 2  split columns in 2", "split"),
    "unstacked in parts": ("rename a -> x/{i}, y/{i}  unstack {i} 0  split rows", "split"),
    "one of two captures without its name": ("rename b -> l{i}/e{e}  unstack {e} 0  unstack 0", "unstack"),
    "some of a bundle joined": ("rename l{i}/e{e} -> b{k}  stack {e} 0  flip 0  unstack 0", "unstack"),
    "padded behind the short form": ("rename a -> b  split gates icfo -> ifco  pad zeros", "pad"),
    "padded before the short form": ("rename a -> b  pad zeros  split gates icfo -> ifco", "pad"),
    "flipped before it is padded": ("rename a -> b  gates icfo -> ifco  flip 0  pad zeros", "pad"),
    "split before it is padded": ("rename a -> b, c  gates icfo -> ifco  split rows  pad zeros", "pad"),
    "padded before gates": ("rename a -> b  pad zeros  gates icfo -> ifco", "pad"),
    "reshaped to the same axis": ("rename a -> b  pad zeros to [12]  reshape [1, 12]  gates icfo -> ifco", "pad"),
    "a range on the left alone": ("rename l{0..2}/w -> m*/w", "range"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_would_come_back_in_another_order_is_refused(name: str) -> None:
    spec, word = HIDDEN[name]
    with pytest.raises(SpecError) as refused:
        inverted(spec)
    (error,) = refused.value.diagnostics
    assert error.code == "MIG701"
    assert word in error.message
    assert error.helps and "--given" not in error.helps[0]


@pytest.mark.parametrize("op", ["sum", "mean"])
def test_what_is_summed_is_refused_or_kept(op: str) -> None:
    spec = f"rename a, b -> c  {op}\nrename d -> e\n"
    with pytest.raises(SpecError) as refused:
        inverted(spec)
    assert [one.code for one in refused.value.diagnostics] == ["MIG701"]
    target = variables_of("old", "a [2] float32\nb [2] float32\nd [2] float32")
    written = invert(Text("spec.mig", spec), target).text.content
    assert written == (
        'keep a, b  because "the spec loses what it reads here"\ndrop c  because "what it was made of is kept"\nrename e -> d\n'
    )
    bound(written, variables_of("new", "c [2] float32\ne [2] float32"), target)
    (warning,) = invert(Text("spec.mig", spec), target).notes
    assert (warning.code, warning.severity) == ("MIG706", Severity.WARNING)
    assert "`c` is not carried back" in warning.message
    with pytest.raises(SpecError) as refused:
        invert(Text("spec.mig", spec), variables_of("old", "a [2] float32"))
    assert refused.value.diagnostics[0].notes == ("what is given has no `b`",)


def test_what_is_not_lost_is_not_kept_either() -> None:
    with pytest.raises(SpecError) as refused:
        invert(Text("spec.mig", "rename a, b -> c, d, e, f  split rows\n"), variables_of("old", "a [2] float32\nb [2] float32"))
    assert [one.code for one in refused.value.diagnostics] == ["MIG701"]


@pytest.mark.parametrize(
    "spec",
    [
        "rename {l:**}/kernel -> {l:**}.weight  transpose\nrename {l:**}/gamma -> {l:**}.weight\n",
        "rename {l}/kernel -> {l}.weight\nrename {k}/gamma -> {k}.weight\n",
        "rename a_{i}/w -> b/{i}/w\nrename c_{i}/w -> b/{i}/w\n",
        "rename x/{n} -> y/{n}\nrename z/{p:w|b} -> y/{p}\n",
        "rename x/* -> y/*\nrename z/** -> y/**\n",
    ],
)
def test_rules_that_the_inverse_could_not_tell_apart_are_refused(spec: str) -> None:
    with pytest.raises(SpecError) as refused:
        inverted(spec)
    (error,) = refused.value.diagnostics
    assert error.code == "MIG705"
    assert error.primary is not None and error.primary.span.line == 2
    assert [label.span.line for label in error.secondary] == [1]


def test_names_that_no_pattern_fits_twice_are_none() -> None:
    inverted("rename a_{i}/w -> b/{i}/w\nrename c_{i}/w -> d/{i}/w\nrename e -> b/0/w\n")
    inverted("rename x/{p:w|b} -> y/{p}\nrename z/{p:u|v} -> y/{p}\n")


def test_what_an_exception_left_behind_stays_left_behind() -> None:
    spec = 'rename net/{l}/* except **/debug -> {l}.*\ndrop **/debug  because "no weight"\n'
    source = variables_of("old", "net/a/w [2] float32\nnet/a/debug [1] float32\nnet/b/w [3] float32")
    target = variables_of("new", "a.w [2] float32\nb.w [3] float32")
    values, back = there_and_back(spec, source, target)
    assert set(back) == {"net/a/w", "net/b/w"}
    assert all(numpy.array_equal(back[name], values[name]) for name in back)


def test_the_title_of_a_library_spec_is_turned_around_and_back() -> None:
    spec = "# torch/linear: PyTorch Linear -> Keras Dense\n#\n# More.\nmig 1\nrename a -> b\n"
    written = inverted(spec)
    assert written.startswith("# torch/linear (turned around): Keras Dense -> PyTorch Linear\n#\n# More.\n")
    assert inverted(written) == spec


def test_every_rule_that_loses_something_is_named() -> None:
    with pytest.raises(SpecError) as refused:
        inverted("rename a -> b  slice 0 [1:]\nrename c, d -> e  sum\nrename f -> g\n")
    assert [one.primary.span.line for one in refused.value.diagnostics if one.primary] == [1, 2]


def test_a_spec_in_error_is_not_turned_around() -> None:
    with pytest.raises(SpecError) as refused:
        inverted("rename a -> b  gates icfo -> ifcx\n")
    assert [one.code for one in refused.value.diagnostics] == ["MIG404"]


TWICE = [
    "rename a/* -> b/*\nrename c -> d  transpose\n",
    "same **  transpose 1 2 0\n",
    "rename a, b -> c  concat 0\nrename e/{i} -> f  stack 0\n",
    "rename l{i}/e{e} -> b  stack {e} 0  stack {i} 1\n",
    "rename a -> b  gates icfo -> ifco on 0  permute OI -> IO  as is\n",
    'rename a -> b  rearrange "(h d) m -> m h d"  rope half -> interleaved on 1 heads 4\n',
    "use tf1/basic_lstm  a/{i} -> b/{i}  with forget_bias = 0.5\nuse inverse tf1/basic_lstm  c -> d\n",
    "# what it is\nmig 1\n\n# of the head\nrename a -> b  transpose  # for Keras\n\n# the end\n",
    "size n\n\nsource a [n, n]\nsource b [n]\ntarget c [n, n]\ntarget d [n]\n\nrename a -> c  transpose\nrename b -> d\n",
]


@pytest.mark.parametrize("spec", TWICE)
def test_twice_turned_around_is_the_spec(spec: str) -> None:
    formatted = format_spec(parse(Text("spec.mig", spec))[0])
    once = inverted(formatted)
    assert once != formatted or spec.startswith("same")
    assert inverted(once) == formatted
    assert format_spec(parse(Text("spec.mig", once))[0]) == once


def test_comments_are_carried_along() -> None:
    written = inverted("# a head\nmig 1\n\n# the kernel,\n# turned\nrename a -> b  transpose  # as Keras has it\n# end\n")
    assert written == "# a head\nmig 1\n\n# the kernel,\n# turned\nrename b -> a  transpose  # as Keras has it\n# end\n"


def test_the_short_forms_undo_each_other() -> None:
    interface = "size n, m\nsource kernel [n + m, 4 * m]\ntarget kernel [n, 4 * m]\ntarget recurrent_kernel [m, 4 * m]\n"
    written = inverted(interface + "rename kernel -> kernel  split gates icfo -> ifco\n")
    assert written.endswith("rename kernel -> kernel  concat gates ifco -> icfo\n")
    back = inverted("rename a/basic_lstm_cell/{w} -> b/{w}  split gates ifco  add 1.0 to f\n")
    assert back == "rename b/{w} -> a/basic_lstm_cell/{w}  concat gates ifco  add -1.0 to f\n"


def test_a_used_spec_turned_around() -> None:
    keras = variables_of(
        "new",
        "lstm/lstm_cell/kernel [3, 8] float32\nlstm/lstm_cell/recurrent_kernel [2, 8] float32\nlstm/lstm_cell/bias [8] float32",
    )
    cell = variables_of("old", "rnn/basic_lstm_cell/kernel [5, 8] float32\nrnn/basic_lstm_cell/bias [8] float32")
    there = bound("use tf1/basic_lstm  rnn/basic_lstm_cell -> lstm/lstm_cell\n", cell, keras)
    back = bound("use inverse tf1/basic_lstm  lstm/lstm_cell -> rnn/basic_lstm_cell\n", keras, cell)
    values = numbered(cell)
    again = filled(back, filled(there, values))
    assert set(again) == set(values)
    assert all(numpy.array_equal(again[name], values[name]) for name in values)


def test_a_used_spec_that_loses_something_shows_the_chain_of_uses() -> None:
    spec = Text("spec.mig", "rename x -> y\nuse inverse net2net/widen_dense  a -> b\n")
    from migspec.compiler import check_spec

    found = check_spec(spec).diagnostics
    assert {one.code for one in found} == {"MIG701"}
    assert all([span.line for span in one.uses] == [2] for one in found)
    with pytest.raises(SpecError) as refused:
        inverted("use net2net/widen_dense  a -> b\n")
    assert all([span.line for span in one.uses] == [1] for one in refused.value.diagnostics)


def test_every_spec_of_the_library_that_is_exact_inverts() -> None:
    """What has no inverse has an op that loses something, and no other reason."""
    lossy = {"sum", "repeat"}
    inverted_ones = 0
    for path in library_specs().values():
        text = read_spec(str(path))
        words = {op.word for statement in parse(text)[0].statements for op in getattr(statement.body, "ops", ())}
        try:
            invert(text)
        except SpecError as refused:
            assert {one.code for one in refused.diagnostics} == {"MIG701"}, path
            assert words & lossy, path
        else:
            inverted_ones += 1
            assert not words & lossy, path
    assert inverted_ones > 40
