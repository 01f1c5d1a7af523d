"""Which sizes and numbers a part of a spec mentions, and which of the defined ones are in use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from migspec.syntax import tree


def in_use(nodes: Iterable[object], defined: Mapping[str, tree.Definition]) -> set[str]:
    """The names of definitions that these parts of a syntax tree mention, themselves or by way of other definitions."""
    used: set[str] = set()
    waiting = {name for node in nodes for name in _mentioned(node)}
    while waiting:
        name = waiting.pop()
        if name in defined and name not in used:
            used.add(name)
            waiting.update(_mentioned(defined[name].value))
    return used


def _mentioned(node: object) -> Iterator[str]:
    """Every name in a part of the tree that may be that of a size or number."""
    match node:
        case tree.Reference(name=name):
            yield name
        case tree.Op(word="rearrange", arguments=arguments):  # its labels may be sizes
            for _, value in arguments:
                yield from re.findall(r"[A-Za-z_]\w*", value if isinstance(value, str) else "")
        case tuple():
            for one in node:
                yield from _mentioned(one)
        case _ if is_dataclass(node):
            for one in fields(node):
                yield from _mentioned(getattr(node, one.name))
