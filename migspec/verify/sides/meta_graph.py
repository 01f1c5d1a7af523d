"""A TensorFlow 1 graph from its `.meta` file, with the values of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import SpecError, file_error
from migspec.formats.registry import open_reader
from migspec.verify.assigning import fill_by_name
from migspec.verify.side import cannot_run
from migspec.verify.sides.graph_cleaning import clean_meta_graph, without_missing
from migspec.verify.sides.tensorflow_graph import GraphSide

if TYPE_CHECKING:
    from migspec.formats.base import Reader
    from migspec.models.base import LiveModel

_KIND = "TensorFlow 1 graph"


def open_meta_graph(path: str, weights: str | None) -> tuple[GraphSide, tuple[str, ...]]:
    """The graph of a `.meta` file, in a session of its own with the values of the checkpoint `weights` (without one: of the
    checkpoint that is called as the graph is); and notes about what was cleaned.

    Values are read by migspec's own readers, so that a checkpoint that TensorFlow's `Saver` refuses will do: of the first
    version, in parts, with an empty name. Raises SpecError (MIG5xx, MIG603).
    """
    import tensorflow as tf

    meta = _parsed(path)
    cleaned = clean_meta_graph(meta)
    nodes = {node.name for node in meta.graph_def.node}
    for collection in meta.collection_def.values():
        if collection.WhichOneof("kind") == "bytes_list":
            without_missing(collection, nodes)
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.compat.v1.train.import_meta_graph(meta, clear_devices=True)
    except Exception as error:
        raise cannot_run(path, error, what="TensorFlow cannot import the graph") from error
    session = tf.compat.v1.Session(graph=graph)
    try:
        live = _restored(session, path, weights or path.removesuffix(".meta"))
        _start(session, path)
    except BaseException:
        session.close()
        raise
    return GraphSide(path, _KIND, session, live), cleaned.notes


def _parsed(path: str) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import meta_graph_pb2

    meta = meta_graph_pb2.MetaGraphDef()
    try:
        meta.ParseFromString(Path(path).read_bytes())
    except DecodeError as error:
        raise file_error("MIG503", path, "the graph is damaged", notes=(str(error),)) from error
    except OSError as error:
        raise file_error("MIG501", path, "the graph cannot be read", notes=(error.strerror or str(error),)) from error
    if not meta.graph_def.node:
        raise file_error("MIG503", path, "there is no graph in this file")
    return meta


def _restored(session: Any, path: str, weights: str) -> LiveModel | None:
    """Fill the variables of a session's graph that the checkpoint has, under the same names."""
    from migspec.models.tensorflow_session import open_session

    if not session.graph.get_collection("variables"):
        return None
    live = open_session(session, path)
    reader = _checkpoint(weights)
    try:
        fill_by_name(live, reader)
    finally:
        reader.close()
    return live


def _checkpoint(prefix: str) -> Reader:
    try:
        return open_reader(prefix)
    except SpecError as error:
        [first, *rest] = error.diagnostics
        if first.code != "MIG501":
            raise
        from dataclasses import replace

        helps = ("name the checkpoint that goes with the graph: `--old-weights PREFIX` or `--new-weights PREFIX`",)
        raise SpecError([replace(first, helps=helps), *rest]) from error


def _start(session: Any, path: str) -> None:
    """Give local variables and lookup tables their values, as TensorFlow 1's own sessions did before the first step."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with session.graph.as_default():
        starts = [v1.local_variables_initializer(), v1.tables_initializer()]
    try:
        session.run(starts)
    except Exception as error:
        raise cannot_run(path, error, what="the graph's local variables and tables cannot be initialized") from error
