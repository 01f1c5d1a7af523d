"""All specs that there are to use, and what each says of itself: its header comment, its interface, its parameters, its rules.

The header of a spec is the comment that it begins with. Its first line is `NAME: what becomes what`, or the second half of that; what
follows, as paragraphs, is its documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Literal

from migspec.diagnostics import Diagnostic, file_error
from migspec.diagnostics.suggest import nearest
from migspec.library import library_specs, names
from migspec.published import collections
from migspec.syntax import tree
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.syntax.spelling import arithmetic_text, pattern_text
from migspec.text import Text


@dataclass(frozen=True, slots=True)
class Entry:
    """A spec that any spec may use. `package` is the distribution that publishes it, None for the library's own."""

    name: str
    path: Path
    package: str | None = None

    @property
    def family(self) -> str:
        """What its name begins with, which specs of one kind share."""
        return self.name.partition("/")[0]

    def text(self) -> Text:
        """What the file says; raises SpecError (MIG501) if it cannot be read."""
        try:
            return Text(str(self.path), self.path.read_bytes().decode("utf-8", "replace"))
        except OSError as error:
            raise file_error("MIG501", str(self.path), "the spec cannot be read", (error.strerror or str(error),)) from None


@dataclass(frozen=True, slots=True)
class Proof:
    """How a spec is proven, as the file `NAME.test.toml` beside it says: the oracle, and the modules that it needs."""

    oracle: str
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The comment that a spec begins with: its first line without the spec's name, and the other lines, indentation kept."""

    summary: str
    documentation: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A `source` or `target` line: every name that the variables may have, and the rest as it is written."""

    names: tuple[str, ...]
    shape: tuple[str, ...]
    dtype: str | None
    family: str | None
    optional: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """A size or number that `with` can give. Without a `default`, a size follows from the shapes."""

    name: str
    kind: Literal["size", "number"]
    default: str | None


@dataclass(frozen=True, slots=True)
class Description:
    """What a spec says of itself. `rules` is canonical text, with the comments between the rules; `uses` names the specs it mounts."""

    header: Header
    source: tuple[Line, ...]
    target: tuple[Line, ...]
    parameters: tuple[Parameter, ...]
    rules: str
    uses: tuple[str, ...]
    problems: tuple[Diagnostic, ...]
    """What is wrong with its syntax: a statement in error is in none of the other fields."""


def entries() -> tuple[Entry, ...]:
    """Every spec of the library, and of installed packages, by name. Where two have one name the one that `use` takes is listed."""
    found = {name: Entry(name, path) for name, path in library_specs().items()}
    for collection in collections():
        for name, path in collection.specs():
            found.setdefault(name, Entry(name, path, collection.package))
    return tuple(found[name] for name in sorted(found, key=lambda name: name.split("/")))


def near(name: str) -> tuple[str, ...]:
    """The names and families of specs that may have been meant by one that does not exist."""
    return tuple(nearest(name, {*names(), *(one.partition("/")[0] for one in names())}))


def header_of(content: str, name: str) -> Header:
    """The header of a spec, which need not be a sound one."""
    lines = dropwhile(lambda line: not line.strip(), content.removeprefix("\ufeff").splitlines())
    comment = [line[1:].removeprefix(" ").rstrip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    first, *others = comment or [""]
    called, colon, rest = first.partition(": ")
    if colon and called.rpartition("/")[2] == name.rpartition("/")[2]:
        first = rest
    return Header(first.strip(), tuple(dropwhile(lambda line: not line, others)))


def proof_of(path: Path) -> Proof | None:
    """How the spec in a file is proven; None where nothing, or nothing that can be read, says so."""
    import tomllib

    try:
        said = tomllib.loads(path.with_suffix(".test.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no such file; no TOML, or no UTF-8
        return None
    oracle, requires = said.get("oracle"), said.get("requires")
    if not isinstance(oracle, str):
        return None
    return Proof(oracle, tuple(map(str, requires)) if isinstance(requires, list) else ())


def describe(text: Text, name: str) -> Description:
    """What a spec says of itself, read from its text alone."""
    spec, problems = parse(text)
    bodies = [statement.body for statement in spec.statements]
    return Description(
        header_of(text.content, name),
        tuple(_line(body) for body in bodies if isinstance(body, tree.Interface) and body.side == "source"),
        tuple(_line(body) for body in bodies if isinstance(body, tree.Interface) and body.side == "target"),
        tuple(
            Parameter(
                definition.name,
                "size" if isinstance(body, tree.Sizes) else "number",
                None if definition.value is None else arithmetic_text(definition.value),
            )
            for body in bodies
            if isinstance(body, tree.Sizes | tree.Numbers)
            for definition in body.definitions
        ),
        _rules(spec),
        tuple(dict.fromkeys(body.spec for body in bodies if isinstance(body, tree.Use))),
        problems,
    )


def _line(body: tree.Interface) -> Line:
    return Line(
        tuple(map(pattern_text, body.names)),
        tuple(map(arithmetic_text, body.dims)),
        body.dtype,
        None if body.family is None else f"{body.family[0]} < {arithmetic_text(body.family[1])}",
        body.if_present,
    )


def _rules(spec: tree.Spec) -> str:
    """The statements that are neither interface nor definitions, as `fmt` writes them; the header, if it stands above one, left out."""
    rules: list[tree.Statement] = []
    for index, statement in enumerate(spec.statements):
        if not isinstance(statement.body, tree.Version | tree.Sizes | tree.Numbers | tree.Interface):
            leading = statement.leading if index else _after_header(statement.leading)
            rules.append(
                tree.Statement(statement.body, leading if rules else tuple(dropwhile(_blank, leading)), statement.trailing)
            )
    return format_spec(tree.Spec(spec.text, tuple(rules), tuple(spec.closing) if any(spec.closing) else ()))


def _after_header(leading: Sequence[str | None]) -> tuple[str | None, ...]:
    comments = dropwhile(_blank, leading)
    return tuple(dropwhile(_blank, dropwhile(lambda line: line is not None, comments)))


def _blank(line: str | None) -> bool:
    return line is None
