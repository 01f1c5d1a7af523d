"""Writing `.weights.h5` files from a variable map alone, which says where each variable lies in them."""

from __future__ import annotations

from typing import Any

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.keras.hdf5 import hdf5_errors
from migspec.formats.keras.places import groups_above, object_names, places_of
from migspec.formats.keras.window import OpenOutput
from migspec.formats.output import Destination, OutputFile
from migspec.variables import Variable, VariableMap


class PlacedWriter:
    """A `.weights.h5` file in the making. HDF5 lays it out first, without a value; the values then go straight to their places."""

    def __init__(self, destination: Destination, variables: VariableMap) -> None:
        """Raises `SpecError`: MIG508 if a variable has no place in such a file or a dtype that Keras cannot read from one, else as
        `OutputFile`."""
        for variable in variables:
            if dtypes.kind(variable.dtype) in ("string", "opaque") or variable.dtype.startswith("float8"):
                cause = f"a `.weights.h5` file cannot hold `{variable.name}`: Keras reads no {variable.dtype} from one"
                raise file_error("MIG508", destination.path, cause, helps=["change the spec so that the dtype fits"])
        places = places_of(destination.path, variables)
        names = object_names(places, variables)
        self._output = OutputFile(destination)
        try:
            file = OpenOutput(self._output, 0, None)
            try:
                with hdf5_errors(destination.path):
                    self._offsets = _lay_out(file.file, variables, places, names)
                file.close()
            except BaseException:
                file.discard()
                raise
        except SpecError:
            self._output.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        for start in self._offsets[name]:
            self._output.pwrite(data, start + offset)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:  # noqa: ARG002
        raise ValueError(f"`{name}`: a `.weights.h5` file holds no strings")  # refused when the writer was made

    def commit(self) -> None:
        self._output.commit()

    def abort(self) -> None:
        self._output.abort()


def _lay_out(
    file: Any, variables: VariableMap, places: dict[str, tuple[str, ...]], names: dict[str, str]
) -> dict[str, list[int]]:
    """Make all groups and datasets; the offsets of each variable's values."""
    import h5py

    wanted = [place for own in places.values() for place in own] + [_vars(path) + "/" for path in names]
    groups = {"": file.id}
    for path in groups_above(wanted):
        above, _, key = path.rpartition("/")
        groups[path] = h5py.h5g.create(groups[above], key.encode())
    for path, name in names.items():
        h5py.Group(groups[_vars(path)]).attrs["name"] = name
    # Allocated at once, so that each has its place; never filled, as every byte is written.
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    offsets: dict[str, list[int]] = {}
    for variable in variables:
        offsets[variable.name] = []
        for place in places[variable.name]:
            above, _, key = place.rpartition("/")
            space = h5py.h5s.create_simple(variable.shape) if variable.shape else h5py.h5s.create(h5py.h5s.SCALAR)
            dataset = h5py.h5d.create(groups[above], key.encode(), _stored_type(variable), space, properties)
            if variable.dtype == "bfloat16":
                h5py.Dataset(dataset).attrs["dtype"] = "bfloat16"
            if variable.nbytes:
                offsets[variable.name].append(int(dataset.get_offset()))
    return offsets


def _vars(path: str) -> str:
    return f"{path}/vars" if path else "vars"


def _stored_type(variable: Variable) -> Any:
    """As Keras stores it: bfloat16 as opaque bytes, with an attribute that says so (`H5IOStore.__setitem__`)."""
    import h5py

    dtype = numpy.dtype("V2") if variable.dtype == "bfloat16" else dtypes.numpy_dtype(variable.dtype).newbyteorder("<")
    return h5py.h5t.py_create(dtype, logical=True)
