"""A comparison's result for a person: names folded, the largest differences first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

from migspec.difference.elements import together
from migspec.difference.result import VERDICTS, Compared, Difference, Lone, OnlyIn, Verdict
from migspec.fold import fold
from migspec.ops import shape_text
from migspec.plan_text import left_lines
from migspec.variables import Variable

_SAID: Final[dict[Verdict, str]] = {
    "different": "different",
    "unreadable": "not compared, as migspec cannot read such variables",
    "close": "close",
    "equal": "equal",
    "alike": "alike",
}


def difference_text(difference: Difference, *, every: bool = False) -> str:
    """The whole result: what differs, what is close, what only one side has; then, with a plan, what it keeps and drops.

    With `every` each variable has a line of its own, the equal ones too.
    """
    lines = [f"{difference.left} -> {difference.right}", ""]
    for verdict in VERDICTS:
        if verdict in ("equal", "alike") and not every:
            continue
        groups = _groups([one for one in difference.compared if one.verdict == verdict], every)
        if groups:
            lines.append(_SAID[verdict])
            for name, group in groups:
                lines.append(f"    {name}  {_kinds(group[0])}")
                lines.extend(f"      {line}" for line in _details(group))
            lines.append("")
    for side in _lone_sides(difference):
        if side.variables:
            lines += [f"only in {side.label}", *_lone_lines(side, every), ""]
    lines += left_lines("keep", difference.kept)
    lines += left_lines("drop", difference.dropped)
    return "\n".join([*lines, summary(difference)])


def difference_concise(difference: Difference, *, every: bool = False) -> str:
    """One line for variables that differ in a number of their names alone, and the summary."""
    lines = []
    for verdict in VERDICTS:
        if verdict in ("equal", "alike") and not every:
            continue
        for name, group in _groups([one for one in difference.compared if one.verdict == verdict], every):
            lines.append(": ".join([verdict, f"{name}  {_kinds(group[0])}", *_details(group)[:1]]))
    for side in _lone_sides(difference):
        lines += [f"only in {side.label}: {line.strip()}" for line in _lone_lines(side, every)]
    return "\n".join([*lines, summary(difference)])


def summary(difference: Difference) -> str:
    """One line: the answer, and how many variables there are of each kind."""
    left, right = difference.left, difference.right
    counts = difference.counts
    parts = [f"{counts[verdict]} {_counted(verdict)}" for verdict in VERDICTS if counts[verdict]]
    parts += [
        f"{len(side.variables)} only in {side.label}"
        for side in (difference.only_left, difference.only_right)
        if side.variables
    ]
    parts += [f"{len(left)} {word}" for left, word in ((difference.kept, "kept"), (difference.dropped, "dropped")) if left]
    if difference.without_values:
        names = " and ".join(difference.without_values)
        has = "have" if len(difference.without_values) > 1 else "has"
        parts.append(f"values are not compared, as {names} {has} none")
    if not difference.compared and not difference.only_left.variables and not difference.only_right.variables:
        parts.insert(0, "no variable is compared")
    text = f"{_answer(difference, left, right)}: {', '.join(parts)}"
    return f"{text}; `--atol 0` lets what is close pass" if _is_almost(difference) else text


def _is_almost(difference: Difference) -> bool:
    """Whether it would agree if what is close were let pass."""
    asked = replace(difference, tolerance=replace(difference.tolerance, asked=True))
    return asked.agrees and not difference.agrees


def _answer(difference: Difference, left: str, right: str) -> str:
    is_loose = difference.agrees and difference.counts["close"] > 0
    if difference.spec is not None:
        made = f"what {difference.spec} makes of {left}"
        if not difference.agrees:
            return f"{right} is not {made}"
        return f"{right} is {made}, within the tolerance" if is_loose else f"{right} is {made}"
    if not difference.agrees:
        return f"{left} and {right} differ"
    return f"{left} and {right} agree within the tolerance" if is_loose else f"{left} and {right} agree"


def _counted(verdict: Verdict) -> str:
    return "not compared" if verdict == "unreadable" else verdict


def _groups(compared: Sequence[Compared], every: bool) -> list[tuple[str, Sequence[Compared]]]:
    """What is said in one place: variables of one shape and dtype whose names fold; the largest difference first."""
    kinds: dict[tuple[object, ...], list[Compared]] = {}
    for one in compared:
        key = (one.left.shape, one.left.dtype, one.right.shape, one.right.dtype)
        kinds.setdefault(key, []).append(one)
    groups: list[tuple[str, Sequence[Compared]]] = []
    for alike in kinds.values():
        named = {_name(one): one for one in alike}
        if every or len(named) < len(alike):
            groups += [(_name(one), [one]) for one in alike]
        else:
            groups += [(folded.text, [named[name] for name in folded.names]) for folded in fold(named)]
    place = {id(one): number for number, one in enumerate(compared)}
    return sorted(groups, key=lambda group: (-max(map(_size_of, group[1])), place[id(group[1][0])]))


def _name(one: Compared) -> str:
    return one.right.name if one.left.name == one.right.name else f"{one.left.name} = {one.right.name}"


def _size_of(one: Compared) -> float:
    """How large a difference is: what cannot be measured comes first."""
    if one.measurement is None:
        return math.inf
    largest = one.measurement.largest
    if largest is None:
        return -1.0
    return math.inf if largest.absolute is None else largest.absolute


def _kinds(one: Compared) -> str:
    left, right = _described(one.left), _described(one.right)
    return left if left == right else f"{left} and {right}"


def _details(group: Sequence[Compared]) -> list[str]:
    """What was measured: of several variables together, and of the one that differs most."""
    measured = [(one, one.measurement) for one in group if one.measurement is not None]
    if not measured:
        return []
    worst, measurement = max(measured, key=lambda pair: (_size_of(pair[0]), pair[1].differing))
    element = measurement.largest
    if element is None:
        return ["the same numbers"] if worst.left.dtype != worst.right.dtype else []
    values = f"{element.left} and {element.right}"
    if element.absolute and math.isfinite(element.absolute):
        values += f", by {_number(element.absolute)}"
    if len(group) == 1 and measurement.size == 1:
        return [values]
    differing, beyond, size = (
        sum(counts) for counts in zip(*((m.differing, m.beyond, m.size) for _, m in measured), strict=True)
    )
    count = f"{differing} of {size} elements {'differs' if differing == 1 else 'differ'}"
    if 0 < beyond < differing:
        count += f", {beyond} by more than allowed"
    place = " ".join(
        [f"in {_name(worst)}"] * (len(group) > 1) + [f"at [{', '.join(map(str, element.index))}]"] * bool(element.index)
    )
    rank = "" if differing == 1 else "first " if element.absolute is None else "most "
    lines = [f"{count}; {rank}{place}: {values}"]
    relative = max(one.relative for _, one in measured)
    if relative and math.isfinite(relative):
        lines.append(f"relative differences up to {_number(relative)}")
    norms = [one.norms for _, one in measured if one.norms is not None]
    if norms:
        left, right, apart = (
            reduce(together, parts) for parts in zip(*((n.left, n.right, n.difference) for n in norms), strict=True)
        )
        lines.append(f"L2 norms {_number(left)} and {_number(right)}, of the difference {_number(apart)}")
    return lines


def _lone_sides(difference: Difference) -> tuple[OnlyIn, OnlyIn]:
    """What only one side has; where two of them may be each other, that is said once."""
    said = {(one.variable.name, one.renamed.name) for one in difference.only_left.variables if one.renamed}
    right = tuple(
        replace(one, renamed=None) if one.renamed and (one.renamed.name, one.variable.name) in said else one
        for one in difference.only_right.variables
    )
    return difference.only_left, replace(difference.only_right, variables=right)


def _lone_lines(side: OnlyIn, every: bool) -> Iterator[str]:
    kinds: dict[tuple[object, ...], list[Lone]] = {}
    for one in side.variables:
        kinds.setdefault((one.variable.shape, one.variable.dtype), []).append(one)
    places = {one.variable.name: place for place, one in enumerate(side.variables)}
    rows: list[tuple[int, str]] = []
    for alike in kinds.values():
        renamed = {one.variable.name: one.renamed for one in alike}
        names = [(name, [name]) for name in renamed] if every else [(one.text, list(one.names)) for one in fold(renamed)]
        for text, members in names:
            others = [other.name for name in members if (other := renamed[name]) is not None]
            hint = f"  renamed? {_folded(others)}" if others else ""
            rows.append((min(places[name] for name in members), f"    {text}  {_described(alike[0].variable)}{hint}"))
    return (row for _, row in sorted(rows))


def _folded(names: Iterable[str]) -> str:
    """Names folded; of what stays several, the first."""
    texts = [one.text for one in fold(dict.fromkeys(names))]
    return texts[0] if len(texts) == 1 else f"{texts[0]}, ..."


def _described(variable: Variable) -> str:
    return f"{variable.dtype} {shape_text(variable.shape)}"


def _number(value: float) -> str:
    return f"{value:.6g}"
