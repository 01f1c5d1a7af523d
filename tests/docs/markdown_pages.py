"""The project's Markdown pages as the tests of the documentation read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
HOWTO = tuple(sorted((ROOT / "docs" / "howto").glob("*.md")))
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "specs").glob("*.md")),
    *HOWTO,
)

_HEADING = re.compile(r"(#{1,6}) (.+)")
_FENCE = re.compile(r"```(.*)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what stands behind the fence, the content, the nearest heading above, and the line of the fence."""

    info: str
    content: str
    heading: str
    line: int


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page in their order."""
    heading, info, start = "", "", 0
    inside: list[str] | None = None
    for number, line in enumerate(text_of(page).splitlines(), 1):
        fence = _FENCE.fullmatch(line)
        if inside is not None:
            if fence:
                yield Block(info, "".join(f"{one}\n" for one in inside), heading, start)
                inside = None
            else:
                inside.append(line)
        elif fence:
            info, start, inside = fence[1], number, []
        elif match := _HEADING.fullmatch(line):
            heading = match[2]
    assert inside is None, f"{page.name}:{start}: the block is not closed"


def prose(page: Path) -> str:
    """A page without its fenced blocks and indented code."""
    kept: list[str] = []
    fenced = False
    for line in text_of(page).splitlines():
        if _FENCE.fullmatch(line):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            kept.append(line)
    return "\n".join(kept)


def headings(page: Path) -> list[str]:
    return [match[2] for line in prose(page).splitlines() if (match := _HEADING.fullmatch(line))]
