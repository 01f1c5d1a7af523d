"""Several output files that become visible together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from migspec.formats.output import (
    Destination,
    OutputFile,
    sync_folder,
    temporary_beside,
    was_left_by_killed,
    writing_failed,
)


class OutputFiles:
    """The files of one output, in one folder, of which the last says what the others hold (an index).

    At `commit` an old index goes first and the new one comes last. A process that is killed at any moment leaves the old
    output, none, or the new one: never an index beside files that it does not speak of. Files that it left without their index
    are no output, and the next one may take their place.
    """

    def __init__(self, destination: Destination, paths: Sequence[str]) -> None:
        """Create the temporary files; errors as `OutputFile`."""
        self._destination = destination
        index = Path(os.path.realpath(paths[-1]))
        orphaned = not os.path.lexists(index) and was_left_by_killed(index)
        created: list[OutputFile] = []
        try:
            for number, path in enumerate(paths, 1):
                own = destination.at(path)
                created.append(OutputFile(replace(own, overwrite=True) if orphaned and number < len(paths) else own))
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
        """Flush all files and put them in place. After an error the old ones are back in their places.

        `stale` are files of the output that is replaced; those that no new file takes the place of are removed at the end.
        """
        for file in self.files:
            file.finish()
        aside: list[tuple[Path, Path]] = []
        try:
            self._move_old(aside)
            for file in self.files:
                if file is self.index:
                    self._sync()
                file.place()
            self._sync()
        except BaseException:
            self._move_back(aside)
            raise
        finals = {file.final for file in self.files}
        unneeded = [path for path in stale if Path(os.path.realpath(path)) not in finals]  # a link goes, not what it points to
        for path in [*(path for path, _ in aside), *unneeded]:
            with contextlib.suppress(OSError):
                path.unlink()

    def abort(self) -> None:
        """Remove the temporary files; does nothing after a `commit` that succeeded, or a second time."""
        for file in self.files:
            file.abort()

    def _move_old(self, aside: list[tuple[Path, Path]]) -> None:
        """Move the old files aside, the index before all others. `aside` gets where each is, and where it was."""
        for file in reversed(self.files):
            if os.path.lexists(file.final):
                place = temporary_beside(file.final)
                aside.append((place, file.final))
                try:
                    file.final.rename(place)
                except OSError as error:
                    raise writing_failed(file.path, error) from error
            if file is self.index:
                self._sync()

    def _move_back(self, aside: list[tuple[Path, Path]]) -> None:
        """The old files in their places again, the index behind all others; what was new there is gone."""
        for file in reversed(self.files):
            if not os.path.lexists(file.temporary):
                with contextlib.suppress(OSError):
                    file.final.unlink()
        for place, final in reversed(aside):
            with contextlib.suppress(OSError):
                place.rename(final)

    def _sync(self) -> None:
        if self._destination.sync:
            sync_folder(self.index.path, self.index.final.parent)
