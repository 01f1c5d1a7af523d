"""A random stream depends on the seed and the variable's name, and not on where a rule names it."""

from __future__ import annotations

from notation import variables_of

from migspec.compiler import compile_spec
from migspec.evaluate import evaluate
from migspec.expression import Expression, Fill, Read, children
from migspec.text import Text

SOURCE = variables_of("old", "w [4, 3] float32")
TARGET = variables_of("new", "a [5, 3] float32\nb [5, 3] float32")


def moves(spec: str) -> dict[str, Expression]:
    plan = compile_spec(Text("streams.mig", spec), SOURCE, TARGET).plan
    assert plan is not None
    return {move.target: move.expression for move in plan.moves}


def fills(expression: Expression) -> list[Fill]:
    return [
        node for node in (expression, *(f for child in children(expression) for f in fills(child))) if isinstance(node, Fill)
    ]


def test_each_target_of_a_rule_has_its_own_stream_in_whichever_order() -> None:
    one = moves("rename w -> a, b  split rows in 2  pad normal 0.02 seed 7\n")
    other = moves("rename w -> b, a  split rows in 2  pad normal 0.02 seed 7\n")
    for name in ("a", "b"):
        assert fills(one[name]) == fills(other[name]) != []
    assert fills(one["a"]) != fills(one["b"])


def test_each_axis_that_grows_draws_anew() -> None:
    target = variables_of("new", "v [6, 5] float32")
    plan = compile_spec(Text("streams.mig", "rename w -> v  pad uniform -1 1 seed 3\n"), SOURCE, target).plan
    assert plan is not None
    (rows, columns) = fills(plan.moves[0].expression)
    assert rows.distribution != columns.distribution


def test_a_fill_and_a_pad_of_other_names_differ() -> None:
    def none(read: Read) -> object:
        raise AssertionError(read)

    spec = "fill a with normal 1.0 seed 7\nfill b with normal 1.0 seed 7\ndrop w\n"
    filled = moves(spec)
    a, b = (evaluate(filled[name], none) for name in ("a", "b"))  # type: ignore[arg-type]
    assert (a != b).all()
