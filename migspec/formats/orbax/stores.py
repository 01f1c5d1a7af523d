"""Arrays that only tensorstore reads: compressed, or in the one store of all arrays (OCDBT).

How Orbax opens them: `build_kvstore_tspec` and `ArrayReadSpec` of orbax/checkpoint/_src/serialization/tensorstore_utils.py,
https://github.com/google/orbax. tensorstore is what Orbax itself stores arrays with; neither Orbax nor JAX is needed to read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from migspec import dtypes
from migspec.diagnostics.model import file_error
from migspec.formats.input import damaged
from migspec.formats.orbax.location import MANIFEST
from migspec.formats.orbax.metadata import Tree
from migspec.formats.orbax.zarr import ZarrArray
from migspec.variables import Variable

_DETAILS = re.compile(r" \[[a-z_ ]+=")  # what tensorstore adds for its developers
_AT_ONCE = 1000  # headers that are asked for before the first is waited for


class Stores:
    """The arrays of a checkpoint as tensorstore knows them."""

    def __init__(self, folder: str, tree: Tree) -> None:
        """MIG513 if tensorstore is missing."""
        try:
            import tensorstore
        except ImportError as error:
            raise file_error(
                "MIG513", folder, "reading this checkpoint needs tensorstore", helps=["pip install 'migspec[orbax]'"]
            ) from error
        self._tensorstore = tensorstore
        self._folder = folder
        self._tree = tree
        self._in_one = (Path(folder) / MANIFEST).is_file()
        self._context = tensorstore.Context({"cache_pool#ocdbt": {"total_bytes_limit": 100_000_000}})

    def headers(self, parameters: Sequence[str]) -> list[ZarrArray]:
        """Shapes and dtypes. MIG503 if one is missing or damaged."""
        found: list[ZarrArray] = []
        for first in range(0, len(parameters), _AT_ONCE):
            group = parameters[first : first + _AT_ONCE]
            opening = [self._open(parameter) for parameter in group]
            found += [self._header(parameter, future) for parameter, future in zip(group, opening, strict=True)]
        return found

    def read(self, parameter: str, variable: Variable) -> numpy.ndarray:
        """All values of an array. MIG503 if they are damaged."""
        try:
            values = numpy.empty(variable.shape, dtypes.numpy_dtype(variable.dtype))
            store = self._open(parameter).result()
            self._tensorstore.array(values).write(store).result()
        except Exception as error:  # what tensorstore raises is not listed, and an array may not fit into memory
            raise self._damaged(f"the array `{parameter}` cannot be read", error) from error
        return values

    def _open(self, parameter: str) -> Any:
        store: dict[str, Any] = {"driver": "file", "path": f"{Path(self._folder).absolute()}/"}
        if self._in_one:
            store = {"driver": "ocdbt", "base": store, "path": f"{parameter}/", "cache_pool": "cache_pool#ocdbt"}
        else:
            store["path"] += f"{parameter}/"
        specification = {
            "driver": "zarr3" if self._tree.zarr3 else "zarr",
            "kvstore": store,
            "recheck_cached_data": False,
            "recheck_cached_metadata": False,
            "fill_missing_data_reads": not self._tree.complete,
        }
        return self._tensorstore.open(specification, context=self._context, open=True, read=True)

    def _header(self, parameter: str, future: Any) -> ZarrArray:
        try:
            store = future.result()
            chunk = math.prod(store.chunk_layout.read_chunk.shape or ()) * store.dtype.numpy_dtype.itemsize
            name = store.dtype.name
        except Exception as error:
            raise self._damaged(f"the array `{parameter}` cannot be opened", error) from error
        dtype = name if name in dtypes.NAMES and name != "string" else f"tensorstore {name}"
        return ZarrArray(tuple(int(length) for length in store.shape), dtype, chunk, None)

    def _damaged(self, cause: str, error: Exception) -> Exception:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        said = _DETAILS.split(first)[0]
        return damaged(self._folder, cause, f"tensorstore says: {said}")
