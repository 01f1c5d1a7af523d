"""All mistakes that `verify` knows, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migspec.verify.blame.correction import Correction
from migspec.verify.blame.exchanges import exchanges
from migspec.verify.blame.gate_orders import common_gate_orders, forget_biases, other_gate_offsets, other_gate_orders
from migspec.verify.blame.layouts import flips, regroupings, spreads, transpositions
from migspec.verify.blame.suspects import Suspect


def corrections(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """All that is tried, the usual mistakes first."""
    yield from forget_biases(suspects)
    yield from common_gate_orders(suspects)
    yield from transpositions(suspects)
    yield from exchanges(suspects)
    yield from regroupings(suspects)
    yield from flips(suspects)
    yield from spreads(suspects)
    yield from other_gate_orders(suspects)
    yield from other_gate_offsets(suspects)
