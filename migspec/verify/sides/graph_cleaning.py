"""Old graphs made fit for today's importer, without a change to what they compute.

What `tf.compat.v1.import_meta_graph` of TensorFlow 2.21 refuses, and what graphs of TensorFlow 0.x and 1.x hold all the same:

- `_output_shapes` that its own shape inference contradicts (gradients of a fused batch norm, TensorFlow 1.11)
- a version of TensorFlow that is none (`0.12.head`)
- attributes that an op no longer has
- `Variable`, whose shape is not known to be a scalar; `VariableV2` took its place and is the same otherwise
- ops that no longer exist (`tf.contrib`): they are left out with all that is computed from them, where nothing that
  is wanted needs them
- contexts of control flow, which only gradients need, and collections of types that are gone
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

_KEPT_COLLECTIONS = ("variables", "local_variables", "table_initializer")
_DROPPED_ATTRIBUTES = ("_output_shapes", "_class")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was taken out: attributes as `op: attribute`, ops of types that TensorFlow no longer has, by type."""

    attributes: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know: nothing about what changes nothing."""
        notes = []
        if self.attributes:
            notes.append(f"attributes that TensorFlow no longer knows were left out: {', '.join(self.attributes)}")
        if self.types:
            notes.append(f"ops that TensorFlow no longer has were left out: {', '.join(self.types)}")
        return tuple(notes)


def clean_meta_graph(meta: Any) -> Cleaned:
    """Clean a `MetaGraphDef` in place."""
    meta.meta_info_def.tensorflow_version = ""
    for name in list(meta.collection_def):
        if name not in _KEPT_COLLECTIONS:
            del meta.collection_def[name]
    return clean_graph(meta.graph_def)


def clean_graph(graph: Any) -> Cleaned:
    """Clean a `GraphDef` in place."""
    from tensorflow.python.framework import op_def_registry  # not public; the public importer asks the same registry

    own = {function.signature.name for function in graph.library.function}
    attributes: dict[str, None] = {}
    unknown: dict[str, str] = {}
    for node in graph.node:
        if node.op == "Variable":
            node.op = "VariableV2"
        for name in _DROPPED_ATTRIBUTES:
            node.attr.pop(name, None)
        definition = op_def_registry.get(node.op)
        if definition is None:
            if node.op not in own:
                unknown[node.name] = node.op
            continue
        known = {attribute.name for attribute in definition.attr}
        for name in [one for one in node.attr if not one.startswith("_") and one not in known]:
            attributes[f"{node.op}: {name}"] = None
            del node.attr[name]
    if unknown:
        _leave_out(graph, set(unknown))
    return Cleaned(tuple(attributes), tuple(dict.fromkeys(unknown.values())))


def _leave_out(graph: Any, names: set[str]) -> None:
    """Take nodes out of a graph, and all that is computed from them."""
    consumers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(_producer(name), []).append(node.name)
    gone = _closure(names, consumers)
    kept = [node for node in graph.node if node.name not in gone]
    del graph.node[:]
    graph.node.extend(kept)


def _closure(names: Collection[str], following: dict[str, list[str]]) -> set[str]:
    gone: set[str] = set()
    waiting: list[str] = list(names)
    while waiting:
        name = waiting.pop()
        if name not in gone:
            gone.add(name)
            waiting += following.get(name, [])
    return gone


def _producer(name: str) -> str:
    return name.removeprefix("^").partition(":")[0]


def without_missing(collection: Any, nodes: Iterable[str]) -> None:
    """Take variables out of a collection of a `MetaGraphDef` whose ops were left out of its graph."""
    from tensorflow.core.framework import variable_pb2

    there = set(nodes)
    kept = []
    for value in collection.bytes_list.value:
        definition = variable_pb2.VariableDef.FromString(value)
        names = (definition.variable_name, definition.initializer_name, definition.snapshot_name)
        if all(_producer(name) in there for name in names if name):
            kept.append(value)
    del collection.bytes_list.value[:]
    collection.bytes_list.value.extend(kept)
