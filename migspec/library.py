"""The files that a spec names: used specs, found beside the file, in the library or in installed packages, and vocabularies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from migspec.diagnostics import file_error
from migspec.diagnostics.suggest import nearest
from migspec.ops import OpError
from migspec.published import Collection, collections
from migspec.resolve import NotFound
from migspec.resources import library_path
from migspec.text import Text

if TYPE_CHECKING:
    from migspec.vocabulary import Vocabulary


def load(name: str, beside: Text) -> Text | NotFound:
    """The spec called `name`, as seen from the text `beside`; the suffix `.mig` may be left out.

    Raises SpecError (MIG501) for a file that is there and cannot be read.
    """
    file_name = name if name.endswith(".mig") else f"{name}.mig"
    folder = Path(beside.name).parent
    for candidate in chain((folder / file_name, library_path() / file_name), _published(file_name)):
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
    broken = (f"{one.package} (it publishes `{one.name}/`, but {one.problem})" for one in broken_collections(name))
    return NotFound((*places, *broken), tuple(nearest(name, [*_beside(folder, name), *names()])))


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
    """The names of all specs that any spec may use: those of the library and those of installed packages."""
    return sorted({*library_specs(), *(name for collection in collections() for name, _ in collection.specs())})


def find(name: str) -> Path | None:
    """The file of a spec of the library, or else of an installed package, by its name; the suffix `.mig` may be left out."""
    found = library_specs().get(name.removesuffix(".mig"))
    return found or next((path for path in _published(f"{name.removesuffix('.mig')}.mig") if path.is_file()), None)


def called(path: str) -> str:
    """What a person calls a spec: the name under which any spec may use it, or else the path of its file."""
    file = Path(path)
    if file.is_absolute():
        for root, family in _roots():
            if file.is_relative_to(root):
                # What a spec was turned around from is called `x.mig (turned around)`, and is no file.
                name, _, behind = file.relative_to(root).as_posix().rpartition(".mig")
                return "/".join((*family, name + behind))
    return path


def _roots() -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The folders of the library and of installed packages, which are asked only once it is none of the library."""
    yield library_path(), ()
    for collection in collections():
        for folder in collection.folders:
            yield folder, (collection.name,)


def broken_collections(name: str | None = None) -> tuple[Collection, ...]:
    """What installed packages say that they publish, and what is not taken from them; only where the spec or family `name` would be."""
    family = None if name is None else name.partition("/")[0]
    return tuple(one for one in collections() if one.problem is not None and family in (None, one.name))


def library_specs() -> dict[str, Path]:
    """The library's specs: each name with its file."""
    root = library_path()
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.mig"))}


def _beside(folder: Path, name: str) -> list[str]:
    """The specs beside the one that names another, called as that one is: with the suffix or without."""
    return [one.name if name.endswith(".mig") else one.stem for one in folder.glob("*.mig")]


def _published(file_name: str) -> Iterator[Path]:
    """Where installed packages would have a spec. They are asked only once it is nowhere else."""
    published_as, _, rest = file_name.partition("/")
    for collection in collections():
        if collection.name == published_as and rest:
            for folder in collection.folders:
                yield folder / rest
