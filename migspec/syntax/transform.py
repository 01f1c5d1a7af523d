"""The parse tree of one statement -> the body of a `tree.Statement`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lark import Token

from migspec.syntax.arithmetic import Branch, Node, Place, arithmetic, dims, node, token, whole
from migspec.syntax.operations import content, dtype, operation, unquoted
from migspec.syntax.patterns import pattern
from migspec.syntax.problem import malformed, replacement
from migspec.syntax.tree import (
    Body,
    CastAll,
    Definition,
    Drop,
    FillWith,
    Hole,
    Interface,
    Keep,
    Move,
    Numbers,
    Op,
    Pattern,
    PatternList,
    Same,
    Sizes,
    Slots,
    Use,
    Version,
)

LANGUAGE_VERSION = 1


def body(branch: Node, place: Place) -> Body:
    """What a statement says. Malformed where the grammar takes it and it makes no sense all the same."""
    children = branch.children
    match str(branch.data):
        case "version":
            return _version(token(children[0]), place)
        case "sizes":
            return Sizes(tuple(_definition(node(child), place) for child in children))
        case "numbers":
            return Numbers(tuple(_definition(node(child), place) for child in children))
        case "interface":
            return _interface(children, place)
        case "use":
            return _use(children, place)
        case "move":
            word: Literal["rename", "copy"] = "rename" if token(children[0]).type == "RENAME" else "copy"
            sources, targets = _list(children[1], place), _list(children[2], place)
            return Move(word, sources, targets, _ops(children[3], place), children[4] is not None)
        case "same":
            return Same(_list(children[0], place), _ops(children[1], place), children[2] is not None)
        case "leave":
            kind = Drop if token(children[0]).type == "DROP" else Keep
            reason = None if children[2] is None else unquoted(token(node(children[2]).children[0]))
            return kind(_list(children[1], place), reason, children[3] is not None)
        case "fill":
            return FillWith(_list(children[0], place), content(node(children[1]), place), children[2] is not None)
        case "slots":
            source, target = (_pattern(child, place) for child in children[:2])
            return Slots(source, target, _ops(children[2], place), children[3] is not None)
        case "cast_all":
            return CastAll()
        case other:
            raise AssertionError(other)


def _version(written: Token, place: Place) -> Version:
    number = whole(written, place)
    if number != LANGUAGE_VERSION:
        span = place.span(written)
        raise malformed(
            "MIG105",
            f"version {number} of the language is not supported",
            span,
            notes=(f"this migspec reads version {LANGUAGE_VERSION}",),
            fixes=(replacement(span, str(LANGUAGE_VERSION)),),
        )
    return Version(number)


def _definition(branch: Node, place: Place) -> Definition:
    name, value = branch.children
    return Definition(str(name), None if value is None else arithmetic(node(value), place), place.span(token(name)))


def _pattern(branch: Branch, place: Place, mounted: bool = False) -> Pattern:
    return pattern(token(node(branch).children[0]), place, mounted)


def _list(branch: Branch, place: Place) -> PatternList:
    included, excluded = node(branch).children
    patterns = tuple(_pattern(child, place) for child in node(included).children)
    exceptions = () if excluded is None else tuple(_pattern(child, place) for child in node(excluded).children)
    return PatternList(patterns, exceptions, place.span(node(branch)))


def _ops(branch: Branch, place: Place) -> tuple[Op, ...]:
    return tuple(operation(node(child), place) for child in node(branch).children)


def _interface(children: Sequence[Branch], place: Place) -> Interface:
    side, names, lengths, kind, family, present = children
    bound = None
    if family is not None:
        capture, count = node(family).children
        bound = (str(capture), arithmetic(node(count), place))
    return Interface(
        "source" if token(side).type == "SOURCE" else "target",
        tuple(_pattern(child, place) for child in node(names).children),
        dims(node(lengths), place),
        None if kind is None else dtype(token(kind), place),
        bound,
        present is not None,
    )


def _use(children: Sequence[Branch], place: Place) -> Use:
    inverse, word, mount, bindings, present = children
    name = token(node(word).children[0])
    source = target = None
    if mount is not None:
        source, target = (_mounted(child, place) for child in node(mount).children)
    values = () if bindings is None else node(bindings).children[1:]
    return Use(
        unquoted(name) if name.type == "QUOTED" else str(name),
        source,
        target,
        tuple(_definition(node(child), place) for child in values),
        inverse is not None,
        present is not None,
        place.span(name),
    )


def _mounted(branch: Branch, place: Place) -> Pattern:
    """A prefix of a `use`, or a pattern with one `@`."""
    found = _pattern(branch, place, mounted=True)
    if sum(isinstance(part, Hole) for segment in found.segments for part in segment) > 1:
        assert found.span is not None
        helps = (r"the inner name goes to one place; in quotes, `\@` is the character itself",)
        raise malformed("MIG106", "more than one `@` in a pattern of `use`", found.span, helps=helps)
    return found
