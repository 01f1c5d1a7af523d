"""A live model as its variables: what is the same for every framework whose variables can be read and assigned one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from migspec.diagnostics import SpecError, file_error
from migspec.formats.base import Extent, Reader, Writer
from migspec.formats.output import Destination as OutputDestination
from migspec.formats.output import writing_failed
from migspec.formats.output_by_framework import written_by_framework
from migspec.models.staging import Destination, OneByOne, StagedWriter, cause
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    from pathlib import Path

    import numpy


class LiveVariable(Destination, Protocol):
    """One variable of a live model, to be read and assigned."""

    @property
    def identity(self) -> object:
        """The framework's object that holds the value: the same one, whichever model the variable is shown by."""

    def read(self) -> numpy.ndarray:
        """The value now: C order, of the variable's shape and dtype, in memory of its own."""


class FrameworkSaver(Protocol):
    """How a framework saves a model."""

    @property
    def endings(self) -> dict[str, str]:
        """The formats, as `--format` spells them, each with the ending that the framework insists on."""

    def refuse(self, format: str) -> None:
        """Raise what `save` would raise for a model whose layers cannot be written down, as far as that is known without its weights."""

    def save(self, path: Path, format: str) -> None:
        """Write the file; raises what the framework raises."""


class LiveVariables:
    """A `LiveModel` of variables that are assigned one by one.

    `format` names the framework, `noun` is what an error calls such a model ("live Keras model"). `settle` is called when
    variables have changed, for what the framework derives from them.
    """

    def __init__(
        self,
        label: str,
        format: str,
        noun: str,
        variables: Sequence[tuple[Variable, LiveVariable]],
        *,
        settle: Callable[[], None] = lambda: None,
        saver: FrameworkSaver | None = None,
    ) -> None:
        self._label = label
        self._format = format
        self._noun = noun
        self._variables = VariableMap.of(label, (variable for variable, _ in variables))
        self._live = {variable.name: live for variable, live in variables}
        self._settle = settle
        self._saver = saver

    @property
    def format(self) -> str:
        return self._format

    @property
    def path(self) -> str:
        return self._label

    @property
    def files(self) -> tuple[str, ...]:
        return ()

    @property
    def variables(self) -> VariableMap:
        return self._variables

    @property
    def saves(self) -> Collection[str]:
        return () if self._saver is None else self._saver.endings

    def extent(self, name: str) -> Extent | None:  # noqa: ARG002
        return None

    def read(self, name: str) -> numpy.ndarray:
        try:
            return self._live[name].read()
        except Exception as error:  # JAX: the array was donated to a compiled function and is gone
            raise file_error("MIG511", self._label, f"the value of `{name}` cannot be read", notes=(cause(error),)) from error

    def writer(self, variables: VariableMap) -> Writer:
        return StagedWriter(self._label, variables, OneByOne(self._live, self._settle))

    def shares_variables(self, other: Reader) -> bool:
        return isinstance(other, LiveVariables) and not self._identities().isdisjoint(other._identities())

    def refuse_saving(self, destination: OutputDestination, format: str) -> None:
        import warnings

        ending = self._ending(destination, format)
        assert self._saver is not None
        try:
            with warnings.catch_warnings():  # `save` gives them in its turn
                warnings.simplefilter("ignore")
                self._saver.refuse(format)
        except Exception as error:
            raise self._unsaved(destination, ending, error) from error

    def save(self, destination: OutputDestination, format: str) -> None:
        ending = self._ending(destination, format)
        assert self._saver is not None
        try:
            with written_by_framework(destination, f"model{ending}") as place:
                self._saver.save(place, format)
        except OSError as error:
            raise writing_failed(destination.path, error) from error
        except SpecError:
            raise
        except Exception as error:  # a layer that cannot be serialised raises what it likes
            raise self._unsaved(destination, ending, error) from error

    def _unsaved(self, destination: OutputDestination, ending: str, error: Exception) -> SpecError:
        message = f"the {self._noun} cannot be saved as `{ending}`"
        helps = ("save its weights alone: name the file `.weights.h5`",) if ending != ".weights.h5" else ()
        return file_error("MIG508", destination.path, message, notes=(cause(error),), helps=helps)

    def close(self) -> None:
        """Nothing to close: the model is its maker's."""

    def _identities(self) -> set[int]:
        return {id(live.identity) for live in self._live.values()}

    def _ending(self, destination: OutputDestination, format: str) -> str:
        """The ending of a file in this format; raises MIG508 if the framework has no such format, or insists on another ending."""
        endings = {} if self._saver is None else self._saver.endings
        ending = endings.get(format)
        if ending is not None and destination.path.endswith(ending):
            return ending
        if ending is not None:
            message, ways = f"the format {format} goes into a file that ends in `{ending}`", [ending]
        else:
            message, ways = f"a {self._noun} cannot be saved as {format}", list(endings.values()) or [".npz", ".safetensors"]
        shown = " or ".join(f"`{one}`" for one in ways)
        raise file_error("MIG508", destination.path, message, helps=(f"name the file {shown}",))
