"""`--filter PATTERN`: which variables a command looks at."""

from __future__ import annotations

from collections.abc import Callable

import click

from migspec.variables import Variable


def chooser(pattern: str | None) -> Callable[[Variable], bool]:
    """Whether a variable is fitted, under any of its names, by a pattern; by one of several with commas, less those after `except`.

    Raises SpecError or click.UsageError for a pattern that is none.
    """
    if pattern is None:
        return _any
    from migspec.diagnostics import SpecError
    from migspec.names import normal_name
    from migspec.patterns import Matcher
    from migspec.syntax.parse import parse
    from migspec.syntax.tree import Drop
    from migspec.text import Text

    spec, problems = parse(Text("--filter", f"drop {pattern}"))
    if problems or len(spec.statements) != 1 or not isinstance(spec.statements[0].body, Drop):
        raise SpecError(problems) if problems else click.UsageError(f"'{pattern}' is no pattern")
    names = spec.statements[0].body.names
    wanted, unwanted = ([Matcher(one) for one in patterns] for patterns in (names.patterns, names.exceptions))

    def fits(variable: Variable) -> bool:
        called = [normal_name(name) for name in (variable.name, *variable.aliases)]
        fitting, excepted = (
            any(matcher.fits(name) for matcher in matchers for name in called) for matchers in (wanted, unwanted)
        )
        return fitting and not excepted

    return fits


def _any(variable: Variable) -> bool:  # noqa: ARG001
    return True


def nothing_fits(pattern: str) -> str:
    """What is said if no variable fits."""
    return f"no variable fits '{pattern}': `*` stays inside one segment, `**` spans several, as in `**/kernel`"
