"""What a model computed once, on a machine where it still ran: an npz of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from migspec.formats.registry import open_reader
from migspec.verify.ports import Port
from migspec.verify.side import no_such_output

if TYPE_CHECKING:
    import numpy


class RecordedSide:
    """Arrays by name. Which of them are inputs is told by what the other side takes: it runs on these, and on nothing else."""

    def __init__(self, path: str) -> None:
        self._reader = open_reader(path)
        self._path = path

    @property
    def label(self) -> str:
        return self._path

    @property
    def kind(self) -> str:
        return "recorded outputs"

    @property
    def values(self) -> dict[str, numpy.ndarray]:
        return {one.name: self._reader.read(one.name) for one in self._reader.variables}

    def inputs(self, outputs: Collection[str], named: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002 - all are wanted
        return tuple(
            Port(one.name, one.shape, one.dtype, optional=True) for one in self._reader.variables if one.name not in outputs
        )

    def outputs(self, fed: Collection[str], wanted: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002
        return tuple(Port(one.name, one.shape, one.dtype) for one in self._reader.variables if one.name not in fed)

    def run(self, feeds: Mapping[str, numpy.ndarray], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
        known = [one.name for one in self._reader.variables]
        for name in outputs:
            if name not in known:
                raise no_such_output(self._path, name, known)
        return {name: self._reader.read(name) for name in outputs or known if outputs or name not in feeds}

    def close(self) -> None:
        self._reader.close()
