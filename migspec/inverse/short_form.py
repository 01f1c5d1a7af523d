"""`split gates ifco` written out: which of its two meanings it has follows from the interface of its spec."""

from __future__ import annotations

from dataclasses import replace

from migspec.inverse.operations import NoInverse
from migspec.ops import Gates, Split
from migspec.patterns import text_of
from migspec.rules import Operation, Program
from migspec.syntax import tree

_OWN = "icfo"  # TF1's LSTM cells
_SIBLING = "recurrent_kernel"


def written_out(
    body: tree.Move, operations: tuple[Operation, ...], program: Program
) -> tuple[tree.Move, tuple[Operation, ...]]:
    """The rule with `split gates` replaced by `gates`, after `split rows` where it splits the rows. Raises `NoInverse` if nothing
    says whether it does."""
    place = next((place for place, op in enumerate(body.ops) if op.word == "split_gates"), None)
    if place is None:
        return body, operations
    op = body.ops[place]
    gates = tree.Op("gates", (("old", op.argument("old") or _OWN), ("new", op.argument("new")), ("axis", None)), op.span)
    split = tree.Op("split", (("axis", 0), ("sizes", None), ("count", None)), op.span)
    target = body.targets.patterns[0]
    sibling = _declared(program, "target", replace(target, segments=(*target.segments[:-1], (tree.Plain(_SIBLING),))))
    rows = _rows(program, "source", body.sources.patterns[0]), _rows(program, "target", target)
    if len(body.targets.patterns) == 1 and (rows[0] is None or rows[1] is None):
        raise NoInverse(
            "`split gates` may split the rows as well, which nothing here says",
            op.span,
            f"write it out: `split rows  gates {gates.argument('old')} -> {gates.argument('new')}` to two targets, or `gates` alone to one",
        )
    splits = len(body.targets.patterns) > 1 or (rows[0] != rows[1] and sibling is not None)
    new = (split, gates) if splits else (gates,)
    ops = (*body.ops[:place], *new, *body.ops[place + 1 :])
    targets = body.targets
    if splits and len(targets.patterns) == 1 and sibling is not None:
        targets = replace(targets, patterns=(target, sibling))
    words = tuple(Operation(Split.read(one) if one is split else Gates.read(one), one.span) for one in new)
    return replace(body, ops=ops, targets=targets), (*operations[:place], *words, *operations[place + 1 :])


def _rows(program: Program, side: str, name: tree.Pattern) -> tree.Arithmetic | None:
    for line, _ in program.interface:
        if line.side == side and name in line.names and line.dims:
            return line.dims[0]
    return None


def _declared(program: Program, side: str, name: tree.Pattern) -> tree.Pattern | None:
    found = {text_of(one) for line, _ in program.interface if line.side == side for one in line.names}
    return name if text_of(name) in found else None
