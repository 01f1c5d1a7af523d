"""Reading the values of a bundle's tensors, checked against the files and their checksums."""

from __future__ import annotations

import sys
from math import prod
from typing import TYPE_CHECKING, Literal, assert_never

from migspec.diagnostics import SpecError, file_error
from migspec.dtypes import kind, numpy_dtype
from migspec.formats.crc32c import ChecksumError, unmask
from migspec.formats.tensorflow_bundle.index import Partitioned, Tensor, Whole
from migspec.formats.tensorflow_bundle.shards import read_range, require_range
from migspec.formats.tensorflow_bundle.strings import parse_strings

if TYPE_CHECKING:
    import numpy


class TensorReader:
    """Reads tensors as whole arrays. `path` is what errors about more than one file name; `byte_order` is that of the bundle."""

    def __init__(self, path: str, byte_order: Literal["little", "big"]) -> None:
        self._path = path
        self._byte_order = byte_order

    def read(self, name: str, tensor: Tensor) -> numpy.ndarray:
        """The value of a tensor in native byte order; `name` is what errors call it. MIG501, MIG503, MIG504; MIG505 for a dtype
        or a shape that numpy does not have."""
        if kind(tensor.dtype) == "opaque":
            raise file_error("MIG505", self._path, f"`{name}` is {tensor.dtype}, which migspec can list but not read")
        match tensor:
            case Whole():
                require_range(tensor.path, tensor.offset, tensor.size)
                return self._read_whole(name, tensor)
            case Partitioned():
                return self._read_partitioned(name, tensor)
        assert_never(tensor)

    def read_strings(self, name: str, tensor: Whole) -> list[bytes]:
        """The elements of a string tensor, in C order. Errors as `read`."""
        import numpy

        require_range(tensor.path, tensor.offset, tensor.size)
        data = numpy.empty(tensor.size, numpy.uint8)
        read_range(tensor.path, tensor.offset, data)
        try:
            return parse_strings(data.tobytes(), prod(tensor.shape), self._byte_order, unmask(tensor.crc32c))
        except ChecksumError as error:
            raise file_error("MIG504", tensor.path, f"`{name}` has changed since it was saved: {error}") from None
        except ValueError as error:
            raise file_error("MIG503", tensor.path, f"`{name}` is damaged: {error}") from None

    def _read_partitioned(self, name: str, tensor: Partitioned) -> numpy.ndarray:
        sizes = {part.path: require_range(part.path, part.offset, part.size) for _, part in tensor.parts}
        if sum(part.size for _, part in tensor.parts) > sum(sizes.values()):
            raise file_error("MIG503", self._path, f"the slices of `{name}` take more bytes than their data files have")
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
            flat[:] = self.read_strings(name, tensor)
            return flat.reshape(result.shape)
        if read_range(tensor.path, tensor.offset, result.reshape(-1).view(numpy.uint8)) != unmask(tensor.crc32c):
            raise values_changed(name, tensor.path)
        if self._byte_order != sys.byteorder:
            # As unsigned integers, because numpy cannot turn over the types of ml_dtypes; a complex number is two floats.
            width = result.itemsize // 2 if kind(tensor.dtype) == "complex" else result.itemsize
            result.reshape(-1).view(f"u{width}").byteswap(inplace=True)
        return result

    def _empty(self, name: str, tensor: Tensor) -> numpy.ndarray:
        import numpy

        try:
            return numpy.empty(tensor.shape, numpy_dtype(tensor.dtype))
        except (ValueError, MemoryError) as error:  # more axes than numpy has, or more bytes than the machine has
            raise file_error("MIG505", self._path, f"`{name}` is {tensor.dtype} {list(tensor.shape)}: {error}") from None


def values_changed(name: str, path: str) -> SpecError:
    """The diagnostic (MIG504) for values whose checksum is not the recorded one."""
    return file_error("MIG504", path, f"the checksum of `{name}` differs: its values have changed since they were saved")
