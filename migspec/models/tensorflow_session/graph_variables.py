"""The variables of a TensorFlow 1 graph, and the ops that the graph has already for reading and assigning them.

Nothing is ever added to the graph: it may be finalized, and it would grow with every call.

- A variable's value is fetched by the variable itself, as `session.run(variable)` does.
- It is assigned by its own initializer, whose value input is fed: `session.run(initializer, {initializer.inputs[1]: value})`.
  That is what `tf.compat.v1.Variable.load` does (tensorflow/python/ops/variables.py, TensorFlow 2.21, where the method itself
  works inside `graph.as_default()` only). A fed value is no part of the GraphDef, which cannot exceed 2 GB.
- Some graphs have an op that says whether the variable has a value: every resource variable gets one when it is made, and
  `import_meta_graph` brings it along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from migspec import dtypes
from migspec.diagnostics import file_error
from migspec.expression import Shape

_FLAGS = ("VarIsInitializedOp", "IsVariableInitialized")
_READS = ("ReadVariableOp", "Identity")


@dataclass(frozen=True, slots=True)
class Part:
    """One variable of the graph: all of a variable, or a part of a partitioned one, which begins at `offset` on each axis."""

    variable: Any
    shape: Shape
    offset: tuple[int, ...]

    @property
    def name(self) -> str:
        return str(self.variable.op.name)

    @property
    def initializer(self) -> Any:
        return self.variable.initializer

    @property
    def fed(self) -> Any:
        """The tensor that the initializer assigns."""
        return self.variable.initializer.inputs[1]

    @property
    def flag(self) -> Any:
        """The tensor that says whether the variable has a value; None if the graph has none."""
        return next((one.outputs[0] for one in self._holder.consumers() if one.type in _FLAGS), None)

    @property
    def reading(self) -> Any:
        """An op that fails if the variable has no value, and fetches nothing."""
        return next((one for one in self._holder.consumers() if one.type in _READS), self.variable.op)

    @property
    def _holder(self) -> Any:
        """The tensor that stands for the variable itself: the handle of a resource, or the reference."""
        return self.variable.handle if hasattr(self.variable, "handle") else self.variable.op.outputs[0]

    @property
    def place(self) -> tuple[slice, ...]:
        """Where the part lies in the whole."""
        return tuple(slice(start, start + length) for start, length in zip(self.offset, self.shape, strict=True))


@dataclass(frozen=True, slots=True)
class GraphVariable:
    """A variable as its user sees it: one of the graph, or the parts of a partitioned one together."""

    name: str
    shape: Shape
    dtype: str
    parts: tuple[Part, ...]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * dtypes.itemsize(self.dtype)


def graph_variables(graph: Any, label: str) -> tuple[GraphVariable, ...]:
    """The global variables of a graph, those that `tf.compat.v1.train.Saver` saves, under the names that it gives them.

    A partitioned variable is one variable. Raises `SpecError`: MIG512 if there are none, or if one has no shape that is known
    or no initializer.
    """
    import tensorflow as tf

    found = list({id(one): one for one in graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES)}.values())
    if not found:
        raise _no_variables(graph, label)
    grouped: dict[str, list[Any]] = {}
    for one in found:
        part_of = one._save_slice_info  # set by the partitioner; the public `_get_save_slice_info` of a part is the same
        grouped.setdefault(str(one.op.name) if part_of is None else str(part_of.full_name), []).append(one)
    return tuple(_variable(name, parts, label) for name, parts in grouped.items())


def _variable(name: str, variables: Sequence[Any], label: str) -> GraphVariable:
    parts = tuple(_part(one, label) for one in variables)
    dtype = str(variables[0].dtype.base_dtype.name)
    slices = variables[0]._save_slice_info
    shape = parts[0].shape if slices is None else tuple(int(length) for length in slices.full_shape)
    if sum(prod(part.shape) for part in parts) != prod(shape):
        raise file_error(
            "MIG512",
            label,
            f"`{name}` is not all there",
            notes=(f"it is {dtype} {list(shape)}, and the graph has these parts: {', '.join(part.name for part in parts)}",),
        )
    return GraphVariable(name, shape, dtype, parts)


def _part(variable: Any, label: str) -> Part:
    name = variable.op.name
    if not variable.shape.is_fully_defined():
        note = "it was made with `validate_shape=False`"
        raise file_error("MIG512", label, f"the shape of `{name}` is not known", notes=(note,))
    if variable.initializer is None or len(variable.initializer.inputs) < 2:
        raise file_error("MIG512", label, f"`{name}` has no initializer, by which it could be assigned")
    shape = tuple(int(length) for length in variable.shape.as_list())
    slices = variable._save_slice_info
    offset = (0,) * len(shape) if slices is None else tuple(int(start) for start in slices.var_offset)
    return Part(variable, shape, offset)


def _no_variables(graph: Any, label: str) -> Exception:
    made = any(operation.type in ("Variable", "VariableV2", "VarHandleOp") for operation in graph.get_operations())
    if made:
        return file_error(
            "MIG512",
            label,
            "the graph does not list its variables",
            notes=("`import_graph_def` brings variables along, and not the collection that lists them",),
            helps=("import the `.meta` file instead: `tf.compat.v1.train.import_meta_graph`",),
        )
    return file_error(
        "MIG512", label, "the graph has no variables", helps=("build the model in the graph before the session is returned",)
    )
