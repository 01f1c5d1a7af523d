"""A TensorFlow 1 graph with its session as something to read from and to write into."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import SpecError, file_error
from migspec.formats.base import Extent, Reader, Writer
from migspec.formats.output import Destination
from migspec.models.staging import StagedWriter, cause
from migspec.models.tensorflow_session.graph_variables import GraphVariable, graph_variables
from migspec.models.tensorflow_session.holder import SessionHolder
from migspec.models.tensorflow_session.read_ahead import ReadAhead
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy


INITIALIZE = "restore a checkpoint, or run `tf.compat.v1.global_variables_initializer()`, before the session is used"


def session_of(model: object) -> Any:
    """The session that is meant by a session, by a monitored one, or by a graph and a session in either order; else None."""
    import tensorflow as tf

    v1 = tf.compat.v1
    if isinstance(model, tuple | list) and len(model) == 2:
        first, second = model
        if isinstance(first, tf.Graph):
            return session_of(second)
        return session_of(first) if isinstance(second, tf.Graph) else None
    if isinstance(model, v1.Session | v1.InteractiveSession):
        return model
    inner = getattr(model, "_tf_sess", None)  # `MonitoredSession`, whose own `run` calls hooks; `run_step_fn` is public and
    return inner() if callable(inner) else None  # gives the same session, inside a step of training only


def open_session(model: object, label: str) -> SessionModel:
    """The live model behind what `session_of` knows. Raises `SpecError`: MIG511 if the session is another graph's, or closed;
    MIG512 as `graph_variables`."""
    import tensorflow as tf

    session = session_of(model)
    if isinstance(model, tuple | list) and not any(part is session.graph for part in model if isinstance(part, tf.Graph)):
        note = "a session runs the graph that it was made for"
        raise file_error("MIG511", label, "the session is not one of this graph", notes=(note,))
    return SessionModel(session, label)


class SessionModel:
    """The global variables of a session's graph, with the values that they have in this session.

    A variable without a value, because its initializer has not run, can be filled and cannot be read. Nothing is added to the
    graph. Memory: while the model is filled, one copy of the new values, and at most 256 MiB of old ones beyond those whose
    new values have been let go.
    """

    def __init__(self, session: Any, label: str) -> None:
        self._session = session
        self._label = label
        self._graph_variables = {variable.name: variable for variable in graph_variables(session.graph, label)}
        self._holder = SessionHolder(session, self._graph_variables)
        self._ahead: list[ReadAhead] = []  # one for each context of `read_ahead`, which may be one in the other
        self._variables = VariableMap.of(label, map(_described, self._graph_variables.values()))

    @property
    def format(self) -> str:
        return "live-session"

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
        """None: `Saver` would add its ops to the graph, and migspec writes TensorFlow checkpoints itself."""
        return ()

    def extent(self, name: str) -> Extent | None:  # noqa: ARG002
        return None

    def read(self, name: str) -> numpy.ndarray:
        try:
            ahead = next((one for one in reversed(self._ahead) if name in one), None)
            return self._holder.values([name])[name] if ahead is None else ahead.take(name)
        except Exception as error:
            raise self._unreadable(name, error) from error

    def without_values(self) -> tuple[str, ...]:
        """The variables whose initializers have not run, in the order of the graph."""
        without = self._holder.uninitialized(self._graph_variables)
        return tuple(name for name in self._graph_variables if name in without)

    @contextmanager
    def read_ahead(self, names: Sequence[str]) -> Iterator[None]:
        self._ahead.append(ReadAhead(self._holder.values, {name: self._graph_variables[name].nbytes for name in names}))
        try:
            yield
        finally:
            self._ahead.pop()

    def writer(self, variables: VariableMap) -> Writer:
        return StagedWriter(self._label, variables, self._holder)

    def shares_variables(self, other: Reader) -> bool:
        return isinstance(other, SessionModel) and other._session is self._session

    def save(self, destination: Destination, format: str) -> None:
        self.refuse_saving(destination, format)

    def refuse_saving(self, destination: Destination, format: str) -> None:
        raise file_error(
            "MIG508",
            destination.path,
            f"a TensorFlow session cannot be saved as {format}",
            helps=("name the file `.ckpt`, `.npz` or `.safetensors`",),
        )

    def close(self) -> None:
        """Nothing to close: the session is its maker's."""

    def _unreadable(self, name: str, error: Exception) -> SpecError:
        import tensorflow as tf

        if isinstance(error, tf.errors.FailedPreconditionError):
            return file_error(
                "MIG218",
                self._label,
                f"`{name}` has no value: its initializer has not run",
                helps=(INITIALIZE,),
            )
        return file_error("MIG511", self._label, f"the value of `{name}` cannot be read", notes=(cause(error),))


def _described(variable: GraphVariable) -> Variable:
    return Variable(variable.name, variable.shape, variable.dtype)
