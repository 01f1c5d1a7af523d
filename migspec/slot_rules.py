"""What a `slots` statement may say: two patterns that name a slot after its weight, and ops that are a slot's own."""

from __future__ import annotations

from migspec.diagnostics import Diagnostic, Label
from migspec.rules import WEIGHT, Rule
from migspec.syntax import tree

_OPS = ("scale", "cast")
_NAMES = (tree.Capture(WEIGHT), tree.Capture(WEIGHT, "underscored"))


def slots_problem(body: tree.Slots) -> Diagnostic | None:
    """What is wrong with a `slots` statement, whatever the variables are."""
    for pattern in (body.source, body.target):
        if not _names_a_slot(pattern):
            assert pattern.span is not None
            return Diagnostic(
                "MIG106",
                "a pattern of `slots` does not say how a slot is named after its weight",
                Label(pattern.span),
                notes=("`{weight}` is the name of the weight, `{weight:_}` that name with `_` between its segments",),
                helps=("write one of them and what stands around it, as in `{weight}/Adam` or `adam/{weight:_}_momentum`",),
            )
    other = next((op for op in body.ops if op.word not in _OPS), None)
    if other is None:
        return None
    return Diagnostic(
        "MIG107",
        f"`slots` takes no `{other.word.replace('_', ' ')}`",
        Label(other.span),
        notes=("a slot goes the way of its weight, which its weight's own rule says",),
        helps=("`scale` and `cast` may stand here: for optimizers that keep another multiple, or another dtype",),
    )


def used_slots_problem(rule: Rule) -> Diagnostic:
    """The error for `slots` in a spec that another one uses."""
    return Diagnostic(
        "MIG108",
        "`slots` in a spec that is used by another is not supported by this version of migspec",
        Label(rule.span),
        notes=("a used spec sees its interface alone, and no optimizer",),
        helps=("write it in the spec that you compile: it follows the weights that used specs move, too",),
    )


def _names_a_slot(pattern: tree.Pattern) -> bool:
    """Whether a pattern holds the weight once, something around it, and nothing else."""
    parts = [part for segment in pattern.segments for part in segment]
    live = [part for part in parts if not isinstance(part, tree.Plain)]
    return len(parts) > 1 and len(live) == 1 and live[0] in _NAMES
