"""Syntax tree -> canonical text, comments kept.

One statement a line, single spaces, two spaces before what follows a list (each op, `because`, `with`, `if present`). A statement
longer than 100 columns is wrapped: its target list, its ops and what ends it each begin a line of four spaces. In a run of moves
that have one line each and neither blank nor comment lines between them the arrows stand in one column, as long as no line needs
more than 24 spaces for it and none becomes longer than 100 columns; a move that would not fit begins the next column.
Names are quoted exactly where they need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from migspec.syntax.spelling import arithmetic_text, content_text, dims_text, op_text, pattern_text, quoted, spec_text
from migspec.syntax.tree import (
    Body,
    CastAll,
    Definition,
    Drop,
    FillWith,
    Interface,
    Keep,
    Move,
    Numbers,
    PatternList,
    Same,
    Sizes,
    Slots,
    Spec,
    Statement,
    Use,
    Version,
)

WIDTH = 100
MOST_PADDING = 24
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class _Group:
    """Words that stay on one line if they can, `joint` between them, `gap` before them where they do not begin a line.

    A list of targets that needs more than one line has one target a line, below each other (`stacked`); others fill their lines.
    """

    words: tuple[str, ...]
    joint: str = " "
    gap: str = "  "
    stacked: bool = False

    @property
    def text(self) -> str:
        return self.joint.join(self.words)


def format_spec(spec: Spec) -> str:
    """The canonical text of a spec, which is read back as an equal tree; empty, or ending in a line end."""
    lines: list[str] = []
    groups = [tuple(group for group in _groups(statement.body) if group.words) for statement in spec.statements]
    columns = _arrow_columns(spec.statements, groups)
    for statement, layout, column in zip(spec.statements, groups, columns, strict=True):
        lines += _comments(statement.leading)
        written = _one_line(layout, column)
        lines += [written] if len(written) <= WIDTH else _wrapped(layout)
        if statement.trailing is not None:
            lines[-1] += "  " + _comment(statement.trailing)
    lines += _comments(spec.closing)
    return "".join(f"{line}\n" for line in lines)


def _comments(comments: Sequence[str | None]) -> list[str]:
    return ["" if comment is None else _comment(comment) for comment in comments]


def _comment(text: str) -> str:
    return f"# {text}" if text else "#"


def _arrow_columns(statements: Sequence[Statement], layouts: Sequence[tuple[_Group, ...]]) -> list[int]:
    """For each statement the width to which its part before the arrow is padded; 0 for one whose arrow is aligned with no other."""
    columns = [0] * len(statements)
    run: list[int] = []
    for index, (statement, layout) in enumerate(zip(statements, layouts, strict=True)):
        if not isinstance(statement.body, Move) or len(_one_line(layout)) > WIDTH:
            run = []
            continue
        if statement.leading or not _aligned([layouts[i] for i in (*run, index)]):
            run = []
        run.append(index)
        column = max(len(layouts[i][0].text) for i in run)
        for i in run:
            columns[i] = column
    return columns


def _aligned(layouts: Sequence[tuple[_Group, ...]]) -> bool:
    """Whether the arrows of these moves may stand in one column."""
    heads = [len(layout[0].text) for layout in layouts]
    column = max(heads)
    return column - min(heads) <= MOST_PADDING and all(len(_one_line(layout, column)) <= WIDTH for layout in layouts)


def _one_line(layout: tuple[_Group, ...], column: int = 0) -> str:
    first, *others = layout
    return first.text.ljust(column) + "".join(group.gap + group.text for group in others)


def _wrapped(layout: tuple[_Group, ...]) -> list[str]:
    """A statement on several lines, each group on lines of its own."""
    lines: list[str] = []
    for group in layout:
        indent = _INDENT if lines else ""
        if group.stacked and len(indent) + len(group.text) > WIDTH:
            arrow, *targets = group.words
            lines += [
                f"{indent}{arrow} {target}" if index == 0 else f"{indent}   {target}" for index, target in enumerate(targets)
            ]
        else:
            lines += _filled(group, indent)
    return lines


def _filled(group: _Group, indent: str) -> Iterator[str]:
    """The words of a group, as many on a line as there is room for."""
    first, *others = group.words
    line = indent + first
    for word in others:
        if len(line) + len(group.joint) + len(word) <= WIDTH:
            line += group.joint + word
        else:
            yield line
            line = _INDENT + word
    yield line


def _groups(body: Body) -> Iterator[_Group]:
    """The words of a statement, in the groups in which it is wrapped."""
    match body:
        case Version(number):
            yield _Group(("mig", str(number)))
        case Sizes(definitions):
            yield _Group(("size", *_definitions(definitions)))
        case Numbers(definitions):
            yield _Group(("number", *_definitions(definitions)))
        case Interface():
            yield from _interface(body)
        case Use():
            yield from _use(body)
        case Move(word, sources, targets, ops):
            yield _Group((word, *_list(sources)))
            yield _Group(("->", *_list(targets)), gap=" ", stacked=True)
            yield _Group(tuple(map(op_text, ops)), joint="  ")
        case Same(names, ops):
            yield _Group(("same", *_list(names)))
            yield _Group(tuple(map(op_text, ops)), joint="  ")
        case Drop(names, because) | Keep(names, because):
            yield _Group(("drop" if isinstance(body, Drop) else "keep", *_list(names)))
            yield _Group(() if because is None else ("because", quoted(because)))
        case FillWith(names, content):
            yield _Group(("fill", *_list(names)))
            yield _Group(("with", content_text(content)))
        case Slots(source, target, ops):
            yield _Group(("slots", pattern_text(source)))
            yield _Group(("->", pattern_text(target)), gap=" ")
            yield _Group(tuple(map(op_text, ops)), joint="  ")
        case CastAll():
            yield _Group(("cast",))
        case _:
            assert_never(body)
    if not isinstance(body, Version | Sizes | Numbers | CastAll) and body.if_present:
        yield _Group(("if present",))


def _interface(body: Interface) -> Iterator[_Group]:
    names = [pattern_text(name) for name in body.names]
    yield _Group((body.side, names[0], *(f"or {name}" for name in names[1:])))
    yield _Group((dims_text(body.dims), *(() if body.dtype is None else (body.dtype,))), gap=" ")
    if body.family is not None:
        capture, count = body.family
        yield _Group((f"for {capture} < {arithmetic_text(count)}",))


def _use(body: Use) -> Iterator[_Group]:
    inverse = ("inverse",) if body.inverse else ()
    if body.source is None or body.target is None:
        yield _Group(("use", *inverse, spec_text(body.spec)))
    else:
        yield _Group(("use", *inverse, spec_text(body.spec), pattern_text(body.source, mounted=True)))
        yield _Group(("->", pattern_text(body.target, mounted=True)), gap=" ")
    if body.bindings:
        yield _Group(("with", *_definitions(body.bindings)))


def _list(names: PatternList) -> tuple[str, ...]:
    exceptions = [pattern_text(pattern) for pattern in names.exceptions]
    included = _with_commas([pattern_text(pattern) for pattern in names.patterns])
    if not exceptions:
        return included
    first, *others = _with_commas(exceptions)
    return (*included, f"except {first}", *others)


def _definitions(definitions: Sequence[Definition]) -> tuple[str, ...]:
    values = ("" if one.value is None else f" = {arithmetic_text(one.value)}" for one in definitions)
    return _with_commas([one.name + value for one, value in zip(definitions, values, strict=True)])


def _with_commas(words: Sequence[str]) -> tuple[str, ...]:
    return (*(f"{word}," for word in words[:-1]), words[-1])
