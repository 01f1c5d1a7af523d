"""The state file `checkpoint`, held against what protobuf writes and reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from migspec.formats.checkpoint_state import path_named_by, places_named_by

NAMES = [
    "model-1",
    "größe 模型",
    "with \"both\" 'quotes'",
    "C:\\models\\m-1",
    "tab\tnew\nline\x01\x7f",
    "a/b/",
    "\\x41\\101",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("as_utf8", [True, False])
def test_a_path_in_text_format(tmp_path: Path, name: str, as_utf8: bool) -> None:
    text_format = pytest.importorskip("google.protobuf.text_format", reason="needs protobuf, which TensorFlow brings along")
    states = pytest.importorskip("tensorflow.python.training.checkpoint_state_pb2", reason="needs TensorFlow")
    state = states.CheckpointState(model_checkpoint_path=name, all_model_checkpoint_paths=["older", name])
    (tmp_path / "checkpoint").write_text(text_format.MessageToString(state, as_utf8=as_utf8), encoding="utf-8")
    assert path_named_by(tmp_path / "checkpoint") == name


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (r"'single'", "single"),
        (r'"\x41\102\7"', "AB\x07"),
        (r'"\xff"', None),  # no UTF-8
        ('"not closed', None),
    ],
)
def test_paths_that_tensorflow_does_not_write(tmp_path: Path, written: str, expected: str | None) -> None:
    (tmp_path / "checkpoint").write_text(f"model_checkpoint_path: {written}\n")
    assert path_named_by(tmp_path / "checkpoint") == expected


def test_a_folder_that_was_moved(tmp_path: Path) -> None:
    state = tmp_path / "checkpoint"
    for named, places in (
        ("m", (f"{tmp_path}/m", f"{tmp_path}/m")),
        ("/gone/m", ("/gone/m", f"{tmp_path}/m")),
        ("sub/", (f"{tmp_path}/sub/", f"{tmp_path}/")),
    ):
        state.write_text(f'model_checkpoint_path: "{named}"\n')
        assert places_named_by(state) == places
    state.write_bytes(b"\xff\xff")
    assert places_named_by(state) == ()
