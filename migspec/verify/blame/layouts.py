"""Axes in a wrong order that no shape tells: square matrices, windows, flattened images, reshapes in place of transposes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from migspec.verify.blame.correction import Correction, each
from migspec.verify.blame.suspects import Suspect, scopes

if TYPE_CHECKING:
    import numpy

Shape = tuple[int, ...]
Form = Callable[["numpy.ndarray"], "numpy.ndarray"]


def transpositions(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """Two axes of one length exchanged; in fused recurrent weights, those of each gate's square block."""
    wide = [one for one in suspects if len(one.shape) >= 2]
    for first in range(3):
        for second in range(first + 1, 4):
            fitting = [one for one in wide if second < len(one.shape) and one.shape[first] == one.shape[second] > 1]
            for group in scopes(fitting):
                words = (
                    "transposed" if all(len(one.shape) == 2 for one in group) else f"axes {first} and {second} are exchanged"
                )
                yield each(group, words, _swapped(first, second))
    blocks = [one for one in wide if one.cell and len(one.shape) == 2 and _block_axis(one.shape) is not None]
    for group in scopes(blocks):
        yield each(group, "the square block of each gate is transposed", _blocks_transposed)


def regroupings(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """A `reshape` where a transpose was due, and heads or channels that were counted in the other order."""
    for rank, words, forms in (
        (2, "reshaped where a transpose was due", _from_reversed),
        (3, "reshaped where a permutation of the axes was due", _from_reversed),
        (4, "reshaped from [out, in, height, width] where a permutation was due", _from_torch_window),
    ):
        fitting = [
            one for one in suspects if len(one.shape) == rank and len({length for length in one.shape if length > 1}) > 1
        ]
        for group in scopes(fitting):
            yield each(group, words, forms)
    for first in (0, 1):
        heads = [one for one in suspects if len(one.shape) == 3 and min(one.shape[first : first + 2]) > 1]
        for group in scopes(heads):
            words = f"axes {first} and {first + 1} were split in the wrong order, as (b a) instead of (a b)"
            yield each(group, words, _merged_otherwise(first))
    for one in suspects:
        if len(one.shape) != 2:
            continue
        channels = dict.fromkeys(other.shape[-1] for other in suspects if len(other.shape) in (3, 4))
        for count in channels:
            if one.shape[0] % count or one.shape[0] == count or count == 1:
                continue
            yield each([one], _FLATTENED.format("channels first", "channels last"), _rows_regrouped(count, True))
            yield each([one], _FLATTENED.format("channels last", "channels first"), _rows_regrouped(count, False))


_FLATTENED = "the rows are those of an image flattened with {}, where the model flattens {}"


def flips(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """A convolution's window turned around, as between convolution and correlation."""
    for rank, axes in ((4, (0, 1)), (3, (0,)), (5, (0, 1, 2))):
        fitting = [one for one in suspects if len(one.shape) == rank and max(one.shape[axis] for axis in axes) > 1]
        for group in scopes(fitting):
            yield each(group, "the window is turned around", _flipped(axes))


def spreads(suspects: Sequence[Suspect]) -> Iterator[Correction]:
    """A standard deviation where a variance belongs, or the other way round."""
    import numpy

    fitting = [one for one in suspects if "var" in one.path[-1].lower()]
    for group in scopes(fitting):
        yield each(group, "a standard deviation, where a variance belongs", numpy.square)
        yield each(group, "a variance, where a standard deviation belongs", lambda value: numpy.sqrt(numpy.abs(value)))


def _block_axis(shape: Shape) -> int | None:
    """The axis along which a matrix is three or four square blocks."""
    for axis in (0, 1):
        if shape[axis] in (3 * shape[1 - axis], 4 * shape[1 - axis]):
            return axis
    return None


def _blocks_transposed(value: numpy.ndarray) -> numpy.ndarray:
    import numpy

    axis = _block_axis(value.shape)
    assert axis is not None
    count = value.shape[axis] // value.shape[1 - axis]
    return numpy.concatenate([block.T for block in numpy.split(value, count, axis)], axis)


def _from_reversed(value: numpy.ndarray) -> numpy.ndarray:
    return value.reshape(value.shape[::-1]).transpose()


def _from_torch_window(value: numpy.ndarray) -> numpy.ndarray:
    height, width, inputs, outputs = value.shape
    return value.reshape(outputs, inputs, height, width).transpose(2, 3, 1, 0)


def _swapped(first: int, second: int) -> Form:
    return lambda value: value.swapaxes(first, second)


def _merged_otherwise(axis: int) -> Form:
    def changed(value: numpy.ndarray) -> numpy.ndarray:
        shape = list(value.shape)
        shape[axis], shape[axis + 1] = shape[axis + 1], shape[axis]
        return value.reshape(shape).swapaxes(axis, axis + 1)

    return changed


def _rows_regrouped(channels: int, first: bool) -> Form:
    def changed(value: numpy.ndarray) -> numpy.ndarray:
        places = value.shape[0] // channels
        form = (channels, places) if first else (places, channels)
        return value.reshape(*form, *value.shape[1:]).swapaxes(0, 1).reshape(value.shape)

    return changed


def _flipped(axes: tuple[int, ...]) -> Form:
    def changed(value: numpy.ndarray) -> numpy.ndarray:
        import numpy

        return numpy.flip(value, axes)

    return changed
