"""The codes of diagnostics, each with the page that explains it.

The pages lie beside this module, one Markdown file a code: a code exists if its page does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PAGES = Path(__file__).parent / "pages"


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to say about one code: `title` on one line, `text` the whole page in Markdown."""

    code: str
    title: str
    text: str


@cache
def codes() -> tuple[str, ...]:
    """Every code that migspec can report, in order."""
    return tuple(sorted(path.stem for path in _PAGES.glob("MIG*.md")))


def explain(code: str) -> Page:
    """The page of a code, which may be written `MIG301`, `mig301` or `301`; KeyError for one that does not exist."""
    name = code.strip().upper()
    name = name if name.startswith("MIG") else f"MIG{name}"
    if name not in codes():
        raise KeyError(code)
    text = (_PAGES / f"{name}.md").read_text(encoding="utf-8")
    heading = text.partition("\n")[0]
    return Page(name, heading.removeprefix(f"# {name}: "), text)
