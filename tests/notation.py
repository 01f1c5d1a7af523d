"""Variable maps as tests and documentation write them: one variable a line, `name [shape] dtype`, perhaps `also alias, alias`."""

from __future__ import annotations

import re

from migspec.dtypes import NAMES
from migspec.variables import Variable, VariableMap

BLOCK = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
"""A fenced block of Markdown: what stands behind the fence, and the content."""

TOKENS = "tokens "
"""The blocks that begin so are files beside the spec, vocabularies: `tokens old.txt`."""

_VARIABLE = re.compile(r"(?P<name>\S+) \[(?P<shape>[\d, ]*)\] (?P<dtype>[a-z0-9_]+)(?: also (?P<aliases>\S+(?:, \S+)*))?")


def variables_of(label: str, content: str, *, has_values: bool = True) -> VariableMap:
    """The variable map that lines such as `lstm/lstm_cell/kernel [20, 400] float32 also lstm/kernel` stand for."""
    return VariableMap.of(label, [_variable(line) for line in content.splitlines() if line.strip()], has_values)


OPAQUE = ("qint8", "resource")
"""Two of the dtypes of TensorFlow that can be listed and not moved."""


def _variable(line: str) -> Variable:
    match = _VARIABLE.fullmatch(line)
    assert match is not None, f"no variable: {line}"
    assert match["dtype"] in (*NAMES, *OPAQUE), f"no dtype: {line}"
    shape = tuple(int(length) for length in match["shape"].split(",") if length.strip())
    return Variable(
        match["name"], shape, match["dtype"], tuple((match["aliases"] or "").split(", ")) if match["aliases"] else ()
    )
