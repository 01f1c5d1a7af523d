"""Telling readers beforehand what will be asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from migspec.engine.target import Target
from migspec.expression import Side, reads
from migspec.formats.base import AnnouncedReader, Reader


def expecting(reader: Reader, names: Iterable[str]) -> AbstractContextManager[None]:
    """While the context lasts, a reader that wants to know it knows that these variables will be read, in this order."""
    return reader.read_ahead(tuple(dict.fromkeys(names))) if isinstance(reader, AnnouncedReader) else nullcontext()


@contextmanager
def announced(targets: Sequence[Target], sources: Mapping[Side, Reader]) -> Iterator[None]:
    """The same for both sides, and the variables that targets are made of."""
    with ExitStack() as told:
        for side, reader in sources.items():
            wanted = (read.variable for target in targets for read in reads(target.expression) if read.side == side)
            told.enter_context(expecting(reader, wanted))
        yield
