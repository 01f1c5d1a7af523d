"""The report of a verification for people, and in one line an output."""

from __future__ import annotations

import math

from migspec.verify.comparison import Difference, OutputComparison
from migspec.verify.report import Report, UsedInput


def report_text(report: Report) -> str:
    """Both sides, what they ran on, and every output with its largest differences."""
    lines = [f"old: {report.old.label} ({report.old.kind})", f"new: {report.new.label} ({report.new.kind})", ""]
    lines += [f"input {_input(one)}" for one in report.inputs]
    for one in report.outputs:
        lines += ["", *_output(one)]
    if report.notes:
        lines += ["", *(f"note: {note}" for note in report.notes)]
    return "\n".join([*lines, "", _verdict(report)])


def concise_text(report: Report) -> str:
    """One line an output: `pass` or `FAIL`, its names, and the largest absolute difference."""
    return "\n".join(
        f"{'pass' if one.passed else 'FAIL'} {_pair(one.old_name, one.new_name)} {_size(one)}" for one in report.outputs
    )


def _verdict(report: Report) -> str:
    differing = sum(one.differs for one in report.outputs)
    unproven = sum(not one.passed and not one.differs for one in report.outputs)
    if len(report.outputs) == 1:
        return f"1 output: {'differs' if differing else 'proves nothing' if unproven else 'agrees'}"
    outputs = f"{len(report.outputs)} outputs"
    found = [f"{differing} of {outputs} differ"] * bool(differing) + [f"{unproven} of {outputs} prove nothing"] * bool(unproven)
    return ", ".join(found) or f"{outputs}: agree"


def _input(one: UsedInput) -> str:
    return f"{_pair(one.old, one.new)}  {one.dtype} {list(one.shape)}  {one.origin}"


def _output(one: OutputComparison) -> list[str]:
    dtype = one.dtypes[0] if one.dtypes[0] == one.dtypes[1] else " and ".join(one.dtypes)
    answer = "agrees" if one.passed else "DIFFERS" if one.differs else "PROVES NOTHING"
    lines = [f"output {_pair(one.old_name, one.new_name)}  {dtype} {list(one.shape)}  {answer}"]
    if one.absolute is not None:
        lines.append(f"  largest absolute difference  {_difference(one.absolute)}")
    if one.relative is not None:
        lines.append(f"  largest relative difference  {_difference(one.relative)}")
    if one.beyond:
        allowed = f"{one.atol:g} + {one.rtol:g} * |old|" if one.atol or one.rtol else "what is equal"
        lines.append(f"  {one.beyond} of {one.size} values are beyond {allowed}")
    if any(one.not_numbers):
        lines.append(f"  NaN: {one.not_numbers[0]} old, {one.not_numbers[1]} new")
    return [*lines, *(f"  {note}" for note in one.notes)]


def _difference(one: Difference) -> str:
    if one.size == 0:
        return "0"
    digits = _digits(one)
    return f"{one.size:.2e}  at {list(one.index)}: {_number(one.old, digits)} old, {_number(one.new, digits)} new"


def _size(one: OutputComparison) -> str:
    return f"{one.absolute.size:.2e} at {list(one.absolute.index)}" if one.absolute else "empty"


def _digits(one: Difference) -> int:
    """As many as tell the two values apart, and six at least: those behind say nothing."""
    if isinstance(one.old, str) or isinstance(one.new, str) or not (one.old and one.new):
        return 6
    apart = abs(one.new - one.old) / abs(one.old)
    return max(6, min(17, 2 - math.floor(math.log10(apart)))) if 0 < apart < math.inf else 6


def _number(value: float | complex | str, digits: int) -> str:
    return repr(value) if isinstance(value, str) else f"{value:.{digits}g}"


def _pair(old: str | None, new: str | None) -> str:
    if old == new or old is None or new is None:
        return f"`{old or new}`"
    return f"`{old}` = `{new}`"
