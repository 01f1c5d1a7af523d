"""The optimizer of a live model, which a spec may leave alone.

A model in memory may be compiled or not, and most migrations of weights need not know. So a spec that does not speak of a model's
optimizer does not see its variables: they keep their values, or stay behind. One that does speak of it answers for all of them, as
for those of a file. A spec speaks of an optimizer by `slots`, or by a name or pattern that fits variables of the optimizer alone, in a
rule, a `use` or a line of its interface.
"""

from __future__ import annotations

from collections.abc import Iterator

from migspec.bind.interface import composed
from migspec.bind.side import Side, fitting
from migspec.names import NameIndex
from migspec.rules import Program
from migspec.syntax.tree import DoubleStar, Pattern
from migspec.variables import Variable, VariableMap

_REST = Pattern(((DoubleStar(),),), ())


def without_unspoken(program: Program, source: VariableMap, target: VariableMap) -> tuple[VariableMap, VariableMap]:
    """The variables of both sides as the spec sees them."""
    if program.slots:
        return source, target
    return _seen(program, source, "source"), _seen(program, target, "target")


def unspoken(whole: VariableMap, seen: VariableMap) -> tuple[Variable, ...]:
    """The variables of a side that the spec does not see."""
    return tuple(one for one in whole if one.name not in seen) if len(whole) != len(seen) else ()


def _seen(program: Program, variables: VariableMap, word: str) -> VariableMap:
    optimizer = {one.name for one in variables if one.of_optimizer}
    if not optimizer:
        return variables
    side = Side(NameIndex(variables), word)
    if any(found and found <= optimizer for found in (fitting(one, side) for one in _patterns(program, word))):
        return variables
    rest = (one for one in variables if one.name not in optimizer)
    return VariableMap.of(variables.label, rest, variables.has_values)


def _patterns(program: Program, word: str) -> Iterator[Pattern]:
    """What the statements of a spec itself name on one side."""
    for rule in program.rules:
        listed = rule.targets if word == "target" and rule.kind != "same" else rule.sources
        yield from listed.patterns if listed is not None else ()
    for mounted in program.mounts:
        prefix = mounted.use.source if word == "source" else mounted.use.target
        if prefix is not None:
            yield composed(prefix, _REST)
    for line, _ in program.interface:
        if line.side == word:
            yield from line.names
