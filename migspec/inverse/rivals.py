"""Rules of an inverse that would claim the same variables: the spec told them apart by names that the inverse does not read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from migspec.diagnostics import Diagnostic, Label
from migspec.names import normal_name
from migspec.patterns import Captures, Matcher, constrained, constraints_of, is_exact, numeric_captures, paste, text_of
from migspec.syntax import tree

_MOST_CHOICES = 64  # texts of a pattern that are tried


def rivals(statements: Sequence[tree.Statement]) -> Iterator[Diagnostic]:
    """MIG705 for each two renames of an inverse whose source patterns fit one name. An exact name beats a pattern, and is none."""
    moves = [
        (statement, pattern)
        for statement in statements
        if isinstance(statement.body, tree.Move) and not statement.body.sources.exceptions
        for pattern in _constrained(statement.body)
        if not is_exact(pattern)
    ]
    told: set[int] = set()
    for (one, first), (other, second) in itertools.combinations(moves, 2):
        if one is other or other.span.start in told:
            continue
        name = next((name for name in _names(first) if Matcher(second).fits(name)), None)
        name = name or next((name for name in _names(second) if Matcher(first).fits(name)), None)
        if name is not None:
            told.add(other.span.start)
            yield Diagnostic(
                "MIG705",
                f"the inverse could not tell this rule from another one: both would read `{text_of(second)}`",
                Label(other.span),
                (Label(one.span, "the other one"),),
                helps=("write the names out on the right, or the rules of the other direction by hand",),
            )


def _constrained(body: tree.Move) -> Iterator[tree.Pattern]:
    """The source patterns, with what the targets say of their captures."""
    written = (*body.sources.patterns, *body.targets.patterns)
    constraints, numeric = constraints_of(*written), numeric_captures(*written)
    for pattern in body.sources.patterns:
        yield constrained(pattern, constraints, numeric)


def _names(pattern: tree.Pattern) -> Iterator[str]:
    """Normal names that a pattern fits, with each word of its choices, and plain texts elsewhere."""
    numeric = numeric_captures(pattern)
    found: dict[str, Sequence[str]] = {}
    count = 0
    for part in itertools.chain.from_iterable(pattern.segments):
        if isinstance(part, tree.Capture):
            found.setdefault(part.name, _texts(part, part.name in numeric))
        elif not isinstance(part, tree.Plain | tree.Hole):
            count += 1
            found[f"*{count}"] = [str(part.low)] if isinstance(part, tree.NumberRange) else ["name"]
    for texts in itertools.islice(itertools.product(*found.values()), _MOST_CHOICES):
        captures: Captures = dict(zip(found, texts, strict=True))
        yield normal_name(text_of(paste(pattern, captures)))


def _texts(part: tree.Capture, numeric: bool) -> Sequence[str]:
    match part.kind:
        case "choice":
            return part.choices
        case "range":
            return [str(part.low)]
        case "segments":
            return ["name"]
        case _:
            return ["1"] if numeric or part.kind in ("int", "numbering") else ["name"]
