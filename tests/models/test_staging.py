"""Filling a live model is all or nothing, whichever variable fails, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy
import pytest

from migspec.diagnostics import Diagnostic, SpecError
from migspec.dtypes import numpy_dtype
from migspec.models.staging import OneByOne, StagedWriter
from migspec.variables import Variable, VariableMap


@dataclass
class Cell:
    """A variable of a framework that fails when told to, with half of the value already assigned."""

    value: numpy.ndarray
    error: BaseException | None = None
    read_error: BaseException | None = None
    assigned: list[numpy.ndarray] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> str:
        return self.value.dtype.name

    def keep(self) -> numpy.ndarray:
        if self.read_error is not None:
            raise self.read_error
        return self.value.copy()

    def assign(self, value: numpy.ndarray) -> None:
        error, self.error = self.error, None
        if error is not None:
            self.value.reshape(-1)[: value.size // 2] = value.reshape(-1)[: value.size // 2]
            raise error
        self.assigned.append(value)
        self.value = value

    def restore(self, kept: Any) -> None:
        self.assign(kept)


def model() -> dict[str, Cell]:
    return {
        "a": Cell(numpy.arange(6, dtype="float32").reshape(2, 3)),
        "b": Cell(numpy.array(7, "int64")),
        "c": Cell(numpy.zeros((0, 4), "float32")),
        "d": Cell(numpy.arange(4).astype(numpy_dtype("bfloat16"))),
        "e": Cell(numpy.array([True, False])),
    }


def described(cells: dict[str, Cell]) -> VariableMap:
    return VariableMap.of("m", (Variable(name, cell.shape, cell.dtype) for name, cell in cells.items()))


def fill(writer: StagedWriter, cells: dict[str, Cell], piece: int = 5) -> dict[str, bytes]:
    """Write other bytes than there are, in small pieces."""
    written = {}
    for name, cell in cells.items():
        data = bytes(1 - byte if cell.dtype == "bool" else byte ^ 0x11 for byte in cell.value.tobytes())
        for offset in range(0, len(data), piece):
            writer.write(name, offset, memoryview(data)[offset : offset + piece])
        written[name] = data
    return written


def values(cells: dict[str, Cell]) -> dict[str, bytes]:
    return {name: cell.value.tobytes() for name, cell in cells.items()}


def refusal(writer: StagedWriter) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        writer.commit()
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.file) == ("MIG516", "m")
    return diagnostic


def test_nothing_changes_before_commit_and_everything_by_it() -> None:
    cells = model()
    before = values(cells)
    writer = StagedWriter("m", described(cells), OneByOne(cells))
    written = fill(writer, cells)
    assert values(cells) == before
    writer.commit()
    assert values(cells) == written
    assert all(cell.value.ctypes.data % 64 == 0 for cell in cells.values() if cell.value.nbytes)


def test_other_variables_are_left_alone() -> None:
    cells = model()
    some = {name: cells[name] for name in ("b", "d")}
    writer = StagedWriter("m", described(some), OneByOne(cells))
    fill(writer, some)
    writer.commit()
    assert [name for name, cell in cells.items() if cell.assigned] == ["b", "d"]


@pytest.mark.parametrize("failing", model())
@pytest.mark.parametrize("way", ["assign", "read"])
def test_a_failure_anywhere_restores_everything(failing: str, way: str) -> None:
    cells = model()
    before = values(cells)
    writer = StagedWriter("m", described(cells), OneByOne(cells))
    fill(writer, cells)
    if way == "assign":
        cells[failing].error = ValueError("no room\non the device")
    else:
        cells[failing].read_error = ValueError("no room\non the device")
    found = refusal(writer)
    assert found.message == f"`{failing}` cannot be assigned"
    assert found.notes == ("ValueError: no room on the device", "every variable of the model has its old value")
    assert values(cells) == before
    writer.abort()
    assert values(cells) == before


@pytest.mark.parametrize("failing", model())
def test_ctrl_c_restores_everything_and_passes(failing: str) -> None:
    cells = model()
    before = values(cells)
    writer = StagedWriter("m", described(cells), OneByOne(cells))
    fill(writer, cells)
    cells[failing].error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        writer.commit()
    assert values(cells) == before


def test_what_could_not_be_restored_is_said() -> None:
    cells = model()
    writer = StagedWriter("m", described(cells), OneByOne(cells))
    fill(writer, cells)
    cells["e"].error = ValueError("first")

    first = cells["b"].value

    def fail_again(value: numpy.ndarray) -> None:
        if value.tobytes() == first.tobytes():
            raise OSError("device lost")
        cells["b"].value = value

    cells["b"].assign = fail_again  # type: ignore[method-assign]
    assert refusal(writer).notes == ("ValueError: first", "`b` could not get the old value back: OSError: device lost")


def test_what_is_derived_is_made_anew_after_the_last_variable_and_after_a_restore() -> None:
    cells = model()
    seen = []
    writer = StagedWriter("m", described(cells), OneByOne(cells, lambda: seen.append(values(cells))))
    written = fill(writer, cells)
    before = values(cells)
    cells["e"].error = ValueError("once")
    refusal(writer)
    assert seen == [before]

    writer = StagedWriter("m", described(cells), OneByOne(cells, lambda: seen.append(values(cells))))
    fill(writer, cells)
    writer.commit()
    assert seen == [before, written]


def test_a_failure_to_derive_restores_everything() -> None:
    cells = model()
    before = values(cells)

    def settle() -> None:
        raise ValueError("bad statistics")

    writer = StagedWriter("m", described(cells), OneByOne(cells, settle))
    fill(writer, cells)
    assert refusal(writer).notes[0] == "ValueError: bad statistics"
    assert values(cells) == before


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        (Variable("z", (2,), "float32"), "the model has no such variable"),
        (Variable("a", (3, 2), "float32"), "it is float32 [2, 3], and the value is float32 [3, 2]"),
        (Variable("a", (2, 3), "float16"), "it is float32 [2, 3], and the value is float16 [2, 3]"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(asked: Variable, note: str) -> None:
    with pytest.raises(SpecError) as caught:
        StagedWriter("m", VariableMap.of("m", [asked]), OneByOne(model()))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.notes) == ("MIG516", f"`{asked.name}` cannot be assigned", (note,))


def test_a_model_that_changed_meanwhile_is_refused_before_anything_is_assigned() -> None:
    cells = model()
    writer = StagedWriter("m", described(cells), OneByOne(cells))
    fill(writer, cells)
    cells["e"].value = numpy.array([True])
    assert refusal(writer).notes[0] == "it is bool [1], and the value is bool [2]"
    assert not any(cell.assigned for cell in cells.values())


def test_half_written_values_are_never_assigned() -> None:
    cells = model()
    writer = StagedWriter("m", described(cells), OneByOne(cells))
    fill(writer, {name: cell for name, cell in cells.items() if name != "e"})
    writer.write("e", 0, memoryview(b"\x01"))
    with pytest.raises(RuntimeError, match="1 of the 2 bytes of e"):
        writer.commit()
    assert not any(cell.assigned for cell in cells.values())


def test_strings_are_refused() -> None:
    cells = model()
    writer = StagedWriter("m", described(cells), OneByOne(cells))
    with pytest.raises(SpecError) as caught:
        writer.write_strings("a", numpy.array([b"x"], object))
    assert caught.value.diagnostics[0].code == "MIG516"
