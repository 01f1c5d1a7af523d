"""Finding the tensors of a model: initializers and constants of its graph, its functions, and the graphs inside their nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migspec.formats.protobuf_wire import LENGTH, Source, expect, fields, text

_MOST_NESTED = 30  # graphs inside graphs; protobuf itself reads 100 messages inside each other


@dataclass(frozen=True, slots=True)
class Found:
    """The message of a tensor, from `start` to `end`: a TensorProto, or if it is `sparse` a SparseTensorProto.

    `path` is what stands before its name: the nodes and attributes that lead to it. `name` is the name where the message is not
    the place for it (a constant is called what its node's output is called), else None.
    """

    path: str
    name: str | None
    start: int
    end: int
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    operation: str
    output: str
    attributes: tuple[tuple[int, int], ...]


def find_tensors(source: Source) -> Iterator[Found]:
    """Every tensor of the ModelProto that fills the source, in the order of the file. ValueError if that is no model."""
    trainings = 0
    for number, wire_type, value, end in fields(source, 0, len(source)):
        if number == 7:
            expect(wire_type, LENGTH, "the graph")
            yield from _graph(source, value, end, "", 0)
        elif number == 20:
            expect(wire_type, LENGTH, "the training information")
            for inner, inner_type, graph, graph_end in fields(source, value, end):
                if inner in (1, 2):
                    expect(inner_type, LENGTH, "a graph of the training information")
                    step = "initialization" if inner == 1 else "algorithm"
                    yield from _graph(source, graph, graph_end, f"training_{trainings}/{step}/", 0)
            trainings += 1
        elif number == 25:
            expect(wire_type, LENGTH, "a function")
            yield from _function(source, value, end)


def _graph(source: Source, start: int, end: int, path: str, depth: int) -> Iterator[Found]:
    if depth > _MOST_NESTED:
        raise ValueError(f"its graphs are nested more than {_MOST_NESTED} deep")
    for number, wire_type, value, stop in fields(source, start, end):
        if number in (1, 5, 15):
            expect(wire_type, LENGTH, "a node or initializer")
            if number == 1:
                yield from _inside_node(source, value, stop, path, depth)
            else:
                yield Found(path, None, value, stop, sparse=number == 15)


def _function(source: Source, start: int, end: int) -> Iterator[Found]:
    name = ""
    nodes = []
    for number, wire_type, value, stop in fields(source, start, end):
        if number in (1, 7):
            expect(wire_type, LENGTH, "a function's name or node")
            if number == 1:
                name = text(source, value, stop)
            else:
                nodes.append((value, stop))
    for node in nodes:
        yield from _inside_node(source, *node, f"{name}/", 0)


def _inside_node(source: Source, start: int, end: int, path: str, depth: int) -> Iterator[Found]:
    """The value of a node `Constant`, and the tensors of the graphs in a node's attributes (the branches of `If`, say)."""
    node = _node(source, start, end)
    for attribute, attribute_end in node.attributes:
        name = ""
        graphs = []
        for number, wire_type, value, stop in fields(source, attribute, attribute_end):
            if number == 1:
                expect(wire_type, LENGTH, "an attribute's name")
                name = text(source, value, stop)
            elif number in (5, 22) and node.operation == "Constant":
                expect(wire_type, LENGTH, "a constant")
                yield Found(path, node.output, value, stop, sparse=number == 22)
            elif number in (6, 11):
                expect(wire_type, LENGTH, "a graph")
                graphs.append((number, value, stop))
        for place, (number, value, stop) in enumerate(graphs):
            own = name if number == 6 else f"{name}_{place}"
            yield from _graph(source, value, stop, f"{path}{node.name or node.output}/{own}/", depth + 1)


def _node(source: Source, start: int, end: int) -> _Node:
    name = operation = output = ""
    attributes = []
    for number, wire_type, value, stop in fields(source, start, end):
        if number == 2 and not output:
            output = text(source, value, stop) if wire_type == LENGTH else ""
        elif number in (3, 4, 5):
            expect(wire_type, LENGTH, "a part of a node")
            if number == 3:
                name = text(source, value, stop)
            elif number == 4:
                operation = text(source, value, stop)
            else:
                attributes.append((value, stop))
    return _Node(name, operation, output, tuple(attributes))
