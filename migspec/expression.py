"""The tensor expressions that rules are bound to: a closed union of a few primitives.

About twenty-five words of the language expand into these. Each node knows its shape and dtype, computed when it is made;
a node that cannot exist (a permutation that is none, parts that do not fit) raises ValueError, which is a bug in migspec and never
an error of a spec: the ops check first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

from migspec.indices import Indices

Shape: TypeAlias = tuple[int, ...]
Side: TypeAlias = Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class Constant:
    """Every element has this value."""

    value: float


@dataclass(frozen=True, slots=True)
class Normal:
    """Normally distributed around 0; the stream depends on `seed` and `stream` (the variable's name) and on nothing else."""

    stddev: float
    seed: int
    stream: str


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform in [low, high); the stream depends on `seed` and `stream` (the variable's name) and on nothing else."""

    low: float
    high: float
    seed: int
    stream: str


Distribution: TypeAlias = Constant | Normal | Uniform


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a variable of one side; `target` is the side that is filled, read for what it keeps."""

    variable: str
    shape: Shape
    dtype: str
    side: Side = "source"


@dataclass(frozen=True, slots=True)
class Fill:
    """A tensor made anew. Element k (in C order) of a random one depends on its distribution and k alone."""

    distribution: Distribution
    shape: Shape
    dtype: str


@dataclass(frozen=True, slots=True)
class Permute:
    """Axis i of the result is axis `axes[i]` of the input, as `numpy.transpose`."""

    input: Expression
    axes: tuple[int, ...]
    shape: Shape = field(init=False, compare=False)
    dtype: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if sorted(self.axes) != list(range(len(self.input.shape))):
            raise ValueError(f"{self.axes} permutes no axes of {self.input.shape}")
        object.__setattr__(self, "shape", tuple(self.input.shape[axis] for axis in self.axes))
        object.__setattr__(self, "dtype", self.input.dtype)


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same elements in the same C order under another shape."""

    input: Expression
    shape: Shape
    dtype: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if size_of(self.shape) != size_of(self.input.shape):
            raise ValueError(f"{self.input.shape} has another number of elements than {self.shape}")
        object.__setattr__(self, "dtype", self.input.dtype)


@dataclass(frozen=True, slots=True)
class Slice:
    """`start`, `count` and `step` (not 0, may be negative) along one axis: elements start, start + step, ..., `count` of them."""

    input: Expression
    axis: int
    start: int
    count: int
    step: int = 1
    shape: Shape = field(init=False, compare=False)
    dtype: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        length = self.input.shape[self.axis]
        last = self.start + (self.count - 1) * self.step
        if self.step == 0 or self.count < 0 or (self.count and not (0 <= self.start < length and 0 <= last < length)):
            raise ValueError(f"no {self.count} elements from {self.start} by {self.step} on an axis of {length}")
        shape = list(self.input.shape)
        shape[self.axis] = self.count
        object.__setattr__(self, "shape", tuple(shape))
        object.__setattr__(self, "dtype", self.input.dtype)


@dataclass(frozen=True, slots=True)
class Take:
    """Place i along one axis of the result is place `indices[i]` of the input, as `numpy.take`; a place may be taken more than once."""

    input: Expression
    axis: int
    indices: Indices
    shape: Shape = field(init=False, compare=False)
    dtype: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        length, count = self.input.shape[self.axis], len(self.indices)
        low, high = self.indices.range
        if not low >= 0 or not high < length:
            raise ValueError(f"an axis of {length} has no places {low} to {high}")
        object.__setattr__(self, "shape", (*self.input.shape[: self.axis], count, *self.input.shape[self.axis + 1 :]))
        object.__setattr__(self, "dtype", self.input.dtype)


@dataclass(frozen=True, slots=True)
class Concat:
    """The inputs joined along an axis that exists; all of one dtype, and of one shape but for that axis."""

    inputs: tuple[Expression, ...]
    axis: int
    shape: Shape = field(init=False, compare=False)
    dtype: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        first = self.inputs[0]
        for other in self.inputs[1:]:
            alike = (
                len(other.shape) == len(first.shape)
                and other.dtype == first.dtype
                and all(a == b for i, (a, b) in enumerate(zip(first.shape, other.shape, strict=True)) if i != self.axis)
            )
            if not alike:
                raise ValueError(
                    f"{first.dtype} {first.shape} and {other.dtype} {other.shape} do not join along axis {self.axis}"
                )
        shape = list(first.shape)
        shape[self.axis] = sum(part.shape[self.axis] for part in self.inputs)
        object.__setattr__(self, "shape", tuple(shape))
        object.__setattr__(self, "dtype", first.dtype)


@dataclass(frozen=True, slots=True)
class Cast:
    """Each value in another dtype, rounded to nearest even."""

    input: Expression
    dtype: str
    shape: Shape = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.input.shape)


@dataclass(frozen=True, slots=True)
class Affine:
    """`value * scale + offset`, each of the two steps rounded to the input's dtype; a step with scale 1 or offset 0 is left out
    (so that -0.0 and NaN payloads pass)."""

    input: Expression
    scale: float = 1.0
    offset: float = 0.0
    shape: Shape = field(init=False, compare=False)
    dtype: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.input.shape)
        object.__setattr__(self, "dtype", self.input.dtype)


@dataclass(frozen=True, slots=True)
class Sum:
    """The elementwise sum of inputs of one shape and dtype, added from left to right in that dtype."""

    inputs: tuple[Expression, ...]
    shape: Shape = field(init=False, compare=False)
    dtype: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        first = self.inputs[0]
        if any(other.shape != first.shape or other.dtype != first.dtype for other in self.inputs):
            raise ValueError("the inputs of a sum have different shapes or dtypes")
        object.__setattr__(self, "shape", first.shape)
        object.__setattr__(self, "dtype", first.dtype)


Expression: TypeAlias = Read | Fill | Permute | Reshape | Slice | Take | Concat | Cast | Affine | Sum


def children(expression: Expression) -> tuple[Expression, ...]:
    """The expressions that an expression is made of."""
    match expression:
        case Read() | Fill():
            return ()
        case Permute(input=one) | Reshape(input=one) | Slice(input=one) | Take(input=one) | Cast(input=one) | Affine(input=one):
            return (one,)
        case Concat(inputs=several) | Sum(inputs=several):
            return several
        case _:
            assert_never(expression)


def reads(expression: Expression) -> tuple[Read, ...]:
    """The variables that an expression reads, each once, in the order in which they stand in it."""
    found: dict[Read, None] = {}
    stack = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, Read):
            found[node] = None
        stack.extend(reversed(children(node)))
    return tuple(found)


def size_of(shape: Shape) -> int:
    """The number of elements of a shape."""
    size = 1
    for length in shape:
        size *= length
    return size
