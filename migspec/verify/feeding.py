"""What is fed to which side: the inputs of both paired, and a value for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migspec.diagnostics import file_error
from migspec.verify.inputs import Given, Wishes, constant, made, taken
from migspec.verify.pairing import Named, pair, unpaired
from migspec.verify.ports import Port, dtype_name, fits, plain
from migspec.verify.report import UsedInput
from migspec.verify.side import Side

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Feeding:
    """How inputs are paired and made. `arrays` are those of `--inputs`, whose name `arrays_label` is, or of a recording, whose outputs
    are among them."""

    pairs: Mapping[str, str] = field(default_factory=dict)
    wishes: Wishes = field(default_factory=Wishes)
    constants: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[str, numpy.ndarray] | None = None
    arrays_label: str = ""
    recorded: bool = False


@dataclass(frozen=True)
class Fed:
    """The values of the inputs of each side."""

    old: dict[str, numpy.ndarray]
    new: dict[str, numpy.ndarray]
    used: tuple[UsedInput, ...]
    notes: tuple[str, ...] = ()


def feed(old: Side, new: Side, outputs: Mapping[str, str], how: Feeding) -> Fed:
    """Pair the inputs that the outputs in question need, and find or make a value for each. Raises SpecError: MIG602, MIG604."""
    ports = (
        old.inputs(tuple(outputs), (*how.pairs, *how.constants)),
        new.inputs(tuple(outputs.values()), (*how.pairs.values(), *how.constants)),
    )
    _check_names(ports, how)
    extra = _extra(ports, how)
    rest = [tuple(port for port in side if port.name not in extra) for side in ports]
    named_old, named_new = Named(old.label, rest[0]), Named(new.label, rest[1])
    pairs, old_left, new_left = pair(named_old, named_new, how.pairs, "input")
    fed_names = [[*(one.old.name for one in pairs), *extra], [*(one.new.name for one in pairs), *extra]]
    lacking = [
        _lacking(side, left, [name for name in names if any(port.name == name for port in all_ports)], outputs)
        for side, left, names, all_ports in ((old, old_left, fed_names[0], ports[0]), (new, new_left, fed_names[1], ports[1]))
    ]
    if any(lacking):
        raise unpaired(named_old, named_new, old_left, new_left, "input", lacking[1] or lacking[0])
    if how.arrays is None:
        given, unused = made(pairs, how.wishes), list[str]()
    else:
        arrays = {name: value for name, value in how.arrays.items() if name not in extra}
        given, unused = taken(pairs, arrays, how.arrays_label)
    fed_old = {one.pair.old.name: one.old_value for one in given} | _of_side(ports[0], extra)
    fed_new = {one.pair.new.name: one.new_value for one in given} | _of_side(ports[1], extra)
    used = [_used(one) for one in given] + [
        UsedInput(
            name if name in fed_old else None, name if name in fed_new else None, dtype_name(value), value.shape, "as you said"
        )
        for name, value in extra.items()
    ]
    names = ", ".join(f"`{name}`" for name in unused)
    notes = [f"{how.arrays_label} has {names}, which no input takes"] if unused and not how.recorded else []
    return Fed(fed_old, fed_new, tuple(used), tuple(notes))


def _extra(ports: tuple[tuple[Port, ...], tuple[Port, ...]], how: Feeding) -> dict[str, numpy.ndarray]:
    """The inputs of one side alone that the user gives a value: a constant, or an array under the very name of an input that
    could not be paired by it."""
    found: dict[str, numpy.ndarray] = {}
    by_name = {port.name: port for side in reversed(ports) for port in side}
    for name, text in how.constants.items():
        found[name] = constant(name, text, by_name[name])
    for name, value in ({} if how.recorded else how.arrays or {}).items():
        sides = [any(port.name == name for port in side) for side in ports]
        others = [one for one, has in zip(reversed(ports), sides, strict=True) if has]
        lonely = sum(sides) == 1 and not any(_could_be(by_name[name], other, how) for other in others[0])
        if lonely:
            found[name] = value
    return found


def _could_be(port: Port, other: Port, how: Feeding) -> bool:
    said = how.pairs.get(port.name) == other.name or how.pairs.get(other.name) == port.name
    return said or fits(port, other)


def _check_names(ports: tuple[tuple[Port, ...], tuple[Port, ...]], how: Feeding) -> None:
    """MIG604 for an option that speaks of an input that neither side has."""
    known = {name for side in ports for port in side for name in (port.name, plain(port.name))}
    said = {
        "--constant": how.constants,
        "--range": how.wishes.ranges or {},
        "--shape": how.wishes.shapes or {},
    }
    for option, names in said.items():
        for name in names:
            if name not in known:
                shown = ", ".join(f"`{one}`" for one in sorted({port.name for side in ports for port in side}))
                raise file_error("MIG604", option, f"neither model has an input `{name}`", notes=(f"they have {shown}",))


def _lacking(side: Side, left: list[Port], fed: Sequence[str], outputs: Mapping[str, str]) -> list[Port]:
    """Those of the inputs that were left over that a side cannot do without: a graph may have outputs that do not need them."""
    needed = [port for port in left if not port.optional]
    if outputs or any(port.declared for port in needed):
        return [port for port in needed if outputs or port.declared]
    return [] if not needed or side.outputs(fed, ()) else needed


def _of_side(ports: tuple[Port, ...], extra: Mapping[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
    return {port.name: extra[port.name] for port in ports if port.name in extra}


def _used(one: Given) -> UsedInput:
    value = one.old_value
    return UsedInput(one.pair.old.name, one.pair.new.name, dtype_name(value), tuple(value.shape), one.origin)
