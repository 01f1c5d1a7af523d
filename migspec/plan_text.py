"""A plan as text: grouped by the statement that caused each part, names folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migspec.dtypes import itemsize
from migspec.expression import Expression, reads, size_of
from migspec.fold import fold
from migspec.ops import shape_text
from migspec.plan import Cause, Left, Move, Plan, is_fill

_Kind = tuple[tuple[str, ...], str]


def plan_text(plan: Plan) -> str:
    """The whole plan, for a person: every variable of both sides stands in it once, folded."""
    lines = [f"{plan.source.label} -> {plan.target.label}"]
    by_cause: dict[Cause, list[Move]] = {}
    for move in plan.moves:
        by_cause.setdefault(move.cause, []).append(move)
    above: tuple[str, ...] = ()
    for cause in _together(by_cause):
        known = _in_common(above, cause.uses)
        if not known or known == len(cause.uses) < len(above):  # another use, or back in one after the uses inside it
            known = 0
            lines.append("")
        lines.extend(_cause_lines(cause, known))
        lines.extend(_move_lines(by_cause[cause]))
        above = cause.uses
    lines.append("")
    lines.extend(left_lines("keep", plan.kept))
    lines.extend(left_lines("drop", plan.dropped))
    lines.extend(f"allowed: {allowed}" for allowed in plan.allowed)
    lines.extend(f"note: {note}" for note in plan.notes)
    if plan.allowed or plan.notes:
        lines.append("")
    lines.append(summary(plan))
    return "\n".join(lines)


def summary(plan: Plan) -> str:
    """One line: how many variables go which way, and how many bytes are written."""
    filled = sum(is_fill(move) for move in plan.moves)
    parts = [f"{len(plan.moves) - filled} moved"]
    if filled:
        parts.append(f"{filled} filled")
    parts.append(f"{len(plan.kept)} kept")
    parts.append(f"{len(plan.dropped)} dropped")
    return f"{', '.join(parts)}; {bytes_text(plan_bytes(plan))}"


def plan_bytes(plan: Plan) -> int:
    """How many bytes the moves write."""
    return sum(size_of(move.expression.shape) * itemsize(move.expression.dtype) for move in plan.moves)


def bytes_text(count: int) -> str:
    """A number of bytes with three digits and a decimal unit."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:  # what would be rounded to 1000 is 1 of the next unit
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _together(causes: Iterable[Cause]) -> list[Cause]:
    """Causes in their order, but those of one `use` together, where its first stands."""
    listed = list(causes)
    first: dict[tuple[str, ...], int] = {}
    for index, cause in enumerate(listed):
        for depth in range(1, len(cause.uses) + 1):
            first.setdefault(cause.uses[:depth], index)

    def place(index: int) -> tuple[int, ...]:
        uses = listed[index].uses
        return (*(first[uses[:depth]] for depth in range(1, len(uses) + 1)), index)

    return [listed[index] for index in sorted(range(len(listed)), key=place)]


def _in_common(above: Sequence[str], uses: Sequence[str]) -> int:
    """How many statements two chains of uses begin with alike."""
    return next(
        (depth for depth, (one, other) in enumerate(zip(above, uses, strict=False)) if one != other), min(len(above), len(uses))
    )


def _cause_lines(cause: Cause, known: int = 0) -> list[str]:
    """The statement below the uses that led to it, the first `known` of which stand above already."""
    return [*cause.uses[known:], f"{cause.spec}:{cause.line}: {cause.text}"]


def _move_lines(moves: Sequence[Move]) -> list[str]:
    """Moves from sources of one kind to a target of one kind, folded together."""
    kinds: dict[_Kind, list[Move]] = {}
    for move in moves:
        before = tuple(_described(read) for read in reads(move.expression))
        kinds.setdefault((before, _described(move.expression)), []).append(move)
    lines: list[str] = []
    shown: list[str] = []
    for (before, after), alike in kinds.items():
        source_lines = _source_lines(alike) if before else ["    made anew"]
        if source_lines != shown:
            lines.extend(source_lines)
            shown = source_lines
        lines.extend(f"      -> {name}  {after}" for name in _names(move.target for move in alike))
    return lines


def _source_lines(moves: Sequence[Move]) -> list[str]:
    """What the moves read, each variable once: neighbours of one kind are folded together."""
    described = {read.variable: _described(read) for move in moves for read in reads(move.expression)}
    runs: list[tuple[str, list[str]]] = []
    for name in dict.fromkeys(name for move in moves for name in move.sources):
        if not runs or runs[-1][0] != described[name]:
            runs.append((described[name], []))
        runs[-1][1].append(name)
    return [f"    {name}  {kind}" for kind, names in runs for name in _names(names)]


def left_lines(word: str, left: Sequence[Left]) -> list[str]:
    """Variables that are kept or dropped (`word` says which), under the statements that say so; an empty line after each."""
    lines: list[str] = []
    unnamed = "of the target, kept without being named" if word == "keep" else "of the source, left behind without being named"
    causes: dict[tuple[Cause | None, str | None], list[str]] = {}
    for one in left:
        because = f"{one.unasked} {unnamed}" if one.unasked else f"{one.because}: in no statement"
        causes.setdefault((one.cause, because if one.cause is None else one.because), []).append(one.variable)
    for (cause, heading), names in causes.items():
        lines.extend(_cause_lines(cause) if cause is not None else [str(heading)])
        lines.extend(f"    {word} {name}" for name in _names(names))
        lines.append("")
    return lines


def _names(names: Iterable[str]) -> list[str]:
    return [one.text for one in fold(names)]


def _described(expression: Expression) -> str:
    return f"{expression.dtype} {shape_text(expression.shape)}"
