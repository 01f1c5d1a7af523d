"""TensorFlow's start-up log, kept off the terminal.

While TensorFlow is imported, it writes lines about its build and about the machine to file descriptor 2, and does not heed
`TF_CPP_MIN_LOG_LEVEL` yet ("All log messages before absl::InitializeLog() is called are written to STDERR"; TensorFlow 2.21).
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


@contextmanager
def tensorflow_starts_quietly() -> Iterator[None]:
    """Within this, the first import of TensorFlow, whoever asks for it, shows nothing on standard error unless it fails.

    Everything else that writes there is left alone. `TF_CPP_MIN_LOG_LEVEL=0` shows it all.
    """
    finder = _Finder()
    if "tensorflow" not in sys.modules and os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0":
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Finds TensorFlow as Python would, and loads it quietly."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Another loader, which it leaves in charge as soon as the module exists."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with _standard_error_held_back():
            self._loader.exec_module(module)


@contextmanager
def _standard_error_held_back() -> Iterator[None]:
    """What is written to file descriptor 2 is thrown away, or shown after all if there is an exception."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        terminal = os.dup(2)
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            if failed:
                held.seek(0)
                os.write(2, held.read())
