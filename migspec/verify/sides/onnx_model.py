"""An ONNX model, run by onnxruntime."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import file_error
from migspec.verify.ports import OpenShape, Port
from migspec.verify.side import cannot_run, no_such_output

if TYPE_CHECKING:
    import numpy

_DTYPES = {"float": "float32", "double": "float64"}


class OnnxSide:
    """A session on the CPU."""

    def __init__(self, label: str, session: Any) -> None:
        self._label = label
        self._session = session

    @property
    def label(self) -> str:
        return self._label

    @property
    def kind(self) -> str:
        return "ONNX model"

    def inputs(self, outputs: Collection[str], named: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002 - all are wanted
        return tuple(_port(one) for one in self._session.get_inputs())

    def outputs(self, fed: Collection[str], wanted: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002
        return tuple(_port(one) for one in self._session.get_outputs())

    def run(self, feeds: Mapping[str, numpy.ndarray], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
        import numpy

        known = [one.name for one in self._session.get_outputs()]
        names = list(outputs) or known
        for name in names:
            if name not in known:
                raise no_such_output(self._label, name, known)
        try:
            values = self._session.run(names, dict(feeds))
        except Exception as error:
            raise cannot_run(self._label, error) from error
        return {name: numpy.asarray(value) for name, value in zip(names, values, strict=True)}

    def close(self) -> None:
        """Nothing to close: the session goes with its last reference."""


def open_onnx(path: str) -> OnnxSide:
    """The model of an `.onnx` file. Raises SpecError: MIG513 without onnxruntime, MIG501 and MIG603."""
    if not Path(path).is_file():
        raise file_error("MIG501", path, "there is no such file")
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise file_error("MIG513", path, "ONNX models are run by onnxruntime", helps=("pip install onnxruntime",)) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise cannot_run(path, error, what="onnxruntime cannot load the model") from error
    return OnnxSide(path, session)


def _port(described: Any) -> Port:
    """`tensor(float)` is float32; a length that is a name or nothing is not known."""
    kind = str(described.type).removeprefix("tensor(").removesuffix(")")
    shape: OpenShape | None = None
    if described.shape is not None:
        shape = tuple(length if isinstance(length, int) and length >= 0 else None for length in described.shape)
    return Port(str(described.name), shape, _DTYPES.get(kind, kind))
