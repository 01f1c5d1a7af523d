"""Gates in a wrong order, and the forget bias that TensorFlow 1 adds as it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Final

from migspec.cells import Cell, is_bias
from migspec.verify.blame.correction import Correction, each
from migspec.verify.blame.suspects import Suspect, scopes

if TYPE_CHECKING:
    import numpy

_ORDERS: Final = {
    ("keras", "lstm"): "ifco",
    ("keras", "gru"): "zrh",
    ("torch", "lstm"): "ifco",
    ("torch", "gru"): "rzh",
    ("tf1", "lstm"): "icfo",
}
"""The order in which a cell has its gates (docs/language.md, and the tests of the real layers)."""


def common_gate_orders(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """Two gates exchanged, which is what the known layouts differ by; and the one other known order of all, ONNX's i o f c."""
    yield from _gate_orders(suspects, lambda order, found: _moved(order, found) <= 2 or found in ("iofc", "hrz"))


def other_gate_orders(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """All that are not common."""
    yield from _gate_orders(suspects, lambda order, found: _moved(order, found) > 2 and found not in ("iofc", "hrz"))


def forget_biases(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """A forget bias of 1 that was not added, or that was added and should not have been."""
    yield from _offsets(suspects, "f")


def other_gate_offsets(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """A forget bias that went into another gate."""
    yield from _offsets(suspects, "ico")


def _gate_orders(suspects: Sequence[Suspect], wanted: Callable[[str, str], bool]) -> Iterator[Correction]:
    for framework, kind in dict.fromkeys((one.cell.framework, one.cell.kind) for one in suspects if one.cell):
        order = _ORDERS.get((framework, kind))
        if order is None:
            continue
        axis = 0 if framework == "torch" else -1
        fused = [one for one in suspects if one.cell and (one.cell.framework, one.cell.kind) == (framework, kind)]
        groups = list(scopes(fused))
        for letters in permutations(order):
            found = "".join(letters)
            if found == order or not wanted(order, found):
                continue
            places = tuple(found.index(gate) for gate in order)
            words = f"the gates lie in the order {found}, where the cell has {order} (`gates {found} -> {order}` mends it)"
            for group in groups:
                yield _in_order(group, words, places, axis, order.find("f"))


def _offsets(suspects: Sequence[Suspect], gates: str) -> Iterator[Correction]:
    biases = [one for one in suspects if one.cell and one.cell.kind == "lstm" and is_bias(one.variable, one.cell)]
    first: dict[Cell, Suspect] = {}
    for one in biases:  # PyTorch has two biases, which are summed: one of them is enough
        if one.cell is not None:
            first.setdefault(one.cell, one)
    for gate in gates:
        for offset in (1.0, -1.0):
            for group in scopes(first.values()):
                cell = group[0].cell
                if cell is None:
                    continue
                order = _ORDERS[cell.framework, cell.kind]
                here = [one for one in group if one.cell and _ORDERS[one.cell.framework, one.cell.kind] == order]
                yield each(here, _offset_words(gate, offset), _shifted(order.index(gate), offset))


def _offset_words(gate: str, offset: float) -> str:
    if gate == "f":
        known = "a forget bias of 1 was not added" if offset > 0 else "a forget bias of 1 was added to cells that have none"
        return f"{known} (`add {offset:.1f} to f` mends it)"
    return f"gate {gate} is {'too small' if offset > 0 else 'too large'} by 1 (`add {offset:.1f} to {gate}` mends it)"


def _moved(order: str, found: str) -> int:
    return sum(one != other for one, other in zip(order, found, strict=True))


def _in_order(group: Sequence[Suspect], words: str, places: Sequence[int], axis: int, forget: int) -> Correction:
    """The blocks in another order. A forget bias that the spec added went to what it took for gate f: it follows."""
    reordered = _reordered(places, axis)

    def change(values: Mapping[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
        changed = {}
        for one in group:
            offset = one.offset if one.cell and is_bias(one.variable, one.cell) and forget >= 0 else 0.0
            value = _shifted(forget, -offset)(values[one.name]) if offset else values[one.name]
            changed[one.name] = _shifted(forget, offset)(reordered(value)) if offset else reordered(value)
        return changed

    return Correction(tuple(group), words, change)


def _reordered(places: Sequence[int], axis: int) -> Callable[[numpy.ndarray], numpy.ndarray]:
    def changed(value: numpy.ndarray) -> numpy.ndarray:
        import numpy

        blocks = numpy.split(value, len(places), axis)
        return numpy.concatenate([blocks[place] for place in places], axis)

    return changed


def _shifted(place: int, offset: float) -> Callable[[numpy.ndarray], numpy.ndarray]:
    def changed(value: numpy.ndarray) -> numpy.ndarray:
        units = value.shape[-1] // 4
        shifted = value.copy()
        shifted[..., place * units : (place + 1) * units] += value.dtype.type(offset)
        return shifted

    return changed
