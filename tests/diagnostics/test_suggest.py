"""Did you mean."""

from __future__ import annotations

import random
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.diagnostics.suggest import nearest

BERT = [
    f"encoder/layer_{i}/{part}/{name}"
    for i in range(12)
    for part in ("attention", "attention_output", "mlp")
    for name in ("kernel", "bias")
]


def test_one_segment_written_another_way() -> None:
    assert nearest("encoder/layer_0/attn/kernel", BERT)[0] == "encoder/layer_0/attention/kernel"


def test_a_prefix_too_few_or_too_many() -> None:
    assert nearest("dense_1/kernel", ["model/backbone/dense_1/kernel", "conv/kernel"]) == ["model/backbone/dense_1/kernel"]
    assert nearest("model/dense_1/kernel", ["dense_1/kernel", "conv/bias"]) == ["dense_1/kernel"]
    assert nearest("basic_lstm", ["tf1/basic_lstm", "tf1/gru"]) == ["tf1/basic_lstm"]


def test_separator_and_case_make_no_difference() -> None:
    assert nearest("Encoder.Layer_0.MLP.kernel", BERT)[0] == "encoder/layer_0/mlp/kernel"


def test_letters_swapped_left_out_or_added() -> None:
    words = ["rename", "copy", "same", "drop", "keep", "fill"]
    assert [nearest(word, words, 1) for word in ("renmae", "kep", "filll")] == [["rename"], ["keep"], ["fill"]]


def test_nothing_plausible_is_nothing() -> None:
    assert nearest("optimizer/learning_rate", ["conv1/kernel", "w", ""]) == []
    assert nearest("move", ["rename", "copy", "same", "drop", "keep", "fill"]) == []
    assert nearest("", ["a", "b/c"]) == []
    assert nearest("a", []) == []


def test_noise_beside_a_good_answer_is_left_out() -> None:
    assert nearest("head/kernal", ["head/kernel", "body/kernel"]) == ["head/kernel"]


def test_at_most_so_many_and_never_the_word_itself() -> None:
    assert len(nearest("encoder/layer_0/mlp/kernels", BERT)) == 3
    assert len(nearest("encoder/layer_0/mlp/kernels", BERT, limit=1)) == 1
    assert nearest("a/b", ["a/b"]) == []
    assert nearest("a/b", ["a/bb"], limit=0) == []


def test_order_and_repetition_of_candidates_do_not_matter() -> None:
    expected = nearest("encoder/layer_0/mlp/weight", BERT)
    shuffled = BERT * 2
    random.Random(7).shuffle(shuffled)
    assert nearest("encoder/layer_0/mlp/weight", shuffled) == expected


def test_the_best_of_many_candidates_is_found() -> None:
    many = [f"encoder/layer_{i}/{part}/{name}" for i in range(2500) for part in ("attention", "mlp") for name in ("w", "b")]
    assert nearest("encoder/layer_777/attn/w", many)[0] == "encoder/layer_777/attention/w"


@settings(max_examples=80, deadline=None)
@given(st.text("ab/.{_1", max_size=12), st.lists(st.text("ab/._1", max_size=12), max_size=8))
def test_answers_are_distinct_candidates(word: str, candidates: list[str]) -> None:
    found = nearest(word, candidates)
    assert len(set(found)) == len(found) <= 3
    assert set(found) <= set(candidates) - {word}


def test_importing_diagnostics_imports_no_heavy_package() -> None:
    program = (
        "import sys, migspec.diagnostics.render, migspec.diagnostics.registry, migspec.diagnostics.suggest\n"
        "print(sorted({'rapidfuzz', 'rich', 'numpy', 'jsonschema', 'lark'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
