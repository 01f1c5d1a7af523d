"""From `package.module:function` to a live model.

Whatever the user's module does wrong is told as MIG511, with the place in the user's own files, and never as a traceback.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from migspec.diagnostics import SpecError, file_error
from migspec.formats.live_names import live_name_help
from migspec.models.staging import cause


def is_live_reference(text: str) -> bool:
    """Whether `text` has the form `package.module:function` and is no file that exists."""
    module, colon, function = text.partition(":")
    parts = [*module.split("."), *function.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts) and not Path(text).exists()


def load_live(reference: str) -> object:
    """What the function of `package.module:function` returns, called without arguments.

    The module is imported as `python -m` would, with the current directory first on `sys.path` during the import and the call.
    What it prints goes to standard error, as standard output is for migspec's results; TensorFlow's start-up log is left out.
    Raises `SpecError` (MIG511) if there is no such module or function, or if either raises.
    """
    from migspec.models.startup_log import tensorflow_starts_quietly

    module_name, _, function_name = reference.partition(":")
    with _current_directory_first(), tensorflow_starts_quietly(), contextlib.redirect_stdout(sys.stderr):
        found = _attribute(_import(module_name, reference), function_name, reference)
        if not callable(found):
            kind = type(found).__name__
            raise _refused(
                reference,
                f"`{function_name}` is no function",
                notes=(f"it is {_article(kind)} `{kind}`",),
                helps=(f"write a function that returns it, and name that: `{module_name}:build`",),
            )
        try:
            result: object = found()
        except (Exception, SystemExit) as error:
            raise _user_error(error, reference, f"`{function_name}` raises {type(error).__name__}") from error
        return result


@contextlib.contextmanager
def _current_directory_first() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()  # the module may be younger than the last look into its folder
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the module may have rearranged the path itself
            sys.path.remove(here)


def _import(name: str, reference: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if missing != name and not name.startswith(f"{missing}."):
            message = f"`{name}` cannot be imported: it needs the module `{missing}`"
            raise _user_error(error, reference, message, f"install `{missing}`") from error
        message = f"there is no module `{missing}`"
        notes = (f"looked in {Path.cwd()} and in the installed packages",)
        help_text = live_name_help(reference) if name.endswith(".py") else None
        helps = (help_text or "name it as for `python -m`, from the folder that it is found in",)
        raise _refused(reference, message, notes, helps) from error
    except (Exception, SystemExit) as error:
        raise _user_error(error, reference, f"`{name}` cannot be imported") from error


def _attribute(module: Any, path: str, reference: str) -> Any:
    found = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            functions = sorted(name for name, value in vars(module).items() if _is_own_function(value, module))
            notes = (f"it defines {', '.join(f'`{name}`' for name in functions[:5])}",) if functions else ()
            file = getattr(module, "__file__", None) or "a namespace package"
            raise _refused(reference, f"`{module.__name__}` ({file}) has no `{path}`", notes) from error
        except Exception as error:  # a module's own `__getattr__`
            raise _user_error(error, reference, f"`{path}` raises {type(error).__name__}") from error
    return found


def _is_own_function(value: object, module: Any) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _user_error(error: BaseException, reference: str, message: str, *helps: str) -> SpecError:
    place = _place(error, reference.partition(":")[0].partition(".")[0])
    if (
        place is None
        and isinstance(error, TypeError)
        and error.__traceback__ is not None
        and error.__traceback__.tb_next is None
    ):
        helps = (*helps, "migspec calls it without arguments: write a function that needs none")
    return _refused(reference, message, (cause(error), *((f"raised at {place}",) if place else ())), helps)


def _place(error: BaseException, package: str) -> str | None:
    """`file:line` of the last frame in the user's own code."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    place = None
    for frame, line in traceback.walk_tb(_after_migspec(error.__traceback__)):
        if _is_users(frame, package):
            place = f"{frame.f_code.co_filename}:{line}"
    return place


def _after_migspec(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_globals.get("__name__") == __name__:
        trace = trace.tb_next
    return trace


def _is_users(frame: FrameType, package: str) -> bool:
    if str(frame.f_globals.get("__name__", "")).partition(".")[0] == package:
        return True
    file = frame.f_code.co_filename
    installed = {"site-packages", "dist-packages"}.intersection(Path(file).parts)
    standard = any(file.startswith(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
    return not file.startswith("<") and not installed and not standard


def _refused(file: str, message: str, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> SpecError:
    return file_error("MIG511", file, message, notes=notes, helps=helps)


def _article(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" else "a"
