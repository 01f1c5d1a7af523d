"""The oracle of a spec: a function that runs the old layer and the new one, and gives what both compute."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from migspec.diagnostics import Diagnostic, SpecError
from migspec.diagnostics.suggest import nearest
from migspec.models.startup_log import tensorflow_starts_quietly
from migspec.testing.case import Case
from migspec.testing.outputs import Outputs, Unusable, difference, identical, outputs_of
from migspec.testing.settings import Settings
from migspec.testing.told import told

_FRAMEWORKS = (
    "tensorflow",
    "keras",
    "torch",
    "jax",
    "flax",
    "onnxruntime",
    "tf_keras",
    "tf_slim",
    "transformers",
    "keras_hub",
)  # what oracles require most often: a name that is nearly one of these is a slip of the finger
_LETTERS = 4  # shorter names are too often near to each other

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
    if not lacking:
        return None
    known = [*_FRAMEWORKS, *(name for name in settings.requires if name not in lacking)]
    meant = [near for name in lacking for near in _misspelled(name, known)]
    asked = f": did you mean {' and '.join(f'`{near}`' for near in meant)}?" if meant else ""
    return f"needs {' and '.join(lacking)}, not installed here{asked}"


def _misspelled(name: str, known: Sequence[str]) -> Sequence[str]:
    """The known module that is a letter or two from this one. Less alike are the names of different packages: `torchvision`."""
    if name in known:
        return ()
    from rapidfuzz.distance import OSA

    distances = {other: OSA.distance(name, other) for other in known if min(len(name), len(other)) >= _LETTERS}
    best = min(distances, key=distances.__getitem__, default=None)
    allowed = 1 if len(name) <= _LETTERS else 2
    return (best,) if best is not None and distances[best] <= allowed else ()


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def load_oracle(settings: Settings) -> Oracle:
    """The function that the settings name. Raises `SpecError` (MIG717)."""
    assert settings.oracle is not None
    place, _, name = settings.oracle.rpartition(":")
    if place.endswith(".py") and not (settings.path.parent / place).is_file():
        raise SpecError([_no_file(settings, place)])
    try:
        with _in_its_folder(settings):
            module = _of_file(settings.path.parent / place) if place.endswith(".py") else importlib.import_module(place)
    except (Exception, SystemExit) as error:  # whatever a module may raise when it is imported
        raise SpecError([_problem(settings, "the oracle cannot be loaded", *told(error, settings.path.parent))]) from error
    function = getattr(module, name, None)
    if not callable(function):
        defined = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        helps = tuple(f"did you mean `{near}`?" for near in nearest(name, defined))
        raise SpecError([_problem(settings, f"`{place}` has no function `{name}`", helps=helps)])
    return function  # type: ignore[no-any-return]


def _no_file(settings: Settings, place: str) -> Diagnostic:
    """There is no such file; perhaps one that is called nearly so."""
    wanted = settings.path.parent / place
    # Without the ending, which all have, and which would make any two of them alike.
    beside = [one.stem for one in wanted.parent.glob("*.py")] if wanted.parent.is_dir() else []
    near = [(Path(place).parent / f"{name}.py").as_posix() for name in nearest(wanted.stem, beside)]
    helps = tuple(f"did you mean `{name}`?" for name in near) or (
        "name the file as it is seen from the folder of the settings, or a module: `package.module:function`",
    )
    return _problem(settings, "the oracle cannot be loaded", f"there is no file {wanted}", helps=helps)


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


def run_oracle(settings: Settings, oracle: Oracle, case: Case) -> tuple[Outputs, Outputs]:
    """What the old layer computes in a case, and what the new one does. Raises `OracleFailure`."""
    try:
        with _in_its_folder(settings):
            result = oracle(case)
    except (Exception, SystemExit) as error:  # whatever a framework may raise
        notes = told(error, settings.path.parent)
        raise OracleFailure(_problem(settings, "the oracle raised an exception", *notes)) from error
    try:
        return outputs_of(result)
    except Unusable as error:
        raise OracleFailure(_problem(settings, error.message, *error.notes, helps=error.helps)) from error


def largest_difference(settings: Settings, oracle: Oracle, case: Case) -> tuple[float, str]:
    """By how much the outputs differ at most, and where; infinite where one is not finite. Raises `OracleFailure`."""
    old, new = run_oracle(settings, oracle, case)
    try:
        return difference(old, new)
    except Unusable as error:
        raise OracleFailure(_problem(settings, error.message, *error.notes, helps=error.helps)) from error


def blind(settings: Settings, oracle: Oracle, case: Case, other: Case) -> Diagnostic | None:
    """What is wrong if both layers compute the same in two cases that differ in their weights alone; None if one of them does not."""
    try:
        before, after = run_oracle(settings, oracle, case), run_oracle(settings, oracle, other)
    except OracleFailure:
        return None
    if not all(identical(one, two) for one, two in zip(before, after, strict=True)):
        return None
    return _problem(
        settings,
        "the outputs do not depend on the weights",
        "with other values of all source variables, both layers compute what they did before",
        helps=("give the old layer `case.source` and the new one `case.target`, and run both on inputs that are not zero",),
    )


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


def _problem(settings: Settings, message: str, *notes: str, helps: tuple[str, ...] = ()) -> Diagnostic:
    return Diagnostic("MIG717", message, file=str(settings.path), notes=(f"the oracle: {settings.oracle}", *notes), helps=helps)
