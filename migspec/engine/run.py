"""Running expressions: the values of target variables, from readers to a writer, in bounded memory.

The unit of work is one target variable. It goes to the writer in bands, ascending, so that writers can stream: passed on as it
is (`migspec.engine.passing`), or made (`migspec.engine.making`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from threading import local
from typing import TYPE_CHECKING

from migspec.dtypes import itemsize
from migspec.engine.announcing import announced
from migspec.engine.files import Files
from migspec.engine.passing import Passer
from migspec.engine.sources import Sources
from migspec.engine.target import Target
from migspec.engine.together import Neighbours, in_groups
from migspec.engine.watch import Progress, Watch
from migspec.expression import Read, Side, reads, size_of
from migspec.formats.base import Reader, Writer

if TYPE_CHECKING:
    from migspec.engine.making import Maker

BUDGET = 64 << 20
"""Bytes of working memory for each variable that is being made."""

_BATCH = 4 << 20


def run(
    targets: Sequence[Target],
    sources: Mapping[Side, Reader],
    writer: Writer,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    budget: int = BUDGET,
) -> None:
    """Write the values of all targets; `commit` and `abort` are left to the caller.

    Without an executor, or with a writer that is not concurrent, variables are made one after the other in the order
    given. With an executor (of threads) several are in flight, a few for each worker. `progress` is called with the
    number of bytes just written, by one thread at a time. `budget` is the working memory in bytes for each variable in
    flight; beyond it go only intermediates that cannot be made in part (a reshape across permutations), and what a
    reader can only give whole.

    Raises the first SpecError of a reader, a file or the writer: MIG501 (unreadable), MIG503 (cut short), MIG504 (wrong
    checksum), and what these raise themselves. Then, and at KeyboardInterrupt, whatever has not begun is cancelled and
    what has begun stops at its next band.
    """
    with Files() as files, announced(targets, sources):
        work = _Work(Sources(sources, files, budget), writer, Watch(progress), budget)
        if executor is None or not writer.concurrent:
            work.make_all(targets)
        else:
            _run_on(executor, work, work.front_to_back(targets))


class _Work:
    """The variables of a run, made by whichever thread asks for it."""

    def __init__(self, sources: Sources, writer: Writer, watch: Watch, budget: int) -> None:
        self.watch = watch
        self._sources = sources
        self._writer = writer
        self._budget = budget
        self._thread = _Thread()

    def make_all(self, targets: Iterable[Target]) -> None:
        """Write these variables, one after the other."""
        passer = self._passer()
        for group in in_groups(targets, self._sources, self._budget // 2):
            if isinstance(group, Neighbours):
                passer.pass_together(group)
                continue
            expression = group.expression
            extent = self._sources.unchanged(expression)
            if extent is not None:
                assert isinstance(expression, Read)
                passer.pass_on(group.name, expression, extent)
            else:
                self._maker().make(group)

    def front_to_back(self, targets: Iterable[Target]) -> list[Target]:
        """The targets in the order in which their first sources lie in the files."""
        return sorted(targets, key=lambda target: min(map(self._place, reads(target.expression)), default=("", 0)))

    def _place(self, read: Read) -> tuple[str, int]:
        extent = self._sources.extent(read)
        return (extent.path, extent.offset) if extent else ("", 0)

    def _passer(self) -> Passer:
        if self._thread.passer is None:
            self._thread.passer = Passer(self._sources, self._writer, self._budget // 2, self.watch)
        return self._thread.passer

    def _maker(self) -> Maker:
        if self._thread.maker is None:
            from migspec.engine.making import Maker  # which loads numpy

            self._thread.maker = Maker(self._sources, self._writer, self._budget, self.watch)
        return self._thread.maker


class _Thread(local):
    """What a thread has for itself."""

    passer: Passer | None = None
    maker: Maker | None = None


def _batches(targets: Iterable[Target]) -> Iterator[list[Target]]:
    """Neighbours together up to some bytes: a small variable alone costs less than handing it to another thread."""
    batch: list[Target] = []
    total = 0
    for target in targets:
        batch.append(target)
        total += size_of(target.expression.shape) * itemsize(target.expression.dtype)
        if total >= _BATCH:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def _run_on(executor: Executor, work: _Work, targets: Iterable[Target]) -> None:
    """All targets on an executor; no more are handed to it than keep it busy, so that an error need not cancel thousands."""
    in_flight = 4 * (os.cpu_count() or 1)
    pending: set[Future[None]] = set()
    try:
        for batch in _batches(targets):
            if len(pending) >= in_flight:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
            pending.add(executor.submit(work.make_all, batch))
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
    except BaseException:
        work.watch.stop()
        for future in pending:
            future.cancel()
        wait(pending)
        raise
