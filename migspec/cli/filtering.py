"""`--filter PATTERN`: which variables a command looks at."""

from __future__ import annotations

from collections.abc import Iterable

import click

from migspec.variables import Variable


class Filter:
    """Whether a variable is fitted, under any of its names, by a pattern; by one of several with commas, less those after `except`.

    Without a pattern every variable is. Raises SpecError or click.UsageError for a pattern that is none.
    """

    def __init__(self, pattern: str | None) -> None:
        self._pattern = pattern
        if pattern is None:
            return
        from migspec.diagnostics import SpecError
        from migspec.patterns import Matcher
        from migspec.syntax.parse import parse
        from migspec.syntax.tree import Drop
        from migspec.text import Text

        spec, problems = parse(Text("--filter", f"drop {pattern}"))
        if problems or len(spec.statements) != 1 or not isinstance(spec.statements[0].body, Drop):
            raise SpecError(problems) if problems else click.UsageError(f"'{pattern}' is no pattern")
        names = spec.statements[0].body.names
        self._wanted, self._unwanted = ([Matcher(one) for one in patterns] for patterns in (names.patterns, names.exceptions))

    def __call__(self, variable: Variable) -> bool:
        if self._pattern is None:
            return True
        called = _called(variable)
        fitting, excepted = (
            any(matcher.fits(name) for matcher in matchers for name in called) for matchers in (self._wanted, self._unwanted)
        )
        return fitting and not excepted

    def check(self, variables: Iterable[Variable]) -> None:
        """Raise click.UsageError for a pattern that fits none of these variables, one after `except` too: it is a slip, and what is
        left would look like an answer."""
        if self._pattern is None:
            return
        from migspec.patterns import text_of

        names = [name for variable in variables for name in _called(variable)]
        for matchers, where in ((self._wanted, ""), (self._unwanted, ", which stands after `except`")):
            for matcher in matchers:
                if not any(map(matcher.fits, names)):
                    hint = "`*` stays inside one segment, `**` spans several, as in `**/kernel`"
                    raise click.UsageError(f"no variable fits '{text_of(matcher.pattern)}'{where}: {hint}")

    def nothing_left(self) -> click.UsageError:
        """What is said if each of the patterns fits a variable, and there is none to look at all the same."""
        return click.UsageError(f"'{self._pattern}' leaves no variable to look at: all that fit are left out")


def _called(variable: Variable) -> list[str]:
    from migspec.names import normal_name

    return [normal_name(name) for name in (variable.name, *variable.aliases)]
