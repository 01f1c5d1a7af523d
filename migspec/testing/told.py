"""An exception of somebody's oracle in a few lines: what it says, and where in their own files it was raised."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_LINES = 8  # of what an exception says


def told(error: BaseException, folder: Path) -> tuple[str, ...]:
    """What an exception says, and the line that raised it; then the line of the oracle that led there, if that is another.

    Lines are those of the user's own files: in `folder`, or anywhere but in the standard library and what is installed.
    """
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    said = [
        line for line in lines if line.strip() and not line.lstrip().startswith("File ")
    ]  # TensorFlow tells its whole stack
    text = "\n".join(said[:_LINES] + (["..."] if len(said) > _LINES else []))
    if isinstance(error, SyntaxError) and error.filename:
        return text, f"{error.filename}:{error.lineno}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename, folder)]
    if not own:
        return (text,)
    raised, called = own[-1], own[0]
    places = [_line(raised)]
    if (called.filename, called.lineno) != (raised.filename, raised.lineno):
        places.append(f"called at {_line(called)}")
    return (text, *places)


def _line(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno}: {frame.line}"


def _is_own(file: str, folder: Path) -> bool:
    path = Path(file)
    if path.is_relative_to(folder.resolve()):
        return True
    installed = {"site-packages", "dist-packages"}.intersection(path.parts)
    standard = any(file.startswith(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
    ours = path.is_relative_to(Path(__file__).parent)
    return not (file.startswith("<") or installed or standard or ours)
