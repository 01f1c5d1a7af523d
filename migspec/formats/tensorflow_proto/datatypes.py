"""TensorFlow's enum DataType by the names that migspec uses.

The numbers are those of https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/types.proto, the names
those of `tf.dtypes.DType.name`, which for the small floats are also the names in ml_dtypes.
"""

from __future__ import annotations

_NAMES = (
    "invalid",
    "float32",
    "float64",
    "int32",
    "uint8",
    "int16",
    "int8",
    "string",
    "complex64",
    "int64",
    "bool",
    "qint8",
    "quint8",
    "qint32",
    "bfloat16",
    "qint16",
    "quint16",
    "uint16",
    "complex128",
    "float16",
    "resource",
    "variant",
    "uint32",
    "uint64",
    "float8_e5m2",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e4m3b11fnuz",
    "float8_e5m2fnuz",
    "int4",
    "uint4",
    "int2",
    "uint2",
    "float4_e2m1fn",
)


_NUMBERS = {name: number for number, name in enumerate(_NAMES) if number}


def dtype_number(name: str) -> int | None:
    """The DataType of a name; None if TensorFlow has none."""
    return _NUMBERS.get(name)


def dtype_name(number: int) -> str:
    """The name of a DataType. One that is newer than this table gets the name `datatype_N`, which no cast or copy knows.

    ValueError for 0, which a writer never stores.
    """
    if number == 0:
        raise ValueError("the dtype is missing")
    return _NAMES[number] if 0 < number < len(_NAMES) else f"datatype_{number}"
