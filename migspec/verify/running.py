"""Both sides run on the same inputs, their outputs paired and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migspec.diagnostics import file_error
from migspec.verify.comparison import OutputComparison, compare
from migspec.verify.feeding import Fed
from migspec.verify.pairing import Named, Pair, pair, unpaired
from migspec.verify.ports import Port, describe, dtype_name, port_of
from migspec.verify.side import Side

if TYPE_CHECKING:
    import numpy

Values = dict[str, "numpy.ndarray"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What `--atol` and `--rtol` say; None for what the dtypes ask for."""

    atol: float | None = None
    rtol: float | None = None


@dataclass(frozen=True)
class Run:
    """What both sides computed, and which output is which."""

    pairs: tuple[Pair, ...]
    old: Values
    new: Values
    tolerance: Tolerance
    notes: tuple[str, ...] = ()

    def compared(self, new: Values | None = None) -> tuple[OutputComparison, ...]:
        """Every pair compared, with other outputs of the new side if they are given."""
        found = self.new if new is None else new
        return tuple(
            compare(
                one.old.name,
                self.old[one.old.name],
                one.new.name,
                found[one.new.name],
                self.tolerance.atol,
                self.tolerance.rtol,
            )
            for one in self.pairs
        )


def run_both(old: Side, new: Side, fed: Fed, said: Mapping[str, str], tolerance: Tolerance) -> Run:
    """Run both sides and pair their outputs. Raises SpecError: MIG602, MIG603."""
    old_ports, old_values = _known(old, fed.old, tuple(said))
    new_ports, new_values = _known(new, fed.new, tuple(said.values()))
    named_old, named_new = Named(old.label, old_ports), Named(new.label, new_ports)
    pairs, old_left, new_left = pair(named_old, named_new, said, "output")
    notes: tuple[str, ...] = ()
    if said:
        pairs = pairs[: len(said)]  # what the user named, and nothing else
    else:
        old_lost, new_lost = [one for one in old_left if one.declared], [one for one in new_left if one.declared]
        if old_lost or new_lost or not pairs:
            raise unpaired(named_old, named_new, old_lost or old_left, new_lost or new_left, "output")
        notes = _left_out(named_old, old_left) + _left_out(named_new, new_left)
    if old_values is None:
        old_values = old.run(fed.old, [one.old.name for one in pairs])
    if new_values is None:
        new_values = new.run(fed.new, [one.new.name for one in pairs])
    for one in pairs:
        _check_shapes(one, old_values[one.old.name], new_values[one.new.name], new.label, free=bool(said))
    return Run(tuple(pairs), old_values, new_values, tolerance, notes)


def _known(side: Side, feeds: Values, wanted: Sequence[str]) -> tuple[tuple[Port, ...], Values | None]:
    """The outputs of a side, and their values if it had to run to tell."""
    ports = side.outputs(tuple(feeds), wanted)
    if ports is not None:
        return ports, None
    values = side.run(feeds, ())
    return tuple(port_of(name, value) for name, value in values.items()), values


def _left_out(named: Named, left: Sequence[Port]) -> tuple[str, ...]:
    if not left:
        return ()
    names = ", ".join(f"`{one.name}`" for one in left[:4]) + (f" and {len(left) - 4} more" if len(left) > 4 else "")
    return (f"{named.label}: {names} might be outputs, and were not compared",)


def _check_shapes(one: Pair, old: numpy.ndarray, new: numpy.ndarray, label: str, *, free: bool) -> None:
    """MIG602 if two outputs cannot be compared. What the user paired may be an array in two forms: [200, 65] and [20, 10, 65]."""
    if old.shape == new.shape or (free and old.size == new.size and old.shape[-1:] == new.shape[-1:]):
        return
    notes = (
        f"`{one.old.name}` is {describe(old.shape, dtype_name(old))}, `{one.new.name}` is {describe(new.shape, dtype_name(new))}",
    )
    helps = ("say which outputs are compared: `--output OLD=NEW`",)
    if old.size == new.size and free:
        helps = ("bring the axes into one order: by a function that calls the model and transposes what it gives",)
    raise file_error("MIG602", label, f"`{one.old.name}` and `{one.new.name}` have different shapes", notes, helps)
