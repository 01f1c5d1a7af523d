"""What both models run on: arrays of the user's, or made from what the models say of their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from migspec.diagnostics import SpecError, file_error
from migspec.verify.pairing import Pair, listed
from migspec.verify.ports import (
    CHANNELS_HELP,
    OpenShape,
    Port,
    describe,
    dtype_name,
    family,
    fits,
    joined_shape,
    plain,
    port_of,
    with_ones,
)

if TYPE_CHECKING:
    import numpy

Wish = TypeVar("Wish")

OTHER_LENGTH = 16
"""The length of an axis but the first that no side knows."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How inputs are made: `samples` along an open first axis; `ranges` and `shapes` by the name of the input on either side."""

    samples: int = 4
    seed: int = 0
    ranges: Mapping[str, tuple[float, float]] | None = None
    shapes: Mapping[str, tuple[int, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """The value of one input of both sides, and in words where it is from."""

    pair: Pair
    value: numpy.ndarray
    origin: str

    @property
    def old_value(self) -> numpy.ndarray:
        return _as(self.value, self.pair.old)

    @property
    def new_value(self) -> numpy.ndarray:
        return _as(self.value, self.pair.new)


def taken(pairs: Sequence[Pair], arrays: Mapping[str, numpy.ndarray], label: str) -> tuple[list[Given], list[str]]:
    """The arrays of a file as inputs: by the name on either side, else by shape and dtype where these leave no choice; and the names of
    those that are no input. Raises SpecError: MIG602 for an input without one, MIG604 for an array that does not fit."""
    left = dict(arrays)
    found: list[Given] = []
    waiting: list[Pair] = []
    for pair in pairs:
        names = [name for name in left if plain(name) in (plain(pair.old.name), plain(pair.new.name))]
        if names:
            found.append(_given(pair, left.pop(names[0]), label, names[0]))
        else:
            waiting.append(pair)
    for pair in waiting:
        names = [name for name, value in left.items() if _fits_both(pair, value)]
        rivals = [other for other in waiting if names and _fits_both(other, left[names[0]])]
        if len(names) != 1 or len(rivals) != 1:
            raise _no_array(pair, left, names, label)
        found.append(_given(pair, left.pop(names[0]), label, names[0]))
    return found, list(left)


def made(pairs: Sequence[Pair], wishes: Wishes) -> list[Given]:
    """Inputs made from the ports: floats from the standard normal distribution or uniform in a range, integers and bools uniform.

    A dtype that nobody knows is taken for float32. Each input has a stream of its own, so that one more does not change the others. Raises
    SpecError (MIG604) where a shape or a range is known to nobody.
    """
    return [_made(pair, wishes) for pair in pairs]


def constant(name: str, text: str, port: Port) -> numpy.ndarray:
    """The value that `--constant NAME=VALUE` gives to an input: `true`, `false` or a number, everywhere."""
    import numpy

    words = {"true": True, "false": False}
    value: float | bool
    try:
        value = words[text.lower()] if text.lower() in words else float(text)
    except ValueError:
        raise file_error(
            "MIG604", name, f"`{text}` is no value for `{name}`", helps=("write true, false or a number",)
        ) from None
    if port.shape is not None and any(length is None for length in port.shape):
        note = f"it is {describe(port.shape, port.dtype)}"
        raise file_error("MIG604", name, f"`{name}` takes no constant", (note,), ("give it an array in `--inputs`",))
    return numpy.full(tuple(length or 0 for length in port.shape or ()), value, _numpy_dtype(port.dtype or "float32"))


def _given(pair: Pair, value: numpy.ndarray, label: str, key: str) -> Given:
    if not _fits_both(pair, value):
        wanted = f"{pair.old} of the old model, {pair.new} of the new one"
        note = f"the array is {describe(value.shape, dtype_name(value))}"
        raise file_error("MIG604", label, f"`{key}` does not fit the input", notes=(note, f"the input is {wanted}"))
    return Given(pair, value, f"`{key}` of {label}")


def _fits_both(pair: Pair, value: numpy.ndarray) -> bool:
    return all(_takes(port, value, free=pair.said) for port in (pair.old, pair.new))


def _takes(port: Port, value: numpy.ndarray, *, free: bool) -> bool:
    """Whether a port takes an array; where the user made the `free` choice, also with other axes of length 1."""
    if fits(port, port_of("", value)):
        return True
    reshaped = with_ones(value.shape, port.shape) if free and port.shape is not None else None
    return reshaped is not None and fits(port, Port("", reshaped, dtype_name(value)))


def _no_array(pair: Pair, left: Mapping[str, numpy.ndarray], names: Sequence[str], label: str) -> SpecError:
    why = (
        "several arrays fit" if len(names) > 1 else "the array that fits could be another input's" if names else "no array fits"
    )
    arrays = listed([port_of(name, value) for name, value in left.items()])
    return file_error(
        "MIG602",
        label,
        f"there is no array for the input `{pair.old.name}`",
        notes=(f"{why}; it is {pair.old}, and {pair.new} in the new model", f"the file has {arrays}"),
        helps=(f"call the array `{pair.old.name}` or `{pair.new.name}`",),
    )


def _made(pair: Pair, wishes: Wishes) -> Given:
    import zlib

    import numpy

    shape = _shape(pair, wishes)
    dtype = pair.old.dtype or pair.new.dtype or "float32"
    limits = _wish(pair, wishes.ranges or {})
    stream = numpy.random.default_rng([wishes.seed, zlib.crc32(pair.old.name.encode())])
    match family(dtype):
        case "bool":
            return Given(pair, stream.integers(0, 2, shape).astype(bool), "made: random")
        case "integer":
            low, high = limits or (0, _below(pair))
            whole = stream.integers(int(low), int(high), shape)
            return Given(pair, whole, f"made: whole numbers from {int(low)} to {int(high) - 1}")
        case "float" | "complex":
            values = stream.uniform(*limits, shape) if limits else stream.standard_normal(shape)
            origin = f"made: uniform from {limits[0]:g} to {limits[1]:g}" if limits else "made: standard normal"
            return Given(pair, values.astype(_narrower(pair)), origin)
        case _:
            raise _unmade(pair, f"{dtype} cannot be made up", "give it an array in `--inputs`")


def _narrower(pair: Pair) -> numpy.dtype:
    """The dtype of fewer bits, in which both sides get the same numbers."""
    known = [_numpy_dtype(port.dtype) for port in (pair.old, pair.new) if port.dtype is not None]
    return min(known, key=lambda dtype: dtype.itemsize) if known else _numpy_dtype("float32")


def _shape(pair: Pair, wishes: Wishes) -> tuple[int, ...]:
    known: OpenShape | bool | None = joined_shape(pair.old.shape, pair.new.shape)
    asked = _wish(pair, wishes.shapes or {})
    if asked is not None:
        if not (fits(pair.old, Port("", asked)) and fits(pair.new, Port("", asked))):
            raise _unmade(pair, f"it is not {list(asked)}", "say a shape that fits both", *_channels(len(asked)))
        return asked
    if known is False and pair.said and pair.old.shape is not None and pair.new.shape is not None:
        shape = _open_filled(pair.old.shape, wishes)
        if with_ones(shape, pair.new.shape) is not None:
            return shape
    if known is False:
        help_text = "feed both sides by functions that take the same arrays"
        rank = len(pair.old.shape or ()) if len(pair.old.shape or ()) == len(pair.new.shape or ()) else 0
        raise _unmade(pair, "its shape is not the same on both sides", help_text, *_channels(rank))
    if known is None or known is True:
        raise _unmade(pair, "its shape is not known", f"say it: `--shape {pair.old.name}=8,16`, or give an array in `--inputs`")
    return _open_filled(known, wishes)


def _open_filled(shape: OpenShape, wishes: Wishes) -> tuple[int, ...]:
    """A shape whose first axis, if it is open, is as long as samples are asked for, and every other one 16."""
    return tuple(
        length if length is not None else (wishes.samples if axis == 0 else OTHER_LENGTH) for axis, length in enumerate(shape)
    )


def _below(pair: Pair) -> int:
    known = [port.below for port in (pair.old, pair.new) if port.below is not None]
    if not known:
        raise _unmade(
            pair,
            "which whole numbers it takes is not known: neither model looks them up in a table that migspec sees",
            f"say it: `--range {pair.old.name}=0:1000` for 0 to 999, or give an array in `--inputs`",
        )
    return min(known)


def _wish(pair: Pair, wishes: Mapping[str, Wish]) -> Wish | None:
    names = (pair.old.name, pair.new.name, plain(pair.old.name), plain(pair.new.name))
    return next((wishes[name] for name in names if name in wishes), None)


def _channels(rank: int) -> tuple[str, ...]:
    """What to do about channels, if arrays of this rank may have any."""
    return (CHANNELS_HELP,) if rank > 2 else ()


def _unmade(pair: Pair, why: str, *helps: str) -> SpecError:
    message = f"the input `{pair.old.name}` cannot be made"
    return file_error(
        "MIG604", pair.old.name, message, notes=(why, f"it is {pair.old}, and {pair.new} in the new model"), helps=helps
    )


def _as(value: numpy.ndarray, port: Port) -> numpy.ndarray:
    """In the dtype that a side takes, and in its shape where that has more or fewer axes of length 1."""
    if port.shape is not None and not fits(port, Port("", value.shape)):
        value = value.reshape(with_ones(value.shape, port.shape) or value.shape)
    return value if port.dtype in (None, "string") else value.astype(_numpy_dtype(port.dtype))


def _numpy_dtype(name: str) -> numpy.dtype:
    from migspec import dtypes

    return dtypes.numpy_dtype(name)
