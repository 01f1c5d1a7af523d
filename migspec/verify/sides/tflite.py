"""A TensorFlow Lite model, run by the interpreter of TensorFlow or of LiteRT."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import file_error
from migspec.verify.ports import OpenShape, Port
from migspec.verify.side import cannot_run, no_such_output

if TYPE_CHECKING:
    import numpy


class TFLiteSide:
    """An interpreter. A quantized input takes, and a quantized output gives, the real numbers that its integers stand for."""

    def __init__(self, label: str, interpreter: Any) -> None:
        self._label = label
        self._interpreter = interpreter
        self._inputs = {_name(one): one for one in interpreter.get_input_details()}
        self._outputs = {_name(one): one for one in interpreter.get_output_details()}

    @property
    def label(self) -> str:
        return self._label

    @property
    def kind(self) -> str:
        return "TensorFlow Lite model"

    def inputs(self, outputs: Collection[str], named: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002 - all are wanted
        return tuple(Port(name, _open(one), _dtype(one)) for name, one in self._inputs.items())

    def outputs(self, fed: Collection[str], wanted: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002
        return tuple(Port(name, _open(one), _dtype(one)) for name, one in self._outputs.items())

    def run(self, feeds: Mapping[str, numpy.ndarray], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
        for name in outputs:
            if name not in self._outputs:
                raise no_such_output(self._label, name, list(self._outputs))
        try:
            for name, value in feeds.items():
                self._interpreter.resize_tensor_input(self._inputs[name]["index"], value.shape)
            self._interpreter.allocate_tensors()
            self._interpreter.reset_all_variables()
            for name, value in feeds.items():
                self._interpreter.set_tensor(self._inputs[name]["index"], _quantized(value, self._inputs[name]))
            self._interpreter.invoke()
            return {name: self._value(self._outputs[name]) for name in outputs or self._outputs}
        except Exception as error:
            raise cannot_run(self._label, error) from error

    def close(self) -> None:
        """Nothing to close."""

    def _value(self, detail: Mapping[str, Any]) -> numpy.ndarray:
        import numpy

        value = numpy.array(self._interpreter.get_tensor(detail["index"]))
        scale, zero = detail["quantization"]
        return (value.astype("float32") - zero) * numpy.float32(scale) if scale else value


def open_tflite(path: str) -> TFLiteSide:
    """The model of a `.tflite` file. Raises SpecError: MIG513 without a runtime, MIG501 and MIG603."""
    interpreter = _interpreter(path)
    if not Path(path).is_file():
        raise file_error("MIG501", path, "there is no such file")
    try:
        with warnings.catch_warnings():  # TensorFlow's own says that LiteRT takes its place
            warnings.simplefilter("ignore", UserWarning)
            return TFLiteSide(path, interpreter(model_path=path))
    except Exception as error:
        raise cannot_run(path, error, what="the model cannot be loaded") from error


def _interpreter(path: str) -> Any:
    for module, attribute in (("ai_edge_litert.interpreter", "Interpreter"), ("tensorflow", "lite")):
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
        return found.Interpreter if attribute == "lite" else found
    raise file_error(
        "MIG513", path, "TensorFlow Lite models are run by LiteRT or TensorFlow", helps=("pip install ai-edge-litert",)
    )


def _name(detail: Mapping[str, Any]) -> str:
    return str(detail["name"])


def _open(detail: Mapping[str, Any]) -> OpenShape:
    """The shape that the model was converted with, -1 where it is open; one without any is that of `shape`."""
    signature = detail["shape_signature"]
    lengths = signature if len(signature) else detail["shape"]
    return tuple(None if int(length) < 0 else int(length) for length in lengths)


def _dtype(detail: Mapping[str, Any]) -> str:
    import numpy

    return "float32" if detail["quantization"][0] else str(numpy.dtype(detail["dtype"]))


def _quantized(value: numpy.ndarray, detail: Mapping[str, Any]) -> numpy.ndarray:
    import numpy

    scale, zero = detail["quantization"]
    if not scale:
        return value.astype(detail["dtype"])
    limits = numpy.iinfo(detail["dtype"])
    result: numpy.ndarray = numpy.clip(numpy.round(value / scale) + zero, limits.min, limits.max).astype(detail["dtype"])
    return result
