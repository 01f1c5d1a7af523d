"""The two files that Keras 3 saves, as one: an HDF5 file, plain or inside a zip with the model's config."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator

from migspec.diagnostics.model import file_error
from migspec.formats.input import InputFile, damaged, unsupported
from migspec.formats.keras.config import ModelConfig, parse_config
from migspec.formats.keras.part import Part
from migspec.formats.zip_members import ZipMembers

WEIGHTS_MEMBER = "model.weights.h5"
CONFIG_MEMBER = "config.json"

_CONFIG_LIMIT = 1 << 28  # bytes of a config; the largest models have a few MB


class KerasArchive:
    """An open `.keras` file: `weights` is its HDF5 file, `in_place` whether that lies unpacked in the archive."""

    def __init__(self, path: str) -> None:
        """Raises `SpecError`: MIG501, MIG503, MIG505."""
        self.file = InputFile(path)
        self._unpacked: InputFile | None = None
        try:
            self._zip = ZipMembers(self.file)
        except BaseException:
            self.file.close()
            raise
        try:
            self.config = self._config()
            self.weights = self._weights()
        except BaseException:
            self.close()
            raise

    @property
    def in_place(self) -> bool:
        return self._unpacked is None

    def other_members(self) -> Iterator[tuple[zipfile.ZipInfo, Iterator[bytes]]]:
        """Every member but the weights, with its content in pieces."""
        for name, info in self._zip.infos.items():
            if name != WEIGHTS_MEMBER:
                yield info, self._zip.chunks(name)

    def close(self) -> None:
        self._zip.close()
        self.file.close()
        if self._unpacked is not None:
            self._unpacked.close()

    def _config(self) -> ModelConfig | None:
        if CONFIG_MEMBER not in self._zip.infos:
            return None
        if self._zip.check(CONFIG_MEMBER).file_size > _CONFIG_LIMIT:
            raise damaged(self.file.path, f"its {CONFIG_MEMBER} is too large to be true")
        text = b"".join(self._zip.chunks(CONFIG_MEMBER))
        try:
            return parse_config(text)
        except (ValueError, RecursionError) as error:
            raise damaged(self.file.path, f"its {CONFIG_MEMBER} is no JSON: {error}") from error

    def _weights(self) -> Part:
        if WEIGHTS_MEMBER not in self._zip.infos:
            other = [name for name in self._zip.infos if name.startswith("model.weights")]
            cause = f"its weights lie in {other[0]}" if other else "it holds a model without weights"
            raise unsupported(self.file.path, cause, "save the model again with `model.save`, which writes HDF5")
        info = self._zip.check(WEIGHTS_MEMBER)
        if info.compress_type == zipfile.ZIP_STORED:
            return Part(self.file, self._zip.offset(info), info.file_size)
        return self._unpack(info.file_size)

    def _unpack(self, size: int) -> Part:
        try:
            with tempfile.NamedTemporaryFile(prefix="migspec-") as copy:
                for chunk in self._zip.chunks(WEIGHTS_MEMBER):
                    copy.write(chunk)
                copy.flush()
                self._unpacked = InputFile(copy.name)  # keeps the file alive after its name is gone
        except OSError as error:
            cause = f"`{self.file.path}` is compressed, and there is no room to unpack it: {error.strerror}"
            raise file_error("MIG501", self.file.path, cause, helps=["set TMPDIR to a folder with more space"]) from error
        self._unpacked.path = self.file.path
        return Part(self._unpacked, 0, size)
