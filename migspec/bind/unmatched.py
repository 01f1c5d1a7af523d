"""What is said of a name or pattern that stands for no variable."""

from __future__ import annotations

from migspec.bind.problems import Problems, described, nearest_variables
from migspec.bind.side import Side, fitting, span_of
from migspec.bind.variants import across_segments, freed, widened
from migspec.diagnostics import Diagnostic, Edit, Fix, Label
from migspec.patterns import capture_names, text_of
from migspec.rules import Rule
from migspec.syntax.spelling import pattern_text
from migspec.syntax.tree import Capture, Pattern


def report_nothing(pattern: Pattern, side: Side, problems: Problems) -> None:
    """A name or pattern that stands for no variable of its side."""
    repeated = freed(pattern)
    conflicting = fitting(repeated, side) if repeated is not None else set()
    if conflicting:
        _report_conflict(pattern, sorted(conflicting)[0], side, problems)
        return
    what = "name" if not capture_names(pattern) else "pattern"
    wider = across_segments(pattern)
    fixes: tuple[Fix, ...] = ()
    helps: tuple[str, ...] = ()
    if wider is not None and fitting(wider, side):
        helps = ("`*` stays inside one segment; `**` stands for any number of them",)
        fixes = (_replaced(pattern, wider),)
    problems.add(
        ("nothing", span_of(pattern)),
        Diagnostic(
            "MIG203",
            f"the {what} `{text_of(pattern)}` matches no {side.word} variable",
            Label(span_of(pattern), _nothing_called(side)),
            helps=helps or _nearest(text_of(pattern), side),
            fixes=fixes,
        ),
    )


def report_exception(exception: Pattern, side: Side, problems: Problems) -> None:
    """An `except` that takes nothing out of its list."""
    problems.add(
        ("except", span_of(exception)),
        Diagnostic(
            "MIG210",
            f"`except {text_of(exception)}` takes nothing out of the list",
            Label(span_of(exception), f"the list has none of {side.label} that is called this"),
            helps=nearest_variables(text_of(exception), side.index.map) or ("take the exception out",),
        ),
    )


def report_no_target(pattern: Pattern, name: str, meant: Pattern | None, side: Side, rule: Rule, problems: Problems) -> None:
    """A target that a rule names and that does not exist; `meant` is the pattern that would name one for each of its sources."""
    helps = _nearest(name, side)
    notes: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    if meant is not None:
        helps, fixes = (), (_replaced(pattern, meant),)
        keras = any(isinstance(part, Capture) and part.kind == "numbering" for segment in meant.segments for part in segment)
        notes = (
            "Keras leaves the first of its layers without a number: `dense`, `dense_1`, `dense_2`, ..."
            if keras
            else f"{side.label} counts its layers from another number",
        )
    problems.add(
        ("target", rule, span_of(pattern)),
        Diagnostic(
            "MIG204",
            f"there is no target variable `{name}`",
            Label(span_of(pattern), _nothing_called(side) if side.index.mounted else f"not in {side.label}"),
            notes=notes,
            helps=helps,
            fixes=fixes,
        ),
        name,
    )


def excuse_fitting(pattern: Pattern, side: Side, excused: set[str], missing: list[str]) -> None:
    """What a pattern in error fits, or fits with wider captures, is excused; if that is nothing, the name nearest to it is."""
    fits = fitting(pattern, side) | fitting(widened(pattern), side)
    if side.index.mounted and not fits:
        fits = side.index.seen  # all that the used spec has: which of them was meant cannot be said
    excused.update(fits)
    if not fits:
        missing.append(text_of(pattern))


def _report_conflict(pattern: Pattern, name: str, side: Side, problems: Problems) -> None:
    names = [part.name for segment in pattern.segments for part in segment if isinstance(part, Capture)]
    twice = next(one for one in names if names.count(one) > 1)
    variable = side.index.map[name]
    problems.add(
        ("nothing", span_of(pattern)),
        Diagnostic(
            "MIG209",
            f"the capture `{{{twice}}}` would match two texts in `{name}`",
            Label(span_of(pattern), "what stands twice is the same text both times"),
            notes=(f"`{name}` is {described(variable)} in {side.label}, and nothing there has one text in both places",),
            helps=(f"give the second one a name of its own, as in `{{{twice}}}` and `{{{'j' if twice != 'j' else 'k'}}}`",),
        ),
    )


def _nothing_called(side: Side) -> str:
    return f"the interface has no {side.word} of this name" if side.index.mounted else f"nothing in {side.label} is called this"


def _nearest(name: str, side: Side) -> tuple[str, ...]:
    """The names that may have been meant; inside a used spec, those of its interface."""
    if not side.index.mounted:
        return nearest_variables(name, side.index.map) or (f"`migspec inspect {side.label}` lists its variables",)
    from migspec.diagnostics.suggest import nearest

    helps = []
    for near in nearest(name, side.index.names):
        variable = side.index.lookup(near)[0].variable
        helps.append(f"did you mean `{near}`, which is `{variable.name}` {described(variable)} here?")
    names = ", ".join(f"`{one}`" for one in side.index.names) or "none"
    return tuple(helps) or (f"name one that the interface declares: {names}",)


def _replaced(pattern: Pattern, other: Pattern) -> Fix:
    text = pattern_text(other)
    return Fix(f"write `{text}`", (Edit(span_of(pattern), text),))
