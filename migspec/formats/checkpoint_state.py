"""The state file `checkpoint`, which names the newest checkpoint of a folder: CheckpointState in protobuf's text format.

Fields: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/python/training/checkpoint_state.proto. Strings:
https://protobuf.dev/reference/protobuf/textformat-spec/#string.
"""

from __future__ import annotations

import re
from pathlib import Path

STATE_FILE = "checkpoint"

_NAMED = re.compile(r"^\s*model_checkpoint_path\s*:\s*([\"'])(.*)\1\s*$", re.MULTILINE)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_LETTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def path_named_by(file: Path) -> str | None:
    """The path in a state file, as it is written there; None if there is none. OSError if the file cannot be read."""
    try:
        found = _NAMED.search(file.read_text("utf-8"))
        return _ESCAPE.sub(_unescaped, found[2].encode()).decode() if found else None
    except ValueError:
        return None


def places_named_by(file: Path) -> tuple[str, ...]:
    """Where the named checkpoint may be: at that path, relative to the state file; and by its last name beside the file,
    because a folder that was moved keeps the paths of its old place."""
    named = path_named_by(file)
    if named is None:
        return ()
    basename = re.split(r"[/\\]", named)[-1]
    # Strings, not paths joined: a path would lose the slash that ends the prefix of an empty basename.
    return (named if Path(named).is_absolute() else f"{file.parent}/{named}", f"{file.parent}/{basename}")


def _unescaped(escape: re.Match[bytes]) -> bytes:
    octal, hexadecimal, letter = escape.groups()
    if letter is not None:
        return _LETTERS.get(letter, letter)
    return bytes([int(octal, 8) & 0xFF if octal else int(hexadecimal, 16)])
