"""What `remap` does to the tokens: how many keep their values, are made anew, are left behind. Nothing of it shows in a shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from migspec.bind.problems import Problems
from migspec.bind.types import Binding
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.ops import Remap
from migspec.rules import Operation

if TYPE_CHECKING:
    from migspec.vocabulary import Correspondence

_NAMED = 3  # so many of the new tokens are named


def check_vocabularies(binding: Binding) -> Iterator[Diagnostic]:
    """A note for each `remap` between vocabularies that differ, a warning where they have no token in common."""
    problems = Problems()
    for bound in binding.bound:
        if bound.instance.follows is not None:
            continue  # what its weight has said
        for operation in bound.instance.operations:
            if isinstance(operation.word, Remap):
                between = operation.word.between
                if between.missing or between.left_behind:
                    what = _alien(operation, between) if not between.kept else _counted(operation, between)
                    problems.add(("remap", operation.span), what, bound.target.name)
    yield from problems


def _counted(operation: Operation, between: Correspondence) -> Diagnostic:
    parts = [f"{between.kept} of {_tokens(len(between.new.tokens))} keep their values"]
    if between.missing:
        parts.append(f"{between.missing} {'is' if between.missing == 1 else 'are'} made anew")
    if between.left_behind:
        parts.append(f"{between.left_behind} old {'one is' if between.left_behind == 1 else 'ones are'} left behind")
    return Diagnostic(
        "MIG412",
        f"by token: {', '.join(parts)}",
        Label(operation.span),
        notes=_new(between),
        severity=Severity.NOTE,
    )


def _alien(operation: Operation, between: Correspondence) -> Diagnostic:
    word = operation.word
    assert isinstance(word, Remap)
    return Diagnostic(
        "MIG412",
        f"`{word.new_file}` has no token of `{word.old_file}`: everything is made anew",
        Label(operation.span),
        notes=(
            f"the old ones are {_named(islice(between.old.tokens, _NAMED))}, the new ones {_named(islice(between.new.tokens, _NAMED))}, ...",
        ),
        helps=("see that both files write their tokens alike: the same case, the same marks at word beginnings",),
        severity=Severity.WARNING,
    )


def _new(between: Correspondence) -> tuple[str, ...]:
    tokens = between.new_tokens(_NAMED)
    more = ", ..." if between.missing > len(tokens) else ""
    return (f"new: {_named(tokens)}{more}",) if tokens else ()


def _named(tokens: Iterable[str]) -> str:
    return ", ".join(f"`{token}`" for token in tokens)


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count} tokens"
