"""Which message a protobuf file holds. Such files have no mark of their own, so that their first fields must tell.

Field numbers, and what a name may be made of:

- GraphDef, NodeDef: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/graph.proto and node_def.proto
- SavedModel, MetaGraphDef: tensorflow/core/protobuf/saved_model.proto and meta_graph.proto in the same repository
- ModelProto, GraphProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import islice
from typing import Literal, TypeAlias

from migspec.formats.input import InputFile
from migspec.formats.protobuf_wire import LENGTH, VARINT, Field, FileBytes, fields

ProtobufKind: TypeAlias = Literal["graphdef", "onnx", "saved-model", "meta-graph"]

_MOST_FIELDS = 64
_LONGEST_NAME = 4096
_NODE_NAME = re.compile(rb"[A-Za-z0-9._][A-Za-z0-9_.\\/>-]*")
_OPERATION = re.compile(rb"[A-Za-z_][A-Za-z0-9_.\\/>-]*")

# Fields by number, with their wire types. Writers keep no order among them.
_GRAPH = {1: LENGTH, 2: LENGTH, 3: VARINT, 4: LENGTH, 5: LENGTH}
_NODE = dict.fromkeys(range(1, 8), LENGTH)
_META_GRAPH = dict.fromkeys(range(1, 8), LENGTH)
_SAVED_MODEL = {1: VARINT, 2: LENGTH}
_MODEL = {1: VARINT, 5: VARINT} | dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), LENGTH)
_MODEL_GRAPH = dict.fromkeys((1, 2, 5, 10, 11, 12, 13, 14, 15, 16), LENGTH)


def protobuf_kind(path: str) -> ProtobufKind | None:
    """What the file at `path` holds, also if it is damaged or cut short further on. SpecError, MIG501, if it cannot be read."""
    file = InputFile(path)
    try:
        return _kind(FileBytes(file))
    finally:
        file.close()


def _kind(source: FileBytes) -> ProtobufKind | None:
    heads = _heads(source, 0, len(source))
    if _is_graph(source, heads):
        return "graphdef"
    if _are(heads, _META_GRAPH):
        return "meta-graph" if any(_is_graph(source, _inside(source, head)) for head in heads if head[0] == 2) else None
    if not any(number == 1 for number, *_ in heads):
        return None
    if _are(heads, _SAVED_MODEL):
        return "saved-model" if any(_are(_inside(source, head), _META_GRAPH) for head in heads if head[0] == 2) else None
    if _are(heads, _MODEL):
        return "onnx" if any(_are(_inside(source, head), _MODEL_GRAPH) for head in heads if head[0] == 7) else None
    return None


def _is_graph(source: FileBytes, heads: list[Field]) -> bool:
    """Whether these are fields of a graph, and the first node among them has the name and the operation of one."""
    node = next((head for head in heads if head[0] == 1), None)
    if node is None or not _are(heads, _GRAPH):
        return False
    inner = _inside(source, node)
    if not _are(inner, _NODE):
        return False
    name, operation = (_text(source, inner, number) for number in (1, 2))
    return _NODE_NAME.fullmatch(name) is not None and _OPERATION.fullmatch(operation) is not None


def _inside(source: FileBytes, head: Field) -> list[Field]:
    return _heads(source, head[2], head[3])


def _heads(source: FileBytes, start: int, end: int) -> list[Field]:
    """The first fields of a message, as far as they can be read; the last may reach beyond the message."""
    heads: list[Field] = []
    with suppress(ValueError):
        heads.extend(islice(fields(source, start, min(end, len(source)), may_be_cut=True), _MOST_FIELDS))
    return heads


def _are(heads: list[Field], declared: dict[int, int]) -> bool:
    return bool(heads) and all(declared.get(number) == wire_type for number, wire_type, _, _ in heads)


def _text(source: FileBytes, heads: list[Field], number: int) -> bytes:
    """The content of a field, if it is short, else nothing."""
    places = [(start, min(end, len(source))) for found, _, start, end in heads if found == number]
    return source[places[0][0] : places[0][1]] if places and places[0][1] - places[0][0] <= _LONGEST_NAME else b""
