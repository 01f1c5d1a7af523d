"""Two specs as one: it does what the two do one after the other."""

from __future__ import annotations

import numpy
import pytest
from inverting import bound, filled, numbered

from migspec.compiler import check_spec, read_spec
from migspec.compose import compose
from migspec.diagnostics import SpecError
from migspec.interface.example import Choice, example
from migspec.invert import invert
from migspec.library import load, read_vocabulary
from migspec.resolve import resolve
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.text import Text

SPLIT = """
size n, m
source k [n + m, 4 * m]
target a [n, 4 * m]
target b [m, 4 * m]
rename k -> a, b  split rows
"""
SWAPPED = """
size x, h
source a [x, 4 * h]
source b [h, 4 * h]
target left [4 * h, x]
target right [4 * h, h]
rename a -> left   gates icfo -> ifco  transpose
rename b -> right  gates icfo -> ifco  transpose
"""
JOINED = """
size x, h
source a [x, 4 * h]
source b [h, 4 * h]
target whole [x + h, 4 * h]
rename a, b -> whole  concat rows
"""
TURNED = """
size x, h
source one or p [4 * h, x]
source two or q [4 * h, h]
target a [x, 4 * h]
target b [h, 4 * h]
rename one -> a  transpose
rename two -> b  transpose
"""
HEADS = """
size width, heads
source w [width, width]
target w [width, heads, width / heads]
rename w -> w  reshape
"""
FLAT = """
size a, b, c
number factor = 2.0
source w [a, b, c]
target w [c, b, a]
target extra [c]
rename w -> w  transpose  scale factor
fill extra with factor
"""
FREE = "size n\nsource a [n, 3]\ntarget b [n, 3]\nrename a -> b\n"
DROPPED = """
size n, m
source a [n, 4 * m]
source b [m, 4 * m]
target a [n, 4 * m]
same a
drop b
"""
KEPT = """
size n, m
source k [n, 4 * m]
source r [m, 4 * m]
target a [n, 4 * m]
target b [m, 4 * m]
rename k -> a
rename r -> b
"""
ONE = """
size m, n
source k [m, n]
target k [n, m]
rename k -> k  transpose
"""
FAMILY = """
size layers, n
source l_{i}/w [n, n] for i < layers
target block.{i}.w [n, n] for i < layers
rename l_{i}/w -> block.{i}.w  transpose
"""
STACKED = """
size depth, n
source block.{i}.w [n, n] for i < depth
target all [depth, n, n]
rename block.{i}.w -> all  stack 0
"""


REVERSED = """
size x, h
source a [x, 4 * h]
source b [h, 4 * h]
target whole [h + x, 4 * h]
rename b, a -> whole  concat rows
"""
APART = """
size state, inputs
source whole [state + inputs, 4 * state]
target r [state, 4 * state]
target k [inputs, 4 * state]
rename whole -> r, k  split rows
"""
OTHERWISE = APART.replace("state + inputs", "inputs + state").replace("r, k", "k, r")
ROPE = """
size heads = 2, a = 3, n
source w [12 * n, 3]
target w [12 * n, 3]
rename w -> w  rope interleaved -> half on 0 heads heads
"""
LABELS = """
size heads = 3, n
source w [12 * n, 3]
target w [12 * n, 3]
rename w -> w  rearrange "(heads a) m -> (a heads) m"
"""
EVERY = """
size k, n
source l_{i}/{c:x|y} [n] for i < k
target b.{i} [n, 2] for i < k
rename l_{i}/{c:x|y} -> b.{i}  stack 1
"""
FLATTENED = """
size k, n, e
source b.{i} [n, e] for i < k
target all [k * n * e]
rename b.{i} -> all  concat 0  reshape [-1]
"""
UNSTACKED = """
size k, n
source w [k, 2 * n]
target b.{i} [2 * n] for i < k
rename w -> b.{i}  unstack 0
"""
HALVED = """
size k, n
source b.{i} [2 * n] for i < k
target x.{i} [n] for i < k
target y.{i} [n] for i < k
rename b.{i} -> x.{i}, y.{i}  split 0
"""
SPREAD = """
source w [6, 2]
target b.{i:0..1}.{e:0..2} [2]
rename w -> b.{i:0..1}.{e:0..2}  unstack 0
"""
CROSSED = """
source b.{i:0..1}.{e:0..2} [2]
target c.{e:0..2}.{i:0..1} [2]
rename b.{i:0..1}.{e:0..2} -> c.{e:0..2}.{i:0..1}  flip 0
"""
BLOCKS = """
size n
source w [4 * n]
target w [4 * n]
rename w -> w  gates icfo -> ifco
"""
GROWN = """
size n, m
source w [n]
target w [m]
rename w -> w  pad zeros
"""
DRAWN = GROWN.replace("zeros", "normal 1.0 seed 3")
PLAIN = GROWN.replace("[m]", "[n]").replace("pad zeros", "flip 0").replace("size n, m", "size n")


@pytest.mark.parametrize(
    ("first", "second", "sizes"),
    [
        (SPLIT, SWAPPED, {"n": 3, "m": 2}),
        (SPLIT, JOINED, {"n": 3, "m": 2}),
        (TURNED, JOINED, {"x": 3, "h": 2}),
        (KEPT, DROPPED, {"n": 3, "m": 2}),
        (HEADS, FLAT, {"width": 6, "heads": 2}),
        (FAMILY, STACKED, {"layers": 11, "n": 2}),
        (REVERSED, OTHERWISE, {"x": 3, "h": 2}),
        (REVERSED, APART, {"x": 3, "h": 2}),
        (ROPE, LABELS, {"n": 2}),
        (LABELS, ROPE, {"n": 2}),
        (
            UNSTACKED,
            STACKED.replace("block.{i}.w", "b.{i}").replace("[n, n]", "[n]").replace("depth, n, n", "depth, n"),
            {"k": 3, "n": 2},
        ),
        ("tf1/dense", "inverse torch/linear", {"inputs": 3, "units": 4}),
        ("tf1/conv_2d", "inverse torch/conv_2d", {"height": 2, "width": 3, "inputs": 4, "filters": 5}),
    ],
)
def test_the_composition_does_what_the_two_do(first: str, second: str, sizes: dict[str, int]) -> None:
    one, two = text_of(first), text_of(second)
    both = compose(one, two)
    errors = [(found.code, found.message, found.notes) for found in check_spec(both).diagnostics]
    assert not errors, (both.content, errors)
    assert format_spec(parse(both)[0]) == both.content
    programs = [resolve(text, load, read_vocabulary)[0] for text in (one, two, both)]
    own = {name: sizes[name] for name in programs[0].sizes if name in sizes}
    assert len(own) == len(sizes), (list(programs[0].sizes), sizes)
    start = example(programs[0], Choice(own, present=optional(programs[0])))
    middle = start.target
    whole = example(programs[2], Choice(own, present=optional(programs[2])))
    values = numbered(start.source)
    step = filled(bound(one.content, start.source, middle), values)
    expected = filled(bound(two.content, middle, whole.target), step)
    got = filled(bound(both.content, whole.source, whole.target), values)
    assert set(got) == set(expected) == {variable.name for variable in whole.target}
    assert all(numpy.array_equal(got[name], expected[name]) for name in got)


def optional(program) -> frozenset[int]:
    return frozenset(number for number, (line, _) in enumerate(program.interface) if line.if_present)


def text_of(spec: str) -> Text:
    if "\n" in spec:
        return Text("folder/spec.mig", spec.lstrip())
    if spec.startswith("inverse "):
        return invert(read_spec(spec.removeprefix("inverse "))).text
    return read_spec(spec)


@pytest.mark.parametrize(
    ("first", "second", "code", "words"),
    [
        (SPLIT, FAMILY, "MIG704", "makes no"),
        (SPLIT, SPLIT, "MIG704", "takes no"),
        (SPLIT, DROPPED, "MIG703", "no one rule is known"),
        (ONE, ONE.replace("source k [m, n]", "source k [2 * a, b]").replace("m, n", "a, b").replace("[n, m]", "[b, 2 * a]"), "MIG704", ""),
        (ONE, ONE.replace("source k [m, n]", "source k [3, 4]").replace("[n, m]", "[4, 3]").replace("size m, n\n", ""), "MIG704", ""),
        (ONE, ONE.replace("m, n", "n, n").replace("size n, n", "size n").replace("[n, m]", "[n, n]"), "MIG704", ""),
        ("rename a -> b\n", SPLIT, "MIG704", "no interface"),
        (SPLIT, SWAPPED.replace("rename b -> right  gates icfo -> ifco  transpose", "rename b -> right  transpose"), "MIG703", "no one rule is known"),
        (SPLIT.replace("[n, 4 * m]\ntarget b", "[n, 4 * m, 1]\ntarget b"), SWAPPED, "MIG704", "axes"),
        ("use tf1/dense  a -> b\nsource a/kernel [2, 2]\ntarget b/kernel [2, 2]\n", HEADS.replace(" w ", " b/kernel "), "MIG703", "uses others"),
        (SPLIT + "rename [", SWAPPED, "MIG101", ""),
        (EVERY, FLATTENED, "MIG703", "each of several"),
        (UNSTACKED, HALVED, "MIG703", "each of several"),
        (SPREAD, CROSSED, "MIG703", "each of several"),
        (BLOCKS, GROWN, "MIG703", "block by block"),
        (DRAWN, PLAIN, "MIG703", "random"),
        (GROWN, DRAWN, "MIG703", "random"),
        ("source a [4]\ntarget b [4]\nrename a -> b  gates icfo -> ifco\n", "source b [4]\ntarget c [4]\nrename b -> c  add 1.0 to f\n", "MIG703", "a gate"),
        (PLAIN + "cast\n", PLAIN, "MIG703", "`cast` alone"),
        ("source k [4, 4]\ntarget a [2, 4]\ntarget b [2, 4]\nrename k -> a, b  split gates ifco\n", JOINED, "MIG703", "both orders"),
        (FREE, "size h = 4\nsource b [h, 3]\ntarget c [1, 3]\nrename b -> c  slice 0 [0:1]\n", "MIG704", "is 4 here"),
        (FREE, "source b [4, 3]\ntarget c [1, 3]\nrename b -> c  slice 0 [0:1]\n", "MIG704", "is 4 here"),
        ("source a [2]\ntarget b [2] float16\nrename a -> b\n", "source b [2] float16\ntarget c [2]\nrename b -> c\n", "MIG704", "float16"),
        ("source a [2]\ntarget b [2]\nrename a -> b\n", "source b [2] float16\ntarget c [2]\nrename b -> c\n", "MIG704", "float16"),
        (SPLIT, SWAPPED.replace("gates icfo -> ifco  transpose", "gates icfo -> ifco"), "MIG301", "shapes differ"),
        (KEPT, JOINED.replace("h", "x").replace("size x, x", "size x"), "MIG704", "is both"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_with_its_place(first: str, second: str, code: str, words: str) -> None:
    with pytest.raises(SpecError) as refused:
        compose(Text("one.mig", first.lstrip()), Text("two.mig", second.lstrip()))
    assert {one.code for one in refused.value.diagnostics} == {code}
    assert any(words in one.message for one in refused.value.diagnostics)
    assert all(one.helps or code in ("MIG704", "MIG301") for one in refused.value.diagnostics)


@pytest.mark.parametrize(
    ("ops", "others", "left"),
    [
        ("transpose", "transpose", "rename a -> c"),
        ("transpose 0 2 1", "transpose 0 2 1", "rename a -> c"),
        ("transpose 1 2 0", "transpose 1 2 0", "rename a -> c  transpose 1 2 0  transpose 1 2 0"),
        ("transpose 1 2 0", "transpose 2 0 1", "rename a -> c"),
        ('rearrange "a b c -> c a b"', 'rearrange "c a b -> a b c"', 'rename a -> c  rearrange "a b c -> c a b"  rearrange "c a b -> a b c"'),
        ('rearrange "a b c -> c a b"', 'rearrange "x b y -> b y x"', 'rename a -> c  rearrange "a b c -> c a b"  rearrange "x b y -> b y x"'),
        ("flip 1  transpose", "transpose  flip 0", "rename a -> c  flip 1  flip 0"),
        ("gates icfo -> ifco", "gates ifco -> icfo  scale 2.0", "rename a -> c  scale 2.0"),
        ("gates icfo -> ifco", "gates ifco -> icfo  add 1.0 to f", "rename a -> c  gates icfo -> ifco  gates ifco -> icfo  add 1.0 to f"),
        ("scale 2.0", "scale 0.5", "rename a -> c  scale 2.0  scale 0.5"),
    ],
)  # fmt: skip
def test_what_the_second_undoes_is_left_out(ops: str, others: str, left: str) -> None:
    cube = "[4, 4, 4]"
    first = Text("a.mig", f"source a {cube}\ntarget b {cube}\nrename a -> b  {ops}\n")
    second = Text("b.mig", f"source b {cube}\ntarget c {cube}\nrename b -> c  {others}\n")
    assert " ".join(compose(first, second).content.splitlines()[-1].split()) == " ".join(left.split())


def between(first: tuple[str, str], ops: str, second: tuple[str, str], others: str) -> tuple[str, str]:
    """Two specs with sizes and lines of their own."""
    return f"{first[0]}\nrename {first[1]}  {ops}\n", f"{second[0]}\nrename {second[1]}  {others}\n"


ONE_TO_ONE = "source a {0}\ntarget b {0}", "a -> b"
THEN = "source b {0}\ntarget c {0}", "b -> c"
TO_TWO = "source k [4, 4]\ntarget a [2, 4]\ntarget b [2, 4]", "k -> a, b"
OF_TWO = "source a [2, 4]\nsource b [2, 4]\ntarget k [4, 4]", "a, b -> k"
FROM_TWO = "source a [2, 4]\nsource b [2, 4]\ntarget c [4, 4]", "a, b -> c"
INTO_TWO = "source k [4, 4]\ntarget c [2, 4]\ntarget d [2, 4]", "k -> c, d"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        between(
            (f"size h = 1\n{ONE_TO_ONE[0].format('[4]')}", ONE_TO_ONE[1]),
            "rope interleaved -> half on 0 heads h",
            (f"size h = 2\n{THEN[0].format('[4]')}", THEN[1]),
            "rope half -> interleaved on 0 heads h",
        ),
        between(
            (f"size h = 2\n{ONE_TO_ONE[0].format('[6]')}", ONE_TO_ONE[1]),
            'rearrange "(h d) -> (d h)"',
            (f"size h = 3\n{THEN[0].format('[6]')}", THEN[1]),
            'rearrange "(d h) -> (h d)"',
        ),
        between(TO_TWO, "split gates icfo -> ifco", FROM_TWO, "flip 0  concat rows"),
        between(TO_TWO, "split gates icfo -> ifco", FROM_TWO, "concat gates ifco -> fico"),
        between(OF_TWO, "concat gates ifco -> icfo", INTO_TWO, "flip 0  split rows"),
        between(OF_TWO, "concat gates ifco -> icfo", INTO_TWO, "split gates icfo -> fico"),
        between(
            (ONE_TO_ONE[0].format("[4, 4]").replace("b", "k"), "a -> k"), "split gates icfo -> ifco", INTO_TWO, "split rows"
        ),
    ],
)
def test_what_means_something_else_in_one_rule(first: str, second: str) -> None:
    """Equal words of different sizes; short forms, whose meaning depends on how many tensors there are on either side."""
    test_the_composition_does_what_the_two_do(first, second, {})


@pytest.mark.parametrize("spec", ["tf1/dense", "torch/conv_2d", "keras2/cudnn_gru", "onnx/gru", "tf1/conv_2d"])
def test_a_spec_then_its_inverse(spec: str) -> None:
    text = read_spec(spec)
    written = compose(text, invert(text).text).content
    rules = [line for line in written.splitlines() if line.startswith(("rename", "same"))]
    assert rules
    assert not any(word in rule for rule in rules for word in ("transpose", "permute", "gates")), written


def test_what_the_composition_does_not_use_is_left_out() -> None:
    first = "size n, m = 3, spare = n + m\nnumber left = 1.0\nsource a [n, m]\ntarget b [m, n]\nrename a -> b  transpose\n"
    second = "size k, l, one, two = 2 * k\nsource b [k, l]\ntarget c [k, two / 2, l / k]\nrename b -> c  reshape [k, one, -1]\n"
    written = compose(Text("a.mig", first), Text("b.mig", second)).content
    program, _ = resolve(Text("c.mig", written), load, read_vocabulary)
    assert set(program.sizes) == {"n", "m", "one", "two"}
    assert not program.numbers
