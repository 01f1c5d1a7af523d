"""`migspec test`: reusable specs tried at many sizes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from migspec.cli.options import style, style_of
from migspec.cli.report import exit_code, show

if TYPE_CHECKING:
    from migspec.diagnostics import Diagnostic
    from migspec.testing.run import Outcome


@click.command("test")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option(
    "--examples", type=click.IntRange(1), default=25, show_default=True, help="In how many cases a property is tried."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the cases follow from.")
@click.option("--skip-oracle", is_flag=True, help="Do not run the old layers and the new ones.")
@style
def command(
    specs: tuple[str, ...], examples: int, seed: int, skip_oracle: bool, output_format: str, color: str, quiet: bool
) -> int:
    """Try reusable specs at many sizes: the interface, the sizes, every element, the inverse, and the outputs of the real layers.

    SPEC is a file, or the name of a spec of the library: tf1/dense. A file SPEC.test.toml beside it says what sizes and values are tried,
    and names the oracle that runs both layers.
    """
    from migspec.check.definitions import unused_definitions
    from migspec.diagnostics import SpecError
    from migspec.testing.report import concise_line, outcome_line, report_json, summary
    from migspec.testing.run import run_properties
    from migspec.testing.strategies import require_hypothesis
    from migspec.testing.subject import open_subject

    require_hypothesis()
    shown = style_of(output_format, color, quiet)
    every: list[Diagnostic] = []
    skip = ("oracle",) if skip_oracle else ()
    results: list[tuple[str, tuple[Outcome, ...], tuple[Diagnostic, ...]]] = []
    for place, spec in enumerate(specs):
        outcomes: list[Outcome] = []
        problems: tuple[Diagnostic, ...] = ()
        speaks = output_format != "json" and not quiet
        if speaks and output_format == "full":
            print(f"{'' if place == 0 else chr(10)}{spec}", flush=True)
        try:
            subject = open_subject(spec)
            problems = tuple(unused_definitions(subject.program))
            for outcome in run_properties(subject, examples=examples, seed=seed, skip=skip):
                outcomes.append(outcome)
                if speaks:
                    print(outcome_line(outcome) if output_format == "full" else concise_line(spec, outcome), flush=True)
        except SpecError as error:  # of this spec: the others are tested all the same
            problems = (*problems, *error.diagnostics)
        found = [*problems, *(one for outcome in outcomes for one in outcome.diagnostics)]
        every.extend(found)
        if output_format != "json":
            if found and speaks and output_format == "full":
                print()
            show(found, shown, results=True)
        results.append((spec, tuple(outcomes), problems))
    if output_format == "json":
        print(report_json(results, examples, seed))
    elif output_format == "full" and not quiet and any(outcomes for _, outcomes, _ in results):
        total = summary([one for _, outcomes, _ in results for one in outcomes])
        print(f"{', '.join(specs)}: {total}", file=sys.stderr)
    return exit_code(every)
