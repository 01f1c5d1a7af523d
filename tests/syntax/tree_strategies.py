"""Random syntax trees: every statement and op, nasty names, comments. Only trees that `parse` could give."""

from hypothesis import strategies as st

from migspec.dtypes import NAMES
from migspec.syntax.tree import (
    Binary,
    Capture,
    CastAll,
    Content,
    Definition,
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
    Op,
    Pattern,
    PatternList,
    Plain,
    Reference,
    Same,
    Sizes,
    Slots,
    Spec,
    Star,
    Statement,
    Use,
    Version,
)
from migspec.text import Span, Text

KEYWORDS = [
    "split",
    "to",
    "with",
    "rename",
    "if",
    "gates",
    "cast",
    "inverse",
    "present",
    "except",
    "because",
    "int",
    "zeros",
    "normal",
]
NOWHERE = Span(Text("made", ""), 0, 0)

# --- names and patterns

_tame = st.text("abxyz019_-", min_size=1, max_size=6)
_nasty = st.text("ab0_-+:@$~%^&!?# \t\"'`\\*{}()[]<>=|;,é→“”’–\u200b\xa0\n\r", min_size=1, max_size=8)
_plain = st.sampled_from(KEYWORDS) | _tame | _nasty
identifiers = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,4}", fullmatch=True) | st.sampled_from(KEYWORDS)
_choices = st.lists(
    st.text("ab0_-:'#=;é→", min_size=1, max_size=4) | st.just("int"), min_size=1, max_size=3, unique=True
).filter(lambda texts: texts not in (["int"], ["_"]))
_ranges = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted)
_factors = st.integers(-3, 3).filter(bool)

_captures = st.one_of(
    st.builds(Capture, identifiers, scale=_factors, offset=st.integers(-4, 4)),
    st.builds(Capture, identifiers, st.sampled_from(["int", "numbering", "underscored"])),
    st.builds(lambda name, ends: Capture(name, "range", *ends), identifiers, _ranges),
    st.builds(lambda name, choices: Capture(name, "choice", choices=tuple(choices)), identifiers, _choices),
)
_parts = st.one_of(_plain.map(Plain), st.just(Star()), _ranges.map(lambda ends: NumberRange(*ends)), _captures)


def _without_twins(parts):
    """Two texts or two stars beside each other would be read as one."""
    kept = []
    for part in parts:
        if not (kept and type(part) is type(kept[-1]) and isinstance(part, Plain | Star)):
            kept.append(part)
    return tuple(kept)


_whole_segments = st.just((DoubleStar(),)) | identifiers.map(lambda name: (Capture(name, "segments"),))
_segments = st.lists(_parts, max_size=3).map(_without_twins) | _tame.map(lambda text: (Plain(text),)) | _whole_segments


@st.composite
def patterns(draw, hole=False):
    segments = draw(st.lists(_segments, min_size=1, max_size=4))
    separators = draw(st.lists(st.sampled_from("/."), min_size=len(segments) - 1, max_size=len(segments) - 1))
    for index, segment in enumerate(segments):
        after_slash = index == 0 or separators[index - 1] == "/"
        if after_slash and segment and isinstance(segment[0], Plain) and draw(st.booleans()):
            segments[index] = (Plain("." + segment[0].text), *segment[1:])
        if after_slash and not segment and index < len(separators):
            separators[index] = "/"  # a dot there would belong to the segment
    if hole:
        place = draw(st.integers(0, len(segments) - 1))
        if not any(isinstance(part, DoubleStar) or getattr(part, "kind", "") == "segments" for part in segments[place]):
            segments[place] = (*segments[place], Hole())
    last = segments[-1][-1] if segments[-1] else None
    if isinstance(last, Plain) and last.text.endswith(":0"):
        segments[-1] = (*segments[-1][:-1], Plain(last.text + "x"))
    if segments == [()]:
        segments = [(Plain("x"),)]
    return Pattern(tuple(segments), tuple(separators))


_lists = st.builds(
    PatternList, st.lists(patterns(), min_size=1, max_size=3).map(tuple), st.lists(patterns(), max_size=2).map(tuple)
)

# --- numbers

_numbers = (
    st.integers(0, 10**18 - 1) | st.floats(0, allow_nan=False, allow_infinity=False) | st.sampled_from([0, 1, 0.0, 1.0, 1e-5])
)


def _operations(inner):
    return st.builds(Negative, inner) | st.builds(Binary, st.sampled_from("+-*/"), inner, inner)


arithmetic = st.recursive(st.builds(Number, _numbers) | st.builds(Reference, identifiers), _operations, max_leaves=5)
_dims = st.lists(arithmetic, max_size=3).map(tuple)
_seeds = st.integers(0, 99)
contents = st.one_of(
    st.builds(Content, st.just("constant"), arithmetic),
    st.builds(lambda value, seed: Content("normal", value, seed=seed), arithmetic, _seeds),
    st.builds(lambda low, high, seed: Content("uniform", high, low, seed), arithmetic, arithmetic, _seeds),
)

# --- ops

_letters = st.text("abcdifoOIHW", min_size=1, max_size=4)
_texts = st.text("ab 01(){}\\\"'#→“,>-é\t", max_size=12)
_axes = st.integers(-3, 3)
_permutations = st.integers(1, 4).flatmap(lambda rank: st.permutations(range(rank))).map(tuple)
_optional_dims = st.none() | _dims


def _op(word, **arguments):
    return st.tuples(*arguments.values()).map(lambda drawn: Op(word, tuple(zip(arguments, drawn, strict=True)), NOWHERE))


ops = st.one_of(
    _op("transpose", axes=st.none() | _permutations),
    _op("permute", old=_letters, new=_letters),
    _op("rearrange", pattern=_texts),
    _op("reshape", dims=_optional_dims, old=st.none()),
    _op("reshape", dims=st.none(), old=_dims),
    *(_op(word, axis=_axes) for word in ("squeeze", "expand", "flip")),
    *(_op(word, axis=_axes, capture=st.none() | identifiers) for word in ("stack", "unstack")),
    _op("gates", old=_letters, new=_letters, axis=st.none() | _axes),
    _op("rope", old=st.just("interleaved"), new=st.just("half"), axis=_axes, heads=arithmetic),
    *(_op(word, axis=_axes, sizes=_optional_dims, count=st.none()) for word in ("split", "concat")),
    *(_op(word, axis=_axes, sizes=st.none(), count=arithmetic) for word in ("split", "concat")),
    _op("split_gates", old=st.none() | _letters, new=_letters),
    _op("concat_gates", old=_letters, new=st.none() | _letters),
    _op("slice", axis=_axes, start=st.none() | arithmetic, stop=st.none() | arithmetic),
    _op("crop", dims=_optional_dims),
    _op("pad", content=contents, dims=_optional_dims),
    _op("repeat", axis=_axes, count=arithmetic),
    _op(
        "remap",
        axis=_axes,
        old=_texts,
        old_oov=st.none() | arithmetic,
        new=_texts,
        new_oov=st.none() | arithmetic,
        content=st.none() | contents,
    ),
    _op("add", value=arithmetic, gate=st.none() | identifiers),
    _op("scale", value=arithmetic),
    _op("cast", dtype=st.none() | st.sampled_from(NAMES), old=st.none()),
    _op("cast", dtype=st.none(), old=st.sampled_from(NAMES)),
    *(_op(word) for word in ("sum", "mean", "as_is")),
)
_op_lists = st.lists(ops, max_size=3).map(tuple)

# --- statements

_definitions = st.lists(st.builds(Definition, identifiers, arithmetic), min_size=1, max_size=3).map(tuple)
_size_definitions = st.lists(st.builds(Definition, identifiers, st.none() | arithmetic), min_size=1, max_size=3).map(tuple)
_spec_names = st.sampled_from(["tf1/basic_lstm", "inverse", "./own.mig", "with", "#x", "->"]) | _texts.filter(bool)
_reasons = st.none() | _texts


@st.composite
def _uses(draw):
    mounted = draw(st.booleans())
    return Use(
        draw(_spec_names),
        draw(patterns(hole=True)) if mounted else None,
        draw(patterns(hole=True)) if mounted else None,
        draw(st.just(()) | _definitions),
        draw(st.booleans()),
        draw(st.booleans()),
    )


bodies = st.one_of(
    st.builds(Sizes, _size_definitions),
    st.builds(Numbers, _definitions),
    st.builds(
        Interface,
        st.sampled_from(["source", "target"]),
        st.lists(patterns(), min_size=1, max_size=3).map(tuple),
        _dims,
        st.none() | st.sampled_from(NAMES),
        st.none() | st.tuples(identifiers, arithmetic),
        st.booleans(),
    ),
    _uses(),
    st.builds(Move, st.sampled_from(["rename", "copy"]), _lists, _lists, _op_lists, st.booleans()),
    st.builds(Same, _lists, _op_lists, st.booleans()),
    st.builds(Drop, _lists, _reasons, st.booleans()),
    st.builds(Keep, _lists, _reasons, st.booleans()),
    st.builds(FillWith, _lists, contents, st.booleans()),
    st.builds(Slots, patterns(), patterns(), _op_lists, st.booleans()),
    st.just(CastAll()),
)

_comments = st.text("ab #\"→'\t->", max_size=10).map(str.rstrip)


def _normal(lines, at_start=False, at_end=False):
    """As `parse` gives comment lines: runs of blank lines are one, and none at the start or the end of the text."""
    kept = []
    for line in lines:
        if line is not None or (kept and kept[-1] is not None) or (not kept and not at_start):
            kept.append(line)
    while at_end and kept and kept[-1] is None:
        kept.pop()
    return tuple(kept)


_comment_lines = st.lists(st.none() | _comments, max_size=3)


@st.composite
def specs(draw, most=4):
    drawn = draw(st.lists(bodies, max_size=most))
    if draw(st.booleans()):
        drawn.insert(0, Version(1))
    statements = tuple(
        Statement(body, _normal(draw(_comment_lines), at_start=index == 0), draw(st.none() | _comments))
        for index, body in enumerate(drawn)
    )
    return Spec(NOWHERE.text, statements, _normal(draw(_comment_lines), at_start=not statements, at_end=True))
