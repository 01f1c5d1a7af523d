"""Names for a model that Keras loaded from a file: those that the file has.

Keras 3.15 builds the parts of a model that it loads before it puts them together. What lies inside a layer (below `Bidirectional`,
`TimeDistributed`, `StackedRNNCells`, a model in a model) so loses the outer part of its path: `rnn/forward_lstm/lstm_cell/kernel`
is `forward_lstm/lstm_cell/kernel` in the loaded model. A spec speaks of the model as it was saved, which the file tells. What
both have in common is the path in the file, `layers/bidirectional/forward_layer/cell/vars/0`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from migspec.models.naming import Candidates
from migspec.names import normal_name
from migspec.variables import VariableMap

_PLACE = re.compile(r"(?:.*/)?vars/[^/]+")


class StoredNames:
    """The variables of a `.keras` file by their paths in it."""

    def __init__(self, variables: VariableMap) -> None:
        self._by_place = {
            normal_name(name): variable
            for variable in variables
            for name in (variable.name, *variable.aliases)
            if _PLACE.fullmatch(name)
        }

    def instead(self, candidate: Candidates, place: str) -> Candidates:
        """What a variable of the loaded model may be called, whose path in the file is `place`: as in the file, if that has it.

        What no file holds (states of random generators) keeps the name that the loaded model gives it.
        """
        stored = self._by_place.get(normal_name(place))
        if stored is None or stored.shape != candidate.shape:
            return candidate
        if _PLACE.fullmatch(stored.name):  # the file does not tell the path, or it is that of another variable, too
            return replace(candidate, aliases=(*candidate.aliases, *stored.aliases))
        own = _own_name(stored.name, candidate.names[0])
        told = tuple(_completed(name, own) for name in (stored.name, *stored.aliases))
        return replace(candidate, names=(told[0], stored.name, place), aliases=(*told[1:], stored.name, *stored.aliases, place))


def _own_name(stored: str, loaded: str) -> str:
    """What a weight is called below its layer. The loaded model has the code of layers that are not Keras' own."""
    layer = stored.rpartition("/")[0]
    if loaded.startswith(f"{layer}/"):  # nothing is lost, and below the layer there may be more than the file tells
        return loaded.removeprefix(f"{layer}/")
    return loaded.rpartition("/")[2]


def _completed(stored: str, own: str) -> str:
    """A name in the file, which calls a weight of a layer that is not Keras' own by its number, `outer/scale/0`, with the weight's
    own name in place of that."""
    layer, _, last = stored.rpartition("/")
    return f"{layer}/{own}" if layer and last.isdecimal() and not _PLACE.fullmatch(stored) else stored
