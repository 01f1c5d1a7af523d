"""Alternative names of an interface line: rules speak of the first, whichever the file has."""

from __future__ import annotations

from pathlib import Path

import pytest
from binding import as_map, codes, compiled, migrated, moves

from migspec.compiler import compile_spec
from migspec.text import Text

CELL = """mig 1
size n
source kernel or weights or Linear/Matrix [n]
source bias or biases [n] if present
target k or kernel [n]
target b [n] if present
rename kernel -> k  scale 2.0
rename bias -> b
"""


@pytest.mark.parametrize("name", ["kernel", "weights", "Linear/Matrix"])
@pytest.mark.parametrize("target", ["k", "kernel"])
def test_at_the_root_a_rule_finds_every_generation_by_the_first_name(name: str, target: str) -> None:
    values, made = migrated(compiled(CELL, f"{name} [3]", f"{target} [3]"))
    assert (made[target] == 2 * values[name]).all()


@pytest.mark.parametrize(("kernel", "bias"), [("kernel", "bias"), ("weights", "biases"), ("Linear/Matrix", "biases")])
def test_mounted_the_same_names_are_found(tmp_path: Path, kernel: str, bias: str) -> None:
    (tmp_path / "cell.mig").write_text(CELL)
    source, target = as_map("old", f"old/{kernel} [3]\nold/{bias} [3]"), as_map("new", "new/k [3]\nnew/b [3]")
    compilation = compile_spec(Text(str(tmp_path / "spec.mig"), "use cell old -> new"), source, target)
    assert moves(compilation) == {"new/k": (f"old/{kernel}",), "new/b": (f"old/{bias}",)}


def test_a_pattern_finds_it_by_the_first_name_too() -> None:
    spec = "size n\nsource layer_{i}/w or l{i}/m [n] for i < k\nsize k\ntarget all [k, n]\nrename layer_{i}/w -> all  stack 0"
    assert moves(compiled(spec, "l0/m [2]\nl1/m [2]", "all [2, 2]")) == {"all": ("l0/m", "l1/m")}


def test_its_own_name_still_counts() -> None:
    spec = CELL.replace("rename kernel", "rename weights")
    assert codes(compiled(spec, "weights [3]", "k [3]")) == []
    assert codes(compiled(spec, "kernel [3]", "k [3]")) != []


def test_two_variables_for_one_line() -> None:
    assert codes(compiled(CELL, "kernel [3]\nweights [3]", "k [3]"))[0] == "MIG208"


def test_a_first_name_that_another_variable_has_is_not_taken_from_it() -> None:
    spec = "size n, m\nsource a or b [n]\nsource c [m]\ntarget x [n]\ntarget y [m]\nrename a -> x\nrename c -> y"
    assert moves(compiled(spec, "b [2]\nc [3]", "x [2]\ny [3]")) == {"x": ("b",), "y": ("c",)}
