"""Which variable of one side is which of the other, and what those that are left over may have been called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from migspec.difference.result import Lone
from migspec.names import normal_name
from migspec.variables import Variable

_ASKED = 200  # variables for which a new name is looked for: each costs as much as there are names


@dataclass(frozen=True, slots=True)
class Pairing:
    """Pairs in the order of the right side, and what is left over of each side, in its order."""

    pairs: tuple[tuple[Variable, Variable], ...]
    only_left: tuple[Variable, ...]
    only_right: tuple[Variable, ...]


_Names: TypeAlias = Callable[[Variable], Iterable[str]]


def paired(left: Iterable[Variable], right: Iterable[Variable]) -> Pairing:
    """Pair variables that have one name: the own one of both, else that of one and an alias of the other, else an alias of both (if
    their shapes agree, too). It must be unique both ways. `/` and `.` are one separator."""
    old, new = list(left), list(right)
    partners: dict[str, Variable] = {}  # by the name on the right side
    for of_left, of_right, any_shape in _ROUNDS:
        found = _matched(old, new, of_left, of_right, any_shape)
        partners.update((other.name, one) for one, other in found)
        taken, given = {one.name for one, _ in found}, {other.name for _, other in found}
        old = [one for one in old if one.name not in taken]
        new = [one for one in new if one.name not in given]
    pairs = tuple((partners[one.name], one) for one in right if one.name in partners)
    return Pairing(pairs, tuple(old), tuple(new))


def lone(variables: Sequence[Variable], others: Sequence[Variable]) -> tuple[Lone, ...]:
    """Each variable with the one of `others` that it may have been renamed to: of the nearest name among those of its own shape and
    dtype, or the only one of these. Not looked for beyond the first few hundred."""
    alike: dict[tuple[tuple[int, ...], str], list[Variable]] = defaultdict(list)
    for other in others:
        alike[other.shape, other.dtype].append(other)
    same: dict[tuple[tuple[int, ...], str], int] = defaultdict(int)
    for variable in variables:
        same[variable.shape, variable.dtype] += 1
    result = []
    for place, variable in enumerate(variables):
        kind = variable.shape, variable.dtype
        candidates = {other.name: other for other in alike.get(kind, ())}
        renamed = None
        if candidates and place < _ASKED:
            renamed = _nearest(variable, candidates)
            if renamed is None and len(candidates) == same[kind] == 1 and variable.size > 1:
                (renamed,) = candidates.values()
        result.append(Lone(variable, renamed))
    return tuple(result)


def _own(variable: Variable) -> Iterable[str]:
    return (normal_name(variable.name),)


def _as_written(variable: Variable) -> Iterable[str]:
    return (variable.name,)


def _aliases(variable: Variable) -> Iterable[str]:
    return map(normal_name, variable.aliases)


_ROUNDS: tuple[tuple[_Names, _Names, bool], ...] = (
    (_as_written, _as_written, True),
    (_own, _own, True),
    (_own, _aliases, True),
    (_aliases, _own, True),
    (_aliases, _aliases, False),
)


def _matched(
    left: Sequence[Variable], right: Sequence[Variable], of_left: _Names, of_right: _Names, any_shape: bool
) -> list[tuple[Variable, Variable]]:
    """The pairs that share a name, where it fits no third variable."""
    called: dict[str, list[Variable]] = defaultdict(list)
    for other in right:
        for name in of_right(other):
            called[name].append(other)
    candidates: dict[str, dict[str, Variable]] = {}
    wanted: dict[str, set[str]] = defaultdict(set)
    for one in left:
        fitting = {other.name: other for name in of_left(one) for other in called.get(name, ())}
        if not any_shape:
            fitting = {name: other for name, other in fitting.items() if other.shape == one.shape}
        candidates[one.name] = fitting
        for name in fitting:
            wanted[name].add(one.name)
    return [
        (one, other)
        for one in left
        for other in candidates[one.name].values()
        if len(candidates[one.name]) == 1 and len(wanted[other.name]) == 1
    ]


def _nearest(variable: Variable, candidates: dict[str, Variable]) -> Variable | None:
    from migspec.diagnostics.suggest import nearest

    if variable.name in candidates:  # unpaired all the same: another variable has that name, too
        return candidates[variable.name]
    near = nearest(variable.name, candidates, limit=1)
    return candidates[near[0]] if near else None
