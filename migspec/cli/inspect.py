"""`migspec inspect`: the variables of a checkpoint or model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from migspec.cli.filtering import Filter
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    from migspec.formats.base import Reader


@click.command("inspect")
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="As a variable map in JSON, which any command takes in place of headers.")
@click.option("--filter", "pattern", metavar="PATTERN", help="Only variables that a pattern of the language fits.")
@click.option(
    "--stats", is_flag=True, help="Read the values: minimum, maximum, mean, standard deviation, how many are not finite."
)
@click.option("--all", "every", is_flag=True, help="One line a variable, and its aliases: layers are not folded.")
def command(path: str, as_json: bool, pattern: str | None, stats: bool, every: bool) -> int:
    """List the variables of PATH: a checkpoint, a model file, a variable map, or package.module:function."""
    if stats and as_json:
        raise click.UsageError("--stats and --json exclude each other: a variable map holds no values")
    from migspec.sides import open_side

    reader = open_side(path)
    chosen = Filter(pattern)
    chosen.check(reader.variables)
    variables = list(filter(chosen, reader.variables))
    if pattern is not None and not variables:
        raise chosen.nothing_left()
    if as_json:
        import json

        from migspec.formats.variable_map_json import to_json

        click.echo(json.dumps(to_json(VariableMap.of(reader.variables.label, variables)), indent=1))
        return 0
    lines = _all(variables, reader, stats) if every or stats else _folded(variables)
    for line in lines:
        click.echo(line)
    from migspec.plan_text import bytes_text

    total = bytes_text(sum(variable.nbytes for variable in variables))
    count = f"{len(variables)} variable{'' if len(variables) == 1 else 's'}"
    print(f"{reader.format}: {count}, {total}", file=sys.stderr)
    return 0


def _folded(variables: list[Variable]) -> Iterator[str]:
    """One line for variables whose names differ in a number alone and whose shape and dtype agree."""
    from migspec.fold import fold
    from migspec.ops import shape_text
    from migspec.plan_text import bytes_text

    groups: dict[tuple[tuple[int, ...], str], list[str]] = {}
    for variable in variables:
        groups.setdefault((variable.shape, variable.dtype), []).append(variable.name)
    place = {variable.name: index for index, variable in enumerate(variables)}
    nbytes = {variable.name: variable.nbytes for variable in variables}
    rows = [
        (place[one.names[0]], one.text, f"{dtype} {shape_text(shape)}", bytes_text(sum(nbytes[name] for name in one.names)))
        for (shape, dtype), names in groups.items()
        for one in fold(names)
    ]
    width = max((len(row[1]) for row in rows), default=0)
    kind = max((len(row[2]) for row in rows), default=0)
    for _, name, described, size in sorted(rows):
        yield f"{name:<{width}}  {described:<{kind}}  {size:>8}"


def _all(variables: list[Variable], reader: Reader, stats: bool) -> Iterator[str]:
    from migspec.bind.problems import described
    from migspec.plan_text import bytes_text

    width = max((len(variable.name) for variable in variables), default=0)
    for variable in variables:
        also = f"  also {', '.join(variable.aliases)}" if variable.aliases and not stats else ""
        values = f"  {_statistics(reader, variable)}" if stats else ""
        yield f"{variable.name:<{width}}  {described(variable)}  {bytes_text(variable.nbytes)}{values}{also}"


def _statistics(reader: Reader, variable: Variable) -> str:
    import numpy

    from migspec import dtypes

    if dtypes.kind(variable.dtype) in ("string", "opaque") or not variable.size:
        return "-"
    values = reader.read(variable.name).astype("complex128" if dtypes.kind(variable.dtype) == "complex" else "float64").ravel()
    if numpy.iscomplexobj(values):
        values = numpy.abs(values)
    finite = values[numpy.isfinite(values)]
    odd = f", {values.size - finite.size} not finite" if finite.size < values.size else ""
    if not finite.size:
        return f"no finite value{odd}"
    return f"min {finite.min():.4g}, max {finite.max():.4g}, mean {finite.mean():.4g}, std {finite.std():.4g}{odd}"
