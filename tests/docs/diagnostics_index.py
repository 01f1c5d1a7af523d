"""docs/diagnostics.md, made from the pages of the codes. To write it: `python tests/docs/diagnostics_index.py`"""

from __future__ import annotations

from pathlib import Path

from migspec.diagnostics.registry import codes, explain

PAGE = Path(__file__).parent.parent.parent / "docs" / "diagnostics.md"

_GROUPS = {
    "1": "Syntax",
    "2": "Names and coverage",
    "3": "Shapes",
    "4": "Dtypes and layouts",
    "5": "Files and models",
    "6": "Outputs",
    "7": "Inverses, compositions, tests of specs",
}

_INTRODUCTION = """\
# Diagnostics

Every finding has a code. `migspec explain CODE` prints its page: what it means, an example, how to mend it. The pages lie in
[`migspec/diagnostics/pages/`](../migspec/diagnostics/pages/). A code is never used again for something else.

Most are errors. MIG407, MIG411 and MIG415 are warnings and MIG410 is a note: these do not stop a migration, and the plan carries them.
MIG201 and MIG202 become warnings with `--allow`. MIG605 to MIG608 are notes: they say why outputs differ.
"""


def index() -> str:
    """The page, with a line for each code."""
    parts = [_INTRODUCTION]
    for digit, title in _GROUPS.items():
        rows = [
            f"| [{code}](../migspec/diagnostics/pages/{code}.md) | {explain(code).title} |"
            for code in codes()
            if code[3] == digit
        ]
        parts.append("\n".join([f"\n## {digit}xx: {title}", "", "| code | finding |", "|---|---|", *rows, ""]))
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(index(), encoding="utf-8")
