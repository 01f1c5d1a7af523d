"""Ops as a spec writes them, run on arrays; and arrays of any bits at all."""

from __future__ import annotations

import numpy
from hypothesis import strategies as st

from migspec.dtypes import NAMES, kind, numpy_dtype
from migspec.evaluate import evaluate
from migspec.expression import Read, size_of
from migspec.ops import WORDS, Bundle, Context, Tensor, Wanted, Wants, Word
from migspec.syntax.parse import parse
from migspec.syntax.tree import Move
from migspec.text import Text

FLOATS = ("float64", "float32", "float16", "bfloat16")
ALL_FLOATS = (*FLOATS, "float8_e4m3fn", "float8_e5m2")

lengths = st.sampled_from((0, 1, 1, 2, 3, 4, 5))
shapes = st.lists(lengths, max_size=5).filter(lambda shape: size_of(tuple(shape)) <= 200).map(tuple)
dtypes = st.sampled_from(NAMES)
seeds = st.integers(0, 99)


def some_axes(*, least: int = 1) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes with so many axes at least."""
    return shapes.filter(lambda shape: len(shape) >= least)


def bits(shape: tuple[int, ...], dtype: str, seed: int = 0) -> numpy.ndarray:
    """Values of any bit pattern: infinities, subnormal numbers, NaNs of any payload."""
    generator = numpy.random.Generator(numpy.random.PCG64([seed, *shape]))
    if dtype == "string":
        values = numpy.empty(shape, object)
        values.reshape(-1)[:] = [generator.bytes(int(length)) for length in generator.integers(0, 4, size_of(shape))]
        return values
    if dtype == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    raw = generator.bytes(size_of(shape) * numpy_dtype(dtype).itemsize)
    return numpy.frombuffer(raw, numpy_dtype(dtype)).reshape(shape)


def numbers(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> numpy.ndarray:
    """Moderate values, both signs."""
    generator = numpy.random.Generator(numpy.random.PCG64([seed, *shape]))
    return generator.normal(size=shape).astype(numpy_dtype(dtype))


def dtype_name(values: numpy.ndarray) -> str:
    return "string" if values.dtype == object else values.dtype.name


def words(ops: str) -> tuple[Word, ...]:
    """The ops that a rule says, read by the parser."""
    spec, problems = parse(Text("ops.mig", f"rename a -> b {ops}\n"))
    assert not problems, problems
    (statement,) = spec.statements
    assert isinstance(statement.body, Move)
    return tuple(WORDS[op.word].read(op) for op in statement.body.ops)


def bundle_of(arrays: list[numpy.ndarray]) -> Bundle:
    return tuple(Tensor(Read(f"v{place}", one.shape, dtype_name(one))) for place, one in enumerate(arrays))


def applied(
    ops: tuple[Word, ...], bundle: Bundle, wants: Wants | None = None, values: dict[str, int | float | None] | None = None
) -> Bundle:
    """The bundle after some ops. `wants` is what is wanted at the end, and reaches only the last op."""
    for place, word in enumerate(ops):
        wanted = wants if wants is not None and place == len(ops) - 1 else Wanted()
        bundle = word.apply(bundle, Context(values or {}, lambda wanted=wanted: wanted, ("stream",)))
    return bundle


def values_of(bundle: Bundle, arrays: list[numpy.ndarray]) -> list[numpy.ndarray]:
    """What the tensors of a bundle are; their shapes and dtypes must be as said."""
    results = []
    for tensor in bundle:
        value = evaluate(tensor.expression, lambda read: arrays[int(read.variable[1:])])
        assert value.shape == tensor.shape
        assert dtype_name(value) == tensor.dtype
        results.append(value)
    return results


def run(
    ops: str, *arrays: numpy.ndarray, wants: Wants | None = None, values: dict[str, int | float | None] | None = None
) -> list[numpy.ndarray]:
    """What the ops make of these arrays."""
    given = list(arrays)
    return values_of(applied(words(ops), bundle_of(given), wants, values), given)


def same_bits(left: numpy.ndarray, right: numpy.ndarray) -> bool:
    """Equal in shape, dtype and every bit."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.dtype == object:
        return left.reshape(-1).tolist() == right.reshape(-1).tolist()
    return numpy.ascontiguousarray(left).tobytes() == numpy.ascontiguousarray(right).tobytes()


def same_numbers(left: numpy.ndarray, right: numpy.ndarray) -> bool:
    """Equal in shape and dtype, and every bit, but that any NaN equals any other."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if kind(dtype_name(left)) not in ("float", "complex"):
        return same_bits(left, right)
    a, b = (numpy.ascontiguousarray(one).reshape(-1) for one in (left, right))
    with numpy.errstate(all="ignore"):
        missing = numpy.isnan(a)
        return bool((missing == numpy.isnan(b)).all()) and a[~missing].tobytes() == b[~missing].tobytes()


def check(ops: str, arrays: list[numpy.ndarray], expected: list[numpy.ndarray], **more: object) -> None:
    """The ops make exactly the expected arrays, bit for bit."""
    results = run(ops, *arrays, **more)  # type: ignore[arg-type]
    assert [one.shape for one in results] == [one.shape for one in expected]
    for result, wanted in zip(results, expected, strict=True):
        assert same_bits(result, wanted), ops
