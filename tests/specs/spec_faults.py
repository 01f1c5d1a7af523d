"""Single faults planted in a spec: an op left out, a gate order, an axis, a permutation, a number, two targets exchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from migspec.syntax import tree
from migspec.syntax.format import format_spec
from migspec.syntax.parse import parse
from migspec.text import Span, Text


def faults(text: Text) -> Iterator[tuple[str, Text]]:
    """Every single fault of a spec, in words, with the spec that has it. The name stays: settings are found beside it."""
    spec, problems = parse(text)
    assert not problems, problems
    for place, statement in enumerate(spec.statements):
        for words, body in _bodies(statement.body):
            statements = (*spec.statements[:place], replace(statement, body=body), *spec.statements[place + 1 :])
            content = format_spec(replace(spec, statements=statements))
            if content != format_spec(spec):
                yield f"line {statement.span.line}: {words}", Text(text.name, content)
    for words, changed in _exchanged_rules(spec):
        yield words, Text(text.name, format_spec(changed))


def _exchanged_rules(spec: tree.Spec) -> Iterator[tuple[str, tree.Spec]]:
    """Two rules that fill each other's targets."""
    moves = [place for place, one in enumerate(spec.statements) if isinstance(one.body, tree.Move)]
    for one, other in combinations(moves, 2):
        first, second = spec.statements[one], spec.statements[other]
        assert isinstance(first.body, tree.Move)
        assert isinstance(second.body, tree.Move)
        if len(first.body.targets.patterns) == len(second.body.targets.patterns):
            statements = list(spec.statements)
            statements[one] = replace(first, body=replace(first.body, targets=second.body.targets))
            statements[other] = replace(second, body=replace(second.body, targets=first.body.targets))
            yield (
                f"lines {first.span.line} and {second.span.line}: targets exchanged",
                replace(spec, statements=tuple(statements)),
            )


def _bodies(body: tree.Body) -> Iterator[tuple[str, tree.Body]]:
    match body:
        case tree.Move(targets=targets) | tree.Same(names=targets):
            for words, ops in _ops(body.ops):
                yield words, replace(body, ops=ops)
            if isinstance(body, tree.Move):
                for one, other in _exchanged(targets.patterns):
                    yield one, replace(body, targets=replace(targets, patterns=other))
                for one, other in _exchanged(body.sources.patterns):
                    yield one, replace(body, sources=replace(body.sources, patterns=other))
        case tree.Use(bindings=bindings):
            for place, binding in enumerate(bindings):
                yield f"without `{binding.name}`", replace(body, bindings=(*bindings[:place], *bindings[place + 1 :]))
        case tree.Numbers(definitions=definitions):
            for place, one in enumerate(definitions):
                changed = replace(one, value=tree.Number(0.25))
                yield (
                    f"another `{one.name}`",
                    replace(body, definitions=(*definitions[:place], changed, *definitions[place + 1 :])),
                )
        case _:
            pass


def _exchanged(patterns: tuple[tree.Pattern, ...]) -> Iterator[tuple[str, tuple[tree.Pattern, ...]]]:
    for one, other in combinations(range(len(patterns)), 2):
        swapped = list(patterns)
        swapped[one], swapped[other] = swapped[other], swapped[one]
        yield f"names {one + 1} and {other + 1} exchanged", tuple(swapped)


def _ops(ops: tuple[tree.Op, ...]) -> Iterator[tuple[str, tuple[tree.Op, ...]]]:
    if not ops:
        yield "with `transpose`", (tree.Op("transpose", (("axes", None),), Span(Text("", "transpose"), 0, 9)),)
    for place, op in enumerate(ops):
        before, after = ops[:place], ops[place + 1 :]
        yield f"without `{op.span.content}`", (*before, *after)
        for words, changed in _changed(op):
            yield f"`{op.span.content}` {words}", (*before, changed, *after)


def _changed(op: tree.Op) -> Iterator[tuple[str, tree.Op]]:
    for name, value in op.arguments:
        for words, other in _arguments(op.word, name, value):
            arguments = tuple((key, other if key == name else old) for key, old in op.arguments)
            yield words, tree.Op(op.word, arguments, op.span)


def _arguments(word: str, name: str, value: tree.Argument) -> Iterator[tuple[str, tree.Argument]]:
    match name, value:
        case "axis", int():
            for other in {0, 1, -1} - {value}:
                yield f"on axis {other}", other
        case "axis", None if word == "gates":
            yield "on rows", 0
        case "axes", tuple():
            for one, other in combinations(range(len(value)), 2):
                axes = list(value)
                axes[one], axes[other] = axes[other], axes[one]
                yield f"as {' '.join(map(str, axes))}", tuple(axes)  # type: ignore[arg-type]
        case "axes", None:
            pass
        case (("old" | "new"), str()) if word in ("gates", "permute", "split_gates", "concat_gates"):
            for one, other in combinations(range(len(value)), 2):
                letters = list(value)
                letters[one], letters[other] = letters[other], letters[one]
                yield f"with {''.join(letters)}", "".join(letters)
        case "old", str() if word == "rope":
            yield "from the other layout", "half" if value == "interleaved" else "interleaved"
        case "pattern", str():
            left, arrow, right = value.partition("->")
            labels = re.findall(r"[A-Za-z0-9_]+", right)
            for one, other in combinations(dict.fromkeys(labels), 2):
                swapped = re.sub(r"[A-Za-z0-9_]+", lambda m, a=one, b=other: {a: b, b: a}.get(m.group(), m.group()), right)
                yield f"with {one} and {other} exchanged", f"{left}{arrow}{swapped}"
        case "gate", str():
            for other in "ico" if value == "f" else "f":
                yield f"to {other}", other
        case "dims" | "sizes", tuple() if value and not isinstance(value[0], int):
            for one, other in combinations(range(len(value)), 2):
                dims = list(value)
                dims[one], dims[other] = dims[other], dims[one]
                yield f"with places {one + 1} and {other + 1} exchanged", tuple(dims)  # type: ignore[arg-type]
        case "value", (tree.Number() | tree.Reference() | tree.Negative() | tree.Binary()) if word in ("add", "scale"):
            yield "of the opposite sign", value.operand if isinstance(value, tree.Negative) else tree.Negative(value)
        case _:
            pass
