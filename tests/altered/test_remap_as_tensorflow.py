"""`remap` is what TensorFlow's warm starting does: its own ops, `GenerateVocabRemapping` and `LoadAndRemapMatrix`, are the oracle.

`tf.train.VocabInfo` puts the places for what is out of the vocabulary behind those of the tokens, and makes them anew; here they are
left behind by `slice` and made by `pad` (`remap ... oov` carries them over, which TensorFlow has no way to say).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tensorflow = pytest.importorskip("tensorflow", reason="needs TensorFlow, whose ops are the oracle")

import migspec  # noqa: E402

words = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=5)
vocabularies = st.lists(words, min_size=1, max_size=12, unique=True)
some = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def remapping(old: Path, new: Path, count: int) -> list[int]:
    """For each new token its old place, or -1."""
    places, _ = tensorflow.raw_ops.GenerateVocabRemapping(
        new_vocab_file=str(new), old_vocab_file=str(old), new_vocab_offset=0, num_new_vocab=count
    )
    found: list[int] = places.numpy().tolist()
    return found


@some
@given(
    vocabularies,
    vocabularies,
    vocabularies,
    vocabularies,
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(("\n", "\r\n")),
)
def test_rows_columns_and_places_behind_them(
    tmp_path: Path,
    old_rows: list[str],
    new_rows: list[str],
    old_columns: list[str],
    new_columns: list[str],
    old_oov: int,
    new_oov: int,
    end: str,
) -> None:
    files = {"old_rows": old_rows, "new_rows": new_rows, "old_columns": old_columns, "new_columns": new_columns}
    for name, tokens in files.items():
        (tmp_path / f"{name}.txt").write_bytes("".join(token + end for token in tokens).encode())
    shape = (len(old_rows) + old_oov, len(old_columns))
    table = numpy.random.default_rng(0).standard_normal(shape).astype(numpy.float32)
    with tensorflow.Graph().as_default(), tensorflow.compat.v1.Session() as session:
        variable = tensorflow.compat.v1.get_variable("table", initializer=table, use_resource=False)
        session.run(variable.initializer)
        tensorflow.compat.v1.train.Saver().save(session, str(tmp_path / "model"))

    rows = remapping(tmp_path / "old_rows.txt", tmp_path / "new_rows.txt", len(new_rows)) + [-1] * new_oov
    columns = remapping(tmp_path / "old_columns.txt", tmp_path / "new_columns.txt", len(new_columns))
    missing = sum(row < 0 or column < 0 for row in rows for column in columns)
    expected = tensorflow.raw_ops.LoadAndRemapMatrix(
        ckpt_path=str(tmp_path / "model"),
        old_tensor_name="table",
        row_remapping=rows,
        col_remapping=columns,
        initializing_values=[0.5] * missing,
        num_rows=len(rows),
        num_cols=len(columns),
    ).numpy()

    numpy.savez(tmp_path / "new.npz", table=numpy.zeros(expected.shape, numpy.float32))
    (tmp_path / "spec.mig").write_text(
        f"rename table -> table  slice rows [:{len(old_rows)}]\n"
        '    remap rows from "old_rows.txt" to "new_rows.txt" else 0.5\n'
        '    remap columns from "old_columns.txt" to "new_columns.txt" else 0.5  pad 0.5\n'
    )
    out = tmp_path / "out.npz"
    migspec.compile(tmp_path / "spec.mig", tmp_path / "model", tmp_path / "new.npz").apply(out, overwrite=True)
    with numpy.load(out) as written:
        numpy.testing.assert_array_equal(written["table"], expected)


@some
@given(vocabularies, vocabularies, st.integers(0, 3), st.integers(0, 3))
def test_places_out_of_the_vocabulary_are_carried_over(
    tmp_path: Path, old: list[str], new: list[str], old_oov: int, new_oov: int
) -> None:
    for name, tokens in (("old", old), ("new", new)):
        (tmp_path / f"{name}.txt").write_text("\n".join(tokens), encoding="utf-8", newline="\n")
    table = numpy.arange((len(old) + old_oov) * 3, dtype=numpy.float32).reshape(-1, 3)
    numpy.savez(tmp_path / "old.npz", table=table)
    numpy.savez(tmp_path / "new.npz", table=numpy.zeros((len(new) + new_oov, 3), numpy.float32))
    (tmp_path / "spec.mig").write_text(
        f'rename table -> table  remap rows from "old.txt" oov {old_oov} to "new.txt" oov {new_oov} else -1\n'
    )
    migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", tmp_path / "new.npz").apply(
        tmp_path / "out.npz", overwrite=True
    )
    places = [old.index(token) if token in old else None for token in new]
    places += [len(old) + number if number < old_oov else None for number in range(new_oov)]
    expected = [numpy.full(3, -1) if place is None else table[place] for place in places]
    with numpy.load(tmp_path / "out.npz") as written:
        numpy.testing.assert_array_equal(written["table"], expected)
