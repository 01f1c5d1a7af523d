"""Arguments left out: solved from the target, pulled back through the ops that follow, or asked for; never silently something else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notation import variables_of
from op_running import words

from migspec.compiler import Compilation, compile_spec
from migspec.expression import Expression, Read
from migspec.ops import Context, OpError, Tensor, Wanted
from migspec.text import Text
from migspec.variables import Variable, VariableMap

ORDERS = {3: "zrh", 4: "ifco"}


def shape_of(lengths: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, lengths))}]"


@st.composite
def steps(draw: st.DrawFn, shape: tuple[int, ...]) -> str:
    """An n -> n op that can apply to this shape, every argument written."""
    rank = len(shape)
    kinds = ["reshape", "pad", "crop", "cast", "expand", "as is"]
    if rank:
        kinds += ["flip", "transpose", "slice", "repeat", "gates", "squeeze", "rearrange", "reshape", "pad", "crop"]
    kind = draw(st.sampled_from(kinds))
    axis = draw(st.integers(-rank, rank - 1)) if rank else 0
    if kind == "reshape":
        new = list(draw(st.permutations((*shape, *draw(st.sampled_from(((), (1,))))))))
        if len(new) > 1 and draw(st.booleans()):
            new = [new[0] * new[1], *new[2:]]
        return f"reshape {shape_of(tuple(new))}"
    if kind == "pad":
        content = draw(st.sampled_from(("zeros", "ones", "normal 0.1 seed 3")))
        return f"pad {content} to {shape_of(tuple(length + draw(st.integers(0, 2)) for length in shape))}"
    if kind == "crop":
        return f"crop to {shape_of(tuple(draw(st.integers(1, length + 1)) for length in shape))}"
    if kind == "cast":
        return f"cast {draw(st.sampled_from(('float16', 'float32', 'float64', 'bfloat16')))}"
    if kind == "expand":
        return f"expand {draw(st.integers(-rank - 1, rank))}"
    if kind == "transpose":
        return draw(st.sampled_from(("transpose", f"transpose {' '.join(map(str, draw(st.permutations(range(rank)))))}")))
    if kind == "slice":
        stop = draw(st.integers(1, shape[axis]))
        return f"slice {axis} [{draw(st.integers(0, stop - 1))}:{stop}]"
    if kind == "repeat":
        return f"repeat {axis} {draw(st.integers(1, 2))}"
    if kind == "gates":
        for count, order in ORDERS.items():
            if shape[axis] % count == 0:
                return f"gates {order} -> {''.join(draw(st.permutations(order)))} on {axis}"
        return f"flip {axis}"
    if kind == "squeeze":
        return f"squeeze {axis}" if shape[axis] == 1 else f"flip {axis}"
    if kind == "rearrange":
        letters = "ABCDEFGH"[:rank]
        return f'rearrange "{" ".join(letters)} -> {" ".join(draw(st.permutations(letters)))}"' if rank <= 8 else "as is"
    return f"flip {axis}" if kind == "flip" else kind


def without_argument(op: str) -> str | None:
    """The op with its argument left out; None if it has none that may be."""
    if op.startswith("reshape ["):
        return "reshape"
    if op.startswith(("pad ", "crop ")):
        return op.partition(" to ")[0]
    if op.startswith("cast "):
        return "cast"
    return "split rows" if op.startswith("split rows ") else None


@st.composite
def pipelines(draw: st.DrawFn):
    """Source tensors, the ops of one rule with every argument written, and the tensors that they make; one op cuts, perhaps."""
    shape = tuple(draw(st.lists(st.sampled_from((1, 2, 3, 4, 6)), min_size=1, max_size=4)))
    source = Variable("s", shape, draw(st.sampled_from(("float32", "float16"))))
    bundle = (Tensor(Read("s", shape, source.dtype)),)
    ops: list[str] = []
    cut = draw(st.integers(-2, 2))
    for place in range(draw(st.integers(1, 5))):
        alike = {tensor.shape for tensor in bundle}
        if place == cut and len(bundle) == 1 and bundle[0].shape and bundle[0].shape[0] > 1:
            at = draw(st.integers(1, bundle[0].shape[0] - 1))
            op = f"split rows [{at}, {bundle[0].shape[0] - at}]"
        elif len(alike) == 1:
            op = draw(steps(bundle[0].shape))
        else:
            op = draw(st.sampled_from(("transpose", "flip 0", "as is", "expand 0", "cast float64")))
        try:
            bundle = words(op)[0].apply(bundle, Context({}, lambda: Wanted(), ("t0",)))
        except OpError:
            break
        if (
            max(len(tensor.shape) for tensor in bundle) > 6
            or sum(tensor.expression.shape[0] if tensor.shape else 1 for tensor in bundle) > 60
        ):
            break
        ops.append(op)
    if not ops:
        ops = ["as is"]
        bundle = (Tensor(Read("s", shape, source.dtype)),)
    bundle = (Tensor(Read("s", shape, source.dtype)),)
    for op in ops:
        bundle = words(op)[0].apply(bundle, Context({}, lambda: Wanted(), ("t0",)))
    return source, ops, [Variable(f"t{place}", tensor.shape, tensor.dtype) for place, tensor in enumerate(bundle)]


def compiled(source: Variable, ops: list[str], targets: list[Variable]) -> Compilation:
    spec = f"rename s -> {', '.join(target.name for target in targets)}  {'  '.join(ops)}\n"
    return compile_spec(Text("spec.mig", spec), VariableMap.of("old", [source]), VariableMap.of("new", targets))


def moved(compilation: Compilation) -> list[Expression]:
    assert compilation.plan is not None, [str(one) for one in compilation.diagnostics]
    return [move.expression for move in compilation.plan.moves]


@given(pipelines(), st.data())
@settings(max_examples=150, deadline=None)
def test_the_argument_left_out_is_found_again_or_asked_for(pipeline, data) -> None:
    source, ops, targets = pipeline
    whole = moved(compiled(source, ops, targets))
    places = [place for place, op in enumerate(ops) if without_argument(op) is not None]
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    shorter = [without_argument(op) if number == place else op for number, op in enumerate(ops)]
    result = compiled(source, shorter, targets)  # type: ignore[arg-type]
    if result.plan is not None:
        assert moved(result) == whole, shorter
    else:
        assert [one.code for one in result.diagnostics if one.severity.value == "error"] == ["MIG304"]
        assert result.diagnostics[0].helps


@pytest.mark.parametrize(
    ("source", "ops", "targets"),
    [
        ("[12]", "reshape [3, 4]", "[3, 4]"),
        ("[12]", "reshape [3, 4] transpose", "[4, 3]"),
        ("[12]", "reshape [3, 4] slice rows [0:2]", "[2, 4]"),
        ("[12]", "reshape [2, 6] repeat rows 2", "[4, 6]"),
        ("[12]", "reshape [2, 6] expand 0", "[1, 2, 6]"),
        ("[12]", "reshape [1, 12] squeeze 0", "[12]"),
        ("[12]", 'reshape [2, 6] rearrange "a b -> b a"', "[6, 2]"),
        ("[2, 3]", "pad zeros to [4, 5]", "[4, 5]"),
        ("[2, 3]", "pad zeros to [4, 5] transpose", "[5, 4]"),
        ("[2, 3]", "pad zeros to [4, 5] flip 0 permute AB -> BA", "[5, 4]"),
        ("[4, 5]", "crop to [2, 3]", "[2, 3]"),
        ("[4, 5]", "crop to [2, 3] transpose expand -1", "[3, 2, 1]"),
        ("[4, 5]", "crop to [2, 3] repeat columns 2", "[2, 6]"),
        ("[4, 6]", "split rows [1, 3]", "[1, 6], [3, 6]"),
        ("[4, 6]", "split rows [1, 3] transpose", "[6, 1], [6, 3]"),
        ("[4, 6]", "split rows [1, 3] gates zrh -> rzh flip 0", "[1, 6], [3, 6]"),
        ("[2, 3]", "cast float16", "[2, 3] float16"),
        ("[2, 3]", "cast float16 transpose", "[3, 2] float16"),
        ("[2, 3]", "cast float16 add 1.0 pad zeros to [4, 4]", "[4, 4] float16"),
    ],
)
def test_what_the_target_settles(source, ops, targets) -> None:
    (old,) = variables_of("old", f"s {source} float32")
    shapes = re.findall(r"\[[^]]*\](?: \w+)?", targets)
    new = list(
        variables_of("new", "\n".join(f"t{k} {one}{'' if one[-1] != ']' else ' float32'}" for k, one in enumerate(shapes)))
    )
    first, rest = re.fullmatch(r"(cast \w+|(?:reshape|pad zeros|crop|split rows)(?: to)? \[[^]]*\])(.*)", ops).groups()  # type: ignore[union-attr]
    short = without_argument(first)
    assert short is not None
    assert moved(compiled(old, [short, rest], new)) == moved(compiled(old, [first, rest], new))


@pytest.mark.parametrize(
    ("source", "ops", "target"),
    [
        ("[12]", "reshape reshape [4, 3]", "[4, 3]"),
        ("[12]", "reshape crop to [2, 3]", "[2, 3]"),
        ("[2, 3]", "pad zeros crop to [2, 2]", "[2, 2]"),
        ("[2, 3]", "pad zeros slice rows [0:2]", "[2, 5]"),
        ("[4, 4]", "crop pad zeros to [4, 4]", "[4, 4]"),
        ("[4, 4]", "crop slice columns [0:2]", "[4, 2]"),
        ("[4, 4]", "crop reshape [2, 4]", "[2, 4]"),
        ("[6, 4]", "split rows concat rows", "[6, 4]"),
        ("[2, 3]", "cast cast float32", "[2, 3]"),
        ("[6]", "reshape repeat rows k", "[12]"),
    ],
)
def test_what_leaves_a_choice_is_asked_for(source, ops, target) -> None:
    result = compile_spec(
        Text("spec.mig", f"size k\nrename s -> t  {ops}\n"),
        variables_of("old", f"s {source} float32"),
        variables_of("new", f"t {target} float32"),
    )
    assert [one.code for one in result.diagnostics] == ["MIG304"]


def test_a_copy_to_targets_of_one_shape_settles_a_split() -> None:
    source = variables_of("old", "s [6, 2] float32")
    target = variables_of("new", "a [3, 2] float32\nb [3, 2] float32")
    plans = [
        compile_spec(Text("spec.mig", f"copy s -> a, b  split rows {sizes}\n"), source, target).plan
        for sizes in ("", "[3, 3]", "in 2")
    ]
    assert all(plan is not None for plan in plans)
    assert len({tuple(move.expression for move in plan.moves) for plan in plans if plan is not None}) == 1


def test_a_target_of_another_shape_is_an_error_and_no_guess() -> None:
    for ops, code in (("reshape", "MIG302"), ("pad zeros", "MIG301"), ("crop", "MIG301")):
        result = compile_spec(
            Text("spec.mig", f"rename s -> t  {ops}\n"),
            variables_of("old", "s [4, 4] float32"),
            variables_of("new", "t [3, 5] float32"),
        )
        assert [one.code for one in result.diagnostics] == [code]
