"""`SPEC.test.toml`, beside a spec: how it is proven, and what sizes, numbers and values it is tried with."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migspec.diagnostics import Diagnostic, SpecError, file_error
from migspec.diagnostics.suggest import nearest
from migspec.names import normal_name
from migspec.patterns import Matcher, text_of
from migspec.rules import Program

SMALLEST, LARGEST = 1, 12
"""The sizes that are tried where the settings say nothing."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Settings:
    """What stands in the file, or the defaults where there is none.

    `oracle` is `FILE.py:FUNCTION`, relative to the folder of `path`, or `MODULE:FUNCTION`; `requires` are modules without which it is
    skipped; its outputs agree if none differs by more than `tolerance`. `sizes` are ranges, both ends included, `numbers` the values
    that are tried, `values` the ranges of random source values, by the first name of an interface line or by the name of a variable.
    """

    path: Path
    oracle: str | None = None
    requires: tuple[str, ...] = ()
    tolerance: float = 1e-5
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    numbers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    values: Mapping[str, Range] = field(default_factory=dict)


def settings_path(spec: str) -> Path:
    """The file with the settings of a spec: `dense.test.toml` beside `dense.mig`."""
    path = Path(spec)
    return path.with_name(f"{path.name.removesuffix('.mig')}.test.toml")


def read_settings(program: Program) -> Settings:
    """The settings of a spec. Raises `SpecError`: MIG710 for whatever the file says that it cannot mean, MIG501 if it cannot be read."""
    path = settings_path(program.text.name)
    if not path.is_file():
        return Settings(path)
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise file_error("MIG501", str(path), "the settings cannot be read", (error.strerror or str(error),)) from None
    except ValueError as error:  # of tomllib, or no UTF-8
        raise file_error("MIG710", str(path), "the settings are no TOML", (str(error),)) from None
    reader = _Reader(path, program)
    found = reader.settings(data)
    if reader.problems:
        raise SpecError(reader.problems)
    return found


@dataclass(slots=True)
class _Reader:
    """One file, and what is wrong with it."""

    path: Path
    program: Program
    problems: list[Diagnostic] = field(default_factory=list)

    def settings(self, data: dict[str, Any]) -> Settings:
        read: dict[str, Callable[[Any], Any]] = {
            "oracle": self._oracle,
            "requires": self._requires,
            "tolerance": self._tolerance,
            "sizes": lambda value: self._table("sizes", value, self.program.sizes, self._size_range),
            "numbers": lambda value: self._table("numbers", value, self.program.numbers, self._tried),
            "values": lambda value: self._table("values", value, None, self._value_range),
        }
        found: dict[str, Any] = {}
        for key, value in data.items():
            if key not in read:
                self._report(f"there is no setting `{key}`", _meant(key, read) or (f"settings are {', '.join(read)}",))
                continue
            one = read[key](value)
            if one is not None:
                found[key] = one
        return Settings(self.path, **found)

    def _oracle(self, value: Any) -> str | None:
        place, _, function = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        if place and function.isidentifier():
            return str(value)
        self._report(f"`oracle` is {value!r}", ('write `oracle = "oracles.py:dense"`, or `"package.module:dense"`',))
        return None

    def _requires(self, value: Any) -> tuple[str, ...] | None:
        if isinstance(value, list) and all(isinstance(one, str) and one for one in value):
            return tuple(value)
        self._report(f"`requires` is {value!r}", ('write the names of modules: `requires = ["tensorflow"]`',))
        return None

    def _tolerance(self, value: Any) -> float | None:
        if _is_number(value) and value >= 0:
            return float(value)
        self._report(f"`tolerance` is {value!r}", ("write a number, 0 or more: `tolerance = 1e-5`",))
        return None

    def _table(
        self, word: str, value: Any, known: Mapping[str, Any] | None, read: Callable[[str, Any], Any]
    ) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            self._report(f"`{word}` is {value!r}", (f"make it a table: `[{word}]`, and a line for each name below it",))
            return None
        found = {}
        for name, one in value.items():
            if known is None:
                sound = self._is_source(name)
            else:
                sound = name in known
                if not sound:
                    listed = ", ".join(f"`{other}`" for other in known) or "none"
                    helps = _meant(name, known) or (f"it defines: {listed}",)
                    self._report(f"the spec defines no {word.removesuffix('s')} `{name}`, named in `[{word}]`", helps)
            entry = read(name, one) if sound else None
            if entry is not None:
                found[name] = entry
        return found

    def _is_source(self, name: str) -> bool:
        firsts = [line.names[0] for line, _ in self.program.interface if line.side == "source"]
        if any(text_of(first) == name or Matcher(first).fits(normal_name(name)) for first in firsts):
            return True
        listed = {text_of(first): None for first in firsts}
        helps = _meant(name, listed) or (f"its first names: {', '.join(f'`{one}`' for one in listed)}",)
        self._report(f"the spec has no source variable `{name}`, named in `[values]`", helps)
        return False

    def _size_range(self, name: str, value: Any) -> tuple[int, int] | None:
        if _is_pair(value) and all(isinstance(one, int) for one in value) and 1 <= value[0] <= value[1]:
            return value[0], value[1]
        self._report(f"`sizes.{name}` is {value!r}", (f"write the smallest and the largest, from 1 on: `{name} = [1, 9]`",))
        return None

    def _value_range(self, name: str, value: Any) -> Range | None:
        if _is_pair(value) and value[0] <= value[1]:
            return value[0], value[1]
        self._report(f"`values.{name}` is {value!r}", (f"write the lowest and the highest value: `{name} = [0.1, 2.0]`",))
        return None

    def _tried(self, name: str, value: Any) -> tuple[float, ...] | None:
        if isinstance(value, list) and value and all(map(_is_number, value)):
            return tuple(value)
        self._report(f"`numbers.{name}` is {value!r}", (f"write the values that are tried: `{name} = [0.0, 1.0]`",))
        return None

    def _report(self, message: str, helps: tuple[str, ...]) -> None:
        self.problems.append(Diagnostic("MIG710", message, file=str(self.path), helps=helps))


def _meant(name: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"did you mean `{near}`?" for near in nearest(name, list(known)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
