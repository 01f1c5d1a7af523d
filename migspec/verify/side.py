"""One side of a verification: a model that runs, whatever its framework."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from migspec.diagnostics import SpecError, file_error
from migspec.models.staging import cause
from migspec.verify.ports import Port

if TYPE_CHECKING:
    import numpy

    from migspec.models.base import LiveModel


class Side(Protocol):
    """A model that takes arrays by the names of its inputs and gives arrays by the names of its outputs.

    It is in inference mode, and a run does not depend on those before it.
    """

    @property
    def label(self) -> str:
        """What an error calls the side: the path, or the `package.module:function`."""

    @property
    def kind(self) -> str:
        """What it is, in two or three words: `Keras model`, `TensorFlow 1 graph`."""

    def inputs(self, outputs: Collection[str], named: Collection[str]) -> tuple[Port, ...]:
        """The inputs that these outputs need, or all inputs; those that the user `named`, too, if the side can be fed by them.
        SpecError (MIG602) for an output that there is not."""

    def outputs(self, fed: Collection[str], wanted: Collection[str]) -> tuple[Port, ...] | None:
        """What it gives if these inputs are fed, those that are `wanted` among them; None if only a run can tell."""

    def run(self, feeds: Mapping[str, numpy.ndarray], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
        """The values of these outputs, or of all if none is named. SpecError (MIG603) if it cannot be run."""

    def close(self) -> None: ...


@runtime_checkable
class Settable(Protocol):
    """A side whose variables can be read and assigned between runs."""

    def live(self) -> LiveModel | None:
        """Its variables; None if it has none."""


@runtime_checkable
class Layered(Protocol):
    """A side that can show what it computes on the way."""

    def activations(self, feeds: Mapping[str, numpy.ndarray]) -> list[tuple[str, numpy.ndarray]]:
        """Name and value of every floating-point tensor on the way from the inputs, in the order of computation."""


@runtime_checkable
class Repeating(Protocol):
    """A side that can be prepared for many runs on the same inputs, between which only its variables change."""

    def prepared(self, feeds: Mapping[str, numpy.ndarray]) -> Callable[[], dict[str, numpy.ndarray]] | None:
        """What runs it on these inputs and gives all outputs, faster than `run`; None if there is no such way."""


@runtime_checkable
class KerasBacked(Protocol):
    """A side that is a Keras model, of either generation."""

    @property
    def model(self) -> Any:
        """The model itself."""


def cannot_run(label: str, error: BaseException, *helps: str, what: str = "the model cannot be run") -> SpecError:
    """MIG603: a framework's exception while a side is loaded or run."""
    return file_error("MIG603", label, what, notes=(cause(error),), helps=helps)


def no_such_output(label: str, name: str, known: Collection[str]) -> SpecError:
    """MIG602: the user named an output that the side does not have."""
    from migspec.diagnostics.suggest import nearest

    near = nearest(name, known, limit=3)
    helps = (f"did you mean {' or '.join(f'`{one}`' for one in near)}?",) if near else ()
    shown = ", ".join(f"`{one}`" for one in list(known)[:8])
    notes = (f"it has {shown}",) if shown and not near else ()
    return file_error("MIG602", label, f"there is no output `{name}`", notes=notes, helps=helps)


def named_values(result: Any, names: Sequence[str] = ()) -> list[tuple[str, Any]]:
    """What a model returned, as values with names: those of a dictionary, `names` if there are as many, else `output_0`, ..."""
    if isinstance(result, Mapping):
        found = []
        for key, value in result.items():
            inner = named_values(value)
            found.extend([(str(key), value)] if len(inner) == 1 else [(f"{key}/{name}", part) for name, part in inner])
        return found
    if isinstance(result, list | tuple):
        flat = [part for value in result for _, part in named_values(value)]
        if len(flat) == len(names):
            return list(zip(names, flat, strict=True))
        return [(f"output_{place}", value) for place, value in enumerate(flat)]
    return [(names[0] if len(names) == 1 else "output", result)]
