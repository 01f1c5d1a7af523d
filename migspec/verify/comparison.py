"""Two arrays held against each other: how far they are apart, where, and whether that is near enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from migspec.verify.ports import dtype_name, family

Index = tuple[int, ...]

ATOL, RTOL = 1e-5, 1e-4
"""For float32 and wider. Two correct programs add in different orders: a character model of two LSTMs, run for ten steps, differs
from its TensorFlow 1 graph by 1e-5 where the value is 0.3 (5e-5 of it)."""

HALF_ATOL, HALF_RTOL = 1e-2, 1e-2
"""Where either side gives float16 or bfloat16, whose numbers have 11 and 8 bits."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A place in an output, and what both sides have there. `size` is the absolute or the relative difference."""

    size: float
    index: Index
    old: float | complex | str
    new: float | complex | str


@dataclass(frozen=True, slots=True)
class OutputComparison:
    """One output of both sides.

    An element passes if `|new - old| <= atol + rtol * |old|`; integers, bools and texts if they are equal. NaN agrees with NaN, and
    an infinity with itself, but an output with nothing else proves nothing and fails. The relative difference is that to the old value,
    where that is no zero.
    """

    old_name: str
    new_name: str
    shape: Index
    new_shape: Index
    dtypes: tuple[str, str]
    atol: float
    rtol: float
    beyond: int
    size: int
    absolute: Difference | None
    relative: Difference | None
    not_numbers: tuple[int, int]
    passed: bool
    notes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether an element is beyond what is allowed. An output that proves nothing fails without it."""
        return self.beyond > 0


def compare(
    old_name: str, old: numpy.ndarray, new_name: str, new: numpy.ndarray, atol: float | None = None, rtol: float | None = None
) -> OutputComparison:
    """Compare two arrays with the same number of elements, in C order; ValueError if there are more on one side."""
    if old.size != new.size:
        raise ValueError(f"{old.shape} and {new.shape} are no two forms of one array")
    shape, new_shape = old.shape, new.shape
    new = new.reshape(shape)
    kinds = dtype_name(old), dtype_name(new)
    notes: tuple[str, ...] = () if shape == new_shape else (f"{list(new_shape)} is compared as {list(shape)}, in C order",)
    if any(family(kind) not in ("float", "complex") for kind in kinds):
        return _exact(old_name, old, new_name, new, new_shape, notes)
    half = any(kind in ("float16", "bfloat16") or kind.startswith("float8") for kind in kinds)
    atol = (HALF_ATOL if half else ATOL) if atol is None else atol
    rtol = (HALF_RTOL if half else RTOL) if rtol is None else rtol
    wide = "complex128" if any(family(kind) == "complex" for kind in kinds) else "float64"
    one, other = old.astype(wide), new.astype(wide)
    with numpy.errstate(all="ignore"):
        same = (one == other) | (numpy.isnan(one) & numpy.isnan(other))
        apart = numpy.where(same, 0.0, numpy.abs(other - one))
        apart = numpy.where(numpy.isnan(apart), numpy.inf, apart)
        size = numpy.abs(one)
        near = same | (apart <= atol + rtol * size)
        near &= same | numpy.isfinite(one)  # what lies beside an infinity is as far from it as anything
        ratio = numpy.where(same, 0.0, numpy.where(size != 0, apart / size, 0.0))
        ratio = numpy.where(numpy.isnan(ratio), numpy.inf, ratio)
    beyond = int(near.size - near.sum())
    counts = int(numpy.isnan(one).sum()), int(numpy.isnan(other).sum())
    proves = bool(one.size) and bool(numpy.isfinite(one).any())
    notes += _remarks(one, counts, proves)
    return OutputComparison(
        old_name,
        new_name,
        shape,
        new_shape,
        kinds,
        atol,
        rtol,
        beyond,
        one.size,
        _at(apart, old, new),
        _at(ratio, old, new),
        counts,
        beyond == 0 and proves,
        notes,
    )


def _exact(
    old_name: str, old: numpy.ndarray, new_name: str, new: numpy.ndarray, new_shape: Index, notes: tuple[str, ...]
) -> OutputComparison:
    """Integers, bools and texts are equal or not."""
    kinds = dtype_name(old), dtype_name(new)
    if "string" in kinds:
        one, other = _texts(old), _texts(new)
        apart = (one != other).astype("float64")
    else:
        apart = numpy.abs(new.astype("float64") - old.astype("float64"))
        apart = numpy.where(old == new, apart, numpy.maximum(apart, 1.0))  # integers too long for a float64
    beyond = int((apart > 0).sum())
    return OutputComparison(
        old_name,
        new_name,
        old.shape,
        new_shape,
        kinds,
        0.0,
        0.0,
        beyond,
        old.size,
        _at(apart, old, new),
        None,
        (0, 0),
        beyond == 0 and old.size > 0,
        notes if old.size else (*notes, "the output has no elements: nothing is compared"),
    )


def _texts(values: numpy.ndarray) -> numpy.ndarray:
    flat = [value if isinstance(value, bytes) else str(value).encode() for value in values.reshape(-1).tolist()]
    texts = numpy.empty(len(flat), object)
    texts[:] = flat
    return texts.reshape(values.shape)


def _at(sizes: numpy.ndarray, old: numpy.ndarray, new: numpy.ndarray) -> Difference | None:
    """The place of the largest; the first of several."""
    if not sizes.size:
        return None
    index = tuple(int(place) for place in numpy.unravel_index(int(sizes.argmax()), sizes.shape))
    return Difference(float(sizes[index]), index, _scalar(old[index]), _scalar(new[index]))


def _scalar(value: object) -> float | complex | str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    return complex(value) if numpy.iscomplexobj(value) else float(value)  # type: ignore[arg-type, call-overload]


def _remarks(old: numpy.ndarray, counts: tuple[int, int], proves: bool) -> tuple[str, ...]:
    remarks = []
    if not old.size:
        remarks.append("the output has no elements: nothing is compared")
    elif not proves:
        remarks.append("the old output has no finite value: nothing is proven")
    elif counts[0]:
        remarks.append(
            f"{counts[0]} of {old.size} values of the old output are NaN, and prove nothing where the new ones are too"
        )
    if old.size > 1 and proves and bool((old == old.reshape(-1)[0]).all()):
        remarks.append("every value of the old output is the same, so that agreeing proves little")
    return tuple(remarks)
