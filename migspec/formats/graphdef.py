"""A frozen TensorFlow graph (GraphDef, `.pb`): the values of its `Const` nodes, read in place.

Field numbers: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/graph.proto, node_def.proto,
attr_value.proto, function.proto and op_def.proto beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy

from migspec.diagnostics.model import file_error
from migspec.dtypes import kind
from migspec.formats.base import Extent
from migspec.formats.input import InputFile, check_shape, damaged, unsupported
from migspec.formats.protobuf_wire import LENGTH, FileBytes, expect, fields, text
from migspec.formats.tensorflow_proto.datatypes import dtype_name
from migspec.formats.tensorflow_proto.tensor import RepeatsTooOftenError, TensorMessage, parse_tensor, read_values
from migspec.variables import Variable, VariableMap

FORMAT = "graphdef"

_REPEATS_UP_TO = 1 << 30  # bytes that a constant may grow to which lists only its first values
_VARIABLE_OPERATIONS = frozenset(("VarHandleOp", "VariableV2", "Variable", "AutoReloadVariable"))
_MOST_NAMED = 3


class GraphDefReader:
    """An open frozen graph. A variable is a constant, by the name of its node; one inside a function has the function's name
    in front: `__inference_call_12/dense/MatMul/ReadVariableOp`. They come in the order of the file."""

    def __init__(self, path: str) -> None:
        """SpecError: MIG501, MIG502 if the graph has no constants, MIG503, MIG505 if it has variables, which are not in it."""
        self._file = InputFile(path)
        try:
            self._tensors = self._constants()
            variables = [self._variable(name, tensor) for name, tensor in self._tensors.items()]
        except BaseException:
            self._file.close()
            raise
        self._map = VariableMap.of(path, variables)

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def files(self) -> tuple[str, ...]:
        return (self._file.path,)

    @property
    def variables(self) -> VariableMap:
        return self._map

    def extent(self, name: str) -> Extent | None:
        variable = self._map[name]
        place = self._tensors[name].place(variable.dtype, variable.size)
        return None if place is None else Extent(self.path, place[0], place[1] - place[0])

    def read(self, name: str) -> numpy.ndarray:
        variable = self._map[name]
        if kind(variable.dtype) == "opaque":
            raise unsupported(self.path, f"`{name}` is {variable.dtype}, which migspec can list but not read")
        try:
            source = FileBytes(self._file)
            return read_values(source, self._tensors[name], variable.dtype, variable.shape, repeats_up_to=_REPEATS_UP_TO)
        except RepeatsTooOftenError as error:
            raise unsupported(self.path, f"`{name}` repeats a value too often to be read: {error}") from None
        except ValueError as error:
            raise damaged(self.path, f"the values of `{name}`: {error}") from None

    def close(self) -> None:
        self._file.close()

    def _constants(self) -> dict[str, TensorMessage]:
        source = FileBytes(self._file)
        constants: dict[str, TensorMessage] = {}
        variables = []
        name = ""
        try:
            for name, node in _nodes(source):
                if node.operation in _VARIABLE_OPERATIONS:
                    variables.append(name)
                elif node.operation == "Const":
                    if name in constants:
                        raise ValueError("two constants have this name")
                    constants[name] = _constant(source, node)
        except ValueError as error:
            behind = f" (behind the node `{name}`)" if name else ""
            raise damaged(self.path, f"{error}{behind}") from None
        if variables:
            raise file_error(
                "MIG505",
                self.path,
                f"the graph is not frozen: it does not have the values of {len(variables)} variables",
                notes=[f"variables: {', '.join(f'`{name}`' for name in variables[:_MOST_NAMED])}"],
                helps=["name the checkpoint instead, or freeze the graph"],
            )
        if not constants:
            raise file_error(
                "MIG502", self.path, f"`{self.path}` is a TensorFlow graph without constants, which holds no values"
            )
        return constants

    def _variable(self, name: str, tensor: TensorMessage) -> Variable:
        try:
            variable = Variable(name, tensor.shape, dtype_name(tensor.dtype))
        except ValueError as error:
            raise damaged(self.path, f"the constant `{name}`: {error}") from None
        if min(variable.shape, default=0) < 0:
            raise damaged(self.path, f"the constant `{name}` has the shape {list(variable.shape)}")
        check_shape(self.path, variable)
        if tensor.content is not None and kind(variable.dtype) not in ("string", "opaque"):
            size = tensor.content[1] - tensor.content[0]
            if size != variable.nbytes:
                what = f"{variable.dtype} {list(variable.shape)}"
                raise damaged(self.path, f"the constant `{name}` is said to be {what}, but has {size} bytes")
        return variable


@dataclass(frozen=True, slots=True)
class _Node:
    """A NodeDef that fills the file from `start` to `end`."""

    operation: str
    start: int
    end: int


def _nodes(source: FileBytes) -> Iterator[tuple[str, _Node]]:
    """Every node of the graph and of the functions in its library, by its name with the function's in front."""
    for number, wire_type, value, end in fields(source, 0, len(source)):
        if number == 1:
            expect(wire_type, LENGTH, "a node")
            yield _node(source, value, end)
        elif number == 2:
            expect(wire_type, LENGTH, "the library")
            for inner, inner_type, function, function_end in fields(source, value, end):
                if inner == 1:
                    expect(inner_type, LENGTH, "a function")
                    yield from _function_nodes(source, function, function_end)


def _function_nodes(source: FileBytes, start: int, end: int) -> Iterator[tuple[str, _Node]]:
    function = ""
    nodes = []
    for number, wire_type, value, stop in fields(source, start, end):
        if number == 1:
            expect(wire_type, LENGTH, "a function's signature")
            for inner, inner_type, inner_value, inner_stop in fields(source, value, stop):
                if inner == 1:
                    expect(inner_type, LENGTH, "a function's name")
                    function = text(source, inner_value, inner_stop)
        elif number == 3:
            expect(wire_type, LENGTH, "a node")
            nodes.append(_node(source, value, stop))
    for name, node in nodes:
        yield f"{function}/{name}", node


def _node(source: FileBytes, start: int, end: int) -> tuple[str, _Node]:
    name = operation = None
    for number, wire_type, value, stop in fields(source, start, end):
        if number == 1:
            expect(wire_type, LENGTH, "a node's name")
            name = text(source, value, stop)
        elif number == 2:
            expect(wire_type, LENGTH, "a node's operation")
            operation = text(source, value, stop)
        if name is not None and operation is not None:  # inputs and attributes of most nodes are never looked at
            break
    if not name or not operation:
        raise ValueError(f"the node at byte {start} has no name or no operation")
    return name, _Node(operation, start, end)


def _constant(source: FileBytes, node: _Node) -> TensorMessage:
    """The tensor in the attribute `value` of a node. ValueError if there is none."""
    for number, wire_type, value, stop in fields(source, node.start, node.end):
        if number != 5:
            continue
        expect(wire_type, LENGTH, "an attribute")
        key, place = "", None
        for inner, inner_type, inner_value, inner_stop in fields(source, value, stop):  # an entry of a map: key, value
            expect(inner_type, LENGTH, "a part of an attribute")
            if inner == 1:
                key = text(source, inner_value, inner_stop)
            elif inner == 2:
                place = (inner_value, inner_stop)
        if key == "value" and place is not None:
            for inner, inner_type, inner_value, inner_stop in fields(source, *place):
                if inner == 8:
                    expect(inner_type, LENGTH, "a tensor")
                    return parse_tensor(source, inner_value, inner_stop)
    raise ValueError(f"the constant at byte {node.start} has no value")
