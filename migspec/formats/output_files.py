"""Several output files that become visible together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from migspec.formats.output import Destination, OutputFile, sync_folder, writing_failed


class OutputFiles:
    """The files of one output, in one folder, of which the last says what the others hold (an index).

    At `commit` an old index goes first and the new one comes last. A process that is killed at any moment leaves the old
    output, none, or the new one: never an index beside files that it does not speak of.
    """

    def __init__(self, destination: Destination, paths: Sequence[str]) -> None:
        """Create the temporary files; errors as `OutputFile`."""
        self._destination = destination
        created: list[OutputFile] = []
        try:
            for path in paths:
                created.append(OutputFile(destination.at(path)))  # noqa: PERF401 (what was created before an error is removed)
        except BaseException:
            for file in created:
                file.abort()
            raise
        self.files = tuple(created)

    @property
    def index(self) -> OutputFile:
        """The last file."""
        return self.files[-1]

    def commit(self, stale: Iterable[Path] = ()) -> None:
        """Flush all files and put them in place. `stale` are files of the output that is replaced; those that no new file takes the
        place of are removed at the end."""
        for file in self.files:
            file.finish()
        try:
            self.index.final.unlink(missing_ok=True)
        except OSError as error:
            raise writing_failed(self.index.path, error) from error
        self._sync()
        for file in self.files:
            if file is self.index:
                self._sync()
            file.place()
        for path in {path.resolve() for path in stale} - {file.final for file in self.files}:
            with contextlib.suppress(OSError):
                path.unlink()
        self._sync()

    def abort(self) -> None:
        """Remove the temporary files; does nothing after a `commit` that succeeded, or a second time."""
        for file in self.files:
            file.abort()

    def _sync(self) -> None:
        if self._destination.sync:
            sync_folder(self.index.path, self.index.final.parent)
