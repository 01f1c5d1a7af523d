"""A live model that is named like a file: what its name would be."""

from __future__ import annotations

import re
from pathlib import Path

_FUNCTION = re.compile(r"^def ([^\W\d]\w*)\(\s*\)", re.MULTILINE)
_READ = 1 << 20  # bytes of a Python file that are searched for a function


def live_name_help(named: str) -> str | None:
    """How to name the live model that `named` seems to mean, as a help; None if it does not look like one.

    `folder/km:build`, `km.py`, `km.py:build`, and `km` where there is a `km.py` all mean `km:build`. No code is run: a function that
    is not named is looked for in the text of the file.
    """
    left, colon, function = named.rpartition(":") if ":" in named else (named, "", "")
    file = Path(left.removesuffix(".py") + ".py")
    if colon:
        if not all(part.isidentifier() for part in function.split(".")):
            return None
    elif named.endswith(".py") or _is_file(file):
        function = _function(file)
    else:
        return None
    if not file.stem.isidentifier():
        return None
    folders = [part for part in file.parent.parts if part != "."]
    if folders and all(part.isidentifier() for part in folders):
        name, place = f"{'.'.join([*folders, file.stem])}:{function}", ""
    else:
        name, place = f"{file.stem}:{function}", f", and migspec runs in its folder, `{file.parent}`" if folders else ""
    return f"a live model is named `{name}`: package.module:function, without a path or `.py`{place}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL byte
        return False


def _function(file: Path) -> str:
    """The first function of a Python file that takes no arguments; `build` if there is none."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            found = _FUNCTION.search(stream.read(_READ))
    except (OSError, ValueError):
        found = None
    return found[1] if found else "build"
