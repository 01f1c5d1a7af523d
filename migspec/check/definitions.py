"""What is said of a spec as a whole, before it meets variables: that it has a rule, and that what it defines is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import chain

from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.rules import Program
from migspec.syntax import tree


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
    used: set[str] = set()
    waiting = {name for statement in statements for name in _names_in(statement.body)}
    while waiting:
        name = waiting.pop()
        if name in defined and name not in used:
            used.add(name)
            waiting.update(_names_in(defined[name].value))
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


def _names_in(node: object) -> Iterator[str]:
    """Every name in a part of the tree that may be that of a size or number."""
    match node:
        case tree.Reference(name=name):
            yield name
        case tree.Op(word="rearrange", arguments=arguments):  # its labels may be sizes
            for _, value in arguments:
                yield from re.findall(r"[A-Za-z_]\w*", value if isinstance(value, str) else "")
        case tuple():
            for one in node:
                yield from _names_in(one)
        case _ if is_dataclass(node):
            for one in fields(node):
                yield from _names_in(getattr(node, one.name))
