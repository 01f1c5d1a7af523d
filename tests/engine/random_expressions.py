"""Hypothesis strategies: random pipelines of all primitives over a few small variables, and their values."""

from __future__ import annotations

import numpy
from hypothesis import strategies as st

from migspec.dtypes import kind, numpy_dtype
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

FLOATS = ("float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
MOVABLE = (*FLOATS, "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool", "complex64", "complex128")

shapes = st.lists(st.sampled_from((1, 2, 3, 4, 6)), max_size=4).filter(lambda dims: size_of(tuple(dims)) <= 150).map(tuple)


@st.composite
def leaves(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> Expression:
    number = draw(st.integers(0, 9))
    if number == 0:
        return Fill(Constant(draw(st.sampled_from((0.0, 1.0, 0.5)))), shape, dtype)
    if number == 1 and kind(dtype) == "float":
        return Fill(draw(st.sampled_from((Normal(0.02, 7, "w"), Uniform(-1.0, 1.0, 3, "v")))), shape, dtype)
    side = draw(st.sampled_from(("source", "source", "target")))
    # the shape is part of the name, so that one name always has one shape
    return Read(f"v{draw(st.integers(0, 2))}_{'x'.join(map(str, shape))}_{dtype}", shape, dtype, side)


@st.composite
def reshapes(draw: st.DrawFn, node: Expression) -> Expression:
    left, dims = size_of(node.shape), []
    if not left:
        return node
    while left > 1:
        dims.append(draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0])))
        left //= dims[-1]
        if len(dims) == 4:
            dims.append(left)
            break
    return Reshape(node, tuple(draw(st.permutations(dims))))


@st.composite
def slices(draw: st.DrawFn, node: Expression) -> Expression:
    if not node.shape:
        return node
    axis = draw(st.integers(0, len(node.shape) - 1))
    length = node.shape[axis]
    if length == 0:
        return node
    start = draw(st.integers(0, length - 1))
    step = draw(st.sampled_from((1, 1, -1, 2, 3, -2)))
    room = (length - 1 - start) // step + 1 if step > 0 else start // -step + 1
    count = room if draw(st.booleans()) else draw(st.integers(0 if draw(st.integers(0, 19)) == 0 else 1, room))
    return Slice(node, axis, start, count, step)


@st.composite
def takes(draw: st.DrawFn, node: Expression) -> Expression:
    """Places of an axis: in any order, some twice, or a few runs; sometimes of the axis with new places behind its own, as `remap` does."""
    if not node.shape:
        return node
    axis = draw(st.integers(0, len(node.shape) - 1))
    if draw(st.booleans()):
        shape = list(node.shape)
        shape[axis] = draw(st.integers(1, 3))
        node = Concat((node, draw(leaves(tuple(shape), node.dtype))), axis)
    if not node.shape[axis]:
        return node
    place = st.integers(0, node.shape[axis] - 1)
    runs = st.permutations(range(node.shape[axis])).map(lambda order: sorted(order[: len(order) // 2 + 1]))
    places = draw(st.one_of(st.lists(place, min_size=1, max_size=12), st.permutations(range(node.shape[axis])), runs))
    return Take(node, axis, Indices.of(places))


@st.composite
def concats(draw: st.DrawFn, node: Expression) -> Expression:
    if not node.shape:
        return node
    axis = draw(st.integers(0, len(node.shape) - 1))
    parts = [node]
    for _ in range(draw(st.integers(1, 3))):
        form = draw(st.integers(0, 2))
        if form == 0:
            parts.append(node)
        elif form == 1:
            cut = draw(slices(node))
            if isinstance(cut, Slice) and cut.axis == axis:
                parts.append(cut)
        else:
            shape = list(node.shape)
            shape[axis] = draw(st.integers(0, 3))
            parts.append(draw(leaves(tuple(shape), node.dtype)))
    return Concat(tuple(draw(st.permutations(parts))), axis)


@st.composite
def casts(draw: st.DrawFn, node: Expression) -> Expression:
    allowed = {"float": (*FLOATS, "complex64"), "integer": MOVABLE, "boolean": MOVABLE, "complex": ("complex64", "complex128")}
    return Cast(node, draw(st.sampled_from(allowed[kind(node.dtype)])))


@st.composite
def affines(draw: st.DrawFn, node: Expression) -> Expression:
    if kind(node.dtype) != "float":
        return node
    return Affine(node, draw(st.sampled_from((1.0, 0.5, 1 / 3, -2.0))), draw(st.sampled_from((0.0, 1.0, 0.1))))


@st.composite
def sums(draw: st.DrawFn, node: Expression) -> Expression:
    others = [draw(st.one_of(leaves(node.shape, node.dtype), st.just(node))) for _ in range(draw(st.integers(0, 2)))]
    return Sum((node, *others))


@st.composite
def expressions(draw: st.DrawFn, dtypes: tuple[str, ...] = MOVABLE, arithmetic: bool = True) -> Expression:
    node = draw(leaves(draw(shapes), draw(st.sampled_from(dtypes))))
    structural = [reshapes, reshapes, slices, concats, takes]
    for _ in range(draw(st.integers(0, 6))):
        form = draw(st.integers(0, 10 if arithmetic else 7))
        if form <= 2:
            node = Permute(node, tuple(draw(st.permutations(range(len(node.shape))))))
        elif form <= 7:
            node = draw(structural[form - 3](node))
        else:
            node = draw((casts, affines, sums)[form - 8](node))
        if size_of(node.shape) > 2000:
            break
    return node


def value_of(read: Read) -> numpy.ndarray:
    """What the variable of this read holds: any bits at all (infinities and NaN among them), always the same ones."""
    dtype = numpy_dtype(read.dtype)
    generator = numpy.random.Generator(numpy.random.PCG64(list(f"{read.side} {read.variable}".encode())))
    if read.dtype == "bool":
        return generator.integers(0, 2, read.shape).astype(bool)
    raw = generator.bytes(size_of(read.shape) * dtype.itemsize)
    return numpy.frombuffer(raw, dtype).reshape(read.shape)


def same(left: numpy.ndarray, right: numpy.ndarray, arithmetic: bool = True) -> bool:
    """Equal bit for bit; after arithmetic, a NaN is equal to a NaN (its payload may differ between vector and scalar code)."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    a, b = (numpy.ascontiguousarray(x).reshape(-1).view(numpy.uint8).reshape(x.size, x.itemsize) for x in (left, right))
    equal = (a == b).all(axis=1)
    if arithmetic and kind(left.dtype.name) in ("float", "complex"):
        with numpy.errstate(all="ignore"):
            equal |= (numpy.isnan(left) & numpy.isnan(right)).reshape(-1)
    return bool(equal.all())
