"""Variables of any kind, from readers in memory: strings, what cannot be read, what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy
import pytest

from migspec.compiler import compile_spec
from migspec.difference.as_json import difference_json
from migspec.difference.comparison import between, through_plan
from migspec.difference.result import Difference, Tolerance
from migspec.difference.text import difference_text, summary
from migspec.text import Text
from migspec.variables import Variable, VariableMap


class Memory:
    """A reader of what it is given; an array of objects is a `string` variable, None one that cannot be read."""

    format = "memory"
    files: tuple[str, ...] = ()

    def __init__(self, path: str, values: Mapping[str, numpy.ndarray | None], aliases: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._values = values
        self.variables = VariableMap.of(
            path,
            (
                Variable(
                    name, () if value is None else value.shape, _dtype(value), tuple((aliases or {}).get(name, "").split())
                )
                for name, value in values.items()
            ),
        )

    def extent(self, name: str) -> None:
        return None

    def read(self, name: str) -> numpy.ndarray:
        value = self._values[name]
        assert value is not None, f"{name} is read, and cannot be"
        return value

    def close(self) -> None: ...


def _dtype(value: numpy.ndarray | None) -> str:
    if value is None:
        return "resource"
    return "string" if value.dtype == object else value.dtype.name


def words(*texts: bytes) -> numpy.ndarray:
    return numpy.array(texts, object)


def compared(left: Memory, right: Memory) -> Difference:
    return between(left, right, tolerance=Tolerance(asked=True)).run()


def test_strings() -> None:
    left = Memory("a", {"words": words(b"one", b"two", b"three"), "same": words(b"x")})
    found = compared(left, Memory("b", {"words": words(b"one", b"2", b"drei"), "same": words(b"x")}))
    assert not found.agrees and found.counts == {"different": 1, "equal": 1}
    assert "    words  string [3]\n      2 of 3 elements differ; first at [1]: b'two' and b'2'\n" in difference_text(found)
    shown = difference_json(found)["variables"][0]["measurement"]
    assert shown["largest"] == {"index": [1], "left": "b'two'", "right": "b'2'", "absolute": None, "relative": None}
    assert shown["norms"] is None
    assert compared(left, left).agrees


def test_a_long_string_is_cut() -> None:
    found = compared(Memory("a", {"w": words(b"x" * 1000)}), Memory("b", {"w": words(b"y" * 1000)}))
    assert found.compared[0].measurement is not None and found.compared[0].measurement.largest is not None
    text = found.compared[0].measurement.largest.left
    assert len(text) == 60 and text.endswith("...'")


def test_a_string_is_no_number() -> None:
    found = compared(Memory("a", {"w": words(b"1")}), Memory("b", {"w": numpy.array([1.0])}))
    assert [(one.verdict, one.measurement) for one in found.compared] == [("different", None)]


def test_what_cannot_be_read_is_never_called_equal() -> None:
    side = Memory("a", {"table": None, "w": numpy.zeros(2)})
    found = compared(side, side)
    assert not found.agrees and found.counts == {"unreadable": 1, "equal": 1}
    assert "not compared, as migspec cannot read such variables\n    table  resource []\n" in difference_text(found)
    assert summary(found) == "a and a differ: 1 not compared, 1 equal"


def test_scalars_empty_variables_and_complex_numbers() -> None:
    values = {"none": numpy.zeros((0, 3), "float32"), "one": numpy.array(2.5), "c": numpy.array([1 + 2j, 3j], "complex64")}
    left = Memory("a", values)
    assert compared(left, left).counts == {"equal": 3}
    found = compared(left, Memory("b", {**values, "c": numpy.array([1 + 2j, 3 + 7j], "complex64")}))
    assert "most" not in difference_text(found)
    assert "1 of 2 elements differs; at [1]: 3j and (3+7j), by 5" in difference_text(found)
    found = compared(left, Memory("b", {**values, "none": numpy.zeros((0, 3), "float16")}))
    assert found.counts == {"equal": 2, "close": 1}


def test_two_names_are_both_told() -> None:
    left = Memory("a", {"lstm/cell/kernel": numpy.zeros(2)}, {"lstm/cell/kernel": "lstm/kernel"})
    found = compared(left, Memory("b", {"lstm/kernel": numpy.array([0.0, 3.0])}))
    assert "    lstm/cell/kernel = lstm/kernel  float64 [2]\n      1 of 2 elements differs; at [1]: 0.0 and 3.0, by 3" in (
        difference_text(found)
    )


class Announced(Memory):
    """One that wants to know what it will be asked for."""

    ahead: tuple[str, ...] | None = None

    @contextmanager
    def read_ahead(self, names: Sequence[str]) -> Iterator[None]:
        self.ahead = tuple(names)
        yield
        self.ahead = None

    def read(self, name: str) -> numpy.ndarray:
        assert self.ahead is not None and name in self.ahead
        return super().read(name)


def test_readers_are_told_what_they_will_be_asked_for() -> None:
    values = {"v": numpy.arange(3.0), "w": numpy.arange(4.0), "shape": numpy.zeros(2)}
    left, right = Announced("a", values), Announced("b", {**values, "shape": numpy.zeros(3)})
    assert compared(left, right).counts == {"equal": 2, "different": 1}
    assert compared(left, left).counts == {"equal": 3}
    plan = compile_spec(Text("s.mig", "same v, w\ndrop shape\nkeep shape\n"), left.variables, right.variables).plan
    assert plan is not None
    assert through_plan(plan, left, right, spec="s.mig", tolerance=Tolerance()).run().counts == {"equal": 2}


@pytest.mark.parametrize(("kept", "agrees"), [(0.25, True), (0.5, False)])
def test_random_state_is_not_compared_and_what_is_kept_is(kept: float, agrees: bool) -> None:
    old = Memory("old", {"w": numpy.arange(3.0)})
    template = Memory(
        "new", {"v": numpy.zeros(3), "t": numpy.array(0.25), "seed_generator/seed_generator_state": numpy.arange(2)}
    )
    text = Text("s.mig", "rename w -> v\nkeep t\n")
    plan = compile_spec(text, old.variables, template.variables).plan
    assert plan is not None
    output = Memory("out", {"v": numpy.arange(3.0), "t": numpy.array(kept)})
    found = through_plan(plan, old, output, spec="s.mig", named=template, tolerance=Tolerance()).run()
    assert found.agrees is agrees
    assert [one.variable for one in found.kept] == ["seed_generator/seed_generator_state"]
    assert not found.only_left.variables and not found.only_right.variables
