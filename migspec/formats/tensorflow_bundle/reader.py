"""Reading the variables of a bundle."""

from __future__ import annotations

import sys
from math import prod
from typing import TYPE_CHECKING, assert_never

from migspec.diagnostics import file_error
from migspec.dtypes import kind, numpy_dtype
from migspec.formats.base import Extent, Reader
from migspec.formats.tensorflow_bundle.checksum import ChecksumError, unmask
from migspec.formats.tensorflow_bundle.index import Index, Partitioned, Tensor, Whole, read_index
from migspec.formats.tensorflow_bundle.location import locate
from migspec.formats.tensorflow_bundle.object_graph import GRAPH_KEY, is_bookkeeping, name_variables
from migspec.formats.tensorflow_bundle.records import parse_full_names
from migspec.formats.tensorflow_bundle.shards import is_missing, read_range, require_range
from migspec.formats.tensorflow_bundle.strings import parse_strings
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy


def open_bundle(path: str) -> Reader:
    """Open a V2 checkpoint or the variables of a SavedModel.

    `path` is its prefix (`model-85340`, or `folder/` if the basename is empty), its index, one of its data files, a state file
    named `checkpoint`, a SavedModel's folder, or a folder that holds one checkpoint. Only the index is read, and in an
    object-based checkpoint the object graph, a string among the data: while that data file is missing, variables go by their
    object paths. SpecError with MIG501 to MIG505 (MIG502 if the path holds no such checkpoint, or several).
    """
    return _BundleReader(path, read_index(locate(path)))


class _BundleReader:
    """The `Reader` of one bundle. It holds no file open between two calls."""

    format = "tensorflow-bundle"

    def __init__(self, path: str, index: Index) -> None:
        self.path = path
        self.files = (index.path, *index.shards)
        self._byte_order = index.byte_order
        self._tensors: dict[str, Tensor] = {}
        variables = []
        keys = [key for key in index.tensors if GRAPH_KEY not in index.tensors or not is_bookkeeping(key)]
        for key, (name, aliases) in name_variables(keys, self._full_names(index)).items():
            tensor = index.tensors[key]
            self._tensors[name] = tensor
            variables.append(Variable(name, tensor.shape, tensor.dtype, aliases))
        self.variables = VariableMap.of(path, variables)

    def extent(self, name: str) -> Extent | None:
        tensor = self._tensors[name]
        match tensor:
            case Whole() if kind(tensor.dtype) not in ("string", "opaque"):
                require_range(tensor.path, tensor.offset, tensor.size)
                return Extent(tensor.path, tensor.offset, tensor.size, self._byte_order, unmask(tensor.crc32c))
            case Whole() | Partitioned():
                return None
        assert_never(tensor)

    def read(self, name: str) -> numpy.ndarray:
        tensor = self._tensors[name]
        if kind(tensor.dtype) == "opaque":
            raise file_error("MIG505", self.path, f"`{name}` is {tensor.dtype}, which migspec can list but not read")
        match tensor:
            case Whole():
                require_range(tensor.path, tensor.offset, tensor.size)
                return self._read_whole(name, tensor)
            case Partitioned():
                return self._read_partitioned(name, tensor)
        assert_never(tensor)

    def close(self) -> None:
        """Nothing to do: no file is open."""

    def _read_partitioned(self, name: str, tensor: Partitioned) -> numpy.ndarray:
        sizes = {part.path: require_range(part.path, part.offset, part.size) for _, part in tensor.parts}
        if sum(part.size for _, part in tensor.parts) > sum(sizes.values()):
            raise file_error("MIG503", self.path, f"the slices of `{name}` take more bytes than their data files have")
        result = self._empty(name, tensor)
        for box, part in tensor.parts:
            result[box.region] = self._read_whole(name, part)
        return result

    def _read_whole(self, name: str, tensor: Whole) -> numpy.ndarray:
        """The value of a tensor whose range of bytes has been checked."""
        import numpy

        result = self._empty(name, tensor)
        if tensor.dtype == "string":
            flat = numpy.empty(result.size, object)
            flat[:] = self._read_strings(name, tensor)
            return flat.reshape(result.shape)
        if read_range(tensor.path, tensor.offset, result.reshape(-1).view(numpy.uint8)) != unmask(tensor.crc32c):
            raise file_error(
                "MIG504", tensor.path, f"the checksum of `{name}` differs: its values have changed since they were saved"
            )
        if self._byte_order != sys.byteorder:
            # As unsigned integers, because numpy cannot turn over the types of ml_dtypes; a complex number is two floats.
            width = result.itemsize // 2 if kind(tensor.dtype) == "complex" else result.itemsize
            result.reshape(-1).view(f"u{width}").byteswap(inplace=True)
        return result

    def _read_strings(self, name: str, tensor: Whole) -> list[bytes]:
        import numpy

        data = numpy.empty(tensor.size, numpy.uint8)
        read_range(tensor.path, tensor.offset, data)
        try:
            return parse_strings(data.tobytes(), prod(tensor.shape), self._byte_order, unmask(tensor.crc32c))
        except ChecksumError as error:
            raise file_error("MIG504", tensor.path, f"`{name}` has changed since it was saved: {error}") from None
        except ValueError as error:
            raise file_error("MIG503", tensor.path, f"`{name}` is damaged: {error}") from None

    def _full_names(self, index: Index) -> dict[str, str]:
        """What the object graph records; nothing if there is none, or if its data file is not there."""
        graph = index.tensors.get(GRAPH_KEY)
        if graph is None:
            return {}
        if not isinstance(graph, Whole) or graph.dtype != "string" or graph.shape != ():
            raise file_error("MIG503", index.path, f"the object graph is damaged: it is {graph.dtype} {list(graph.shape)}")
        if is_missing(graph.path):
            return {}
        require_range(graph.path, graph.offset, graph.size)
        try:
            return parse_full_names(self._read_strings(GRAPH_KEY, graph)[0])
        except ValueError as error:
            raise file_error("MIG503", graph.path, f"the object graph is damaged: {error}") from None

    def _empty(self, name: str, tensor: Tensor) -> numpy.ndarray:
        import numpy

        try:
            return numpy.empty(tensor.shape, numpy_dtype(tensor.dtype))
        except (ValueError, MemoryError) as error:  # more axes than numpy has, or more bytes than the machine has
            raise file_error("MIG505", self.path, f"`{name}` is {tensor.dtype} {list(tensor.shape)}: {error}") from None
