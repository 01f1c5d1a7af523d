"""One Keras 3 variable as something to read and to fill, on each backend in the way that costs least."""

from __future__ import annotations

from typing import Any

import numpy

from migspec.expression import Shape
from migspec.models.keras.names import KerasVariable
from migspec.models.tensorflow.variable import handed_over, owned


class KerasLiveVariable:
    """A `LiveVariable` of a Keras variable: `keras.ops.convert_to_numpy` and `variable.assign`, which every backend has."""

    def __init__(self, variable: KerasVariable) -> None:
        self._variable = variable

    @property
    def identity(self) -> object:
        return self._variable.value if _backend() == "tensorflow" else self._variable

    @property
    def shape(self) -> Shape:
        return tuple(int(length) for length in self._variable.shape)

    @property
    def dtype(self) -> str:
        return str(self._variable.dtype)

    def read(self) -> numpy.ndarray:
        import keras

        return owned(keras.ops.convert_to_numpy(self._variable.value), self.dtype)

    def assign(self, value: numpy.ndarray) -> None:
        self._variable.assign(handed_over(value) if _backend() == "tensorflow" else value)

    def keep(self) -> Any:
        """The value now. TensorFlow's variables and JAX's get another buffer when they are assigned, so theirs need no copy."""
        match _backend():
            case "tensorflow":
                return self._variable.value.read_value()
            case "jax":
                return self._variable.value
            case _:  # PyTorch assigns in place
                return self.read()

    def restore(self, kept: Any) -> None:
        self._variable.assign(kept)


def _backend() -> str:
    import keras

    return str(keras.config.backend())
