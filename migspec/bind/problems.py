"""Diagnostics of binding, gathered so that one cause gives one error however many instances it spoils."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from migspec.diagnostics import Diagnostic
from migspec.fold import fold_texts
from migspec.ops import shape_text
from migspec.text import Span
from migspec.variables import Variable, VariableMap


@dataclass(slots=True)
class Problems:
    """Diagnostics by cause: `add` with a key that was seen before only counts one more case of it."""

    uses: tuple[Span, ...] = ()
    """The chain of uses that a diagnostic gets if it is added without one."""
    explained: set[str] = field(default_factory=set)
    """Target variables that stay uncovered for the cause of one of these diagnostics, which says so."""
    _first: dict[object, Diagnostic] = field(default_factory=dict)
    _cases: dict[object, list[str]] = field(default_factory=dict)

    def add(self, key: object, diagnostic: Diagnostic, case: str = "") -> None:
        if self.uses and not diagnostic.uses:
            diagnostic = replace(diagnostic, uses=self.uses)
        self._first.setdefault(key, diagnostic)
        self._cases.setdefault(key, []).append(case)

    def absorb(self, other: Problems, change: Callable[[Diagnostic], Diagnostic] = lambda diagnostic: diagnostic) -> None:
        """Add everything that another one holds, changed by `change`."""
        for key, diagnostic in other._first.items():
            for case in other._cases[key]:
                self.add(key, change(diagnostic), case)

    def __len__(self) -> int:
        """How often something was added."""
        return sum(len(cases) for cases in self._cases.values())

    def __bool__(self) -> bool:
        return bool(self._first)

    def __iter__(self) -> Iterator[Diagnostic]:
        for key, diagnostic in self._first.items():
            cases = list(dict.fromkeys(case for case in self._cases[key][1:] if case))
            if cases:
                note = f"the same with {fold_texts(cases)}"
                diagnostic = replace(diagnostic, notes=(*diagnostic.notes, note))
            yield diagnostic


def described(variable: Variable) -> str:
    """A variable as an error shows it: `float32 [20, 400]`."""
    return f"{variable.dtype} {shape_text(variable.shape)}"


def nearest_variables(name: str, variables: VariableMap, among: Iterable[str] | None = None) -> tuple[str, ...]:
    """Up to three helps that name the variables nearest to a name that does not exist, with their shapes."""
    from migspec.diagnostics.suggest import nearest

    called: dict[str, Variable] = {}
    wanted = None if among is None else set(among)
    for variable in variables:
        if wanted is None or variable.name in wanted:
            for alias in variable.aliases:
                called.setdefault(alias, variable)
    for variable in variables:
        if wanted is None or variable.name in wanted:
            called[variable.name] = variable
    helps: dict[str, str] = {}
    for near in nearest(name, called, limit=6):
        variable = called[near]
        also = "" if near == variable.name else f" (an alias of `{variable.name}`)"
        helps.setdefault(variable.name, f"did you mean `{near}`{also}, {described(variable)}?")
    return tuple(helps.values())[:3]
