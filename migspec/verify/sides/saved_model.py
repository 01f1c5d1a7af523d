"""A signature of a SavedModel, of either generation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import file_error
from migspec.verify.ports import Port
from migspec.verify.side import cannot_run
from migspec.verify.sides.graph_ports import open_shape

if TYPE_CHECKING:
    import numpy

    from migspec.models.base import LiveModel

_DEFAULT = "serving_default"


class SignatureSide:
    """One signature of what `tf.saved_model.load` returned."""

    def __init__(self, label: str, function: Any, live: LiveModel | None) -> None:
        self._label = label
        self._function = function
        self._live = live
        self._inputs = {str(name): spec for name, spec in function.structured_input_signature[1].items()}
        self._outputs = {str(name): spec for name, spec in function.structured_outputs.items()}

    @property
    def label(self) -> str:
        return self._label

    @property
    def kind(self) -> str:
        return "SavedModel"

    def live(self) -> LiveModel | None:
        return self._live

    def inputs(self, outputs: Collection[str], named: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002 - all are wanted
        return _ports(self._inputs)

    def outputs(self, fed: Collection[str], wanted: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002
        return _ports(self._outputs)

    def run(self, feeds: Mapping[str, numpy.ndarray], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
        import tensorflow as tf

        try:
            found = self._function(**{name: tf.constant(value, self._inputs[name].dtype) for name, value in feeds.items()})
            values = {str(name): value.numpy() for name, value in found.items()}
        except Exception as error:
            raise cannot_run(self._label, error) from error
        return {name: values[name] for name in outputs or values}

    def close(self) -> None:
        """Nothing to close: the loaded object goes with its last reference."""


def open_saved_model(path: str, signature: str | None) -> SignatureSide:
    """The signature of this name, `serving_default`, or the only one. Raises SpecError (MIG603)."""
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(path)
    except Exception as error:
        raise cannot_run(path, error, what="TensorFlow cannot load the SavedModel") from error
    return signature_of(loaded, path, signature)


def signature_of(loaded: Any, label: str, signature: str | None) -> SignatureSide:
    """A signature of what `tf.saved_model.load` returned, with the object's variables."""
    signatures = dict(loaded.signatures)
    name = signature or (_DEFAULT if _DEFAULT in signatures or len(signatures) != 1 else next(iter(signatures)))
    if name not in signatures:
        notes = (f"it has {', '.join(f'`{one}`' for one in signatures)}",) if signatures else ("it has no signatures",)
        helps = (
            ("name one with `--old-signature` or `--new-signature`",)
            if signatures
            else ("name a function that loads it and returns what is to be called: `package.module:function`",)
        )
        raise file_error("MIG603", label, f"the SavedModel has no signature `{name}`", notes=notes, helps=helps)
    return SignatureSide(label, signatures[name], _variables(loaded, label))


def _variables(loaded: Any, label: str) -> LiveModel | None:
    from migspec.diagnostics import SpecError
    from migspec.models.recognition import open_model

    try:
        return open_model(loaded, label)
    except SpecError:  # no variables, or none that migspec can fill: it runs all the same
        return None


def _ports(specs: Mapping[str, Any]) -> tuple[Port, ...]:
    return tuple(Port(name, open_shape(spec), str(spec.dtype.name)) for name, spec in specs.items())
