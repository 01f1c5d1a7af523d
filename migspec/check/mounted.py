"""What is said of a variable that a used spec has in its interface, and that no rule of it accounts for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migspec.bind.interface import needs_absent
from migspec.bind.types import Binding, Scope
from migspec.names import normal_name
from migspec.patterns import Matcher, text_of
from migspec.variables import Variable

_NOTES = 3


def interface_notes(left_over: Sequence[Variable], binding: Binding, side: str) -> list[str]:
    """For the first of these variables: which `use` took them in, and why they are left over all the same."""
    wanted = {variable.name for variable in left_over}
    inner: dict[str, tuple[Scope, str]] = {}
    for scope in sorted(_mounted(binding), key=lambda scope: len(scope.uses)):  # the innermost spec is the one to look at
        index = scope.sources if side == "source" else scope.targets
        for name in index.names:
            inner.update((found.variable.name, (scope, name)) for found in index.lookup(name) if found.variable.name in wanted)
    named = [variable.name for variable in left_over if variable.name in inner]
    return [_note(name, *inner[name], side) for name in named[:_NOTES]]


def _mounted(binding: Binding) -> Iterator[Scope]:
    """The scopes of used specs in which something is bound."""
    yield from dict.fromkeys(one.instance.scope for one in binding.bound if one.instance.scope.uses)


def _note(variable: str, scope: Scope, name: str, side: str) -> str:
    taken = f"`{variable}` is the {side} `{name}` of the spec used at {scope.uses[-1]}"
    for rule in scope.program.rules:
        listed = rule.sources if side == "source" or rule.kind == "same" else rule.targets
        if listed is None or not any(Matcher(pattern).fits(normal_name(name)) for pattern in listed.patterns):
            continue
        if needs_absent(rule, scope):
            missing = " and ".join(f"the {of} `{text_of(one)}`" for of, one in scope.absent if of != side)
            return f"{taken}, whose rule at {rule.span} is left out, as {missing or 'something optional'} is not there"
    return f"{taken}, which has no rule for it"
