"""Variables that were exchanged: two of one layer, one each of two layers, or whole layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from migspec.verify.blame.correction import Correction
from migspec.verify.blame.suspects import Suspect

if TYPE_CHECKING:
    import numpy

Path = tuple[str, ...]


def exchanges(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """Pairs of one shape: within a layer, of one name in two layers, whole layers, then all others."""
    pairs = [pair for pair in combinations(suspects, 2) if pair[0].shape == pair[1].shape]
    near = [pair for pair in pairs if pair[0].path[:-1] == pair[1].path[:-1]]
    named = [pair for pair in pairs if pair not in near and pair[0].path[-1] == pair[1].path[-1]]
    rest = [pair for pair in pairs if pair not in near and pair not in named]
    yield from map(_exchanged, near)
    yield from map(_exchanged, named)
    yield from _layers(suspects)
    yield from map(_exchanged, rest)


def _exchanged(pair: tuple[Suspect, Suspect]) -> Correction:
    one, other = pair

    def change(values: Mapping[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
        return {one.name: values[other.name], other.name: values[one.name]}

    return Correction(pair, "exchanged with each other", change)


def _layers(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """Two prefixes below which the same names have the same shapes: `forward_layer` and `backward_layer`, `dense_1` and `dense_2`."""
    below: dict[Path, dict[Path, Suspect]] = {}
    for one in suspects:
        for length in range(1, len(one.path)):
            below.setdefault(one.path[:length], {})[one.path[length:]] = one
    alike: dict[frozenset[tuple[Path, tuple[int, ...]]], list[Path]] = {}
    for prefix, inner in below.items():
        alike.setdefault(frozenset((rest, one.shape) for rest, one in inner.items()), []).append(prefix)
    for inner_names, prefixes in alike.items():
        if len(inner_names) > 1:
            for first, second in combinations(prefixes, 2):
                yield _layers_exchanged(below[first], below[second])


def _layers_exchanged(first: Mapping[Path, Suspect], second: Mapping[Path, Suspect]) -> Correction:
    partners = [(first[rest], second[rest]) for rest in first]

    def change(values: Mapping[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
        changed = {one.name: values[other.name] for one, other in partners}
        return changed | {other.name: values[one.name] for one, other in partners}

    return Correction(tuple(one for pair in partners for one in pair), "two layers, exchanged with each other", change)
