"""Statements, ops, names and patterns as LANGUAGE words them, read into the tree that they mean."""

from pathlib import Path

import pytest

from migspec.syntax.parse import parse
from migspec.syntax.tree import (
    Binary,
    Capture,
    CastAll,
    Content,
    DoubleStar,
    Drop,
    FillWith,
    Hole,
    Interface,
    Keep,
    Move,
    Negative,
    Number,
    NumberRange,
    Numbers,
    Plain,
    Reference,
    Same,
    Sizes,
    Slots,
    Star,
    Use,
    Version,
)
from migspec.text import Text


def bodies(content):
    spec, diagnostics = parse(Text("spec.mig", content))
    assert not diagnostics
    return [statement.body for statement in spec.statements]


def body(content):
    (one,) = bodies(content)
    return one


def name(written):
    """The pattern of `keep ...`."""
    (pattern,) = body(f"keep {written}").names.patterns
    return pattern


def op(written):
    (one,) = body(f"rename a -> b {written}").ops
    return one.word, dict(one.arguments)


def plain(*texts):
    return tuple((Plain(text),) if text else () for text in texts)


class TestNames:
    @pytest.mark.parametrize(
        ("written", "segments", "separators"),
        [
            ("a/b.c", ("a", "b", "c"), "/."),
            ("0.weight", ("0", "weight"), "."),
            ("7", ("7",), ""),
            ("layer:0", ("layer",), ""),
            ("layer:0:0", ("layer",), ""),
            ("layer:01", ("layer:01",), ""),
            ("a/.ATTRIBUTES/V", ("a", ".ATTRIBUTES", "V"), "//"),
            (".hidden.x", (".hidden", "x"), "."),
            ("./a", (".", "a"), "/"),
            ("..a", (".", "a"), "."),
            ("a..b", ("a", "", "b"), ".."),
            ("/layer/w", ("", "layer", "w"), "//"),
            ("onnx::MatMul_3+x-@$~%", ("onnx::MatMul_3+x-@$~%",), ""),
            ("a#b", ("a#b",), ""),
            ('"a b/c"', ("a b", "c"), "/"),
            ('"a b:0"', ("a b",), ""),
            (r'"\*\{\}\"\\\@"', ('*{}"\\@',), ""),
            (r'"a\nb\r"', ("a\nb\r",), ""),
            ('"#1, [2]"', ("#1, [2]",), ""),
        ],
    )
    def test_a_name_is_cut_into_segments(self, written, segments, separators):
        pattern = name(written)
        assert (pattern.segments, pattern.separators) == (plain(*segments), tuple(separators))
        assert pattern.quoted == written.startswith('"')
        assert pattern.span.content == written

    def test_keywords_are_keywords_only_where_they_can_be(self):
        first, second, third = bodies(
            "rename split, rename, if -> to, with, -  transpose  concat 0\n"
            'keep except except if, because because "x" if present\n'
            "drop ** except drop if present\n"
        )
        assert [pattern.span.content for pattern in first.sources.patterns] == ["split", "rename", "if"]
        assert [pattern.span.content for pattern in first.targets.patterns] == ["to", "with", "-"]
        assert [one.word for one in first.ops] == ["transpose", "concat"]
        assert [pattern.span.content for pattern in second.names.exceptions] == ["if", "because"]
        assert (second.because, second.if_present, third.if_present) == ("x", True, True)

    def test_sizes_may_have_the_names_of_keywords(self):
        sizes, move, fill = bodies(
            "size split, to = 2, rows\nrename a -> b repeat 0 split pad 0 to [to, rows] add to to to scale if if present\n"
            "fill a with uniform seed seed seed 7\n"
        )
        assert [one.name for one in sizes.definitions] == ["split", "to", "rows"]
        assert [one.word for one in move.ops] == ["repeat", "pad", "add", "scale"]
        assert fill.content == Content("uniform", Reference("seed"), Reference("seed"), 7)


class TestPatterns:
    @pytest.mark.parametrize(
        ("written", "part"),
        [
            ("*", Star()),
            ("**", DoubleStar()),
            ("{0..11}", NumberRange(0, 11)),
            ("{i}", Capture("i")),
            ("{ i }", Capture("i")),
            ("{i:int}", Capture("i", "int")),
            ("{i:1..5}", Capture("i", "range", 1, 5)),
            ("{p:query|key}", Capture("p", "choice", choices=("query", "key"))),
            ("{p:int|_}", Capture("p", "choice", choices=("int", "_"))),
            ("{s:**}", Capture("s", "segments")),
            ("{_i}", Capture("i", "numbering")),
            ("{w:_}", Capture("w", "underscored")),
            ("{i+1}", Capture("i", offset=1)),
            ("{i - 1}", Capture("i", offset=-1)),
            ("{2*i}", Capture("i", scale=2)),
            ("{2*(i+1)-1}", Capture("i", scale=2, offset=1)),
            ("{9-i}", Capture("i", scale=-1, offset=9)),
        ],
    )
    def test_a_part_of_a_pattern(self, written, part):
        assert name(written).segments == ((part,),)
        assert name(f'"{written}"').segments == ((part,),)

    def test_parts_stand_side_by_side(self):
        assert name("lstm{_i}/*_{j:int}.w").segments == (
            (Plain("lstm"), Capture("i", "numbering")),
            (Star(), Plain("_"), Capture("j", "int")),
            (Plain("w"),),
        )

    def test_the_hole_is_one_in_use_alone(self):
        use = body(r'use torch/gru {s}_@ -> "{s}/@/\@"')
        assert use.source.segments == ((Capture("s"), Plain("_"), Hole()),)
        assert use.target.segments == ((Capture("s"),), (Hole(),), (Plain("@"),))
        assert name("a@b").segments == ((Plain("a@b"),),)


class TestStatements:
    def test_definitions(self):
        assert bodies("mig 1")[0] == Version(1)
        sizes, numbers = bodies("size inputs, heads = 12, dim = 2 * heads\nnumber x = 1.0, y = -1e-5\n")
        assert [(one.name, one.value) for one in sizes.definitions] == [
            ("inputs", None),
            ("heads", Number(12)),
            ("dim", Binary("*", Number(2), Reference("heads"))),
        ]
        assert isinstance(numbers, Numbers)
        assert [one.value for one in numbers.definitions] == [Number(1.0), Negative(Number(1e-5))]
        assert isinstance(sizes, Sizes)
        assert isinstance(numbers.definitions[0].value.value, float)

    def test_interface(self):
        line = body("source kernel or weights or Linear/Matrix [inputs + units, 4 * units] float32 for i < 2 * n if present")
        assert isinstance(line, Interface)
        assert [pattern.span.content for pattern in line.names] == ["kernel", "weights", "Linear/Matrix"]
        assert line.dims[0] == Binary("+", Reference("inputs"), Reference("units"))
        assert (line.side, line.dtype, line.if_present) == ("source", "float32", True)
        assert line.family == ("i", Binary("*", Number(2), Reference("n")))
        scalar = body("target global_step []")
        assert (scalar.side, scalar.dims, scalar.dtype, scalar.family, scalar.if_present) == ("target", (), None, None, False)

    def test_use(self):
        use = body("use tf1/basic_lstm rnn/cell_{i} -> lstm_{i} with forget_bias = 0.0, n = m if present")
        assert isinstance(use, Use)
        assert (use.spec, use.spec_span.content, use.inverse, use.if_present) == ("tf1/basic_lstm",) * 2 + (False, True)
        assert [(one.name, one.value) for one in use.bindings] == [("forget_bias", Number(0.0)), ("n", Reference("m"))]
        alone = body('use inverse "my specs/a.mig"')
        assert (alone.spec, alone.inverse, alone.source, alone.target) == ("my specs/a.mig", True, None, None)

    def test_prefixes_of_a_use_may_have_the_names_of_keywords(self):
        for written in ("with", "if", "if/present", "with_x"):
            use = body(f"use x {written} -> b with n = 1 if present")
            assert (use.source.span.content, len(use.bindings), use.if_present) == (written, 1, True)

    def test_the_other_rules(self):
        move, copy, same, drop, keep, fill, slots, cast = bodies(
            """
rename a, b except c -> d   transpose
copy a -> b, c
same **  as is  if present
drop **/Adam, x except y  because "state \\"a\\" \\\\ C:\\temp"
keep **
fill head.* with normal 0.02 seed 7
slots {weight}/Momentum -> sgd/{weight:_}_momentum  scale -rate  cast float32 if present
cast
"""
        )
        assert isinstance(move, Move)
        assert (move.word, len(move.sources.patterns), len(move.sources.exceptions)) == ("rename", 2, 1)
        assert (copy.word, len(copy.targets.patterns)) == ("copy", 2)
        assert isinstance(same, Same)
        assert same.if_present
        assert isinstance(drop, Drop)
        assert drop.because == 'state "a" \\ C:\\temp'
        assert isinstance(keep, Keep)
        assert keep.because is None
        assert fill == FillWith(fill.names, Content("normal", Number(0.02), seed=7))
        assert isinstance(slots, Slots)
        assert slots.if_present
        assert [op.word for op in slots.ops] == ["scale", "cast"]
        assert cast == CastAll()


class TestOps:
    @pytest.mark.parametrize(
        ("written", "word", "arguments"),
        [
            ("transpose", "transpose", {"axes": None}),
            ("transpose 2 3 1 0", "transpose", {"axes": (2, 3, 1, 0)}),
            ("transpose 0 -1 1", "transpose", {"axes": (0, 2, 1)}),
            ("permute OIHW -> HWIO", "permute", {"old": "OIHW", "new": "HWIO"}),
            ('rearrange "(heads dim) m -> m heads dim"', "rearrange", {"pattern": "(heads dim) m -> m heads dim"}),
            ("reshape", "reshape", {"dims": None, "old": None}),
            ("reshape [h, -1, 64]", "reshape", {"dims": (Reference("h"), Negative(Number(1)), Number(64)), "old": None}),
            ("reshape from [h, -1]", "reshape", {"dims": None, "old": (Reference("h"), Negative(Number(1)))}),
            ("squeeze -1", "squeeze", {"axis": -1}),
            ("expand 0", "expand", {"axis": 0}),
            ("flip rows", "flip", {"axis": 0}),
            ("gates icfo -> ifco", "gates", {"old": "icfo", "new": "ifco", "axis": None}),
            ("gates icfo -> ifco on rows", "gates", {"old": "icfo", "new": "ifco", "axis": 0}),
            (
                "rope interleaved -> half on 1 heads 32",
                "rope",
                {"old": "interleaved", "new": "half", "axis": 1, "heads": Number(32)},
            ),
            ("split columns", "split", {"axis": -1, "sizes": None, "count": None}),
            ("split 0 [a, b]", "split", {"axis": 0, "sizes": (Reference("a"), Reference("b")), "count": None}),
            ("split 0 in 4", "split", {"axis": 0, "sizes": None, "count": Number(4)}),
            ("split gates ifco", "split_gates", {"old": None, "new": "ifco"}),
            ("split gates icfo -> ifco", "split_gates", {"old": "icfo", "new": "ifco"}),
            ("concat 0", "concat", {"axis": 0, "sizes": None, "count": None}),
            ("concat rows [a, 2]", "concat", {"axis": 0, "sizes": (Reference("a"), Number(2)), "count": None}),
            ("concat -1 in n", "concat", {"axis": -1, "sizes": None, "count": Reference("n")}),
            ("concat gates ifco", "concat_gates", {"old": "ifco", "new": None}),
            ("concat gates ifco -> icfo", "concat_gates", {"old": "ifco", "new": "icfo"}),
            ("stack 0", "stack", {"axis": 0, "capture": None}),
            ("stack {e} 0", "stack", {"axis": 0, "capture": "e"}),
            ("unstack {e} 1", "unstack", {"axis": 1, "capture": "e"}),
            ("slice 0 [1:n]", "slice", {"axis": 0, "start": Number(1), "stop": Reference("n")}),
            ("slice 0 [:]", "slice", {"axis": 0, "start": None, "stop": None}),
            ("crop", "crop", {"dims": None}),
            ("crop to [3, 4]", "crop", {"dims": (Number(3), Number(4))}),
            ("pad zeros", "pad", {"content": Content("constant", Number(0)), "dims": None}),
            ("pad 0.5 to [3]", "pad", {"content": Content("constant", Number(0.5)), "dims": (Number(3),)}),
            ("pad (zeros)", "pad", {"content": Content("constant", Reference("zeros")), "dims": None}),
            (
                "pad uniform -0.1 0.1 seed 7",
                "pad",
                {"content": Content("uniform", Number(0.1), Negative(Number(0.1)), 7), "dims": None},
            ),
            ("repeat 0 2", "repeat", {"axis": 0, "count": Number(2)}),
            ("repeat -1 k", "repeat", {"axis": -1, "count": Reference("k")}),
            (
                'remap 0 from "a" to "b"',
                "remap",
                {"axis": 0, "old": "a", "old_oov": None, "new": "b", "new_oov": None, "content": None},
            ),
            (
                'remap rows from "a" oov 2 to "b" oov n + 1 else ones',
                "remap",
                {
                    "axis": 0,
                    "old": "a",
                    "old_oov": Number(2),
                    "new": "b",
                    "new_oov": Binary("+", Reference("n"), Number(1)),
                    "content": Content("constant", Number(1)),
                },
            ),
            (
                'remap columns from "a" to "b" oov 1',
                "remap",
                {"axis": -1, "old": "a", "old_oov": None, "new": "b", "new_oov": Number(1), "content": None},
            ),
            ("add 1.0", "add", {"value": Number(1.0), "gate": None}),
            ("add -x to f", "add", {"value": Negative(Reference("x")), "gate": "f"}),
            ("scale 1/s", "scale", {"value": Binary("/", Number(1), Reference("s"))}),
            ("cast", "cast", {"dtype": None, "old": None}),
            ("cast bfloat16", "cast", {"dtype": "bfloat16", "old": None}),
            ("cast from bfloat16", "cast", {"dtype": None, "old": "bfloat16"}),
            ("sum", "sum", {}),
            ("mean", "mean", {}),
            ("as is", "as_is", {}),
        ],
    )
    def test_op(self, written, word, arguments):
        assert op(written) == (word, arguments)
        (one,) = body(f"rename a -> b  {written}  if present").ops
        assert one.span.content == written

    def test_arithmetic_binds_as_usual(self):
        one, two = Reference("a"), Reference("b")
        assert op("scale a - b - a")[1]["value"] == Binary("-", Binary("-", one, two), one)
        assert op("scale a - (b - a)")[1]["value"] == Binary("-", one, Binary("-", two, one))
        assert op("scale -a * b + 2")[1]["value"] == Binary("+", Binary("*", Negative(one), two), Number(2))


EXAMPLES = Path(__file__).parents[2].parent / "shared" / "examples"


@pytest.mark.parametrize("example", ["musicnn_vgg", "bert", "gpt2"])
def test_the_shared_examples_are_read(example):
    file = EXAMPLES / example / "spec.mig"
    if not file.is_file():
        pytest.skip("the shared examples are not here")
    spec, diagnostics = parse(Text(str(file), file.read_text(encoding="utf-8")))
    assert diagnostics == ()
    assert spec.statements[0].leading
    assert len(spec.statements) >= 6


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "specs").rglob("*.mig")), ids=lambda file: file.stem)
def test_the_library_is_read(file):
    assert parse(Text(file.name, file.read_text(encoding="utf-8")))[1] == ()
