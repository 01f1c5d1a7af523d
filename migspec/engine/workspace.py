"""Memory that is used again: the first touch of fresh memory costs more than all that is done with it afterwards."""

from __future__ import annotations

from collections.abc import Hashable

import numpy


class Workspace:
    """Scratch arrays of one thread, one for each purpose, growing to the largest size asked for."""

    def __init__(self) -> None:
        self._memory: dict[Hashable, numpy.ndarray] = {}

    def array(self, purpose: Hashable, size: int, dtype: numpy.dtype) -> numpy.ndarray:
        """`size` elements with any content. The memory is that of the last array of this purpose: one at a time is alive."""
        nbytes = size * dtype.itemsize
        memory = self._memory.get(purpose)
        if memory is None or memory.size < nbytes:
            self._memory.pop(purpose, None)
            memory = self._memory[purpose] = numpy.empty(nbytes, numpy.uint8)
        return memory[:nbytes].view(dtype)
