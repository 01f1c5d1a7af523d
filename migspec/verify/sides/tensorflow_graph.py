"""A TensorFlow graph in a session of its own: of a `.meta` file, of a frozen graph, or one that the user built."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import SpecError, file_error
from migspec.fold import fold_texts
from migspec.verify.ports import Port
from migspec.verify.side import cannot_run, no_such_output
from migspec.verify.sides.graph_ports import ends, fed_port, needed, open_shape, placeholders, short_name

if TYPE_CHECKING:
    import numpy

    from migspec.models.base import LiveModel


class GraphSide:
    """A graph with a session that has the values of its variables. `owned` says whether closing the side closes the session."""

    def __init__(self, label: str, kind: str, session: Any, live: LiveModel | None, *, owned: bool = True) -> None:
        self._label = label
        self._kind = kind
        self._session = session
        self._graph = session.graph
        self._live = live
        self._owned = owned
        self._inputs = {short_name(tensor): tensor for tensor in placeholders(self._graph)}

    @property
    def label(self) -> str:
        return self._label

    @property
    def kind(self) -> str:
        return self._kind

    def live(self) -> LiveModel | None:
        return self._live

    def inputs(self, outputs: Collection[str], named: Collection[str]) -> tuple[Port, ...]:
        """Any tensor that the user names can be fed, and what it would be computed from need not be."""
        for name in named:
            tensor = self._found(name)
            if tensor is not None:
                self._inputs.setdefault(short_name(tensor), tensor)
        if not outputs:
            return tuple(fed_port(tensor, needed=False) for tensor in self._inputs.values())
        chosen = {self._inputs[name].op.name for name in map(_short, named) if name in self._inputs}
        names = needed(map(self._tensor, outputs), chosen)
        return tuple(fed_port(tensor, needed=True) for tensor in self._inputs.values() if tensor.op.name in names)

    def outputs(self, fed: Collection[str], wanted: Collection[str]) -> tuple[Port, ...]:
        if wanted:
            return tuple(self._named(name) for name in wanted)
        found = ends(self._graph, [self._inputs[name] for name in fed])
        return tuple(
            Port(short_name(one), open_shape(one), str(one.dtype.base_dtype.name), declared=len(found) == 1) for one in found
        )

    def run(self, feeds: Mapping[str, numpy.ndarray], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
        import numpy

        names = list(outputs) or [port.name for port in self.outputs(feeds, ())]
        fed = {self._inputs[name]: value for name, value in feeds.items()}
        try:
            values = self._session.run([self._tensor(name) for name in names], fed)
        except SpecError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        return {name: numpy.asarray(value) for name, value in zip(names, values, strict=True)}

    def activations(self, feeds: Mapping[str, numpy.ndarray]) -> list[tuple[str, numpy.ndarray]]:
        """Those outside of control flow: a tensor of a branch that is not taken cannot be fetched."""
        import numpy

        fed = {self._inputs[name]: value for name, value in feeds.items()}
        tensors = self._on_the_way(list(fed))
        try:
            values = self._session.run(tensors, fed)
        except Exception as error:
            raise self._failed(error) from error
        return [(short_name(one), numpy.asarray(value)) for one, value in zip(tensors, values, strict=True)]

    def close(self) -> None:
        if self._owned:
            self._session.close()

    def _failed(self, error: Exception) -> SpecError:
        """What a run raised, without the stack traces that TensorFlow puts into its messages: MIG218 if variables have no values."""
        from migspec.models.tensorflow_session.model import INITIALIZE, SessionModel

        lines = str(error).partition("Original stack trace")[0].splitlines()
        told = "\n".join(line for line in lines if line.strip() and not line.startswith(_TRACED))
        if type(error).__name__ == "FailedPreconditionError" and "variable" in told and isinstance(self._live, SessionModel):
            without = self._live.without_values()
            if without:
                has = "has no value: its initializer has" if len(without) == 1 else "have no values: their initializers have"
                return file_error("MIG218", self._label, f"{fold_texts(without)} {has} not run", helps=(INITIALIZE,))
        return cannot_run(self._label, type(error)(None, None, told) if _is_of_op(error) else error)

    def _named(self, name: str) -> Port:
        tensor = self._tensor(name)
        return Port(name, open_shape(tensor), str(tensor.dtype.base_dtype.name))

    def _tensor(self, name: str) -> Any:
        found = self._found(name)
        if found is None:
            known = [short_name(one) for operation in self._graph.get_operations() for one in operation.outputs[:1]]
            raise no_such_output(self._label, name, known)
        return found

    def _found(self, name: str) -> Any:
        """The tensor of this name, None if the graph has none."""
        try:
            return self._graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
        except (KeyError, ValueError, TypeError):
            return None

    def _on_the_way(self, fed: Sequence[Any]) -> list[Any]:
        results = ends(self._graph, fed)
        names = needed(results)
        dependent: set[str] = {tensor.op.name for tensor in fed}
        found, conditional = [], set[str]()
        for operation in self._graph.get_operations():  # in the order in which they were made, inputs first but for loops
            if operation.name not in names or not any(tensor.op.name in dependent for tensor in operation.inputs):
                continue
            dependent.add(operation.name)
            if operation.type in _CONTROL or any(tensor.op.name in conditional for tensor in operation.inputs):
                if operation.type not in ("Merge", "Exit"):
                    conditional.add(operation.name)
                continue
            found += [tensor for tensor in operation.outputs if tensor.dtype.is_floating]
        return found


def _short(name: str) -> str:
    return name.removesuffix(":0")


def _is_of_op(error: Exception) -> bool:
    """Whether an exception is one of `tf.errors`, made of a node, an op and a message."""
    import tensorflow as tf

    return isinstance(error, tf.errors.OpError)


_TRACED = ("Graph execution error", "Detected at node", " ", "\t", "Node: ", "File ")
"""How lines begin that say where a graph was built, and not what is wrong."""

_CONTROL = ("Switch", "RefSwitch", "Merge", "Enter", "RefEnter", "Exit", "NextIteration", "LoopCond")
