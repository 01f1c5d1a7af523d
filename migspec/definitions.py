"""The sizes and numbers that a spec defines, the check that its expressions name nothing else, and what its interface may say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from migspec import arithmetic
from migspec.diagnostics import Diagnostic, Label
from migspec.patterns import capture_names, unnamed_count
from migspec.syntax import tree
from migspec.syntax.spelling import arithmetic_text
from migspec.text import Span


@dataclass(slots=True)
class Names:
    """The sizes and numbers of one spec, and the check that an expression names nothing else."""

    diagnostics: list[Diagnostic]
    sizes: dict[str, tree.Definition] = field(default_factory=dict)
    numbers: dict[str, tree.Definition] = field(default_factory=dict)
    values: dict[str, int | float | None] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Names whose definitions are in error: what mentions them is left out without a second error."""

    def define(self, body: tree.Body) -> None:
        """Take the names in that a `size` or `number` statement defines; other statements define none."""
        if not isinstance(body, tree.Sizes | tree.Numbers):
            return
        table = self.sizes if isinstance(body, tree.Sizes) else self.numbers
        for definition in body.definitions:
            earlier = self.sizes.get(definition.name) or self.numbers.get(definition.name)
            if earlier is not None:
                assert definition.span is not None
                assert earlier.span is not None
                first = (Label(earlier.span, "the first time"),)
                self.diagnostics.append(
                    Diagnostic(
                        "MIG113",
                        f"`{definition.name}` is defined twice",
                        Label(definition.span, "and again"),
                        first,
                        helps=("take one of the two out, or give it another name",),
                    )
                )
            elif definition.value is None:
                table[definition.name] = definition
                self.values[definition.name] = None
            elif self.check((definition.value,)) and self._usable(definition, is_size=table is self.sizes):
                table[definition.name] = definition
            else:
                self.broken.add(definition.name)

    def _usable(self, definition: tree.Definition, *, is_size: bool) -> bool:
        """Report a value that a size or number cannot have; one that depends on a size without a value is usable."""
        assert definition.value is not None
        assert definition.span is not None
        helps: tuple[str, ...] = ("sizes are whole numbers, 1 or more; `number NAME = ...` defines others",)
        try:
            value = arithmetic.value_of(definition.value, self.values)
        except arithmetic.NotYetKnown:
            self.values[definition.name] = None
            return True
        except ZeroDivisionError:
            what, helps = "divides by zero", ("give what it is divided by another value",)
        else:
            self.values[definition.name] = value
            if not is_size or (isinstance(value, int) and value >= 1):
                return True
            what = f"is {value}"
        kind = "size" if is_size else "number"
        self.diagnostics.append(
            Diagnostic("MIG114", f"the {kind} `{definition.name}` {what}", Label(definition.span), helps=helps)
        )
        return False

    def check(self, expressions: tuple[tree.Arithmetic, ...]) -> bool:
        """Report each name that is neither a size nor a number."""
        sound = True
        for expression in expressions:
            for reference in arithmetic.references(expression):
                if reference.name not in self.sizes and reference.name not in self.numbers:
                    sound = False
                    if reference.name not in self.broken:
                        self._report_unknown(reference)
        return sound

    def computable(self, expressions: tuple[tree.Arithmetic, ...], place: Span) -> bool:
        """Report an expression that divides by zero, whatever the shapes are."""
        for expression in expressions:
            try:
                arithmetic.value_of(expression, self.values)
            except arithmetic.NotYetKnown:
                pass
            except ZeroDivisionError:
                message = f"`{arithmetic_text(expression)}` divides by zero"
                helps = ("give what it is divided by another value",)
                self.diagnostics.append(Diagnostic("MIG114", message, Label(place), helps=helps))
                return False
        return True

    def check_content(self, content: tree.Content) -> bool:
        """The same for what a `fill` or `pad` fills with."""
        return self.check((content.value,) if content.low is None else (content.value, content.low))

    def check_op(self, op: tree.Op) -> bool:
        """The same for everything in the arguments of an op."""
        sound = True
        for _, value in op.arguments:
            if isinstance(value, tree.Content):
                sound = self.check_content(value) and sound
            else:
                sound = self.check(tuple(_arithmetic_in(value))) and sound
        return sound

    def _report_unknown(self, reference: tree.Reference) -> None:
        from migspec.diagnostics.suggest import nearest

        assert reference.span is not None
        near = nearest(reference.name, (*self.sizes, *self.numbers))
        helps = tuple(f"did you mean `{name}`?" for name in near) or (
            f"define it: `size {reference.name} = ...` or `number {reference.name} = ...`",
        )
        self.diagnostics.append(
            Diagnostic("MIG112", f"there is no size or number `{reference.name}`", Label(reference.span), helps=helps)
        )


def _arithmetic_in(value: tree.Argument) -> Iterator[tree.Arithmetic]:
    if isinstance(value, tree.Number | tree.Reference | tree.Negative | tree.Binary):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            if not isinstance(one, int):
                yield one


def interface_problem(line: tree.Interface) -> Diagnostic | None:
    """What is wrong with a name of a `source` or `target` line (MIG106): it must say what its variables are called inside the spec."""
    counted = None if line.family is None else line.family[0]
    for name in line.names:
        captures = [part for segment in name.segments for part in segment if isinstance(part, tree.Capture)]
        message = None
        helps = ("a family is declared by `source layer_{i}/w [n] for i < layers`",)
        if unnamed_count(name):
            message = "an interface names its variables, and an unnamed wildcard is no name"
        elif counted is not None and counted not in capture_names(name):
            message = f"`for {counted} < ...` counts `{{{counted}}}`, which is not in this name"
        elif any(one.name == counted and one.kind in ("range", "choice", "segments") for one in captures):
            message = f"`for {counted} < ...` counts 0, 1, 2 and so on: `{{{counted}}}` takes no range and no choices"
            helps = (f"write `{{{counted}}}`; where the names count from 1, `{{{counted}+1}}`",)
        if message is not None:
            assert name.span is not None
            return Diagnostic("MIG106", message, Label(name.span), helps=helps)
    return None


def defined_in(problem: Diagnostic) -> Iterator[str]:
    """The names that a `size` or `number` statement would define if it could be read."""
    if problem.primary is not None:
        span = problem.primary.span
        match = re.fullmatch(r"\s*(?:size|number)\s(.*)", span.text.line(span.line))
        yield from re.findall(r"[A-Za-z][A-Za-z0-9_]*", match[1]) if match is not None else ()
