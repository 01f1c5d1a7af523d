"""Two values measured against each other piece by piece: nothing is kept but sums and the largest difference."""

from __future__ import annotations

import numpy

from migspec.difference.elements import distances, is_rounded, norm, other_bits, ratios, together
from migspec.difference.result import Element, Measurement, Norms, Tolerance
from migspec.dtypes import kind, numpy_dtype

_LONGEST = 60  # characters of a string that are shown


def is_measurable(left: str, right: str) -> bool:
    """Whether values of two dtypes can be measured against each other: both are numbers, or both are strings."""
    kinds = {kind(left), kind(right)}
    return "opaque" not in kinds and ("string" not in kinds or kinds == {"string"})


class Measure:
    """The measurement of two values of one shape in the making; the pieces come in ascending order, by one thread at a time."""

    def __init__(self, shape: tuple[int, ...], left: str, right: str, tolerance: Tolerance) -> None:
        self._shape = shape
        self._left, self._right = numpy_dtype(left), numpy_dtype(right)
        self._is_text = kind(left) == "string"
        self._tolerance = tolerance
        self._size = self._differing = self._beyond = 0
        self._largest: Element | None = None
        self._relative = 0.0
        self._norms = [0.0, 0.0, 0.0]

    def add(self, left: numpy.ndarray, right: numpy.ndarray) -> None:
        """The next elements of both, as bytes (uint8) in C order and little endian."""
        if self._left == self._right and _same_bytes(left, right):
            length = norm(_elements(left, self._left))
            self._extend(left.size // self._left.itemsize, length, length, 0.0)
            return
        old, new = _elements(left, self._left), _elements(right, self._right)
        places = numpy.flatnonzero(other_bits(old, new) if old.dtype == new.dtype else distances(old, new)[0])
        apart = self._measure(places, old[places], new[places]) if places.size else 0.0
        self._extend(old.size, norm(old), norm(new), apart)

    def add_strings(self, left: numpy.ndarray, right: numpy.ndarray) -> None:
        """The whole of both: object arrays of `bytes`."""
        old, new = left.reshape(-1), right.reshape(-1)
        self._size = old.size
        for place in range(old.size):
            if old[place] != new[place]:
                self._differing += 1
                self._beyond += 1
                if self._largest is None:
                    self._largest = Element(self._index(place), _string_text(old[place]), _string_text(new[place]), None, None)

    @property
    def size(self) -> int:
        """How many elements there were so far."""
        return self._size

    @property
    def width(self) -> int:
        """The bytes of an element of the left side."""
        return self._left.itemsize

    @property
    def has_one_dtype(self) -> bool:
        return self._left == self._right

    def result(self) -> Measurement:
        norms = None if self._is_text else Norms(*self._norms)
        return Measurement(self._size, self._differing, self._beyond, self._largest, self._relative, norms)

    def _measure(self, places: numpy.ndarray, left: numpy.ndarray, right: numpy.ndarray) -> float:
        """Count the elements at these places, all of which differ; returns the norm of their difference."""
        distance, scale = distances(left, right)
        ratio = ratios(distance, scale)
        with numpy.errstate(all="ignore"):
            allowed = self._tolerance.absolute + self._tolerance.relative * scale
        close = (distance == 0) | (numpy.isfinite(distance) & (distance <= allowed))  # what is allowed beside a NaN is NaN
        rounded = is_rounded(left, right)
        if rounded is not None:
            close |= rounded
        self._differing += places.size
        self._beyond += places.size - int(numpy.count_nonzero(close))
        self._relative = max(self._relative, float(ratio.max()))
        most = int(distance.argmax())
        if self._largest is None or float(distance[most]) > (self._largest.absolute or 0.0):
            index = self._index(self._size + int(places[most]))
            texts = _texts(left[most : most + 1], right[most : most + 1])
            self._largest = Element(index, *texts, float(distance[most]), float(ratio[most]))
        return norm(distance)

    def _extend(self, count: int, left: float, right: float, difference: float) -> None:
        self._size += count
        self._norms = [together(norms, more) for norms, more in zip(self._norms, (left, right, difference), strict=True)]

    def _index(self, place: int) -> tuple[int, ...]:
        return tuple(int(index) for index in numpy.unravel_index(place, self._shape)) if self._shape else ()


def _same_bytes(left: numpy.ndarray, right: numpy.ndarray) -> bool:
    whole = left.size // 8 * 8  # in words: eight times as fast
    words, others = (array[:whole].view(numpy.uint64) for array in (left, right))
    return numpy.array_equal(words, others) and numpy.array_equal(left[whole:], right[whole:])


def _elements(data: numpy.ndarray, dtype: numpy.dtype) -> numpy.ndarray:
    """Bytes in little endian as elements in the machine's own order."""
    return data.view(dtype.newbyteorder("<")).astype(dtype, copy=False)


def _texts(left: numpy.ndarray, right: numpy.ndarray) -> tuple[str, str]:
    """Two elements as text; where that looks the same, with more digits (of two dtypes), or with their bytes (two NaNs)."""
    texts = str(left[0]), str(right[0])
    if texts[0] == texts[1] and left.dtype != right.dtype and "c" not in (left.dtype.kind, right.dtype.kind):
        return f"{float(left[0]):.9g}", f"{float(right[0]):.9g}"
    if texts[0] != texts[1] or left.dtype != right.dtype:
        return texts
    old, new = (f"{array[0]} ({array.tobytes().hex(' ')})" for array in (left, right))
    return old, new


def _string_text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}...{text[-1]}"
