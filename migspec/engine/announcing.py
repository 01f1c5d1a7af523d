"""Telling readers beforehand what will be asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from migspec.engine.target import Target
from migspec.expression import Side, reads
from migspec.formats.base import AnnouncedReader, Reader


@contextmanager
def announced(targets: Sequence[Target], sources: Mapping[Side, Reader]) -> Iterator[None]:
    """While the context lasts, readers that want to know it know the variables that the targets are made of, in their order."""
    with ExitStack() as told:
        for side, reader in sources.items():
            if isinstance(reader, AnnouncedReader):
                wanted = (read.variable for target in targets for read in reads(target.expression) if read.side == side)
                told.enter_context(reader.read_ahead(tuple(dict.fromkeys(wanted))))
        yield
