"""What every live model offers, whatever its framework: it is read as a file is read, and filled all at once or not at all."""

from __future__ import annotations

from typing import Protocol

from migspec.formats.base import Reader, Writer
from migspec.variables import VariableMap


class LiveModel(Reader, Protocol):
    """A model in memory: a `Reader` of its own variables (`extent` is always None, `files` empty), and what fills them.

    `variables.label` and `path` are what an error calls the model; `format` names its framework and is no `--format`.
    """

    def writer(self, variables: VariableMap) -> Writer:
        """A writer into these variables of the model; every other variable keeps its value.

        Nothing changes in the model before `commit`, which assigns all of them: first everything is checked, then values are
        assigned one after the other, and if one of them fails, those before it get their old values back. The error is a
        `SpecError` with MIG516 and the variable's name, and so it is if the map asks for a variable that the model lacks
        or has with another shape or dtype. Memory: one copy of what is written, before `commit`; no more during it, as each
        new value is let go when the old one is kept.
        """

    def save(self, path: str, format: str) -> None:
        """Write the model to a file that its own framework loads. The file appears under its name complete or not at all.

        A file that stands there is replaced: whether that is allowed is asked before. Raises `SpecError`: MIG508 if the
        format cannot hold the model, MIG514 if the file cannot be written.
        """
