"""`migspec diff`: two checkpoints held against each other, or one against what a spec makes of the other."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from migspec.cli.filtering import Filter
from migspec.cli.options import settings, style, style_of, tolerance_of
from migspec.cli.progress import progress_line
from migspec.cli.report import exit_code, show

if TYPE_CHECKING:
    from migspec.difference.result import Difference


@click.command("diff")
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@click.option("--spec", metavar="SPEC_OR_PLAN", help="Compare B with what this spec, or saved plan, makes of A.")
@click.option(
    "--target", "-t", metavar="T", help="With --spec: the side that it was written for, if B calls its variables otherwise."
)
@click.option("--atol", type=float, callback=tolerance_of, metavar="NUMBER", help="Let a difference up to this pass.")
@click.option(
    "--rtol", type=float, callback=tolerance_of, metavar="NUMBER", help="The same, times the larger of the two values."
)
@click.option("--filter", "pattern", metavar="PATTERN", help="Only variables that a pattern of the language fits.")
@click.option("--all", "every", is_flag=True, help="One line a variable, the equal ones too.")
@click.option(
    "--jobs", "-j", type=click.IntRange(1), default=2, show_default=True, help="How many variables are worked on at once."
)
@settings
@style
def command(
    left: str,
    right: str,
    spec: str | None,
    target: str | None,
    atol: float | None,
    rtol: float | None,
    pattern: str | None,
    every: bool,
    jobs: int,
    given: tuple[tuple[str, int | float], ...],
    allow: tuple[str, ...],
    output_format: str,
    color: str,
    quiet: bool,
) -> int:
    """Compare the variables of A and B by name, shape, dtype and value; or, with --spec, B with what the spec makes of A.

    Each is a checkpoint, a model file, a variable map, or package.module:function. The exit code is 0 if they agree and 1 if they
    differ.
    """
    from concurrent.futures import ThreadPoolExecutor

    from migspec.difference.comparison import between, through_plan
    from migspec.difference.result import Tolerance
    from migspec.sides import open_side

    if spec is None and (target is not None or given or allow):
        raise click.UsageError("--target, --set and --allow say how a spec is compiled: they need --spec")
    tolerance = Tolerance(atol or 0.0, rtol or 0.0, asked=atol is not None or rtol is not None)
    chosen = Filter(pattern)
    if spec is None:
        one, other = open_side(left), open_side(right)
        chosen.check((*one.variables, *other.variables))
        comparison = between(one, other, tolerance=tolerance, chosen=chosen)
    else:
        from migspec.cli.compiling import migration_of

        migration, found = migration_of(spec, left, target or right, dict(given), allow)
        show(found, style_of(output_format, color, quiet))
        if migration is None:
            return exit_code(found)
        named = migration.target if target is not None else None
        output = migration.target if named is None else open_side(right)
        dropped = (migration.source.variables[one.variable] for one in migration.plan.dropped)
        chosen.check((*migration.target.variables, *output.variables, *dropped))
        comparison = through_plan(
            migration.plan, migration.source, output, spec=spec, named=named, tolerance=tolerance, chosen=chosen
        )
    if pattern is not None and comparison.is_empty:
        raise chosen.nothing_left()
    line = None if quiet else progress_line()
    with ThreadPoolExecutor(jobs) as executor, line.step("comparing", comparison.nbytes) if line else nullcontext():
        difference = comparison.run(executor if jobs > 1 else None, line)
    if not quiet:
        click.echo(_shown(difference, output_format, every))
    return 0 if difference.agrees else 1


def _shown(difference: Difference, output_format: str, every: bool) -> str:
    if output_format == "json":
        import json

        from migspec.difference.as_json import difference_json

        return json.dumps(difference_json(difference), indent=1)
    from migspec.difference.text import difference_concise, difference_text

    return (difference_concise if output_format == "concise" else difference_text)(difference, every=every)
