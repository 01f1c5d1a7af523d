"""`migspec specs`: the specs that there are to use, and the documentation of each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migspec.cli.report import exit_code, show

if TYPE_CHECKING:
    from migspec.catalogue import Description, Entry, Line, Parameter


@click.command("specs")
@click.argument("name", required=False)
@click.option(
    "--source", "as_source", is_flag=True, help="The text of the spec as it stands in its file: something to begin with."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(name: str | None, as_source: bool, as_json: bool) -> int:
    """List the specs that `use` can mount: the library's, and those of installed packages.

    NAME shows one with its documentation; it may be a family, `tf1`, or a .mig file of your own.
    """
    from migspec.catalogue import describe, entries
    from migspec.library import broken_collections

    if as_source and as_json:
        raise click.UsageError("--source and --json exclude each other")
    if as_source and name is None:
        raise click.UsageError("--source needs the NAME of a spec")
    every = entries()
    listed = every if name is None else tuple(one for one in every if one.family == name.rstrip("/"))
    if name is None or (listed and not as_source):
        if as_json:
            _print_json([_summary_json(one) for one in listed])
        else:
            for line in _listing(listed):
                click.echo(line)
            print(f"{_count(listed)}; `migspec specs NAME` shows one", file=sys.stderr)
        for collection in broken_collections(name):
            print(collection.told(), file=sys.stderr)
        return 0
    entry = _entry(name, every)
    text = entry.text()
    if as_source:
        click.echo(text.content, nl=False)
        return 0
    described = describe(text, entry.name)
    if described.problems:
        show(described.problems)
        return exit_code(described.problems)
    if as_json:
        _print_json(_summary_json(entry) | _description_json(entry, described))
    else:
        for line in _page(entry, described):
            click.echo(line)
    return 0


def _entry(name: str, every: Sequence[Entry]) -> Entry:
    """The spec of this name, its suffix left out or not, or the file of this name.

    Raises SpecError (MIG501) if a package should have it and is broken, else click.UsageError with what was meant.
    """
    from migspec.catalogue import Entry, near
    from migspec.diagnostics import file_error
    from migspec.library import broken_collections

    for entry in every:
        if entry.name == name.removesuffix(".mig"):
            return entry
    path = Path(name)
    if name.endswith(".mig"):
        return Entry(path.stem, path)
    meant = near(name)
    broken = [collection.told() for collection in broken_collections(name)]
    if broken:
        siblings = [one for one in meant if one.startswith(f"{name.partition('/')[0]}/")]
        help_text = (
            f"did you mean {', '.join(siblings)}?" if siblings else "tell those who publish the package, or install it again"
        )
        raise file_error("MIG501", name, f"there is no spec `{name}`", broken, (help_text,))
    hint = f"did you mean {', '.join(meant)}?" if meant else "`migspec specs` lists all."
    if path.with_name(f"{path.name}.mig").is_file():
        hint = f"did you mean the file {name}.mig?"
    raise click.UsageError(f"there is no spec {name}: {hint}")


def _listing(listed: Sequence[Entry]) -> Iterator[str]:
    """One line a spec, one block a family."""
    from migspec.catalogue import header_of

    for number, (_, group) in enumerate(groupby(listed, key=lambda one: (one.family, one.package))):
        family = list(group)
        if number:
            yield ""
        if family[0].package is not None:
            yield f"# {family[0].package}"
        width = max(len(one.name) for one in family)
        for one in family:
            yield f"{one.name:<{width}}  {header_of(one.text().content, one.name).summary}".rstrip()


def _page(entry: Entry, described: Description) -> Iterator[str]:
    """The documentation of one spec: its header, what it reads and fills, what it can be given, its rules, where it comes from."""
    from migspec.catalogue import proof_of

    yield f"{entry.name}: {described.header.summary}" if described.header.summary else entry.name
    if described.header.documentation:
        yield ""
        yield from described.header.documentation
    yield from _section("source", map(_line_text, described.source))
    yield from _section("target", map(_line_text, described.target))
    yield from _section("parameters", _parameters(described.parameters))
    yield from _section("rules", described.rules.splitlines())
    proof = proof_of(entry.path)
    if proof is not None:
        needs = f" (needs {', '.join(proof.requires)})" if proof.requires else ""
        yield from _section("proven by", [proof.oracle + needs])
    yield from _section("file", [str(entry.path) if entry.package is None else f"{entry.path}, of {entry.package}"])


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    shown = list(lines)
    if shown:
        yield ""
        yield f"{title}:"
        yield from (f"  {line}".rstrip() for line in shown)


def _line_text(line: Line) -> str:
    words = [" or ".join(line.names), f"[{', '.join(line.shape)}]"]
    words += [] if line.dtype is None else [line.dtype]
    words += [] if line.family is None else [f"for {line.family}"]
    return " ".join(words) + ("  if present" if line.optional else "")


def _parameters(parameters: Sequence[Parameter]) -> Iterator[str]:
    width = max((len(one.name) for one in parameters), default=0)
    for one in parameters:
        value = f"{one.default} unless given" if one.default is not None else "from the shapes, or given"
        if one.kind == "number" and one.default is None:
            value = "to be given"
        yield f"{one.name:<{width}}  {one.kind:<6}  {value}"


def _summary_json(entry: Entry) -> dict[str, Any]:
    from migspec.catalogue import header_of

    summary = header_of(entry.text().content, entry.name).summary
    return {"name": entry.name, "summary": summary, "package": entry.package, "file": str(entry.path)}


def _description_json(entry: Entry, described: Description) -> dict[str, Any]:
    from dataclasses import asdict

    from migspec.catalogue import proof_of

    proof = proof_of(entry.path)
    return {
        "documentation": "\n".join(described.header.documentation),
        "source": [asdict(line) for line in described.source],
        "target": [asdict(line) for line in described.target],
        "parameters": [asdict(parameter) for parameter in described.parameters],
        "rules": described.rules,
        "uses": list(described.uses),
        "proof": None if proof is None else asdict(proof),
    }


def _print_json(data: Any) -> None:
    import json

    click.echo(json.dumps(data, indent=1))


def _count(listed: Sequence[Entry]) -> str:
    families = len({one.family for one in listed})
    specs = f"{len(listed)} spec{'' if len(listed) == 1 else 's'}"
    return specs if families < 2 else f"{specs} in {families} families"
