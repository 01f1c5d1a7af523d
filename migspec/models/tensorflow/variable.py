"""One TensorFlow variable (eager) as something to read, and to fill at the speed of memory."""

from __future__ import annotations

from typing import Any

import numpy

from migspec import dtypes
from migspec.expression import Shape

_HANDED_OVER = 1 << 16  # bytes: below that, copying costs less than the hand-over


def handed_over(value: numpy.ndarray) -> Any:
    """An eager tensor on the array's own memory, where that is worth it and can be had; else the array itself.

    `variable.assign` copies a numpy array, part of the time into memory that was never touched (0.6 to 1.1 GB/s, measured on
    TensorFlow 2.21). A tensor it takes as it is: `AssignVariableOp` makes the tensor's buffer the variable's. So the array is
    the variable's from then on, and nobody may write to it. It must be aligned to 64 bytes, as every tensor of TensorFlow is:
    `from_dlpack` does not look, and kernels may fail later (https://github.com/tensorflow/tensorflow/pull/36862).

    What looks as if it filled a variable in place and does nothing at all is `numpy.copyto(variable.numpy(), value)`:
    `variable.numpy()` is a copy.
    """
    if value.nbytes < _HANDED_OVER:
        return value
    import tensorflow as tf

    from_dlpack = tf.experimental.dlpack.from_dlpack
    if value.dtype.name == "bfloat16":  # a dtype of ml_dtypes, which DLPack in numpy does not know
        return tf.bitcast(from_dlpack(value.view(numpy.uint16).__dlpack__()), tf.bfloat16)
    if value.dtype.kind not in "biufc":  # the float8 formats
        return value
    return from_dlpack(value.__dlpack__())


class TensorFlowVariable:
    """A `LiveVariable` of any eager variable: plain, automatically cast, mirrored on several devices, restored from a SavedModel.

    `copies` are variables that hold the same value, and are filled with it.
    """

    def __init__(self, variable: Any, copies: tuple[Any, ...] = ()) -> None:
        self._variable = variable
        self._all = (variable, *copies)

    @property
    def identity(self) -> object:
        return self._variable

    @property
    def shape(self) -> Shape:
        return tuple(int(length) for length in self._variable.shape)

    @property
    def dtype(self) -> str:
        return str(self._variable.dtype.name)

    def read(self) -> numpy.ndarray:
        return owned(self._variable.numpy(), self.dtype)

    def assign(self, value: numpy.ndarray) -> None:
        given = handed_over(value)
        for variable in self._all:
            variable.assign(given)

    def keep(self) -> object:
        """The tensors that are the values now. They share the variables' buffers, which `assign` replaces and never writes to."""
        return [variable.read_value() for variable in self._all]

    def restore(self, kept: Any) -> None:
        for variable, value in zip(self._all, kept, strict=True):
            variable.assign(value)


def owned(value: Any, dtype: str) -> numpy.ndarray:
    """A framework's array in memory of its own: C order, of the dtype of this name."""
    array: numpy.ndarray = numpy.asarray(value, dtypes.numpy_dtype(dtype), order="C")
    return array if array.flags.owndata and array.flags.writeable else array.copy()
