"""Which input of the old model is which of the new one, and which output.

As the user says; then by name; then by shape and dtype, where these leave no choice. What is left over on a side that declares
its inputs or outputs is an error: nothing is left out unsaid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from migspec.diagnostics import SpecError, file_error
from migspec.verify.ports import Port, fits, plain


@dataclass(frozen=True, slots=True)
class Pair:
    """An input or output of the old model, and that of the new one; whether the user said so."""

    old: Port
    new: Port
    said: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """The ports of one side, and what an error calls it."""

    label: str
    ports: tuple[Port, ...]

    def __getitem__(self, name: str) -> Port | None:
        return next((port for port in self.ports if name in (port.name, f"{port.name}:0") or port.name == plain(name)), None)


def pair(old: Named, new: Named, said: Mapping[str, str], what: str) -> tuple[list[Pair], list[Port], list[Port]]:
    """The pairs, and what is left of the old side and of the new. `what` is `input` or `output`, which is what options are called.

    Raises SpecError (MIG602) for a name that `said` has and a side has not, and for a choice that nothing settles.
    """
    pairs = [_said(old, new, left, right, what) for left, right in said.items()]
    old_left, new_left = _without(old.ports, [one.old for one in pairs]), _without(new.ports, [one.new for one in pairs])
    by_name = [
        Pair(one, other) for one in old_left for other in new_left if plain(one.name) == plain(other.name) and fits(one, other)
    ]
    pairs += by_name
    old_left, new_left = _without(old_left, [one.old for one in by_name]), _without(new_left, [one.new for one in by_name])
    while True:
        found = _only_choice(old_left, new_left)
        if found is None:
            break
        pairs.append(found)
        old_left, new_left = _without(old_left, [found.old]), _without(new_left, [found.new])
    return pairs, old_left, new_left


def _said(old: Named, new: Named, left: str, right: str, what: str) -> Pair:
    one, other = old[left], new[right]
    for side, name, port in ((old, left, one), (new, right, other)):
        if port is None:
            raise _no_such(side, name, what)
    assert one is not None and other is not None
    return Pair(one, other, said=True)


def _only_choice(old: Sequence[Port], new: Sequence[Port]) -> Pair | None:
    """A pair of which either fits no other. What must have a partner goes before what may do without one, and a shape that is known
    before one that fits anything."""
    for need, known in product((True, False), (True, False)):
        one_side = [port for port in old if (not need or _must(port)) and (not known or port.shape is not None)]
        other_side = [port for port in new if (not need or _must(port)) and (not known or port.shape is not None)]
        for port in one_side:
            partners = [other for other in other_side if fits(port, other)]
            if len(partners) == 1 and sum(fits(one, partners[0]) for one in one_side) == 1:
                return Pair(port, partners[0])
    return None


def _must(port: Port) -> bool:
    return port.declared and not port.optional


def _without(ports: Sequence[Port], taken: Sequence[Port]) -> list[Port]:
    return [port for port in ports if not any(port is one for one in taken)]


def _no_such(side: Named, name: str, what: str) -> SpecError:
    from migspec.diagnostics.suggest import nearest

    near = nearest(name, [port.name for port in side.ports])
    helps = (f"did you mean {' or '.join(f'`{one}`' for one in near)}?",) if near else ()
    return file_error(
        "MIG602", side.label, f"there is no {what} `{name}`", notes=(f"it has {listed(side.ports)}",), helps=helps
    )


def unpaired(
    old: Named, new: Named, old_left: Sequence[Port], new_left: Sequence[Port], what: str, lacking: Sequence[Port] = ()
) -> SpecError:
    """MIG602 for what has no partner: for `lacking` among what is left, or for all of it."""
    side = new if any(port in new_left for port in lacking or new_left) else old
    left = lacking or (new_left if side is new else old_left)
    others = old_left if side is new else new_left
    notes = [f"{one.label} has {listed(ports)} left" for one, ports in ((old, old_left), (new, new_left)) if ports]
    example = f"--{what} {(old_left or [Port('OLD')])[0].name}={(new_left or [Port('NEW')])[0].name}"
    helps = [f"say which is which: `{example}`" if others else f"say what is compared: `--{what} OLD=NEW`"]
    if what == "input":
        helps.append(f"or give it a value: `--constant {left[0].name}=VALUE`, or an array in `--inputs`")
        if not left[0].declared:
            helps.append("or name the output that is compared, `--output OLD=NEW`: only what it needs has to be fed")
    several = "s" if len(left) > 1 else ""
    message = f"{what}{several} {', '.join(f'`{port.name}`' for port in left[:4])} cannot be paired with the other model's"
    return file_error("MIG602", side.label, message, notes=notes, helps=helps)


def listed(ports: Sequence[Port]) -> str:
    """The first few of several ports with their shapes."""
    shown = ", ".join(map(str, ports[:6]))
    return f"{shown} and {len(ports) - 6} more" if len(ports) > 6 else shown or "none"
