"""One name and any number of aliases for each variable of a live model, out of what a framework calls it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from migspec.names import normal_name
from migspec.variables import Variable


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one variable may be called.

    `names` come in the order of preference, and the last one is no other variable's. `aliases` come in the order in which a
    pattern is tried on them; None stands for one that this variable does not have. `of_optimizer` is that of `Variable`.
    """

    shape: tuple[int, ...]
    dtype: str
    names: tuple[str, ...]
    aliases: tuple[str | None, ...] = ()
    of_optimizer: bool = False


def named(candidates: Sequence[Candidates]) -> list[Variable]:
    """A `Variable` for each of `candidates`, in their order.

    A variable gets the first of its names that no other variable could have as well, or better. Of its aliases it keeps those
    that stand for it alone and are nobody's name.
    """
    names = _names(candidates)
    uses = Counter(normal_name(name) for name in names)
    uses.update(key for one in candidates for key in {normal_name(alias) for alias in one.aliases if alias is not None})
    variables = []
    for one, name in zip(candidates, names, strict=True):
        own = normal_name(name)
        aliases = (alias for alias in one.aliases if alias is not None and normal_name(alias) != own)
        unique = dict.fromkeys(alias for alias in aliases if uses[normal_name(alias)] == 1)
        variables.append(Variable(name, one.shape, one.dtype, tuple(unique), one.of_optimizer))
    return variables


def _names(candidates: Sequence[Candidates]) -> list[str]:
    """For each variable the first name that no other variable has among its own names, as far down as this one looked."""
    wanted = [tuple(normal_name(name) for name in one.names) for one in candidates]
    lowest: dict[str, Counter[int]] = {}
    for names in wanted:
        for key in set(names):
            lowest.setdefault(key, Counter())[names.index(key)] += 1
    chosen = []
    for one, names in zip(candidates, wanted, strict=True):
        last = len(names) - 1
        free = (rank for rank, key in enumerate(names) if sum(n for low, n in lowest[key].items() if low <= rank) == 1)
        chosen.append(one.names[next(free, last)])
    return chosen
