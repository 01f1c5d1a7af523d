"""Values into the variables of a side, all or none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from migspec.diagnostics import file_error
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy

    from migspec.formats.base import Reader
    from migspec.models.base import LiveModel


def assign(live: LiveModel, variables: Iterable[Variable], value: Callable[[str], numpy.ndarray]) -> None:
    """Give variables of a model the values of their names; each has its variable's shape and dtype. Raises SpecError (MIG516), and
    the model is then as it was."""
    import numpy

    wanted = VariableMap.of(live.variables.label, variables)
    writer = live.writer(wanted)
    try:
        for one in wanted:
            array = numpy.ascontiguousarray(value(one.name))
            native = array if sys.byteorder == "little" else array.byteswap()
            if one.nbytes:
                writer.write(one.name, 0, native.reshape(-1).view(numpy.uint8).data)
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def fill_by_name(live: LiveModel, reader: Reader) -> tuple[str, ...]:
    """Give the variables of a model, but for its optimizer's, the values that a file has under the same names; returns the names of
    those that the file lacks, which keep what they have.

    SpecError (MIG603) if the file has none of them, or one of another shape or dtype.
    """
    wanted = [one for one in live.variables if not one.of_optimizer]
    shared = [one for one in wanted if one.name in reader.variables]
    if not shared:
        names = ", ".join(f"`{one.name}`" for one in live.variables.variables[:3])
        notes = (f"the model has {names}, and others, of which {reader.path} has none",)
        raise file_error("MIG603", live.path, "the weights are those of another model", notes=notes)
    for one in shared:
        stored = reader.variables[one.name]
        if (stored.shape, stored.dtype) != (one.shape, one.dtype):
            there, here = f"{stored.dtype} {list(stored.shape)}", f"{one.dtype} {list(one.shape)}"
            notes = (f"the model has it as {here}, {reader.path} as {there}",)
            raise file_error("MIG603", live.path, f"`{one.name}` does not fit the model", notes=notes)
    assign(live, shared, reader.read)
    return tuple(one.name for one in wanted if one.name not in reader.variables)
