"""`except` on the right side of a rule: it narrows the targets, and silences nothing on either side."""

from __future__ import annotations

from notation import variables_of

from migspec.compiler import Compilation, compile_spec
from migspec.text import Text

SOURCE = variables_of("old", "a/x [2] float32\na/y [2] float32")
TARGET = variables_of("new", "b/x [2] float32\nb/y [2] float32")


def compiled(spec: str) -> Compilation:
    return compile_spec(Text("spec.mig", spec), SOURCE, TARGET)


def codes(spec: str) -> list[str]:
    return [one.code for one in compiled(spec).diagnostics]


def test_the_other_instances_are_moved() -> None:
    plan = compiled("rename a/{x} -> b/{x} except b/y\nkeep b/y\ndrop a/y").plan
    assert plan is not None
    assert [move.target for move in plan.moves] == ["b/x"]


def test_the_source_of_an_excepted_target_is_reported() -> None:
    assert codes("rename a/{x} -> b/{x} except b/y\nkeep b/y") == ["MIG201"]


def test_the_excepted_target_is_reported() -> None:
    assert codes("rename a/{x} -> b/{x} except b/y\ndrop a/y") == ["MIG202"]


def test_an_exception_that_takes_nothing_out_is_reported() -> None:
    assert codes("rename a/{x} -> b/{x} except b/z") == ["MIG210"]
