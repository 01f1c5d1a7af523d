"""A frozen TensorFlow graph: one file, its weights among its constants."""

from __future__ import annotations

from pathlib import Path

from migspec.diagnostics import file_error
from migspec.verify.side import cannot_run
from migspec.verify.sides.graph_cleaning import clean_graph
from migspec.verify.sides.tensorflow_graph import GraphSide


def open_frozen_graph(path: str) -> tuple[GraphSide, tuple[str, ...]]:
    """The graph of a `.pb` file in a session of its own, and notes about what was cleaned. Raises SpecError (MIG5xx, MIG603)."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    definition = tf.compat.v1.GraphDef()
    try:
        definition.ParseFromString(Path(path).read_bytes())
    except DecodeError as error:
        raise file_error("MIG503", path, "the graph is damaged", notes=(str(error),)) from error
    except OSError as error:
        raise file_error("MIG501", path, "the graph cannot be read", notes=(error.strerror or str(error),)) from error
    cleaned = clean_graph(definition)
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.import_graph_def(definition, name="")
    except Exception as error:
        raise cannot_run(path, error, what="TensorFlow cannot import the graph") from error
    return GraphSide(path, "frozen graph", tf.compat.v1.Session(graph=graph), None), cleaned.notes
