"""Specs that installed packages publish, found without running anything of these packages.

A package publishes specs by an entry point of the group `migspec.specs`. Its name is the first segment of the specs' names, its value
the folder that holds them, as a dotted path below an importable package:

    [project.entry-points."migspec.specs"]
    acme = "acme_models.specs"

makes `acme_models/specs/dense.mig` known as `acme/dense`. Nothing is imported: only the place of `acme_models` is looked up
(`importlib.util.find_spec` of a name without dots runs no code of the package), and the rest of the value is a path below it.

The families of the library (`tf1`, `torch`, ...) are the library's alone: what a package publishes under such a name is not taken.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from migspec.resources import library_path

if TYPE_CHECKING:
    from importlib.metadata import Distribution

ENTRY_POINT_GROUP = "migspec.specs"


@dataclass(frozen=True, slots=True)
class Collection:
    """What one entry point publishes.

    `name` is the first segment of its specs' names, `package` the distribution as `acme-models 1.0`. `folders` is empty exactly if
    there is a `problem`, which says why, in words that may stand behind "but".
    """

    name: str
    package: str
    folders: tuple[Path, ...]
    problem: str | None = None

    def told(self) -> str:
        """What is wrong with it, in words that name the package: only where there is a `problem`."""
        return f"{self.package} publishes `{self.name}/`, but {self.problem}"

    def specs(self) -> Iterator[tuple[str, Path]]:
        """Each spec by its whole name, with its file; of two folders that have one name the first counts, as in an import."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(folder.rglob("*.mig")):
                if path.is_file():
                    found.setdefault(f"{self.name}/{path.relative_to(folder).with_suffix('').as_posix()}", path)
        yield from sorted(found.items())


def collections() -> tuple[Collection, ...]:
    """What all installed packages publish, in the order of the specs' names, and of the packages' where two have one name.

    A package that is broken takes nothing from the others: what it publishes has a `problem`, or, if its metadata cannot be read,
    is missing. Found once for as long as no folder of `sys.path` changes.
    """
    return _collections(tuple((entry, _changed(entry)) for entry in sys.path))


def _changed(entry: str) -> int | None:
    """When packages were last installed into a folder, or removed from it."""
    try:
        return Path(entry).stat().st_mtime_ns
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4)
def _collections(path: tuple[tuple[str, int | None], ...]) -> tuple[Collection, ...]:  # noqa: ARG001
    from importlib.metadata import distributions

    found: dict[tuple[str, str], Collection] = {}
    for distribution in distributions():
        for collection in _published_by(distribution):
            # A distribution that is there twice counts where an import would find it first.
            found.setdefault((collection.name, collection.package.partition(" ")[0]), collection)
    return tuple(found[key] for key in sorted(found))


def _published_by(distribution: Distribution) -> Iterator[Collection]:
    try:
        # Most packages publish no specs: their entry points, sound or not, need not be parsed.
        if f"[{ENTRY_POINT_GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
            return
        entries = sorted((entry.name, entry.value) for entry in distribution.entry_points.select(group=ENTRY_POINT_GROUP))
        package = f"{distribution.name} {distribution.version}"
    except Exception:  # metadata that no tool wrote raises whatever its parser happens to run into
        return
    for name, value in entries:
        yield _collection(name, package, value)


def _collection(name: str, package: str, value: str) -> Collection:
    if name in _families():
        return Collection(name, package, (), "migspec's own library has specs of that name, and no package adds to them")
    top, *below = value.partition(":")[0].strip().split(".")
    if not all(part.isidentifier() for part in (top, *below)):
        return Collection(name, package, (), f"`{value}` is no dotted path of a package")
    places = _places_of(top)
    if not places:
        return Collection(name, package, (), f"there is no package `{top}`")
    folders = tuple(folder for folder in (place.joinpath(*below) for place in places) if folder.is_dir())
    if not folders:
        return Collection(name, package, (), f"there is no folder {places[0].joinpath(*below)}")
    return Collection(name, package, folders)


def _families() -> set[str]:
    """The first segments of the names of the library's specs. A package that had one as well would change what specs mean as soon as
    the library gets a spec that the package has."""
    return {folder.name for folder in library_path().iterdir() if folder.is_dir()}


def _places_of(package: str) -> tuple[Path, ...]:
    """The folders of an importable package, none for a module or where there is nothing; runs none of its code."""
    from importlib.util import find_spec

    try:
        found = find_spec(package)
    except Exception:  # from the finder of some editable installation, or a module that was put into `sys.modules` by hand
        return ()
    return tuple(Path(location) for location in (found.submodule_search_locations or ()) if location) if found else ()
