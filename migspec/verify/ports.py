"""The inputs and outputs of a model, as both sides are held against each other: names, shapes, dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy

OpenShape: TypeAlias = tuple[int | None, ...]
"""A shape with None for each length that is not known before the model runs."""

CHANNELS_HELP = (
    "if one side has the channels of images first and the other last: name a function that transposes what the old model is given "
    "and what it gives, and its weights, which `--spec` needs, with `--old-weights FILE`"
)

Family: TypeAlias = Literal["float", "integer", "bool", "complex", "string"]


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a model. `shape` and `dtype` are None where nothing is known before it runs.

    `optional` is an input that has a value of its own. `below` is what every integer of an input must be less than, where the model
    tells. `declared` is False for a tensor of a graph that may be an output, and that nobody called one.
    """

    name: str
    shape: OpenShape | None = None
    dtype: str | None = None
    optional: bool = False
    below: int | None = None
    declared: bool = True

    def __str__(self) -> str:
        return f"`{self.name}` {describe(self.shape, self.dtype)}"


def port_of(name: str, value: numpy.ndarray) -> Port:
    """The port of a value that is at hand."""
    return Port(name, tuple(int(length) for length in value.shape), dtype_name(value))


def describe(shape: OpenShape | None, dtype: str | None) -> str:
    """`float32 [?, 10]`."""
    lengths = "of a shape that is not known" if shape is None else f"[{', '.join('?' if n is None else str(n) for n in shape)}]"
    return lengths if dtype is None else f"{dtype} {lengths}"


def dtype_name(value: numpy.ndarray) -> str:
    """The dtype of an array as migspec spells it; every kind of text is `string`."""
    return "string" if value.dtype.kind in "OSUT" else str(value.dtype)


def family(dtype: str) -> Family:
    """What may stand for what: a float of any width for any other, and so on."""
    if dtype in ("bool", "string"):
        return "bool" if dtype == "bool" else "string"
    if dtype.startswith("complex"):
        return "complex"
    return "integer" if dtype.startswith(("int", "uint", "qint", "quint")) else "float"


def plain(name: str) -> str:
    """A name without what frameworks put around it: `serving_default_x:0` is `x`."""
    return name.removesuffix(":0").removeprefix("serving_default_")


def fits(one: Port, other: Port) -> bool:
    """Whether two ports can stand for each other: nothing that is known of both differs."""
    if one.dtype is not None and other.dtype is not None and family(one.dtype) != family(other.dtype):
        return False
    return joined_shape(one.shape, other.shape) is not False


def with_ones(shape: Sequence[int], wanted: OpenShape) -> tuple[int, ...] | None:
    """A shape with axes of length 1 put in or taken out so that it fits another one; None if it does not."""
    rest = [length for length in shape if length != 1]
    found = []
    for place, length in enumerate(wanted):
        later = sum(one != 1 for one in wanted[place + 1 :])
        if length == 1:
            found.append(1)
        elif length is None:
            found.append(rest.pop(0) if len(rest) > later else 1)
        elif rest and rest[0] == length:
            found.append(rest.pop(0))
        else:
            return None
    return None if rest else tuple(found)


def joined_shape(one: OpenShape | None, other: OpenShape | None) -> OpenShape | Literal[False] | None:
    """What is known of a shape from two sides; False where they differ."""
    if one is None or other is None:
        return other if one is None else one
    if len(one) != len(other) or any(a != b for a, b in zip(one, other, strict=True) if a is not None and b is not None):
        return False
    return tuple(b if a is None else a for a, b in zip(one, other, strict=True))
