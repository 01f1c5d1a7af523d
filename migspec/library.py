"""The files that a spec names: used specs, found beside the file, in the library or in installed packages, and vocabularies.

A package publishes specs by an entry point of the group `migspec.specs`: its name is the first segment of the specs' names, its value
a package (or module) whose folder holds them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from migspec.diagnostics import file_error
from migspec.diagnostics.suggest import nearest
from migspec.ops import OpError
from migspec.resolve import NotFound
from migspec.resources import library_path
from migspec.text import Text

if TYPE_CHECKING:
    from migspec.vocabulary import Vocabulary

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


def read_vocabulary(name: str, beside: Text) -> Vocabulary:
    """The token file that a spec names, relative to the spec; raises OpError (MIG501, MIG518)."""
    from hashlib import sha256

    from migspec.vocabulary import Malformed, Vocabulary, tokens_of

    path = Path(beside.name).parent / name
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # a path with a NUL byte
        try:
            others = [one.name for one in path.parent.iterdir()]
        except (OSError, ValueError):
            others = []
        helps = tuple(f"did you mean `{Path(name).parent / near}`?" for near in nearest(path.name, others))
        reason = getattr(error, "strerror", None) or str(error)
        raise OpError(
            "MIG501",
            f"the vocabulary `{name}` cannot be read",
            (f"{path}: {reason}",),
            helps or ("paths are relative to the folder of the spec",),
        ) from None
    try:
        tokens = tokens_of(content, is_json=path.suffix == ".json")
    except Malformed as error:
        raise OpError("MIG518", f"`{name}` is no vocabulary: {error.message}", (f"read from {path}",), (error.help,)) from None
    return Vocabulary(str(path), sha256(content).hexdigest(), tokens)


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
