"""What a comparison of two sides found, as data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from migspec.plan import Left
from migspec.variables import Variable

Verdict: TypeAlias = Literal["different", "unreadable", "close", "equal", "alike"]
"""What is said of two variables:

`equal`: one dtype, one shape, and the same bits (so a NaN equals a NaN of the same bits).
`close`: each element within the tolerance, which is 0 unless another is asked for; or, where the dtypes are short and long forms of
one kind, the short value is the long one rounded. So 0.0 and -0.0, two NaNs of different bits, and a float16 copy of float32
values are close; not so a value that float16 cannot hold, which is infinite in the copy.
`different`: everything else, and other shapes.
`alike`: shape and dtype agree, and a side has no values.
`unreadable`: migspec can list such a variable and not read it, so nobody knows.
"""

VERDICTS: Final[tuple[Verdict, ...]] = ("different", "unreadable", "close", "equal", "alike")
"""All verdicts, the worst first."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Two elements agree if `|left - right| <= absolute + relative * max(|left|, |right|)`: it does not matter which is which.

    Both numbers are finite and not negative. `asked` says that the user wants what is close to pass.
    """

    absolute: float = 0.0
    relative: float = 0.0
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """An element that differs: its index, both values as text, and how far they are apart.

    `absolute` and `relative` are infinite where one value is NaN or infinite and the other is not the same; `relative` is
    `|left - right| / max(|left|, |right|)`. Both are None for strings.
    """

    index: tuple[int, ...]
    left: str
    right: str
    absolute: float | None
    relative: float | None


@dataclass(frozen=True, slots=True)
class Norms:
    """The L2 norms of both values and of their difference, NaN if a value has one. Elements that are NaN on both sides do not differ."""

    left: float
    right: float
    difference: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """How far two values of one shape are apart.

    `differing` elements are not the same: not the same bits, or, where the dtypes differ, not the same number. `beyond` of them
    are not close. `largest` is the first of those that differ most, None if nothing differs. `relative` is the largest relative
    difference, which another element may have. There are no norms of strings.
    """

    size: int
    differing: int
    beyond: int
    largest: Element | None
    relative: float
    norms: Norms | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two variables that were held against each other. `left` is what should be: a variable of the left side, or what a plan makes
    of `sources`, under the name that it was planned for. Without values or with other shapes there is no measurement."""

    left: Variable
    right: Variable
    verdict: Verdict
    measurement: Measurement | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lone:
    """A variable that only one side has, and that of the other side which it may have been renamed to or from."""

    variable: Variable
    renamed: Variable | None = None


@dataclass(frozen=True, slots=True)
class OnlyIn:
    """The variables that only one side has; `label` is what the side is called."""

    label: str
    variables: tuple[Lone, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that a comparison found. `spec` is the plan's, if one was compared with.

    `kept` are the variables that the plan leaves as they are, where nothing says what they should be; `dropped` those of the left
    side that it leaves behind. `without_values` names the sides that have none.
    """

    left: str
    right: str
    spec: str | None
    tolerance: Tolerance
    compared: tuple[Compared, ...]
    only_left: OnlyIn
    only_right: OnlyIn
    kept: tuple[Left, ...] = ()
    dropped: tuple[Left, ...] = ()
    without_values: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter[Verdict]:
        return Counter(one.verdict for one in self.compared)

    @property
    def agrees(self) -> bool:
        """Whether nothing differs: each variable has its partner, and is equal, or close if that was asked for."""
        passing: set[Verdict] = {"equal", "alike", "close"} if self.tolerance.asked else {"equal", "alike"}
        return not self.only_left.variables and not self.only_right.variables and set(self.counts) <= passing
