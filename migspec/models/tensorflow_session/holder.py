"""Reading and assigning many variables of a session in few runs.

Every new set of fetches and feeds costs a session the pruning of the whole graph: 0.3 s for a graph of 39,000 ops (TensorFlow
2.21), so that 1,500 variables one by one take minutes. Together they take a second or two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from migspec import dtypes
from migspec.expression import Shape
from migspec.models.tensorflow.variable import owned
from migspec.models.tensorflow_session.graph_variables import GraphVariable, Part

if TYPE_CHECKING:
    import numpy

PORTION: Final = 256 << 20
"""Bytes that are assigned in one run, and that the old values of one run take while they are kept."""


class SessionHolder:
    """The `Holder` of a session's variables."""

    def __init__(self, session: Any, variables: Mapping[str, GraphVariable]) -> None:
        self._session = session
        self._variables = variables

    def described(self, name: str) -> tuple[Shape, str] | None:
        variable = self._variables.get(name)
        return None if variable is None else (variable.shape, variable.dtype)

    def portions(self, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Up to 256 MiB at a time, and no two variables whose initializers take their values from one tensor.

        What has no value yet comes last: it cannot be made to have none again.
        """
        without = self.uninitialized(names, thorough=False)
        waiting = [name for name in names if name not in without] + [name for name in names if name in without]
        while waiting:
            taken, later = self._first_portion(waiting)
            yield tuple(taken)
            waiting = later

    def keep(self, names: Sequence[str]) -> Mapping[str, object]:
        """The values now; None for a variable that has none."""
        without = self.uninitialized(names)
        values = self.values([name for name in names if name not in without])
        return {name: values.get(name) for name in names}

    def assign(self, values: Mapping[str, numpy.ndarray]) -> None:
        fed = {part.fed: values[name][part.place] for name in values for part in self._variables[name].parts}
        self._session.run([part.initializer for name in values for part in self._variables[name].parts], fed)

    def restore(self, kept: Mapping[str, Any]) -> None:
        """RuntimeError for variables that had no value and have one now."""
        before = {name: value for name, value in kept.items() if value is not None}
        if before:
            self.assign(before)
        without = [name for name, value in kept.items() if value is None]
        filled = sorted(set(without) - self.uninitialized(without))
        if filled:
            raise RuntimeError(f"{', '.join(filled)} had no value before, and would have to be uninitialized again")

    def settle(self) -> None:
        """A graph computes everything anew in each run."""

    def values(self, names: Sequence[str]) -> dict[str, numpy.ndarray]:
        """The values of several variables, each in memory of its own. Raises what the session raises."""
        fetched = self._session.run([[part.variable for part in self._variables[name].parts] for name in names])
        return {name: _joined(self._variables[name], parts) for name, parts in zip(names, fetched, strict=True)}

    def uninitialized(self, names: Iterable[str], *, thorough: bool = True) -> set[str]:
        """Those of `names` that have no value.

        Where the graph has ops that tell, these are asked, all in one run. The others are read, all in one run if all have
        values; without `thorough` they are taken to have them.
        """
        owners = {part.name: (name, part) for name in names for part in self._variables[name].parts}
        flags = {key: flag for key, (_, part) in owners.items() if (flag := part.flag) is not None}
        without = {key for key, told in self._session.run(flags).items() if not told} if flags else set()
        if thorough:
            without |= self._unreadable({key: part for key, (_, part) in owners.items() if key not in flags})
        return {owners[key][0] for key in without}

    def _unreadable(self, parts: Mapping[str, Part]) -> set[str]:
        """Those without a value. The error of a run names one of them, which is then left out of the next."""
        import tensorflow as tf

        readings = {key: part.reading for key, part in parts.items()}
        without: set[str] = set()
        while readings:
            try:
                self._session.run(list(readings.values()))
                break
            except tf.errors.FailedPreconditionError as error:
                named = error.op.name if error.op is not None else ""
                blamed = next((key for key, op in readings.items() if named in (key, op.name)), None)
                if blamed is None:
                    return without | {key for key, op in readings.items() if not self._runs(op)}
                without.add(blamed)
                del readings[blamed]
        return without

    def _runs(self, op: Any) -> bool:
        import tensorflow as tf

        try:
            self._session.run(op)
        except tf.errors.FailedPreconditionError:
            return False
        return True

    def _first_portion(self, waiting: Sequence[str]) -> tuple[list[str], list[str]]:
        taken: list[str] = []
        later: list[str] = []
        size, fed = 0, set[Any]()
        for name in waiting:
            variable = self._variables[name]
            tensors = {part.fed.ref() for part in variable.parts}
            if taken and (size + variable.nbytes > PORTION or not fed.isdisjoint(tensors)):
                later.append(name)
                continue
            taken.append(name)
            fed |= tensors
            size += variable.nbytes
        return taken, later


def _joined(variable: GraphVariable, parts: Sequence[Any]) -> numpy.ndarray:
    """The value of a variable from those of its parts."""
    if len(variable.parts) == 1:
        return owned(parts[0], variable.dtype)
    import numpy

    whole: numpy.ndarray = numpy.empty(variable.shape, dtypes.numpy_dtype(variable.dtype))
    for part, value in zip(variable.parts, parts, strict=True):
        whole[part.place] = value
    return whole
