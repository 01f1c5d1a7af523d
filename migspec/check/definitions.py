"""What is said of a spec as a whole, before it meets variables: that it has a rule, and that what it defines is used."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.mentions import in_use
from migspec.rules import Program


def check_rules(program: Program) -> Iterator[Diagnostic]:
    """An error (MIG115) for a spec that has no rule. The interface of a reusable one is then uncovered, which says it all."""
    if not (program.rules or program.mounts or program.reusable):
        yield Diagnostic(
            "MIG115",
            "there is no rule in this spec",
            file=program.text.name,
            notes=("it moves nothing, and leaves nothing behind on purpose",),
            helps=("a rule is a line such as `rename old/w -> new/kernel`; `same **` moves all that both sides call alike",),
        )


def unused_definitions(program: Program) -> Iterator[Diagnostic]:
    """A warning (MIG116) for each size or number of a spec that nothing in it uses, not even another definition that is used. What
    used specs define is left to those who wrote them. For a spec without errors: what is in error is missing in a program."""
    defined = program.sizes | program.numbers
    if not defined:
        return
    statements = chain(
        (statement for _, statement in program.interface),
        (mount.statement for mount in program.mounts),
        (rule.statement for rule in chain(program.rules, program.slots)),
    )
    used = in_use((statement.body for statement in statements), defined)
    for name, definition in defined.items():
        if name not in used:
            assert definition.span is not None
            kind = "size" if name in program.sizes else "number"
            yield Diagnostic(
                "MIG116",
                f"nothing uses the {kind} `{name}`",
                Label(definition.span),
                helps=("take the definition out, or use it where it was meant",),
                severity=Severity.WARNING,
            )
