"""Reading the variables of a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from migspec.diagnostics import file_error
from migspec.dtypes import kind
from migspec.formats.base import Extent
from migspec.formats.crc32c import unmask
from migspec.formats.tensorflow_bundle.index import Index, Partitioned, Tensor, Whole, read_index
from migspec.formats.tensorflow_bundle.location import locate
from migspec.formats.tensorflow_bundle.object_graph import GRAPH_KEY, copies_of_exports, is_bookkeeping, name_variables
from migspec.formats.tensorflow_bundle.records import parse_full_names
from migspec.formats.tensorflow_bundle.saved_model import saved_model_of
from migspec.formats.tensorflow_bundle.shards import is_missing, require_range
from migspec.formats.tensorflow_bundle.values import TensorReader
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy

FORMAT = "tensorflow-bundle"
SAVED_MODEL_FORMAT = "saved-model"


def open_bundle(path: str) -> BundleReader:
    """Open a V2 checkpoint or the variables of a SavedModel.

    `path` is its prefix (`model-85340`, or `folder/` if the basename is empty), its index, one of its data files, a state file
    named `checkpoint`, a SavedModel's folder, or a folder that holds one checkpoint. Only the index is read, and in an
    object-based checkpoint the object graph, a string among the data: while that data file is missing, variables go by their
    object paths. SpecError with MIG501 to MIG505 (MIG502 if the path holds no such checkpoint, or several).
    """
    prefix = locate(path)
    return BundleReader(path, read_index(prefix), saved_model_of(path, prefix))


class BundleReader:
    """The `Reader` of one bundle. It holds no file open between two calls.

    `index` is what the bundle says of itself, `saved_model` the SavedModel's folder where that is what the user named, `tensors`
    what reads tensors that are no variables.
    """

    def __init__(self, path: str, index: Index, saved_model: str | None = None) -> None:
        self.path = path
        self.index = index
        self.saved_model = saved_model
        self.format = FORMAT if saved_model is None else SAVED_MODEL_FORMAT
        self.files = (index.path, *index.shards)
        self.tensors = TensorReader(path, index.byte_order)
        self._keys: dict[str, tuple[str, ...]] = {}
        variables = []
        for key, (copies, name, aliases) in self._named().items():
            tensor = index.tensors[key]
            self._keys[name] = (key, *copies)
            variables.append(Variable(name, tensor.shape, tensor.dtype, aliases))
        self.variables = VariableMap.of(path, variables)

    def keys(self, name: str) -> tuple[str, ...]:
        """The keys of a variable in the index: its own, then those of its copies."""
        return self._keys[name]

    def extent(self, name: str) -> Extent | None:
        tensor = self._tensor(name)
        match tensor:
            case Whole() if kind(tensor.dtype) not in ("string", "opaque"):
                require_range(tensor.path, tensor.offset, tensor.size)
                return Extent(tensor.path, tensor.offset, tensor.size, self.index.byte_order, unmask(tensor.crc32c))
            case Whole() | Partitioned():
                return None
        assert_never(tensor)

    def read(self, name: str) -> numpy.ndarray:
        return self.tensors.read(name, self._tensor(name))

    def close(self) -> None:
        """Nothing to do: no file is open."""

    def _tensor(self, name: str) -> Tensor:
        return self.index.tensors[self._keys[name][0]]

    def _named(self) -> dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]]:
        """The key of each variable -> the keys of its copies, its name and its aliases."""
        tensors = self.index.tensors
        if GRAPH_KEY not in tensors:
            return {key: ((), key, ()) for key in tensors}
        keys = [key for key in tensors if not is_bookkeeping(key)]
        full_names = self._full_names()
        copies: dict[str, tuple[str, ...]] = {}
        for copy, key in copies_of_exports(keys, full_names).items():
            if (tensors[copy].dtype, tensors[copy].shape) == (tensors[key].dtype, tensors[key].shape):
                copies[key] = (*copies.get(key, ()), copy)
        left_out = {copy for found in copies.values() for copy in found}
        names = name_variables([key for key in keys if key not in left_out], full_names)
        return {key: (copies.get(key, ()), name, aliases) for key, (name, aliases) in names.items()}

    def _full_names(self) -> dict[str, str]:
        """What the object graph records; nothing while its data file is not there."""
        graph = self.index.tensors[GRAPH_KEY]
        if not isinstance(graph, Whole) or graph.dtype != "string" or graph.shape != ():
            raise file_error("MIG503", self.index.path, f"the object graph is damaged: it is {graph.dtype} {list(graph.shape)}")
        if is_missing(graph.path):
            return {}
        try:
            return parse_full_names(self.tensors.read_strings(GRAPH_KEY, graph)[0])
        except ValueError as error:
            raise file_error("MIG503", graph.path, f"the object graph is damaged: {error}") from None
