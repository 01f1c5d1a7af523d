"""Writing Keras' files, and other HDF5 files, after a template."""

from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING

import numpy

from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.keras.archive import WEIGHTS_MEMBER
from migspec.formats.keras.image import Hdf5Image
from migspec.formats.keras.reader import KerasReader
from migspec.formats.keras.tree import StoredArray
from migspec.formats.output import Destination, OutputFile, OutputStream
from migspec.variables import VariableMap

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PIECE = 1 << 20  # bytes that are summed at once


class KerasWriter:
    """A file in the making. Everything is the template's but the values of `variables`, which must be variables of it."""

    def __init__(self, destination: Destination, variables: VariableMap, template: KerasReader, *, archive: bool) -> None:
        """`archive`: write a `.keras` file (the template must be one), not its HDF5 file alone.

        Raises `SpecError`: MIG508 if the template lacks a variable or has it with another shape or dtype, else as `OutputFile`
        and `Hdf5Image`.
        """
        replaced = replaced_arrays(destination.path, variables, template)
        self._template = template
        self._output = OutputFile(destination)
        self._start = _member_offset() if archive else 0
        self._is_archive = archive
        try:
            self._image = Hdf5Image(template.shards[0], self._output, self._start, replaced)
        except SpecError:
            self._output.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        for array in self._template.array(name).places:
            self._image.write(array, offset, data)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        for array in self._template.array(name).places:
            self._image.write_strings(array, values)

    def commit(self) -> None:
        size = self._image.finish()
        if self._is_archive:
            self._pack(size)
        self._output.commit()

    def abort(self) -> None:
        self._image.abort()
        self._output.abort()

    def _pack(self, size: int) -> None:
        """Put the zip structure around the HDF5 file, which lies at its place already, and the template's other members behind it."""
        archive = self._template.archive
        if archive is None:
            raise ValueError("the template is no `.keras` file")
        stream = _InPlace(self._output, self._start, size)
        try:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as pack:
                with pack.open(zipfile.ZipInfo(WEIGHTS_MEMBER), "w", force_zip64=True) as member:
                    for offset in range(0, size, _PIECE):
                        member.write(self._output.pread(min(_PIECE, size - offset), self._start + offset))
                for info, chunks in archive.other_members():
                    copy = zipfile.ZipInfo(info.filename, info.date_time)
                    copy.compress_type, copy.external_attr = info.compress_type, info.external_attr
                    with pack.open(copy, "w", force_zip64=True) as member:
                        for chunk in chunks:
                            member.write(chunk)
        except BaseException:
            stream.discard()
            raise


class _InPlace(OutputStream):
    """The output as a stream that passes over the bytes from `start` to `start + size`: they are there already."""

    def __init__(self, output: OutputFile, start: int, size: int) -> None:
        super().__init__(output)
        self._kept = range(start, start + size)

    def write(self, data: Buffer) -> int:
        length = memoryview(data).nbytes
        if self.tell() in self._kept:
            self.seek(length, os.SEEK_CUR)
            return length
        return super().write(data)


def _member_offset() -> int:
    """Where the bytes of the first member begin, as `zipfile` writes it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as pack, pack.open(zipfile.ZipInfo(WEIGHTS_MEMBER), "w", force_zip64=True):
        return stream.tell()


def replaced_arrays(path: str, variables: VariableMap, template: KerasReader) -> list[StoredArray]:
    """The datasets that get the values of `variables`. MIG508 if the template lacks one, or has it with another shape or dtype."""
    for variable in variables:
        if variable.name not in template.variables:
            cause = f"the template `{template.path}` has no variable `{variable.name}`"
        else:
            own = template.variables[variable.name]
            if (own.shape, own.dtype) == (variable.shape, variable.dtype):
                continue
            cause = (
                f"`{variable.name}` is {own.dtype} {list(own.shape)} in the template `{template.path}`, "
                f"not {variable.dtype} {list(variable.shape)}"
            )
        raise file_error("MIG508", path, cause, helps=["write npz or safetensors, which need no template"])
    return [array for variable in variables for array in template.array(variable.name).places]
