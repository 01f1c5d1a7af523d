"""Which path means which bundle, and what its variables are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tensorflow_bundle_builder as build

from migspec.diagnostics import SpecError
from migspec.formats.tensorflow_bundle import is_bundle, open_bundle
from migspec.formats.tensorflow_bundle.object_graph import is_bookkeeping, name_variables

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def bundle(prefix: Path | str) -> None:
    Path(f"{prefix}.index").parent.mkdir(parents=True, exist_ok=True)
    build.write(prefix, [build.entry("v", data=b"1234")], b"1234")


def state(folder: Path, content: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_text(content, encoding="utf-8")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("m-1", "m-1"),
        ("m-1", "m-1.index"),
        ("m-1", "m-1.data-00000-of-00001"),
        ("a/m.ckpt", "a/m.ckpt"),
        ("a/m.ckpt", "a"),
        ("a/m.ckpt", "a/"),
        ("a/", "a"),
        ("a/", "a/"),
        ("a/", "a/.index"),
        ("a/", "a/.data-00000-of-00001"),
        ("s/variables/variables", "s"),
        ("s/variables/variables", "s/variables"),
        ("[a]*/m{0}", "[a]*/m{0}"),
        ("[a]*/m{0}", "[a]*"),
    ],
)
def test_paths_to_one_bundle(prefix, path):
    bundle(prefix)
    assert is_bundle(path)
    reader = open_bundle(path)
    assert reader.path == path
    assert reader.variables.label == path
    assert reader.format == "tensorflow-bundle"
    assert [os.path.normpath(file) for file in reader.files] == [
        os.path.normpath(f"{prefix}.index"),
        os.path.normpath(f"{prefix}.data-00000-of-00001"),
    ]
    assert reader.read("v").tobytes() == b"1234"


@pytest.mark.parametrize(
    ("named", "prefix"),
    [
        ("m-2", "run/m-2"),
        ("/somewhere/else/m-2", "run/m-2"),
        ("logs/run/m-2", "run/m-2"),
        ("C:\\\\models\\\\run\\\\m-2", "run/m-2"),
        ("/somewhere/else/", "run/"),
        ("sub/m-2", "run/sub/m-2"),
        ("mod\\303\\250le", "run/modèle"),
    ],
)
@pytest.mark.parametrize("path", ["run", "run/checkpoint"])
def test_a_state_file_says_which(named, prefix, path):
    bundle("run/m-1")
    bundle(prefix)
    state(Path("run"), f'model_checkpoint_path: "{named}"\nall_model_checkpoint_paths: "m-1"\n')
    assert is_bundle(path)
    assert os.path.normpath(open_bundle(path).files[0]) == os.path.normpath(f"{prefix}.index")


def test_an_absolute_path_in_a_state_file_that_exists_is_taken(tmp_path):
    bundle("other/m-2")
    bundle("run/m-2")
    state(Path("run"), f'model_checkpoint_path: "{tmp_path}/other/m-2"\n')
    assert open_bundle("run").files[0] == f"{tmp_path}/other/m-2.index"


@pytest.mark.parametrize("content", ['model_checkpoint_path: "m-7"\n', "", "\ufffd", 'model_checkpoint_path: "\\"\n'])
def test_a_state_file_that_names_nothing_is_an_error_and_no_other_checkpoint_is_taken(content):
    bundle("run/m-1")
    state(Path("run"), content)
    for path in ("run", "run/checkpoint"):
        assert not is_bundle(path)
        with pytest.raises(SpecError, match="state file") as error:
            open_bundle(path)
        assert error.value.diagnostics[0].code == "MIG501"
        assert "run/m-1" in error.value.diagnostics[0].helps[0]


def test_a_folder_of_several_checkpoints_is_an_error_that_names_them():
    bundle("run/m-1")
    bundle("run/m-2")
    assert is_bundle("run")
    with pytest.raises(SpecError) as error:
        open_bundle("run")
    assert error.value.diagnostics[0].code == "MIG502"
    assert "`run/m-1`, `run/m-2`" in error.value.diagnostics[0].helps[0]


@pytest.mark.parametrize("path", ["m", "m.data-00000-of-00001"])
def test_data_files_without_their_index(path):
    bundle("m")
    Path("m.index").unlink()
    assert is_bundle(path)
    with pytest.raises(SpecError, match="index") as error:
        open_bundle(path)
    assert error.value.diagnostics[0].code == "MIG501"


def test_a_data_file_that_is_missing_still_names_its_bundle():
    bundle("m")
    Path("m.data-00000-of-00001").unlink()
    assert open_bundle("m.data-00000-of-00001").variables["v"].shape == ()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("none", "MIG501"),
        ("none/", "MIG501"),
        ("none.index", "MIG501"),
        ("none\0", "MIG501"),
        ("x" * 5000, "MIG501"),
        ("empty", "MIG502"),
        ("words", "MIG502"),
        ("text.index", "MIG503"),
        ("pipe", "MIG502"),
        ("pipe.index", "MIG502"),
        ("v1", "MIG502"),
        ("folder.index", "MIG502"),
    ],
)
def test_what_is_no_bundle(path, code):
    Path("empty").mkdir()
    Path("folder.index").mkdir()
    for name in ("words", "text.index"):
        Path(name).write_text("text " * 100)
    os.mkfifo("pipe")
    os.mkfifo("pipe.index")
    Path("v1").write_bytes(build.table([(build.block([(b"", b"\x0a\x00")]), 0)]))  # a table, as V1 checkpoints are
    assert not is_bundle(path)
    with pytest.raises(SpecError) as error:
        open_bundle(path)
    assert error.value.diagnostics[0].code == code


def test_an_unreadable_folder_or_file_is_an_error_and_not_a_traceback(monkeypatch):
    bundle("m")

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert is_bundle("m.index"), "its data file says what it is"
    with pytest.raises(SpecError, match="permission denied") as error:
        open_bundle("m")
    assert error.value.diagnostics[0].code == "MIG501"
    monkeypatch.setattr(Path, "is_file", refuse)
    assert not is_bundle("m")
    with pytest.raises(SpecError, match="Permission denied"):
        open_bundle("m")


@pytest.mark.parametrize(
    ("full_names", "expected"),
    [
        ({}, {"a/x": ("a/x", ()), "b/y": ("b/y", ())}),
        ({"a/x": "dense/kernel"}, {"a/x": ("dense/kernel", ("a/x",)), "b/y": ("b/y", ())}),
        ({"a/x": "v", "b/y": "v"}, {"a/x": ("a/x", ()), "b/y": ("b/y", ())}),  # not unique
        ({"a/x": "b/y", "b/y": "a/x"}, {"a/x": ("a/x", ()), "b/y": ("b/y", ())}),  # the other's object path
        ({"a/x": "b/y", "b/y": "z"}, {"a/x": ("a/x", ()), "b/y": ("z", ("b/y",))}),
    ],
)
def test_names(full_names, expected):
    keys = [path + VALUE for path in ("a/x", "b/y")]
    named = name_variables(keys, {path + VALUE: name for path, name in full_names.items()})
    assert named == {path + VALUE: name for path, name in expected.items()}


def test_a_full_name_that_is_the_object_path_makes_no_alias():
    assert name_variables(["save_counter" + VALUE], {"save_counter" + VALUE: "save_counter"}) == {
        "save_counter" + VALUE: ("save_counter", ())
    }


def test_the_second_copy_of_a_keras_export_takes_no_name_away():
    keys = [f"{path}{VALUE}" for path in ("_all_variables/0", "_all_variables/1", "variables/0")]
    named = name_variables(keys, dict(zip(keys, ["m/w", "m/other", "m/w"], strict=True)))
    assert [name for name, _ in named.values()] == ["_all_variables/0", "m/other", "m/w"]


def test_object_paths_that_differ_only_in_the_suffix_stay_apart():
    named = name_variables(["a", "a" + VALUE, VALUE], {})
    assert named == {"a": ("a", ()), "a" + VALUE: ("a" + VALUE, ()), VALUE: (VALUE, ())}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("_CHECKPOINTABLE_OBJECT_GRAPH", True),
        ("layer-1/.ATTRIBUTES/OBJECT_CONFIG_JSON", True),
        (".ATTRIBUTES/OBJECT_CONFIG_JSON", True),
        ("save_counter" + VALUE, False),
        ("table/.ATTRIBUTES/table-keys", False),
        ("OBJECT_CONFIG_JSON", False),
    ],
)
def test_bookkeeping(key, expected):
    assert is_bookkeeping(key) == expected


def test_bookkeeping_is_hidden_in_object_based_checkpoints_alone():
    graph, crc32c = build.strings([b""])
    items = [build.entry("a/.ATTRIBUTES/OBJECT_CONFIG_JSON", data=b"1234"), build.entry("b", data=b"1234")]
    build.write("named", items, b"1234")
    assert [variable.name for variable in open_bundle("named").variables] == ["a/.ATTRIBUTES/OBJECT_CONFIG_JSON", "b"]
    build.write("object", [*items, build.entry("_CHECKPOINTABLE_OBJECT_GRAPH", build.STRING, [], graph, crc32c=crc32c)], graph)
    assert [variable.name for variable in open_bundle("object").variables] == ["b"]
