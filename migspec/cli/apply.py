"""`migspec apply`: the migration itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migspec.cli.options import settings, sides, style, style_of
from migspec.cli.report import exit_code, show
from migspec.diagnostics import Diagnostic, SpecError

if TYPE_CHECKING:
    from migspec.migration import Migration, Progress


@click.command("apply")
@click.argument("spec", metavar="SPEC_OR_PLAN")
@sides(required=True)
@click.option("--out", "-o", required=True, metavar="O", help="The file to write; its name says the format.")
@click.option("--format", "format_name", metavar="FORMAT", help="The format of the output, whatever its name says.")
@click.option("--force", is_flag=True, help="Overwrite an output that exists.")
@click.option("--no-sync", is_flag=True, help="Leave it to the operating system to bring the output to the disk.")
@click.option(
    "--jobs", "-j", type=click.IntRange(1), default=2, show_default=True, help="How many variables are worked on at once."
)
@settings
@style
def command(
    spec: str,
    source: str,
    target: str,
    out: str,
    format_name: str | None,
    force: bool,
    no_sync: bool,
    jobs: int,
    given: tuple[tuple[str, int | float], ...],
    allow: tuple[str, ...],
    output_format: str,
    color: str,
    quiet: bool,
) -> int:
    """Migrate the weights of the source into a new file with the variables of the target.

    The target is a template: it is read, never written. All or nothing: if anything fails, nothing is written.
    """
    from concurrent.futures import ThreadPoolExecutor

    shown = style_of(output_format, color, quiet)
    migration, found = _migration(spec, source, target, dict(given), allow)
    in_one_piece = output_format == "json"  # one array of diagnostics, so not before everything is known
    if migration is None or not in_one_piece:
        show(found, shown)
    if migration is None:
        return exit_code(found)
    start = time.perf_counter()
    try:
        with ThreadPoolExecutor(jobs) as executor, _progress(migration, quiet) as progress:
            pool = executor if jobs > 1 else None
            migration.apply(out, format=format_name, overwrite=force, sync=not no_sync, executor=pool, progress=progress)
    except SpecError as error:
        show([*found, *error.diagnostics] if in_one_piece else error.diagnostics, shown)
        return exit_code(error.diagnostics)
    if in_one_piece:
        show(found, shown)
    if not quiet and output_format != "json":
        from migspec.plan_text import summary

        print(f"wrote {out}: {summary(migration.plan)} in {time.perf_counter() - start:.2f} s", file=sys.stderr)
    return 0


def _migration(
    spec: str, source: str, target: str, given: dict[str, int | float], allow: tuple[str, ...]
) -> tuple[Migration | None, tuple[Diagnostic, ...]]:
    """The migration of a spec or of a saved plan, None if the spec has errors; and all findings."""
    from migspec.compiler import compile_spec, read_spec
    from migspec.migration import Migration, resume
    from migspec.sides import open_side

    if _is_plan(spec):
        from migspec.plan_json import load_plan

        if given or allow:
            raise click.UsageError("--set and --allow go into the plan when it is made: give them to `migspec plan`")
        return resume(load_plan(spec), source, target), ()
    text = read_spec(spec)
    old, new = open_side(source), open_side(target)
    compilation = compile_spec(text, old.variables, new.variables, given=given, allow=allow)
    if compilation.plan is None:
        return None, compilation.diagnostics
    return Migration(compilation.plan, old, new), compilation.diagnostics


def _is_plan(path: str) -> bool:
    """Whether a file is a plan: a spec never begins with a brace."""
    try:
        with Path(path).open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


@contextmanager
def _progress(migration: Migration, quiet: bool) -> Iterator[Progress | None]:
    """A bar in bytes, with rate and time left, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=migration.output_bytes(kept=True))
        yield lambda count: bar.advance(task, count)
