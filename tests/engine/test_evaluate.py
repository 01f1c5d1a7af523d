"""The reference evaluation against numpy, spelled out."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest

from migspec.evaluate import evaluate
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
)
from migspec.random_fill import draw

A = numpy.arange(24, dtype=numpy.float32).reshape(2, 3, 4) / 7
B = numpy.arange(24, dtype=numpy.float32).reshape(2, 3, 4) ** 2
READ_A, READ_B = Read("a", (2, 3, 4), "float32"), Read("b", (2, 3, 4), "float32", "target")


def read(node: Read) -> numpy.ndarray:
    return {("a", "source"): A, ("b", "target"): B}[node.variable, node.side]


CASES: dict[str, tuple[Expression, Callable[[], numpy.ndarray]]] = {
    "read": (READ_A, lambda: A),
    "permute": (Permute(READ_A, (2, 0, 1)), lambda: numpy.transpose(A, (2, 0, 1))),
    "reshape after permute": (Reshape(Permute(READ_A, (2, 1, 0)), (6, 4)), lambda: A.T.reshape(6, 4)),
    "slice": (Slice(READ_A, 1, 1, 2), lambda: A[:, 1:3]),
    "slice with a step": (Slice(READ_A, 2, 1, 2, 2), lambda: A[:, :, 1::2]),
    "flip": (Slice(READ_A, 2, 3, 4, -1), lambda: numpy.flip(A, 2)),
    "empty slice": (Slice(READ_A, 0, 1, 0), lambda: A[1:1]),
    "concat": (Concat((READ_A, READ_B, READ_A), 1), lambda: numpy.concatenate([A, B, A], 1)),
    "cast": (Cast(READ_A, "float16"), lambda: A.astype(numpy.float16)),
    "scale, then offset": (Affine(READ_A, 1 / 3, 0.1), lambda: A * numpy.float32(1 / 3) + numpy.float32(0.1)),
    "sum": (Sum((READ_A, READ_B, READ_A)), lambda: A + B + A),
    "constant": (Fill(Constant(0.5), (2, 2), "float16"), lambda: numpy.full((2, 2), 0.5, numpy.float16)),
    "whole zeros": (Fill(Constant(0.0), (), "int64"), lambda: numpy.zeros((), numpy.int64)),
    "random": (
        Fill(Normal(0.02, 7, "w"), (2, 3), "float32"),
        lambda: draw(Normal(0.02, 7, "w"), 0, 6).astype(numpy.float32).reshape(2, 3),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_against_numpy(name: str) -> None:
    node, expected = CASES[name]
    value = evaluate(node, read)
    assert value.dtype == expected().dtype
    assert value.shape == node.shape == expected().shape
    assert value.flags.c_contiguous
    assert value.tobytes() == numpy.ascontiguousarray(expected()).tobytes()


def test_a_step_that_changes_nothing_keeps_negative_zero_and_the_payload_of_nan() -> None:
    bits = numpy.array([0x80000000, 0x7FC12345, 0xFFA00001], numpy.uint32)
    node = Affine(Affine(Read("w", (3,), "float32"), 1.0, 0.0))
    assert (evaluate(node, lambda _: bits.view(numpy.float32)).view(numpy.uint32) == bits).all()


def test_an_offset_is_rounded_to_the_dtype_at_its_place() -> None:
    ones = numpy.ones(1, numpy.float16)
    rounded = evaluate(Affine(Read("w", (1,), "float16"), 1.0, 2.0**-11), lambda _: ones)
    exact = evaluate(Affine(Cast(Read("w", (1,), "float16"), "float32"), 1.0, 2.0**-11), lambda _: ones)
    assert rounded == 1
    assert exact == 1 + 2.0**-11


def test_strings_can_be_moved_about() -> None:
    words = numpy.array([[b"a", b"bc"], [b"", b"\0"]], object)
    node = Reshape(Permute(Read("w", (2, 2), "string"), (1, 0)), (4,))
    assert evaluate(node, lambda _: words).tolist() == [b"a", b"", b"bc", b"\0"]
