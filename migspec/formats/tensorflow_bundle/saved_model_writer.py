"""Writing a SavedModel: a copy of the template's folder whose variables have other values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy

from migspec.formats.input import InputFile, damaged, reading_failed, unsupported
from migspec.formats.output import Destination
from migspec.formats.output_folder import OutputFolder
from migspec.formats.tensorflow_bundle.content import BundleContent
from migspec.formats.tensorflow_bundle.fingerprint import FINGERPRINT, with_variables
from migspec.formats.tensorflow_bundle.layout import layout
from migspec.formats.tensorflow_bundle.location import index_path, shard_path
from migspec.formats.tensorflow_bundle.reader import BundleReader
from migspec.formats.tensorflow_bundle.saved_model import VARIABLES, is_saved_model
from migspec.variables import VariableMap

_PIECE = 1 << 20  # bytes that are copied at once


class SavedModelWriter:
    """A SavedModel in the making. Everything is the template's but the values of `variables`, and what `fingerprint.pb` says of
    them."""

    def __init__(self, destination: Destination, variables: VariableMap, template: BundleReader, folder: str) -> None:
        """`folder` is that of the template, whose variables `template` reads. SpecError as `layout` and `OutputFolder`; MIG501,
        MIG503 or MIG505 if a file of the template cannot be read, is no fingerprint, or is no file that can be copied."""
        items = layout(destination.path, variables, template)
        self._others, self._folders = _content(Path(folder))
        self._fingerprint = self._read_fingerprint()
        self._output = OutputFolder(destination, is_saved_model)
        try:
            self._content = BundleContent(self._output.create(shard_path(VARIABLES, 0, 1)), items, template)
        except BaseException:
            self._output.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        self._content.write(name, offset, data)

    def write_many(self, values: Sequence[tuple[str, memoryview]]) -> None:
        self._content.write_many(values)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        self._content.write_strings(name, values)

    def commit(self) -> None:
        index = self._content.finish()
        self._content.close()
        self._output.create(index_path(VARIABLES)).pwrite(index, 0)
        if self._fingerprint is not None:
            self._output.create(FINGERPRINT).pwrite(with_variables(self._fingerprint, index), 0)
        for name in self._folders:
            self._output.create_folder(name)
        for name, file in self._others.items():
            self._copy(file, name)
        self._output.commit()

    def abort(self) -> None:
        self._content.close()
        self._output.abort()

    def _copy(self, file: Path, name: str) -> None:
        copy = self._output.create(name)
        original = InputFile(str(file))
        try:
            for start in range(0, original.size, _PIECE):
                copy.pwrite(original.exactly(min(_PIECE, original.size - start), start), start)
        finally:
            original.close()
            copy.close()

    def _read_fingerprint(self) -> bytes | None:
        """The template's, checked; None if it has none. It is no longer among the files to be copied."""
        place = self._others.pop(FINGERPRINT, None)
        if place is None:
            return None
        file = InputFile(str(place))
        try:
            content = file.exactly(file.size, 0)
        finally:
            file.close()
        try:
            with_variables(content, b"")
        except ValueError as error:
            raise damaged(str(place), str(error)) from None
        return content


def _content(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The files below a SavedModel's folder but those of its bundle, by their paths from there; and its folders."""
    files: dict[str, Path] = {}
    folders: list[str] = []
    for place in _walk(folder, ()):
        name = str(place.relative_to(folder))
        if place.is_dir():
            folders.append(name)
        elif not place.is_file():
            raise unsupported(str(place), "it is no regular file, so the SavedModel cannot be copied", "remove it")
        elif name != index_path(VARIABLES) and not name.startswith(f"{VARIABLES}.data-"):
            files[name] = place
    return files, folders


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    """Everything below a folder; through links as well, as a download cache is made of them, but never in a circle."""
    real = os.path.realpath(folder)
    if real in above:
        raise unsupported(
            str(folder), "it is a link to a folder that it lies in, so the SavedModel cannot be copied", "remove it"
        )
    try:
        places = sorted(folder.iterdir())
    except OSError as error:
        raise reading_failed(str(folder), error) from error
    for place in places:
        yield place
        if place.is_dir():
            yield from _walk(place, (*above, real))
