"""The oracle of a spec: a function that runs the old layer and the new one, and gives what both compute."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy

from migspec.diagnostics import Diagnostic, SpecError
from migspec.models.startup_log import tensorflow_starts_quietly
from migspec.testing.case import Case
from migspec.testing.settings import Settings

_LINES = 8  # of what an exception says

Oracle = Callable[[Case], tuple[Any, Any]]
"""What the old layer computes, and what the new one does: arrays, or lists, tuples or dicts of them."""


class OracleFailure(Exception):
    """An oracle did not give two things to compare: a diagnostic (MIG717)."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def missing(settings: Settings) -> str | None:
    """Which of the modules that the oracle requires are not installed; None if none are missing."""
    lacking = [name for name in settings.requires if not _is_installed(name)]
    return f"needs {' and '.join(lacking)}, not installed here" if lacking else None


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def load_oracle(settings: Settings) -> Oracle:
    """The function that the settings name. Raises `SpecError` (MIG717)."""
    assert settings.oracle is not None
    place, _, name = settings.oracle.rpartition(":")
    try:
        with _in_its_folder(settings):
            module = _of_file(settings.path.parent / place) if place.endswith(".py") else importlib.import_module(place)
    except (Exception, SystemExit) as error:  # whatever a module may raise when it is imported
        raise SpecError([_problem(settings, "the oracle cannot be loaded", *_told(error))]) from error
    function = getattr(module, name, None)
    if not callable(function):
        defined = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        from migspec.diagnostics.suggest import nearest

        helps = tuple(f"did you mean `{near}`?" for near in nearest(name, defined))
        raise SpecError([_problem(settings, f"`{place}` has no function `{name}`", helps=helps)])
    return function  # type: ignore[no-any-return]


def _of_file(path: Path) -> Any:
    """The module of a file; anew if the file has changed."""
    path = path.resolve()
    return _module_of(path, path.stat().st_mtime_ns)


@cache
def _module_of(path: Path, changed: int) -> Any:
    """The module of a file, under a name that no other module has."""
    del changed
    name = "migspec_oracle_" + "_".join(path.with_suffix("").parts[1:])
    found = spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def largest_difference(settings: Settings, oracle: Oracle, case: Case) -> tuple[float, str]:
    """By how much the outputs differ at most, and where; infinite where one is not finite. Raises `OracleFailure`."""
    try:
        with _in_its_folder(settings):
            result = oracle(case)
    except (Exception, SystemExit) as error:  # whatever a framework may raise
        raise OracleFailure(_problem(settings, "the oracle raised an exception", *_told(error))) from error
    if not isinstance(result, tuple) or len(result) != 2:
        raise OracleFailure(
            _problem(
                settings, "the oracle returns no pair", helps=("return what the old layer computes, and what the new one does",)
            )
        )
    old, new = (dict(_leaves(one, "")) for one in result)
    if not old or old.keys() != new.keys():
        listed = [f"{word}: {', '.join(map(_called, one)) or 'nothing'}" for word, one in (("old", old), ("new", new))]
        raise OracleFailure(_problem(settings, "the oracle returns outputs of two kinds", *listed))
    worst, where = -1.0, ""
    for path, expected in old.items():
        actual = new[path]
        if expected.shape != actual.shape:
            shapes = f"{_called(path)}: old {list(expected.shape)}, new {list(actual.shape)}"
            raise OracleFailure(_problem(settings, "the outputs have different shapes", shapes))
        if not expected.size:
            continue
        with numpy.errstate(invalid="ignore"):
            differences = numpy.abs(_wide(expected) - _wide(actual))
        differences = numpy.where(numpy.isfinite(differences), differences, numpy.inf)
        place = numpy.unravel_index(int(differences.argmax()), expected.shape)
        if differences[place] > worst:
            worst = float(differences[place])
            index = [int(one) for one in place]
            where = f"in {_called(path)} at {index}: {expected[place]} old, {actual[place]} new"
    if worst < 0:
        raise OracleFailure(_problem(settings, "the outputs that the oracle returns are empty"))
    return worst, where


def _wide(values: numpy.ndarray) -> numpy.ndarray:
    return values.astype(numpy.complex128 if numpy.iscomplexobj(values) else numpy.float64)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, numpy.ndarray]]:
    """The arrays in what an oracle returns, each with the way to it."""
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _leaves(value[key], f"{path}[{key!r}]")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for place, one in enumerate(value):
            yield from _leaves(one, f"{path}[{place}]")
    else:
        yield path, numpy.asarray(value)


def _called(path: str) -> str:
    return f"output{path}" if path else "the output"


@contextlib.contextmanager
def _in_its_folder(settings: Settings) -> Iterator[None]:
    """Within this, modules beside the spec can be imported, and those of the current directory, if no installed one is called so. What
    an oracle prints goes to standard error, as standard output is for results; TensorFlow's start-up log is left out."""
    # TensorFlow's own advice for results that are the same everywhere. With oneDNN, TensorFlow 2.21 also fails on a depthwise
    # convolution of one channel with a bias ("could not create a primitive descriptor").
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    places = [str(settings.path.parent.resolve()), str(Path.cwd())]
    sys.path.extend(places)
    try:
        with tensorflow_starts_quietly(), contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        for place in places:
            with contextlib.suppress(ValueError):  # a module may have rearranged the path itself
                sys.path.remove(place)


def _told(error: BaseException) -> tuple[str, ...]:
    """An exception in words, with the line of the oracle's own file that it left."""
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    said = [
        line for line in lines if line.strip() and not line.lstrip().startswith("File ")
    ]  # TensorFlow tells its whole stack
    text = "\n".join(said[:_LINES] + (["..."] if len(said) > _LINES else []))
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(Path(__file__).parent)]
    places = [frame for frame in own if "oracle" in Path(frame.filename).name] or own
    return (text, *(f"{frame.filename}:{frame.lineno}: {frame.line}" for frame in places[:1]))


def _problem(settings: Settings, message: str, *notes: str, helps: tuple[str, ...] = ()) -> Diagnostic:
    return Diagnostic("MIG717", message, file=str(settings.path), notes=(f"the oracle: {settings.oracle}", *notes), helps=helps)
