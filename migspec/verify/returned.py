"""What a model of the user's own returned, which may be anything: only arrays can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import SpecError, file_error

if TYPE_CHECKING:
    import numpy

_WANTED = (
    "return an array of numbers, bools or texts; or several of them in a list, a tuple or a dictionary, whose keys are the names of "
    "the outputs"
)


def check_returned(label: str, kind: str, result: Any, values: Mapping[str, numpy.ndarray]) -> None:
    """Raise SpecError (MIG603) if `values`, which were made of `result`, are none, or one of them is no array of data.

    `kind` is what was called: `function`.
    """
    if not values:
        raise _refused(label, f"the {kind} returned a `{type(result).__name__}` with no array in it")
    for name, value in values.items():
        odd = _odd(value)
        if odd is None:
            continue
        place = f" as output `{name}`" if isinstance(result, Mapping | list | tuple) else ""
        message = f"the {kind} returned {odd}{place}: that is no array of numbers, bools or texts"
        raise _refused(label, message, is_none=result is None)


def _refused(label: str, message: str, *, is_none: bool = False) -> SpecError:
    notes = ("a function without a `return` returns None",) if is_none else ()
    return file_error("MIG603", label, message, notes=notes, helps=(_WANTED,))


def _odd(value: numpy.ndarray) -> str | None:
    """What stands where data should, in words; None for numbers, bools and texts."""
    if value.dtype.kind in "mM" or value.dtype.name.startswith("void"):  # bfloat16 has numpy's kind V too, and another name
        return f"values of dtype {value.dtype}"
    if value.dtype.kind != "O":
        return None
    for one in value.reshape(-1).tolist():
        if not isinstance(one, str | bytes):
            what = "None" if one is None else f"a value of type `{type(one).__name__}`"
            return f"an array with {what} in it" if value.ndim else what
    return None
