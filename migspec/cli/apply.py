"""`migspec apply`: the migration itself."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext

import click

from migspec.cli.options import settings, sides, style, style_of
from migspec.cli.progress import progress_line
from migspec.cli.report import exit_code, show
from migspec.diagnostics import SpecError


def _bytes(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:  # noqa: ARG001
    from migspec.formats.shard_size import size_in_bytes

    try:
        return None if value is None else size_in_bytes(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command("apply")
@click.argument("spec", metavar="SPEC_OR_PLAN")
@sides(required=True)
@click.option("--out", "-o", required=True, metavar="O", help="The file to write; its name says the format.")
@click.option("--format", "format_name", metavar="FORMAT", help="The format of the output, whatever its name says.")
@click.option(
    "--shard-size",
    metavar="SIZE",
    callback=_bytes,
    help="Cut a safetensors output into files of at most SIZE: 5GB, 512MiB, ...",
)
@click.option("--force", is_flag=True, help="Overwrite an output that exists.")
@click.option("--verify", is_flag=True, help="Read the output back and compare it with the plan.")
@click.option("--checksum", is_flag=True, help="Write the SHA-256 of each file of the output to O.sha256.")
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
    shard_size: int | None,
    force: bool,
    verify: bool,
    checksum: bool,
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

    from migspec.application import Request
    from migspec.cli.compiling import migration_of
    from migspec.formats.checksum_file import checksum_path

    shown = style_of(output_format, color, quiet)
    migration, found = migration_of(spec, source, target, dict(given), allow)
    in_one_piece = output_format == "json"  # one array of diagnostics, so not before everything is known
    if migration is None or not in_one_piece:
        show(found, shown)
    if migration is None:
        return exit_code(found)
    start = time.perf_counter()
    try:
        with ThreadPoolExecutor(jobs) as executor:
            line = None if quiet else progress_line()
            request = Request(out, format_name, force, not no_sync, verify, checksum, shard_size, (spec,))
            for step in migration.steps(request):
                with line.step(step.label, step.nbytes()) if line else nullcontext():
                    step.run(executor if jobs > 1 else None, line)
    except SpecError as error:
        show([*found, *error.diagnostics] if in_one_piece else error.diagnostics, shown)
        return exit_code(error.diagnostics)
    if in_one_piece:
        show(found, shown)
    if not quiet and output_format != "json":
        from migspec.plan_text import summary

        done = f"wrote {out}: {summary(migration.plan)} in {time.perf_counter() - start:.2f} s"
        done += ", read back and found right" if verify else ""
        done += f", digests in {checksum_path(out)}" if checksum else ""
        print(done, file=sys.stderr)
    return 0
