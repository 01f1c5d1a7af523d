"""Places along an axis, each named by its number: what `Take` takes. A million of them are some megabytes, and one text in a plan."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Indices:
    """Whole numbers in an order; `packed` holds them as 64-bit integers of the machine. Only `text` leaves the process."""

    packed: bytes

    @classmethod
    def of(cls, places: Iterable[int]) -> Indices:
        return cls(array("q", places).tobytes())

    @classmethod
    def of_text(cls, text: str, length: int) -> Indices:
        """The indices that `text` wrote so, all of them below `length`. ValueError for any other text."""
        places = array("q")
        for word in text.split():
            first, dots, last = word.partition("..")
            try:
                low = int(first)
                high = int(last) if dots else low
            except ValueError:
                raise ValueError(f"`{word[:40]}` is no index and no range of them") from None
            if not 0 <= low <= high < length:
                raise ValueError(f"an axis of {length} has no places {word[:40]}")
            places.extend(range(low, high + 1))
        return cls(places.tobytes())

    @property
    def view(self) -> memoryview:
        """The numbers, not copied."""
        return memoryview(self.packed).cast("q")

    @property
    def text(self) -> str:
        """The numbers with a space between them, runs of neighbours as ranges with both ends: `0..2 7 5 4`."""
        return " ".join(str(low) if low == high else f"{low}..{high}" for low, high in _neighbours(self.view))

    @property
    def range(self) -> tuple[int, int]:
        """The lowest and the highest; 0 and -1 if there is none."""
        return min(self.view, default=0), max(self.view, default=-1)

    def __len__(self) -> int:
        return len(self.view)

    def __iter__(self) -> Iterator[int]:
        return iter(self.view)

    def __repr__(self) -> str:
        return f"Indices({self.text})"


def _neighbours(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs that go up by one, each as its first and its last number."""
    low = high = -2
    for place in places:
        if place == high + 1 and low >= 0:
            high = place
            continue
        if low >= 0:
            yield low, high
        low = high = place
    if low >= 0:
        yield low, high
