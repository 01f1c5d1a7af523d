"""`split gates` and `concat gates` written out: what they stand for depends on how many tensors there are on either side of their rule,
which is not how many there are on either side of the rule that they come into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from migspec.ops import ConcatGates, Join, Split, SplitGates
from migspec.rules import Operation, Program, Rule
from migspec.syntax import tree


def in_long_forms(program: Program) -> Program:
    """The same spec without short forms. One whose rule names a single kernel on either side is taken to be of that one alone."""
    return replace(program, rules=tuple(map(_written_out, program.rules)))


def _written_out(rule: Rule) -> Rule:
    body = rule.statement.body
    if not isinstance(body, tree.Move | tree.Same):
        return rule
    ops: list[tree.Op] = []
    operations: list[Operation] = []
    for op, operation in zip(body.ops, rule.operations, strict=True):
        written = _long_form(operation, *_counts(body))
        ops += [op] if written is None else [one for one, _ in written]
        operations += [operation] if written is None else [one for _, one in written]
    if len(ops) == len(body.ops) and all(one is other for one, other in zip(ops, body.ops, strict=True)):
        return rule
    return replace(rule, statement=replace(rule.statement, body=replace(body, ops=tuple(ops))), operations=tuple(operations))


def _counts(body: tree.Move | tree.Same) -> tuple[int, int]:
    return (len(body.sources.patterns), len(body.targets.patterns)) if isinstance(body, tree.Move) else (1, 1)


def _long_form(operation: Operation, sources: int, targets: int) -> Sequence[tuple[tree.Op, Operation]] | None:
    """The ops of a short form, the same as in `migspec.bind.sugar`; None for any other op."""
    word, span = operation.word, operation.span
    if not isinstance(word, SplitGates | ConcatGates):
        return None
    order = word.gates
    arguments = (("old", order.old), ("new", order.new), ("axis", None))
    gates = (tree.Op("gates", arguments, span), Operation(order, span))
    rows = (("axis", 0), ("sizes", None), ("count", None))
    if isinstance(word, SplitGates) and (sources, targets) == (1, 2):
        return (tree.Op("split", rows, span), Operation(Split(0), span)), gates
    if isinstance(word, ConcatGates) and (sources, targets) == (2, 1):
        return gates, (tree.Op("concat", rows, span), Operation(Join(0), span))
    return (gates,)
