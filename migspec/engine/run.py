"""Running expressions: the values of target variables, from readers to a writer, in bounded memory.

The unit of work is one target variable. It is made in bands, ascending, each in one reused piece of memory, and handed
to the writer band by band, so that writers can stream. Where the target keeps the source's order (identities, slices,
gates), a band is a megabyte: what was just read is still in the cache when it is written. For a transpose a band is
half the budget: each row of the source gives a run as long as the band has rows, and the longer the runs, the fewer the
reads (measured on 8192 x 8192 float32: 1.0 GB/s with runs of 1 KiB, 1.5 with 2 KiB, 2.0 with 4 KiB).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from threading import Event, Lock, local
from typing import TypeAlias

import numpy

from migspec.dtypes import itemsize, kind, numpy_dtype
from migspec.engine.announcing import announced
from migspec.engine.assemble import Assembler
from migspec.engine.files import Files
from migspec.engine.sources import Sources
from migspec.engine.target import Target
from migspec.engine.together import Neighbours, in_groups, unchanged
from migspec.engine.workspace import Workspace
from migspec.evaluate import evaluate
from migspec.expression import Expression, Read, Side, reads, size_of
from migspec.formats.base import HoldingWriter, Reader, Writer, write_many
from migspec.lower import Buffer, Copy, Gather, lower
from migspec.routes import is_local

BUDGET = 64 << 20
"""Bytes of working memory for each variable that is being made."""

_BAND_IN_ORDER = 1 << 20
_BATCH = 4 << 20

Progress: TypeAlias = Callable[[int], None]


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
        work = _Work(Sources(sources, files, budget), writer, progress, budget)
        if executor is None or not writer.concurrent:
            work.make_all(targets)
        else:
            _run_on(executor, work, work.front_to_back(targets))


class _Stopped(Exception):
    """Another variable failed, so this one is not finished."""


class _Work:
    def __init__(self, sources: Sources, writer: Writer, progress: Progress | None, budget: int) -> None:
        self.stop = Event()
        self._sources = sources
        self._writer = writer
        self._holding = writer if isinstance(writer, HoldingWriter) else None
        self._progress = progress
        self._progress_lock = Lock()
        self._budget = budget
        self._thread = local()

    def make_all(self, targets: Iterable[Target]) -> None:
        """Write these variables, one after the other."""
        for group in in_groups(targets, self._sources, self._budget // 2):
            if isinstance(group, Neighbours):
                self._move(group)
            else:
                self._make(group)

    def _move(self, group: Neighbours) -> None:
        """Write variables that stay as they are, from one read."""
        if self.stop.is_set():
            raise _Stopped
        memory = self._workspace().array("band", group.span, numpy.dtype(numpy.uint8))
        self._sources.fetch(group.path, group.offset, memory)
        values: list[tuple[str, memoryview]] = []
        for name, read, extent in group.moves:
            begin = extent.offset - group.offset
            value = memory[begin : begin + extent.length]
            self._sources.verify(read, extent, value)
            values.append((name, value.data))
        write_many(self._writer, values)
        self._wrote(sum(len(value) for _, value in values))

    def _make(self, target: Target) -> None:
        expression = target.expression
        if kind(expression.dtype) in ("string", "opaque"):  # an opaque one can be listed and not read, which its reader says
            self._writer.write_strings(target.name, evaluate(expression, self._sources.values))
            return
        if isinstance(expression, Read) and unchanged(expression, self._sources) is not None:
            self._pass_on(target.name, expression)
            return
        copies = lower(expression)
        if not copies:
            return
        workspace = self._workspace()
        assembler = Assembler(self._sources.open, workspace, self._budget // 4)
        dtype = numpy_dtype(expression.dtype)
        size = size_of(expression.shape)
        for start, stop in _bands(expression, copies, self._budget // 2):
            if self.stop.is_set():
                raise _Stopped
            band = self._band(target.name, start, stop, dtype)
            assembler.assemble(copies, start, band)
            if stop == size:
                assembler.finish()
            self._write(target.name, start * dtype.itemsize, band)

    def _pass_on(self, name: str, read: Read) -> None:
        """Write a variable that stays as it is: as `_make` does, without asking what goes where."""
        source, dtype, size = self._sources.open(read), numpy_dtype(read.dtype), size_of(read.shape)
        room = max(1, min(self._budget // 2, _BAND_IN_ORDER) // dtype.itemsize)
        for start in range(0, size, room):
            if self.stop.is_set():
                raise _Stopped
            band = self._band(name, start, min(start + room, size), dtype)
            source.fetch(((start, 0),), band.size, band)
            self._write(name, start * dtype.itemsize, band)
        source.finish()

    def _band(self, name: str, start: int, stop: int, dtype: numpy.dtype) -> numpy.ndarray:
        """Memory to make these elements in: where the writer gathers them, if it does."""
        if self._holding is None:
            return self._workspace().array("band", stop - start, dtype)
        return numpy.frombuffer(self._holding.memory(name), numpy.uint8).view(dtype)[start:stop]

    def front_to_back(self, targets: Iterable[Target]) -> list[Target]:
        """The targets in the order in which their first sources lie in the files."""
        return sorted(targets, key=lambda target: min(map(self._place, reads(target.expression)), default=("", 0)))

    def _place(self, read: Read) -> tuple[str, int]:
        extent = self._sources.extent(read)
        return (extent.path, extent.offset) if extent else ("", 0)

    def _write(self, name: str, offset: int, band: numpy.ndarray) -> None:
        data = band.view(numpy.uint8)
        if sys.byteorder == "big":
            width = band.dtype.itemsize // (2 if band.dtype.kind == "c" else 1)
            data.view(f"u{width}").byteswap(inplace=True)
        self._writer.write(name, offset, data.data)
        self._wrote(data.size)

    def _wrote(self, count: int) -> None:
        if self._progress:
            with self._progress_lock:
                self._progress(count)

    def _workspace(self) -> Workspace:
        """The memory of this thread."""
        if not hasattr(self._thread, "workspace"):
            self._thread.workspace = Workspace()
        workspace: Workspace = self._thread.workspace
        return workspace


def _bands(expression: Expression, copies: Sequence[Copy], most: int) -> Iterator[tuple[int, int]]:
    """The elements from where to where each band goes: whole rows, or rows of rows, if one fits into `most` bytes."""
    size = size_of(expression.shape)
    buffers = [itemsize(copy.leaf.dtype) for copy in copies if isinstance(copy.leaf, Buffer)]
    cost = itemsize(expression.dtype) + max(buffers, default=0)  # of an element: a sum has an addend beside it
    room = max(1, min(most, _BAND_IN_ORDER) // cost)
    if size > room and not all(_is_local(copy, room) for copy in copies):
        room = max(1, most // cost)
    row = 1
    for length in reversed(expression.shape):
        if row * length > room:
            break
        row *= length
    band = room // row * row
    return ((start, min(start + band, size)) for start in range(0, size, band))


def _is_local(copy: Copy, room: int) -> bool:
    """Whether short bands suit a copy, and, where it is of an intermediate, what makes that. Rows in any order may come from everywhere."""
    if isinstance(copy.leaf, Gather):
        return False
    if isinstance(copy.leaf, Buffer) and not all(_is_local(part, room) for addend in copy.leaf.addends for part in addend):
        return False
    return is_local(copy.route, room)


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
        work.stop.set()
        for future in pending:
            future.cancel()
        wait(pending)
        raise
