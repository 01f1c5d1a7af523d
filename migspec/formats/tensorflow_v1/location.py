"""From a path that a user names to the files of a V1 checkpoint: one table, or several `prefix-NNNNN-of-NNNNN`."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from migspec.diagnostics.model import file_error
from migspec.formats.checkpoint_state import STATE_FILE, places_named_by
from migspec.formats.leveldb_table import has_footer

# Source: Saver._ShardedFilename and `sharded_filespec` in https://github.com/tensorflow/tensorflow/blob/master/tensorflow/
# python/training/saver.py. The state file names a sharded checkpoint by the pattern with question marks.
_SHARD = re.compile(r"(.*)-(?:\d{5,}|\?{5})-of-(\d{5,})", re.DOTALL)


def find_shards(path: str) -> tuple[str, ...]:
    """The files of the V1 checkpoint that `path` means, in the order of their numbers, or none if it means none: the one
    file, one of several or their common prefix (also with `-?????-of-00002`), the state file `checkpoint` or its folder, or a
    folder with one checkpoint and its `.meta`.

    SpecError: MIG501 if some of several files are missing, MIG502 if a prefix has files of two such checkpoints.
    """
    try:
        return _shards(path)
    except (OSError, ValueError):  # a zero byte, which no file system takes, is a ValueError
        return ()


def _shards(path: str) -> tuple[str, ...]:
    place = Path(path)
    is_folder = path != "" and place.is_dir()
    state_file = place / STATE_FILE if is_folder else place
    if state_file.name == STATE_FILE and state_file.is_file() and not has_footer(state_file):
        return next((found for named in places_named_by(state_file) if (found := _named(named))), ())
    if is_folder:  # beside a checkpoint lies its graph, in a file `.meta`
        inside = [found for meta in sorted(place.glob("*.meta")) if (found := _named(str(meta.with_suffix(""))))]
        return inside[0] if len(inside) == 1 else ()
    return _named(path) if path else ()


def _named(path: str) -> tuple[str, ...]:
    place, shard = Path(path), _SHARD.fullmatch(path)
    if place.is_file():
        if not has_footer(place):
            return ()
        return _set(shard[1], shard[2], path) if shard else (path,)
    if shard:
        return _set(shard[1], shard[2], path)
    counts = {found[2] for file in _matching(path, "-*-of-*") if (found := _SHARD.fullmatch(file))}
    sets = [files for count in sorted(counts) if (files := _set(path, count, path))]
    if len(sets) > 1:
        ways = ", ".join(f"`{files[0]}`" for files in sets[:3])
        raise file_error("MIG502", path, f"`{path}` is the prefix of several checkpoints", helps=[f"name one of {ways}"])
    return sets[0] if sets else ()


def _set(prefix: str, count: str, path: str) -> tuple[str, ...]:
    """The files of one checkpoint; none if not even one of them is there and a table."""
    files = _matching(prefix, f"-{'[0-9]' * len(count)}-of-{count}")
    if not any(has_footer(Path(file)) for file in files):
        return ()
    missing = int(count) - len(files)
    if missing:
        numbered = (f"{prefix}-{number:0{len(count)}d}-of-{count}" for number in range(len(files) + 1))
        first = next((name for name in numbered if name not in files), "")
        raise file_error(
            "MIG501",
            path,
            f"{missing} of the {int(count)} files of the checkpoint are missing, `{first}` first",
            helps=["copy all of them into one folder"],
        )
    return files


def _matching(prefix: str, pattern: str) -> tuple[str, ...]:
    """The files whose names are the prefix and what the pattern fits, sorted."""
    folder, slash, basename = prefix.rpartition("/")
    found = Path(folder + slash).glob(glob.escape(basename) + pattern)
    return tuple(sorted(folder + slash + file.name for file in found))
