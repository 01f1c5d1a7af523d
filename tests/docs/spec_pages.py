"""docs/specs.md and docs/specs/FAMILY.md, made from the library's spec files. To write them: `python tests/docs/spec_pages.py`"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import dedent

from migspec.catalogue import Entry, entries, header_of, proof_of

DOCS = Path(__file__).parent.parent.parent / "docs"
INDEX = DOCS / "specs.md"
FOLDER = DOCS / "specs"

_FAMILIES = {
    "flax": "Flax layers to Keras",
    "keras2": "Layers of Keras 2 to Keras 3",
    "models": "Whole models",
    "net2net": "Wider networks that compute the same",
    "onnx": "ONNX operators to Keras",
    "tf1": "TensorFlow 1 layers to Keras",
    "torch": "PyTorch layers to Keras",
}

_INTRODUCTION = """\
# The library

The specs that come with migspec, each with what moves where, for which versions, and where its facts are from. `use` mounts
one for each layer of a model, as [the language](language.md#using-other-specs) says:

    use tf1/basic_lstm  rnn/basic_lstm_cell -> lstm

`migspec specs` lists them in a terminal, with those of installed packages, and `migspec specs NAME` shows one.
[How to write a spec of your own](howto/write-a-reusable-spec.md), and
[how to publish it](howto/publish-specs.md).
"""
_MADE = "This page is made from the files in [`specs/{family}`](../../specs/{family}/): change those."

_CODE = re.compile(r"(`[^`]*`)")
# What Markdown would take for something else than itself, outside of code.
_LIVE = re.compile(r"[*<\\]|(?<!\w)_|_(?!\w)|(?<=\])(?=\()")


def library() -> tuple[Entry, ...]:
    """The specs that the pages are about: not those of packages that happen to be installed."""
    return tuple(entry for entry in entries() if entry.package is None)


def pages() -> dict[Path, str]:
    """Every page with its content."""
    specs = library()
    made = {FOLDER / f"{family}.md": _page(family, list(group), specs) for family, group in _by_family(specs)}
    return {INDEX: _index(specs), **made}


def _by_family(specs: Sequence[Entry]) -> Iterator[tuple[str, Iterator[Entry]]]:
    return groupby(specs, key=lambda entry: entry.family)


def _index(specs: Sequence[Entry]) -> str:
    parts = [_INTRODUCTION]
    for family, group in _by_family(specs):
        rows = [f"| [{one.name}](specs/{family}.md#{_anchor(one.name)}) | {_cell(_summary(one))} |" for one in group]
        parts.append("\n".join([f"\n## {_title(family)}", "", "| spec | what becomes what |", "|---|---|", *rows, ""]))
    return "".join(parts)


def _page(family: str, group: Sequence[Entry], specs: Sequence[Entry]) -> str:
    intro = f"# {_title(family)}\n\n{_MADE.format(family=family)}\n[All families](../specs.md).\n"
    return "".join([intro, *(f"\n## {one.name}\n\n" + "\n\n".join(_section(one, specs)) + "\n" for one in group)])


def _section(entry: Entry, specs: Sequence[Entry]) -> Iterator[str]:
    """The paragraphs on one spec."""
    content = entry.text().content
    header = header_of(content, entry.name)
    yield f"**{_prose(header.summary)}**"
    for is_blank, lines in groupby(header.documentation, key=lambda line: not line):
        if not is_blank:
            yield _paragraph(list(lines), entry, specs)
    body = "\n".join(line for line in content.splitlines() if line != "mig 1")
    body = re.sub(r"\A(?:\s*#[^\n]*\n)*", "", f"{body}\n").strip("\n")
    yield "\n".join(["```mig", re.sub(r"\n{3,}", "\n\n", body), "```"])
    proof = proof_of(entry.path)
    if proof is not None:
        needs = f" It needs {', '.join(proof.requires)}." if proof.requires else ""
        yield f"Proven at random sizes by `{proof.oracle}`, which runs both layers.{needs}"


def _paragraph(lines: Sequence[str], entry: Entry, specs: Sequence[Entry]) -> str:
    """A paragraph of a header: prose, or, indented, what is to stand as it is."""
    if all(line.startswith("  ") for line in lines):
        return f"```text\n{dedent(chr(10).join(lines))}\n```"
    return "\n".join(_linked(_prose(line), entry, specs) for line in lines)


def _prose(text: str) -> str:
    """Text in which Markdown finds nothing but code in backticks."""
    parts = _CODE.split(text)
    return "".join(part if place % 2 else _LIVE.sub(lambda match: "\\" + match[0], part) for place, part in enumerate(parts))


def _linked(text: str, entry: Entry, specs: Sequence[Entry]) -> str:
    """The names of other specs, in backticks, with links to them."""
    for other in specs:
        if other is not entry:
            page = "" if other.family == entry.family else f"{other.family}.md"
            text = text.replace(f"`{other.name}`", f"[`{other.name}`]({page}#{_anchor(other.name)})")
    return text


def _summary(entry: Entry) -> str:
    return header_of(entry.text().content, entry.name).summary


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")


def _title(family: str) -> str:
    return f"{family}: {_FAMILIES[family]}" if family in _FAMILIES else family


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for page in set(FOLDER.glob("*.md")) - set(made):
        page.unlink()
    for page, text in made.items():
        page.write_text(text, encoding="utf-8")
