"""Writing Orbax checkpoints, so that Orbax restores them.

Orbax has two layouts: all arrays in one store (OCDBT, the default since 2023), or a folder for each (`use_ocdbt=False`), which it
still reads and writes. This writes the second, uncompressed and each array in one chunk: then the file of an array is its values
as they are. They go there as they come, in any order and from several threads, in no more memory than a band of them; equal inputs
give equal files; and nothing has to be installed. Orbax' own writer takes all arrays at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.orbax.location import MANIFEST, METADATA, is_checkpoint
from migspec.formats.orbax.metadata import DICT, Entry
from migspec.formats.orbax.reader import STRINGS, OrbaxReader
from migspec.formats.orbax.zarr import HEADER, first_chunk, header
from migspec.formats.output import Destination, WritableFile
from migspec.formats.output_folder import OutputFolder
from migspec.variables import Variable, VariableMap

_RESERVED = frozenset(
    {METADATA, MANIFEST, STRINGS, "_sharding", "_CHECKPOINT_METADATA", "array_metadatas", "commit_success.txt"}
)


class OrbaxWriter:
    """A checkpoint in the making. After a template it has that tree, lists and empty containers included, and what is not in
    `variables` keeps its value; without one, names are cut at `/` into nested dictionaries."""

    def __init__(self, destination: Destination, variables: VariableMap, template: OrbaxReader | None = None) -> None:
        """Raises `SpecError`: MIG508 if a name, dtype or shape does not fit, MIG506 also if a folder of another kind stands there,
        else as `OutputFolder`."""
        self._path = destination.path
        self._entries = _entries(variables) if template is None else template.entries
        self._all = variables if template is None else template.variables
        self._parameters = {entry.name: entry.parameter for entry in self._entries if entry.kind != "empty"}
        for variable in self._all:
            _check_variable(self._path, variable, self._parameters[variable.name])
        _check_places(self._path, self._parameters)
        self._strings: dict[str, str] = {}
        self._open: dict[str, WritableFile] = {}
        self._folder = OutputFolder(destination, is_checkpoint)
        try:
            self._begin()
            if template is not None:
                self._keep(template, variables)
        except BaseException:
            self._folder.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        variable = self._all[name]
        if offset == 0:
            self._open[name] = self._folder.create(f"{self._parameters[name]}/{first_chunk(len(variable.shape))}")
        self._open[name].pwrite(data, offset)
        if offset + len(data) == variable.nbytes:
            self._open.pop(name).close()  # there may be more arrays than files can be open at once

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        try:
            self._strings[self._parameters[name]] = bytes(values[()]).decode()
        except UnicodeDecodeError as error:
            raise _cannot_hold(self._path, f"`{name}`: its value is no UTF-8, as texts are there") from error

    def commit(self) -> None:
        if self._open:
            raise ValueError(f"{len(self._open)} variables lack their last bytes")
        if any(entry.kind == "string" for entry in self._entries):
            self._write_json(STRINGS, self._strings)
        self._folder.commit()

    def abort(self) -> None:
        self._folder.abort()

    def _begin(self) -> None:
        tree = {str(tuple(key for key, _ in entry.keys)): entry.to_json() for entry in self._entries}
        about = {"use_ocdbt": False, "use_zarr3": False, "store_array_data_equal_to_fill_value": True, "custom_metadata": None}
        self._write_json(METADATA, {"tree_metadata": tree, **about})
        for variable in self._all:
            if variable.dtype != "string":
                self._write_json(f"{self._parameters[variable.name]}/{HEADER}", header(variable.shape, variable.dtype))

    def _keep(self, template: OrbaxReader, variables: VariableMap) -> None:
        for variable in template.variables:
            if variable.name in variables:
                continue
            value = template.read(variable.name)
            if variable.dtype == "string":
                self.write_strings(variable.name, value)
            else:
                self.write(variable.name, 0, memoryview(value.tobytes()))

    def _write_json(self, name: str, content: object) -> None:
        file = self._folder.create(name)
        file.pwrite(json.dumps(content).encode(), 0)
        file.close()


def _entries(variables: VariableMap) -> tuple[Entry, ...]:
    """A tree for names. MIG508 where one variable is called as others begin."""
    for variable in variables:
        for above in PurePosixPath(variable.name).parents:
            if str(above) in variables:
                raise _cannot_hold(
                    variables.label, f"both `{above}` and `{variable.name}`: a name is either a value or a dictionary"
                )
    return tuple(_entry(variable) for variable in variables)


def _entry(variable: Variable) -> Entry:
    keys = tuple((key, DICT) for key in variable.name.split("/"))
    return Entry(keys, "string", "string") if variable.dtype == "string" else Entry(keys, "array", "np.ndarray")


def _check_variable(path: str, variable: Variable, parameter: str) -> None:
    if variable.dtype not in dtypes.NAMES:
        raise _cannot_hold(path, f"`{variable.name}`: migspec does not write the dtype {variable.dtype}")
    if variable.dtype == "string" and variable.shape:
        raise _cannot_hold(path, f"`{variable.name}`: it has single texts, and no arrays of them")
    if variable.dtype != "string" and not variable.size:
        raise _cannot_hold(path, f"`{variable.name}`: Orbax refuses arrays without elements")
    parts = parameter.split("/")
    if not _is_name(parameter) or any(part in ("", ".", "..") for part in parts) or parts[0] in _RESERVED:
        raise _cannot_hold(path, f"a variable called {variable.name!r}")


def _check_places(path: str, parameters: Mapping[str, str]) -> None:
    """MIG508 if two arrays would go into one folder, or one into that of another."""
    owners: dict[str, str] = {}
    for name, parameter in parameters.items():
        if owners.setdefault(parameter, name) != name:
            raise _cannot_hold(path, f"both `{owners[parameter]}` and `{name}`: Orbax calls both `{parameter}`")
    for name, parameter in parameters.items():
        for above in PurePosixPath(parameter).parents:
            if str(above) in owners:
                raise _cannot_hold(path, f"both `{owners[str(above)]}` and `{name}` in folders of their own")


def _is_name(name: str) -> bool:
    """Whether a name can be one of a file."""
    try:
        return "\0" not in name and bool(name.encode())
    except UnicodeEncodeError:
        return False


def _cannot_hold(path: str, what: str) -> SpecError:
    return file_error("MIG508", path, f"Orbax cannot hold {what}", helps=["change the spec so that it fits"])
