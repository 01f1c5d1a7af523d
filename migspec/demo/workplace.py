"""The folder that the demo works in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from migspec.diagnostics import file_error
from migspec.formats.output import writing_failed


@contextmanager
def workplace(keep: str | None, module: str) -> Iterator[None]:
    """Within this, the current folder is a new one: `keep`, which stays, or one that goes again.

    `module` is a Python module that is imported from there; it is forgotten when the folder is left. Raises SpecError: MIG506 if
    `keep` is not empty, MIG514 if it cannot be made.
    """
    with _forgotten(module):
        if keep is None:
            with writing("a temporary folder"):
                temporary = TemporaryDirectory(prefix="migspec-demo-")
            with temporary as folder, chdir(folder):
                yield
            return
        if Path(keep).exists() and not Path(keep).is_dir():
            raise file_error("MIG506", keep, f"`{keep}` exists already, and is no folder", helps=("name a new folder",))
        with writing(keep):
            Path(keep).mkdir(parents=True, exist_ok=True)
            empty = not any(Path(keep).iterdir())
        if not empty:
            raise file_error("MIG506", keep, f"the folder `{keep}` is not empty", helps=("name a new folder",))
        with chdir(keep):
            yield


@contextmanager
def writing(path: str) -> Iterator[None]:
    """What the operating system refuses, also when TensorFlow passes it on, becomes a SpecError (MIG514)."""
    try:
        yield
    except OSError as error:
        raise writing_failed(path, error) from error
    except Exception as error:
        tensorflow = sys.modules.get("tensorflow")
        if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
            raise
        raise file_error("MIG514", path, f"TensorFlow cannot write `{path}`", (error.message.partition("\n")[0],)) from error


@contextmanager
def _forgotten(module: str) -> Iterator[None]:
    before = sys.modules.pop(module, None)
    try:
        yield
    finally:
        sys.modules.pop(module, None)
        if before is not None:
            sys.modules[module] = before
