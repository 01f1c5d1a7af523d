"""`migspec check` of a reusable spec alone: for all sizes, each error once, at the smallest sizes that show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from migspec.compiler import check_spec
from migspec.diagnostics import Diagnostic, Severity
from migspec.library import library_specs
from migspec.text import Text


def found(content: str, name: str = "spec.mig", **given: float) -> tuple[Diagnostic, ...]:
    return check_spec(Text(name, content), given=given).diagnostics


def only(content: str, name: str = "spec.mig") -> Diagnostic:
    (one,) = found(content, name)
    return one


DENSE = """size inputs, units
source kernel or weights [inputs, units]
source bias or biases [units] if present
target kernel [inputs, units]
target bias [units] if present
rename kernel -> kernel
rename bias -> bias
"""


@pytest.mark.parametrize("name", sorted(library_specs()))
def test_the_library_is_sound(name: str) -> None:
    path = library_specs()[name]
    assert check_spec(Text(str(path), path.read_text(encoding="utf-8"))).diagnostics == ()


def test_a_sound_spec() -> None:
    assert found(DENSE) == ()


def test_an_error_is_shown_once_at_the_smallest_sizes_that_show_it() -> None:
    one = only(DENSE.replace("target kernel [inputs, units]", "target kernel [units, inputs]"))
    assert one.code == "MIG301" and one.primary is not None and one.primary.span.line == 6
    assert any(note.startswith(("at inputs = 1, units = 2;", "at inputs = 2, units = 1;")) for note in one.notes)


def test_an_error_at_some_sizes_only() -> None:
    one = only("size n\nsource w [n]\ntarget w [2]\nrename w -> w  slice 0 [0:2]")
    assert one.code == "MIG302" or one.code == "MIG301"
    assert "at n = 1; " in one.notes[-1] and one.notes[-1].endswith("cases show it")


def test_an_error_of_one_generation() -> None:
    one = only(DENSE.replace("source kernel or weights [", "source kernel or weights or bias [").replace("or biases", ""))
    assert one.code == "MIG113" and one.primary is not None and one.primary.span.content == "bias"


def test_an_error_where_something_optional_is_missing_names_it() -> None:
    one = only(DENSE.replace("target bias [units] if present", "target bias [units]"))
    assert one.code == "MIG202"
    assert "without `bias`" in one.notes[-1]
    assert one.primary is not None and one.primary.span.line == 5


def test_what_is_left_over_is_shown_where_it_is_declared() -> None:
    one = only(DENSE.replace("rename bias -> bias\n", "keep bias if present\n"))
    assert one.code == "MIG201" and one.primary is not None
    assert (one.primary.span.line, one.primary.span.content) == (3, "bias")


def test_one_cause_gives_one_error() -> None:
    codes = [one.code for one in found(DENSE.replace("rename kernel -> kernel", "rename kernel -> kernl"))]
    assert codes == ["MIG204"]


def test_two_causes_give_two() -> None:
    spec = DENSE.replace("rename kernel -> kernel", "rename kernel -> kernel  transpose  transpose  expand 0")
    assert [one.code for one in found(spec.replace("rename bias -> bias", "rename bias -> bias  stack 0"))] == [
        "MIG301",
        "MIG301",
    ]


def test_errors_of_syntax_come_alone() -> None:
    assert [one.code for one in found(DENSE + "renam a -> b\n")] == ["MIG102"]


def test_a_family_of_any_number() -> None:
    spec = "size n, k\nsource l_{i}/w [n] for i < k\ntarget all [n, k]\nrename l_{i}/w -> all  stack 0"
    one = only(spec)
    assert one.code == "MIG301"
    assert found(spec.replace("stack 0", "stack 1")) == ()


def test_a_used_spec_shows_the_chain_of_uses(tmp_path: Path) -> None:
    (tmp_path / "inner.mig").write_text("size n\nsource w [n]\ntarget w [n + 1]\nrename w -> w")
    outer = "size n\nsource a/w [n]\ntarget b/w [n + 1]\nuse inner a -> b\n"
    one = only(outer, str(tmp_path / "outer.mig"))
    assert one.code == "MIG301" and one.primary is not None
    assert Path(one.primary.span.text.name).name == "inner.mig"
    assert [Path(span.text.name).name for span in one.uses] == ["outer.mig"]


def test_a_warning_that_depends_on_the_sizes_is_none() -> None:
    spec = "size rows, columns\nsource weight [rows, columns]\ntarget kernel [rows, columns]\nrename weight -> kernel"
    assert found(spec) == ()
    (one,) = found(spec.replace("rows, columns]", "rows, rows]").replace("size rows, columns", "size rows"))
    assert (one.code, one.severity) == ("MIG407", Severity.WARNING)


def test_a_note_that_every_case_has_is_shown() -> None:
    (one,) = found("size n\nsource w [n] float32\ntarget w [n] float16\nrename w -> w  cast")
    assert (one.code, one.severity) == ("MIG410", Severity.NOTE)


def test_a_size_that_the_shapes_leave_open_is_given() -> None:
    spec = 'size heads, depth\nsource w [heads * depth]\ntarget w [heads * depth]\nrename w -> w  rearrange "(heads depth) -> (depth heads)"'
    assert found(spec) == ()


def test_a_number_that_the_command_line_gives() -> None:
    spec = "size n\nnumber more = 1.0\nsource w [n]\ntarget w [n]\nrename w -> w  scale more"
    assert found(spec) == ()
    assert [one.code for one in found(spec, more=0.0)] == ["MIG409"]


def test_values_from_the_command_line_hold() -> None:
    spec = "size n, k\nsource w [n]\ntarget w [3]\nrename w -> w"
    assert only(spec).code == "MIG301"
    assert found(spec, n=3) == ()


def test_sizes_that_must_be_divisible_are_found() -> None:
    spec = "size width, heads, depth = width / heads\nsource w [width]\ntarget w [heads, depth]\nrename w -> w  reshape"
    assert found(spec) == ()


def test_an_interface_without_sizes_that_it_allows() -> None:
    one = only("size n, m = n / 1000\nsource w [m]\ntarget w [m]\nrename w -> w")
    assert one.code == "MIG711"


def test_a_spec_without_sizes() -> None:
    one = only("source w [3]\ntarget w [4]\nrename w -> w")
    assert one.code == "MIG301" and one.notes[-1] == "at no sizes; 1 of 1 cases show it"


def test_the_same_spec_gets_the_same_answer() -> None:
    spec = DENSE.replace("target kernel [inputs, units]", "target kernel [units, inputs]")
    assert found(spec) == found(spec)


def test_no_help_speaks_of_a_file() -> None:
    for one in found(DENSE.replace("rename kernel", "rename kernl")):
        assert not any("migspec inspect" in help_ for help_ in one.helps)
