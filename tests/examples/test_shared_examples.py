"""Specs of real migrations: accepted as they are, and refused at the right place with any one thing wrong.

The variable maps are those of musicnn's VGG, BERT-base and GPT-2 (names, shapes and dtypes; no weights). Every statement is taken out
once, and every literal segment of every target is misspelt once. Of the variables that one statement moves, `SHAPES_A_STATEMENT` on
each side get another shape, spread over them; every statement has its turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from migspec.compiler import compile_spec
from migspec.diagnostics import Diagnostic, Severity
from migspec.expression import reads
from migspec.formats.variable_map_json import VariableMapReader
from migspec.plan import Plan
from migspec.syntax.parse import parse
from migspec.syntax.spelling import pattern_text
from migspec.syntax.tree import Move, Pattern, Plain, Statement, Version
from migspec.text import Span, Text
from migspec.variables import Variable, VariableMap

FOLDER = Path(__file__).parents[2].parent / "shared" / "examples"
NAMES = ("musicnn_vgg", "bert", "gpt2")
SHAPES_A_STATEMENT = 6

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared examples are not beside this repository")


@dataclass(frozen=True, slots=True)
class Example:
    """A spec with its two maps, and the plan that they make."""

    text: Text
    statements: tuple[Statement, ...]
    source: VariableMap
    target: VariableMap
    plan: Plan

    def errors(
        self, *, content: str | None = None, source: VariableMap | None = None, target: VariableMap | None = None
    ) -> list[Diagnostic]:
        """What is wrong if one of the three is another."""
        text = self.text if content is None else Text(self.text.name, content)
        compilation = compile_spec(text, source or self.source, target or self.target)
        return [one for one in compilation.diagnostics if one.severity is Severity.ERROR]

    def covered(self, statement: Statement) -> tuple[list[str], list[str]]:
        """The source and target variables that a statement accounts for."""
        line = statement.span.line
        moves = [move for move in self.plan.moves if move.cause.line == line]
        sources = [read.variable for move in moves for read in reads(move.expression)]
        sources += [left.variable for left in self.plan.dropped if left.cause is not None and left.cause.line == line]
        return list(dict.fromkeys(sources)), [move.target for move in moves]


@cache
def example(name: str) -> Example:
    folder = FOLDER / name
    text = Text("spec.mig", (folder / "spec.mig").read_text(encoding="utf-8"))
    spec, problems = parse(text)
    assert not problems
    source, target = (VariableMapReader(str(folder / f"{side}.json")).variables for side in ("source", "target"))
    plan = compile_spec(text, source, target).plan
    assert plan is not None
    return Example(text, tuple(one for one in spec.statements if not isinstance(one.body, Version)), source, target, plan)


def is_within(diagnostic: Diagnostic, statement: Statement) -> bool:
    """Whether a diagnostic points into a statement."""
    span = diagnostic.primary.span if diagnostic.primary is not None else None
    return span is not None and statement.span.start <= span.start and span.end <= statement.span.end + 1


def mentioned(diagnostic: Diagnostic) -> set[str]:
    """The names in a diagnostic, those that are folded into ranges unfolded."""
    texts: list[str] = re.findall("`([^`]*)`", " ".join((diagnostic.message, *diagnostic.notes)))
    return {name for text in texts for name in unfolded(text)}


def unfolded(text: str) -> Iterator[str]:
    match = re.search(r"\{(\d+)\.\.(\d+)\}", text)
    if match is None:
        yield text
        return
    for number in range(int(match[1]), int(match[2]) + 1):
        yield from unfolded(f"{text[: match.start()]}{number}{text[match.end() :]}")


def misspelt(pattern: Pattern) -> Iterator[str]:
    """The pattern with an `x` behind the text of one of its segments."""
    for place, segment in enumerate(pattern.segments):
        for index, part in enumerate(segment):
            if isinstance(part, Plain):
                new = (*segment[:index], Plain(part.text + "x"), *segment[index + 1 :])
                yield pattern_text(replace(pattern, segments=(*pattern.segments[:place], new, *pattern.segments[place + 1 :])))
                break


def with_shape(variables: VariableMap, changed: Variable, axis: int) -> VariableMap:
    """The map with one axis of one variable longer by one."""
    shape = tuple(length + (place == axis) for place, length in enumerate(changed.shape))
    return VariableMap.of(variables.label, [replace(one, shape=shape) if one is changed else one for one in variables])


def spread(names: Sequence[str]) -> Iterable[str]:
    """At most `SHAPES_A_STATEMENT` of the names, the first and the last among them."""
    if len(names) <= SHAPES_A_STATEMENT:
        return names
    return [names[place * (len(names) - 1) // (SHAPES_A_STATEMENT - 1)] for place in range(SHAPES_A_STATEMENT)]


def without(text: Text, span: Span, replacement: str = "") -> str:
    return text.content[: span.start] + replacement + text.content[span.end :]


@pytest.mark.parametrize("name", NAMES)
def test_accepted(name: str) -> None:
    given = example(name)
    # GPT-2's matrices are called `weight` as PyTorch's are, and are not transposed as those are: the warning is right to ask.
    assert {one.code for one in compile_spec(given.text, given.source, given.target).diagnostics} <= {"MIG407"}
    covered = [given.covered(statement) for statement in given.statements]
    assert {name for sources, _ in covered for name in sources} == {variable.name for variable in given.source}
    kept = {left.variable for left in given.plan.kept}
    assert {name for _, targets in covered for name in targets} | kept == {variable.name for variable in given.target}


@pytest.mark.parametrize("name", NAMES)
def test_refused_without_any_statement(name: str) -> None:
    given = example(name)
    for statement in given.statements:
        errors = given.errors(content=without(given.text, statement.span))
        sources, targets = (set(names) for names in given.covered(statement))
        assert {error.code for error in errors} == ({"MIG201", "MIG202"} if targets else {"MIG201"}), statement.span.content
        for error, names in zip(errors, (sources, targets), strict=False):
            assert mentioned(error) & names, f"{statement.span.content}: {error.notes}"


@pytest.mark.parametrize("name", NAMES)
def test_refused_with_any_target_misspelt(name: str) -> None:
    given = example(name)
    tried = 0
    for statement in given.statements:
        if not isinstance(statement.body, Move):
            continue
        for pattern in statement.body.targets.patterns:
            assert pattern.span is not None
            for text in misspelt(pattern):
                errors = given.errors(content=without(given.text, pattern.span, text))
                assert [error.code for error in errors] == ["MIG204"], f"{text}: {errors}"
                assert is_within(errors[0], statement), text
                assert errors[0].helps or errors[0].fixes
                tried += 1
    assert tried >= 3


@pytest.mark.parametrize("name", NAMES)
def test_refused_with_any_moved_shape_changed(name: str) -> None:
    given = example(name)
    for statement in given.statements:
        sources, targets = given.covered(statement)
        if not targets:
            continue
        for side, variables, names in (("source", given.source, sources), ("target", given.target, targets)):
            for place, changed in enumerate(spread(names)):
                variable = variables[changed]
                other = with_shape(variables, variable, place % len(variable.shape))
                errors = given.errors(source=other) if side == "source" else given.errors(target=other)
                assert len(errors) == 1, f"{changed}: {errors}"
                assert errors[0].code in ("MIG301", "MIG302"), changed
                assert is_within(errors[0], statement), changed
