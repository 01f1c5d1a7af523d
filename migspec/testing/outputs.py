"""What an oracle returns: the outputs of both layers as arrays, and how far they are apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy

Outputs = Mapping[str, numpy.ndarray]
"""The arrays of one layer, each under the way to it in what was returned: `['output'][0]`; empty for an array alone."""


class Unusable(Exception):
    """What was returned is not two outputs to compare: a headline, facts, and what would mend it."""

    def __init__(self, message: str, *notes: str, helps: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message, self.notes, self.helps = message, notes, helps


def outputs_of(result: Any) -> tuple[Outputs, Outputs]:
    """The outputs of the old layer and of the new one: the same ways, the same shapes, numbers. Raises `Unusable`."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise Unusable("the oracle returns no pair", helps=("return what the old layer computes, and what the new one does",))
    raw_old, raw_new = (dict(_leaves(one, "")) for one in result)
    if not raw_old or raw_old.keys() != raw_new.keys():
        listed = [f"{word}: {', '.join(map(_called, one)) or 'nothing'}" for word, one in (("old", raw_old), ("new", raw_new))]
        raise Unusable("the oracle returns outputs of two kinds", *listed)
    old = {path: _array(value, path, "old") for path, value in raw_old.items()}
    new = {path: _array(value, path, "new") for path, value in raw_new.items()}
    for path, expected in old.items():
        if expected.shape != new[path].shape:
            shapes = f"{_called(path)}: old {list(expected.shape)}, new {list(new[path].shape)}"
            raise Unusable("the outputs have different shapes", shapes)
    if not any(expected.size for expected in old.values()):
        raise Unusable("the outputs that the oracle returns are empty")
    return old, new


def difference(old: Outputs, new: Outputs) -> tuple[float, str]:
    """By how much the outputs differ at most, and where; infinite where one of the two is not finite.

    Raises `Unusable` where neither is: that shows nothing of the weights.
    """
    worst, where = -1.0, ""
    for path, expected in old.items():
        actual = new[path]
        if not expected.size:
            continue
        wide_old, wide_new = _wide(expected), _wide(actual)
        neither = ~numpy.isfinite(wide_old) & ~numpy.isfinite(wide_new)
        if neither.any():
            raise Unusable(
                "the oracle's outputs are not finite",
                f"the first is {_placed(path, expected, actual, int(neither.argmax()))}",
                helps=(
                    "if it is the values that neither layer can compute with, such as a negative variance, give their range "
                    "in `[values]`",
                ),
            )
        with numpy.errstate(invalid="ignore"):
            apart = numpy.abs(wide_old - wide_new)
        apart = numpy.where(numpy.isfinite(apart), apart, numpy.inf)
        place = int(apart.argmax())
        if apart.reshape(-1)[place] > worst:
            worst = float(apart.reshape(-1)[place])
            where = _placed(path, expected, actual, place)
    return worst, where


def identical(one: Outputs, other: Outputs) -> bool:
    """Whether all arrays have the same values."""
    return one.keys() == other.keys() and all(
        numpy.array_equal(_wide(value), _wide(other[path]), equal_nan=True) for path, value in one.items()
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What an oracle returns, without the containers that it stands in, each with the way to it."""
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _leaves(value[key], f"{path}[{key!r}]")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for place, one in enumerate(value):
            yield from _leaves(one, f"{path}[{place}]")
    else:
        yield path, value


def _array(value: Any, path: str, side: str) -> numpy.ndarray:
    """One output as an array of numbers or bools, of whatever width."""
    try:
        array = numpy.asarray(value)
    except Exception as error:  # whatever a framework says of a tensor that has no value here
        said = str(error).strip().partition("\n")[0]
        raise Unusable(
            "the oracle returns what numpy can make no array of",
            f"{_called(path)}, {side}: {_kind(value)}",
            f"{type(error).__name__}: {said}",
            helps=("return numpy arrays: `tensor.numpy()`, in PyTorch `tensor.detach().numpy()`",),
        ) from error
    # The floats of ml_dtypes, such as bfloat16, are of kind "V", and become numbers.
    if array.dtype.kind in "biufc" or (array.dtype.kind == "V" and array.dtype.fields is None and _is_number(array.dtype)):
        return array
    kind = f"an array of {array.dtype}" if isinstance(value, numpy.ndarray) else _kind(value)
    raise Unusable(
        "the oracle returns what is no number",
        f"{_called(path)}, {side}: {kind}",
        helps=("return arrays of numbers, or lists, tuples or dicts of them",),
    )


def _is_number(dtype: numpy.dtype[Any]) -> bool:
    try:
        numpy.zeros(1, dtype).astype(numpy.float64)
    except (TypeError, ValueError):
        return False
    return True


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} `{name}`"


def _wide(values: numpy.ndarray) -> numpy.ndarray:
    return values.astype(numpy.complex128 if numpy.iscomplexobj(values) else numpy.float64)


def _placed(path: str, old: numpy.ndarray, new: numpy.ndarray, place: int) -> str:
    """`in output['h'] at [0, 3]: 1.5 old, 2.5 new`; `place` counts in C order."""
    index = tuple(int(one) for one in numpy.unravel_index(place, old.shape))
    return f"in {_called(path)} at {list(index)}: {old[index]} old, {new[index]} new"


def _called(path: str) -> str:
    return f"output{path}" if path else "the output"
