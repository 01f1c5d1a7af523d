"""Where the variables of a map lie in a `.weights.h5` file, and what the objects are called that they belong to.

A name or alias such as `layers/lstm/cell/vars/0` is a place in such a file. `migspec inspect --json` of a Keras file or live Keras model
lists it with each variable, so the map that it prints is enough to write one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migspec.diagnostics.model import SpecError, file_error
from migspec.variables import Variable, VariableMap

_PLACE = re.compile(r"(?:(.+)/)?vars/([^/]+)")


@dataclass(frozen=True, slots=True)
class _Object:
    """An object with weights: the parts of its path in the file, and the names on its path in the model."""

    keys: tuple[str, ...]
    names: tuple[str, ...]


def places_of(path: str, variables: VariableMap) -> dict[str, tuple[str, ...]]:
    """The places of each variable; several for a weight that Keras saves twice.

    MIG508, for the output at `path`, if a variable has none, or if two variables cannot both lie where they should.
    """
    places = {variable.name: _places(variable) for variable in variables}
    for name, own in places.items():
        if not own:
            raise _unplaced(path, name, variables.label)
    taken: dict[str, str] = {}
    for name, own in places.items():
        for place in own:
            if taken.setdefault(place, name) != name:
                raise _refused(path, f"`{taken[place]}` and `{name}` would both lie at `{place}`")
    for place, name in taken.items():
        keys = place.split("/")
        if not all(keys) or not {".", ".."}.isdisjoint(keys) or "\0" in place:
            raise _refused(path, f"`{name}` would lie at `{place}`, which is no path in an HDF5 file")
        for length in range(1, len(keys)):
            above = "/".join(keys[:length])
            if above in taken:
                raise _refused(path, f"`{name}` would lie inside `{taken[above]}`, at `{place}`")
    return places


def object_names(places: Mapping[str, tuple[str, ...]], variables: VariableMap) -> dict[str, str]:
    """What the file should call its objects, by their paths in it, so that its variables get the same names when it is read.

    A path in the file has parts that stand in no name: lists, such as `layers`, and nested functional models. Which ones they
    are follows from the numbers of parts and names of all objects together. An object that this does not settle has no name.
    """
    objects: dict[tuple[str, ...], tuple[str, ...]] = {}
    models: set[str] = set()
    for variable in variables:
        names = tuple(variable.name.split("/"))[:-1]
        for place in places[variable.name]:
            if names and place != variable.name:
                objects.setdefault(tuple(place.split("/")[:-2]), names)
        models |= {alias.removesuffix(f"/{variable.name}") for alias in variable.aliases if alias.endswith(f"/{variable.name}")}
    found: dict[str, str] = {}
    _settle([_Object(keys, names) for keys, names in objects.items() if keys], (), 0, False, found)
    if len(models) == 1 and "/" not in (model := models.pop()):
        found[""] = model
    return found


def _settle(objects: list[_Object], above: tuple[str, ...], depth: int, in_list: bool, found: dict[str, str]) -> None:
    """Name what lies directly in the group `above`, whose objects have used up `depth` of their names, and what lies below."""
    level = len(above)
    below: dict[str, list[_Object]] = {}
    for one in objects:
        below.setdefault(one.keys[level], []).append(one)
    for key, members in below.items():
        path = (*above, key)
        lowest = max(len(one.names) - (len(one.keys) - level - 1) for one in members)
        highest = min(len(one.names) - (len(one.keys) > level + 1) for one in members)
        own = {one.names[depth] for one in members if len(one.names) > depth}
        may_be_object = lowest <= depth + 1 <= highest and len(own) == 1
        may_be_list = lowest <= depth <= highest
        is_likely_list = key.endswith("s") and not in_list  # `layers`, `blocks`: an attribute that is called for what it lists
        is_object = may_be_object and not (may_be_list and is_likely_list)
        if is_object:
            found["/".join(path)] = own.pop()
        deeper = [one for one in members if len(one.keys) > level + 1]
        _settle(deeper, path, depth + is_object, not is_object, found)


def _places(variable: Variable) -> tuple[str, ...]:
    return tuple(name for name in (variable.name, *variable.aliases) if _PLACE.fullmatch(name))


def _unplaced(path: str, name: str, label: str) -> SpecError:
    return file_error(
        "MIG508",
        path,
        f"`{label}` does not say where `{name}` lies in a `.weights.h5` file",
        notes=["such a place is a name or an alias of the variable, for example `layers/dense/vars/0`"],
        helps=[
            "make the map from a file of the same model, `migspec inspect model.weights.h5 --json`, or from the live Keras model",
            "or name a `.weights.h5` file, a `.keras` file or the live Keras model as the target",
            "write npz or safetensors, which need no template",
        ],
    )


def _refused(path: str, cause: str) -> SpecError:
    return file_error(
        "MIG508", path, cause, helps=["mend the aliases in the variable map, or make it anew with `migspec inspect --json`"]
    )


def groups_above(paths: Iterable[str]) -> list[str]:
    """Every group that must be there for `paths` to be, each after those above it."""
    groups: dict[str, None] = {}
    for path in paths:
        keys = path.split("/")
        groups.update((("/".join(keys[:length])), None) for length in range(1, len(keys)))
    return list(groups)
