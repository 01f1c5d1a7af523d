"""What every live model offers, whatever its framework: it is read as a file is read, and filled all at once or not at all."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from migspec.formats.base import Reader, Writer
from migspec.formats.output import Destination
from migspec.variables import VariableMap


class LiveModel(Reader, Protocol):
    """A model in memory: a `Reader` of its own variables (`extent` is always None, `files` empty), and what fills them.

    `variables.label` and `path` are what an error calls the model; `format` names its framework and is no `--format`. A model
    shows each of its variables once, however many layers share it. Which variables there are is settled when it is opened;
    values are read when they are asked for.
    """

    @property
    def saves(self) -> Collection[str]:
        """The formats that `save` writes, as `--format` spells them; empty if the framework has none of its own."""

    def writer(self, variables: VariableMap) -> Writer:
        """A writer into these variables of the model; every other variable keeps its value.

        Nothing changes in the model before `commit`, which assigns all of them: first everything is checked, then values are
        assigned one after the other, and if one of them fails, those before it get their old values back. The error is a
        `SpecError` with MIG516 and the variable's name, and so it is if the map asks for a variable that the model lacks
        or has with another shape or dtype. Memory: one copy of what is written, before `commit`; no more during it, as each
        new value becomes the variable's own, or is let go, when the old one is kept.
        """

    def shares_variables(self, other: Reader) -> bool:
        """Whether filling this model changes what `other` reads: a model with one of the same variables, or the model itself."""

    def refuse_saving(self, destination: Destination, format: str) -> None:
        """Raise what `save` would raise at once, before anything is written: MIG508 for a format or a name that it does not
        take, and for layers that cannot be written down."""

    def save(self, destination: Destination, format: str) -> None:
        """Write the model to a file that its own framework loads. The file appears under its name complete or not at all.

        Raises `SpecError`: MIG506 and MIG507 as `Destination.refuse`, MIG508 if the format is none of `saves` or cannot hold
        the model, MIG514 if the file cannot be written.
        """
