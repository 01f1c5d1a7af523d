"""From a path that a user names to the prefix of a bundle: `model-85340` for `model-85340.index` and its data files."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from migspec.diagnostics import file_error
from migspec.formats.checkpoint_state import STATE_FILE, path_named_by, places_named_by
from migspec.formats.leveldb_table import has_footer

_INDEX = ".index"
_SHARD = re.compile(r"(.*)\.data-\d{5,}-of-\d{5,}", re.DOTALL)
_MOST_SUGGESTIONS = 3


def index_path(prefix: str) -> str:
    return prefix + _INDEX


def shard_path(prefix: str, number: int, count: int) -> str:
    """Source: DataFilename in https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/tensor_bundle/naming.cc."""
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


def prefix_named(path: str) -> str:
    """The prefix that a path means by its name alone: as in reading, an index or a data file stands for its bundle."""
    if path.endswith(_INDEX):
        return path.removesuffix(_INDEX)
    shard = _SHARD.fullmatch(path)
    return shard[1] if shard else path


def shards_of(prefix: str) -> tuple[str, ...]:
    """The data files of this prefix that exist, whatever their number says. OSError if their folder cannot be read."""
    folder, basename = os.path.split(prefix)
    found = (entry.name for entry in Path(folder).glob(f"{glob.escape(basename)}.data-*-of-*"))
    return tuple(os.path.join(folder, name) for name in sorted(found) if _SHARD.fullmatch(name))  # noqa: PTH118 (a prefix is text)


def is_bundle(path: str) -> bool:
    """Whether `open_bundle` is the one to read this path, or to say what is wrong with it. Looks at names and at the last
    bytes of an index; never raises."""
    try:
        return any(_is_index(index_path(prefix)) or _has_shards(prefix) for prefix in _prefixes(path))
    except (OSError, ValueError):
        return False


def locate(path: str) -> str:
    """The prefix that `path` means: itself, or that of an index, a data file, a state file named `checkpoint`, a SavedModel
    or a folder with one checkpoint.

    SpecError: MIG501 if nothing is there or the state file names what is not there, MIG502 if the path is something else, or
    a folder of several checkpoints.
    """
    try:
        prefixes = _prefixes(path)
        if len(prefixes) == 1:
            return prefixes[0]
        place = Path(path)
        state_file = place / STATE_FILE if place.is_dir() else place
        if not place.exists():
            raise file_error("MIG501", path, "no such file, folder or checkpoint")
        if prefixes:
            raise file_error(
                "MIG502",
                path,
                f"the folder holds {len(prefixes)} checkpoints, and no file `checkpoint` says which",
                helps=_name_one(prefixes),
            )
        if state_file.name == STATE_FILE and state_file.is_file():
            named = path_named_by(state_file)
            what = f"names `{named}`, which is not there" if named is not None else "names no checkpoint"
            raise file_error(
                "MIG501", str(state_file), f"the state file {what}", helps=_name_one(_in_folder(state_file.parent))
            )
        raise file_error("MIG502", path, "no TensorFlow checkpoint")
    except OSError as error:
        raise file_error("MIG501", path, f"the path cannot be read: {error.strerror}") from None
    except ValueError:  # a zero byte, which no file system takes
        raise file_error("MIG501", path, "no such file, folder or checkpoint") from None


def _prefixes(path: str) -> tuple[str, ...]:
    """Every prefix that the path may mean, of bundles of which at least one file exists."""
    place = Path(path)
    if Path(index_path(path)).is_file():  # also an empty basename, `folder/` for `folder/.index`
        return (path,)
    if place.is_dir():
        return _of_folder(place)
    if path.endswith(_INDEX) and place.is_file():
        return (path.removesuffix(_INDEX),)
    if (shard := _SHARD.fullmatch(path)) and (place.is_file() or Path(index_path(shard[1])).is_file()):
        return (shard[1],)
    if place.name == STATE_FILE and place.is_file():
        return _of_state_file(place)
    return (path,) if _has_shards(path) else ()


def _of_folder(folder: Path) -> tuple[str, ...]:
    if (folder / _INDEX).is_file():
        return (f"{folder}/",)
    if (folder / STATE_FILE).is_file():
        return _of_state_file(folder / STATE_FILE)
    saved_model = folder / "variables" / "variables"
    if Path(index_path(str(saved_model))).is_file():
        return (str(saved_model),)
    return _in_folder(folder)


def _in_folder(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(str(file).removesuffix(_INDEX) for file in folder.glob("*" + _INDEX) if has_footer(file)))


def _of_state_file(file: Path) -> tuple[str, ...]:
    return next(((prefix,) for prefix in places_named_by(file) if Path(index_path(prefix)).is_file()), ())


def _is_index(path: str) -> bool:
    try:
        return has_footer(Path(path))
    except OSError:  # not readable: its data files may still say what it is
        return False


def _has_shards(prefix: str) -> bool:
    """Whether a data file of this prefix exists."""
    return bool(shards_of(prefix))


def _name_one(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    if not prefixes:
        return ()
    return ("name one of them: " + ", ".join(f"`{prefix}`" for prefix in prefixes[:_MOST_SUGGESTIONS]),)
