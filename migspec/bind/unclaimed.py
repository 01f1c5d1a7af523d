"""The variables that no rule speaks of: what a rule that took another's variable by mistake may have meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from migspec.bind.types import Enumeration, Instance
from migspec.variables import Variable, VariableMap


class Unclaimed:
    """Looked up when an error asks for it. What is proposed is not reported as uncovered as well: that has the same cause."""

    def __init__(
        self, source: VariableMap, target: VariableMap, instances: Sequence[Instance], enumeration: Enumeration
    ) -> None:
        self._maps = {"source": source, "target": target}
        self._instances = instances
        self._enumeration = enumeration

    def nearest(self, name: str, side: Literal["source", "target"]) -> Variable | None:
        """The variable of one side with the name nearest to this one that no rule claims and no error excuses."""
        from migspec.diagnostics.suggest import nearest

        excused = self._enumeration.excused_sources if side == "source" else self._enumeration.excused_targets
        claimed = {
            element.variable.name
            for instance in self._instances
            for element in (instance.sources if side == "source" else instance.targets)
        }
        free = [variable.name for variable in self._maps[side] if variable.name not in claimed | excused]
        near = nearest(name, free, limit=1)
        if not near:
            return None
        excused.add(near[0])
        return self._maps[side][near[0]]
