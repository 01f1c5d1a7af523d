"""The canonical text of specs."""

import pytest

from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.text import Text


def formatted(content):
    spec, diagnostics = parse(Text("spec.mig", content))
    assert not diagnostics
    text = format_spec(spec)
    again, diagnostics = parse(Text("again.mig", text))
    assert (again, diagnostics) == (spec, ())
    assert format_spec(again) == text
    return text


def test_a_spec_with_everything():
    written = """\



# head
mig   1
size heads=12,dim
number   x=1.0 , y = -1e-5
use    tf1/basic_lstm  a_{i}->b_{i}  with x=0.0,y = 2   if present
source "kernel"or weights [inputs+units,4*units]float32 for i<n if present
rename   a -> b    # tail
copy long_name/with/more -> c,"d e"   split rows   gates icfo -> ifco
   # between
   if present


fill "x*" , y  with (zeros)
drop a:0,"b" except c  because "it's \\"so\\""
# closing

"""
    written = written.replace("a_{i}->b_{i}", "a_{i} -> b_{i}").replace('"kernel"or', '"kernel" or')
    assert (
        formatted(written)
        == """\
# head
mig 1
size heads = 12, dim
number x = 1.0, y = -1e-05
use tf1/basic_lstm a_{i} -> b_{i}  with x = 0.0, y = 2  if present
source kernel or weights [inputs + units, 4 * units] float32  for i < n  if present
rename a -> b  # tail
# between
copy long_name/with/more -> c, "d e"  split rows  gates icfo -> ifco  if present

fill x*, y  with (zeros)
drop a, b except c  because "it's \\"so\\""
# closing
"""
    )


def test_arrows_of_neighbouring_moves_stand_in_one_column():
    assert (
        formatted("rename a -> b\ncopy abcdef -> c\nkeep x\nrename a -> b\n\nrename abc -> c\n# c\nrename a -> c\n")
        == """\
rename a    -> b
copy abcdef -> c
keep x
rename a -> b

rename abc -> c
# c
rename a -> c
"""
    )


def test_a_move_that_would_need_too_much_padding_begins_the_next_column():
    long = "x" * 26
    assert (
        formatted(f"rename a -> b\nrename ab -> b\nrename {long} -> b\nrename {long}y -> b\n")
        == f"""\
rename a  -> b
rename ab -> b
rename {long}  -> b
rename {long}y -> b
"""
    )


def test_padding_makes_no_line_too_long():
    long = "y" * 85
    text = formatted(f"rename a -> {long}\nrename abcdefghij -> b\n")
    assert text == f"rename a -> {long}\nrename abcdefghij -> b\n"


def test_a_long_statement_is_wrapped():
    name = "transformer_layer_{i}/self_attention"
    targets = [f"{name}/{part}/kernel" for part in ("query", "key", "value")]
    assert (
        formatted(f"rename h.c_attn -> {', '.join(targets)} except {name}/x split columns in 3 reshape if present # c")
        == f"""\
rename h.c_attn
    -> {targets[0]},
       {targets[1]},
       {targets[2]}
       except {name}/x
    split columns in 3  reshape
    if present  # c
"""
    )


def test_a_long_list_fills_its_lines():
    names = [f"{'x' * 29}{number}" for number in range(5)]
    assert (
        formatted(f'drop {", ".join(names)} because "old"')
        == f"""\
drop {names[0]}, {names[1]}, {names[2]},
    {names[3]}, {names[4]}
    because "old"
"""
    )


def test_ops_are_never_broken():
    text = formatted("rename a -> b " + " ".join(f"reshape [alpha_{number}, beta_{number}]" for number in range(9)))
    assert all(len(line) <= 100 for line in text.splitlines())
    assert all(line.count("[") == line.count("]") for line in text.splitlines())


@pytest.mark.parametrize(
    "op",
    [
        "concat 0",
        "concat rows",
        "split columns in 3",
        "split -1 in 3",
        "gates icfo -> ifco on columns",
        "flip 1",
        "stack {e} rows",
    ],
)
def test_an_axis_stays_as_it_was_written(op):
    assert formatted(f"rename a -> b {op}") == f"rename a -> b  {op}\n"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("scale ((a))", "scale a"),
        ("scale (a*b)+c", "scale a * b + c"),
        ("scale a-(b+c)", "scale a - (b + c)"),
        ("scale a/(b*c)", "scale a / (b * c)"),
        ("scale -(a+b)*c", "scale -(a + b) * c"),
        ("scale -(-a)", "scale --a"),
        ("scale 1", "scale 1"),
        ("scale 1.", None),
        ("scale .50", "scale 0.5"),
        ("scale 1e3", "scale 1000.0"),
        ("scale 1E-7", "scale 1e-07"),
        ("scale 007", "scale 7"),
        ("pad 0", "pad zeros"),
        ("pad 1.0 to [2]", "pad 1.0 to [2]"),
        ("pad uniform (-a) (b+1) seed 3", "pad uniform -a (b + 1) seed 3"),
    ],
)
def test_expressions(written, canonical):
    content = f"rename a -> b {written}"
    if canonical is None:
        assert parse(Text("spec.mig", content))[1]
    else:
        assert formatted(content) == f"rename a -> b  {canonical}\n"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ('"a/b"', "a/b"),
        ('"a b"', '"a b"'),
        (r'"a\*"', r'"a\*"'),
        ('"a*"', "a*"),
        (r'"\@"', "@"),
        ('"#a"', '"#a"'),
        ("a#", "a#"),
        ('"a→b"', '"a→b"'),
        ('"{p:a|b}"', "{p:a|b}"),
        ("{ 1 + i }", "{i+1}"),
        ("{i*2-3}", "{2*i-3}"),
        ('"{i} x"', '"{i} x"'),
        ("w:0", "w"),
    ],
)
def test_names(written, canonical):
    assert formatted(f"keep {written}") == f"keep {canonical}\n"
