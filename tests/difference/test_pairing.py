"""Which variable is which, and what those that are left over may have been called."""

from __future__ import annotations

from notation import variables_of

from migspec.difference.pairing import lone, paired


def pairs(left: str, right: str) -> list[str]:
    found = paired(variables_of("a", left), variables_of("b", right))
    lines = [f"{one.name} = {other.name}" for one, other in found.pairs]
    return [*lines, *(f"{one.name} =" for one in found.only_left), *(f"= {one.name}" for one in found.only_right)]


def renamed(left: str, right: str) -> dict[str, str | None]:
    found = lone(tuple(variables_of("a", left)), tuple(variables_of("b", right)))
    return {one.variable.name: one.renamed.name if one.renamed else None for one in found}


def test_separators_and_a_trailing_zero_do_not_matter() -> None:
    assert pairs("a.b [2] float32\nc/d:0 [] float32", "c/d [] float32\na/b [3] int8") == ["c/d:0 = c/d", "a.b = a/b"]


def test_a_name_beats_an_alias() -> None:
    assert pairs("a [2] float32\nb [2] float32 also a", "a [2] float32\nx [2] float32 also b") == ["a = a", "b = x"]
    assert pairs("lstm/cell/kernel [2] float32 also lstm/kernel", "lstm/kernel [2] float32") == [
        "lstm/cell/kernel = lstm/kernel"
    ]
    assert pairs("lstm/kernel [2] float32", "lstm/cell/kernel [2] float32 also lstm.kernel") == [
        "lstm/kernel = lstm/cell/kernel"
    ]


def test_a_shared_alias_needs_the_same_shape() -> None:
    assert pairs("a [2] float32 also layers/0", "b [2] float32 also layers/0") == ["a = b"]
    assert pairs("a [2] float32 also layers/0", "b [3] float32 also layers/0") == ["a =", "= b"]


def test_a_name_that_fits_two_pairs_with_neither() -> None:
    assert pairs("a/b [2] float32\na.b [2] float32", "a/b [2] float32\na.b [2] float32") == ["a/b = a/b", "a.b = a.b"]
    assert pairs("x [2] float32 also s\ny [2] float32 also s", "s [2] float32") == ["x =", "y =", "= s"]
    assert pairs("s [2] float32", "x [2] float32 also s\ny [2] float32 also s") == ["s =", "= x", "= y"]


def test_a_new_name_is_near_and_of_the_same_kind() -> None:
    assert renamed("dense/kernel [4, 2] float32", "head/dense/kernel [4, 2] float32\ndense/kernel_1 [2, 4] float32") == {
        "dense/kernel": "head/dense/kernel"
    }
    assert renamed("dense/kernel [4, 2] float32", "dense/kernels [4, 2] float16") == {"dense/kernel": None}


def test_the_only_one_of_its_kind_may_have_any_name() -> None:
    assert renamed("softmax_w [128, 65] float32\nstep [] int64", "logits/kernel [128, 65] float32\nn [] int64") == {
        "softmax_w": "logits/kernel",
        "step": None,  # any two scalars are of one kind
    }
    assert renamed("softmax_w [9] float32\nother [9] float32", "logits/kernel [9] float32") == {
        "softmax_w": None,
        "other": None,
    }
