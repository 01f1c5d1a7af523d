"""Finding the spec that a `use` names: beside the file, in the library, in installed packages.

A package publishes specs by an entry point of the group `migspec.specs`: its name is the first segment of the specs' names, its value
a package (or module) whose folder holds them.
"""

from __future__ import annotations

from pathlib import Path

from migspec.diagnostics import file_error
from migspec.diagnostics.suggest import nearest
from migspec.resolve import NotFound
from migspec.resources import library_path
from migspec.text import Text

ENTRY_POINT_GROUP = "migspec.specs"


def load(name: str, beside: Text) -> Text | NotFound:
    """The spec called `name`, as seen from the text `beside`; the suffix `.mig` may be left out.

    Raises SpecError (MIG501) for a file that is there and cannot be read.
    """
    file_name = name if name.endswith(".mig") else f"{name}.mig"
    folder = Path(beside.name).parent
    candidates = [folder / file_name, library_path() / file_name]
    published = _published(file_name)
    if published is not None:
        candidates.append(published)
    for candidate in candidates:
        try:
            if not candidate.is_file():
                continue
        except OSError:  # a name that no file can have
            continue
        try:
            return Text(str(candidate), candidate.read_bytes().decode("utf-8", "replace"))
        except OSError as error:
            raise file_error("MIG501", str(candidate), "the spec cannot be read", (error.strerror or str(error),)) from None
    places = (f"the folder of {beside.name}", "the library of specs", "installed packages")
    return NotFound(places, tuple(nearest(name, names())))


def names() -> list[str]:
    """The names of the library's specs."""
    root = library_path()
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.mig"))


def _published(file_name: str) -> Path | None:
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    package, _, rest = file_name.partition("/")
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if entry.name == package and rest:
            try:
                found = find_spec(entry.value)
            except (ImportError, ValueError):  # of a package that is broken, which is none of this spec's business
                continue
            for location in (found.submodule_search_locations or ()) if found else ():
                return Path(location) / rest
    return None
