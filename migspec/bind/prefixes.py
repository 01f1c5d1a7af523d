"""Did you mean, for the prefixes of a `use`: the places where a side has what the interface of the used spec names."""

from __future__ import annotations

from collections.abc import Iterator

from migspec.bind.side import Side
from migspec.names import normal_name
from migspec.patterns import is_exact, text_of
from migspec.rules import Mount
from migspec.syntax import tree


def nearest_prefixes(prefix: tree.Pattern | None, mounted: Mount, side: Side) -> tuple[str, ...]:
    """Helps that name the prefixes nearest to one under which nothing is that the interface names; () if none is plausible."""
    from migspec.diagnostics.suggest import nearest

    if prefix is None or any(isinstance(part, tree.Hole) for segment in prefix.segments for part in segment):
        return ()
    near = nearest(text_of(prefix), _prefixes(mounted, side))
    return tuple(f"did you mean `{one}`? `{mounted.use.spec}` finds its variables there" for one in near)


def _prefixes(mounted: Mount, side: Side) -> Iterator[str]:
    """The names below which a side has a variable that some line of the interface names."""
    endings = tuple(
        f"/{normal_name(text_of(name))}"
        for line, _ in mounted.program.interface
        if line.side == side.word
        for name in line.names
        if is_exact(name)
    )
    for variable in side.index.map:
        for called in (variable.name, *variable.aliases):
            name = called.removesuffix(":0")
            yield from (name[: -len(ending)] for ending in endings if normal_name(name).endswith(ending))
