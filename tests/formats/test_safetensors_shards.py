"""safetensors in several files: indexes that lie, and what a folder stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors_shards import FIRST, INDEX, SECOND, error_of, save, save_sharded, values

from migspec.diagnostics.model import SpecError
from migspec.formats.registry import open_reader
from migspec.formats.safetensors import SafetensorsReader, ShardedSafetensorsReader


def test_the_order_is_that_of_the_files_and_of_the_values_in_them(tmp_path: Path) -> None:
    reader = open_reader(save_sharded(tmp_path))
    assert isinstance(reader, ShardedSafetensorsReader)
    assert [variable.name for variable in reader.variables] == ["a", "b", "c"]
    assert reader.files == tuple(str(tmp_path / name) for name in (INDEX, FIRST, SECOND))
    assert reader.metadata == {"format": "pt"}
    reader.close()


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "in no file": (
        {"a": FIRST, "b": FIRST, "c": SECOND, "d": SECOND},
        f"`d` is not in `{SECOND}`, as the index says: no file has it",
    ),
    "in another": ({"a": FIRST, "b": SECOND, "c": SECOND}, f"`b` is not in `{SECOND}`, as the index says: it is in `{FIRST}`"),
    "not listed": ({"a": FIRST, "c": SECOND}, f"`{FIRST}` has `b` too: the index does not list it"),
    "no map": ({"a": [FIRST]}, "its `weight_map` does not map names to files"),
    "empty": ({}, "its `weight_map` is empty"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_does_not_agree_with_its_files(tmp_path: Path, lie: str) -> None:
    weight_map, cause = LIES[lie]
    save_sharded(tmp_path, weight_map)
    found = error_of(tmp_path / INDEX)
    assert (found.code, found.message) == ("MIG503", f"`{tmp_path / INDEX}` is damaged: {cause}")


def test_a_variable_that_two_files_hold(tmp_path: Path) -> None:
    path = save_sharded(tmp_path)
    save(tmp_path / SECOND, values("b", "c", first=1))
    assert f"`{SECOND}` has `b` too: the index says it is in `{FIRST}`" in error_of(path).message


def test_all_that_disagree_are_named_up_to_a_few(tmp_path: Path) -> None:
    more = {f"x{number}": SECOND for number in range(8)}
    path = save_sharded(tmp_path, {"a": FIRST, "b": FIRST, "c": SECOND, **more})
    assert error_of(path).notes == ("so it is with `x1`, `x2`, `x3`, `x4`, `x5` and 2 more",)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    path = save_sharded(tmp_path)
    (tmp_path / SECOND).unlink()
    found = error_of(path)
    assert (found.code, found.file) == ("MIG501", str(tmp_path / SECOND))
    assert SECOND in found.message and path in found.message


def test_a_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = save_sharded(tmp_path)
    (tmp_path / SECOND).write_bytes((tmp_path / SECOND).read_bytes()[:-1])
    found = error_of(path)
    assert (found.code, found.file) == ("MIG503", str(tmp_path / SECOND))


@pytest.mark.parametrize(
    "text", ["[", '{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}', '{"weight_map": 3}', "[]"]
)
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    found = error_of(save_sharded(tmp_path, text=text))
    assert (found.code, found.file) == ("MIG503", str(tmp_path / INDEX))


@pytest.mark.parametrize("place", ["../x.safetensors", "sub/../../x.safetensors", "/tmp/x.safetensors", "", "x\0.safetensors"])
def test_a_path_out_of_the_folder_is_refused_by_name(tmp_path: Path, place: str) -> None:
    found = error_of(save_sharded(tmp_path, {"a": FIRST, "b": place}))
    assert found.code == "MIG505"
    assert repr(place) in found.message


def test_a_link_out_of_the_folder_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = save_sharded(folder)
    (folder / SECOND).rename(tmp_path / "elsewhere.safetensors")
    (folder / SECOND).symlink_to(tmp_path / "elsewhere.safetensors")
    found = error_of(path)
    assert found.code == "MIG505"
    assert SECOND in found.message and "elsewhere.safetensors" in found.message


def test_the_cache_of_huggingface_hub_is_read_through_its_links(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--x--y" / "snapshots" / "abc", tmp_path / "models--x--y" / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    save_sharded(blobs)
    for name in (INDEX, FIRST, SECOND):
        (snapshot / name).symlink_to(Path("../../blobs") / name)
    with pytest.raises(SpecError):  # a link to a file of the same kind elsewhere is none of the cache
        (snapshot / "sub").mkdir()
        (snapshot / "sub" / INDEX).symlink_to(blobs / INDEX)
        (snapshot / "sub" / FIRST).symlink_to(blobs / FIRST)
        (snapshot / "sub" / SECOND).symlink_to(blobs / SECOND)
        open_reader(str(snapshot / "sub" / INDEX))
    reader = open_reader(str(snapshot))
    assert {variable.name for variable in reader.variables} == {"a", "b", "c"}
    reader.close()


# What a folder, and a name without a file, stand for


def test_a_folder_stands_for_its_index(tmp_path: Path) -> None:
    save_sharded(tmp_path)
    save(tmp_path / "consolidated.safetensors", values("x"))
    reader = open_reader(str(tmp_path))
    assert reader.path == str(tmp_path / INDEX)
    reader.close()


@pytest.mark.parametrize("name", ["model.safetensors", "adapter_model.safetensors", "diffusion_pytorch_model.safetensors"])
def test_a_folder_stands_for_its_one_file(tmp_path: Path, name: str) -> None:
    save(tmp_path / name, values("a"))
    (tmp_path / "config.json").write_text("{}")
    reader = open_reader(str(tmp_path))
    assert isinstance(reader, SafetensorsReader)
    assert reader.path == str(tmp_path / name)
    reader.close()


def test_the_model_is_preferred_to_other_files(tmp_path: Path) -> None:
    save(tmp_path / "model.safetensors", values("a"))
    save(tmp_path / "adapter_model.safetensors", values("b"))
    reader = open_reader(str(tmp_path))
    assert reader.path == str(tmp_path / "model.safetensors")
    reader.close()


@pytest.mark.parametrize("others", [("model.safetensors",), ()])
def test_a_folder_with_several_checkpoints_is_refused(tmp_path: Path, others: tuple[str, ...]) -> None:
    if others:
        save_sharded(tmp_path)
    for name in others or ("a.safetensors", "b.safetensors"):
        save(tmp_path / name, values("a"))
    found = error_of(tmp_path)
    assert found.code == "MIG502"
    assert all(name in found.notes[0] for name in others or ("a.safetensors", "b.safetensors"))


def test_the_name_of_one_file_stands_for_the_several(tmp_path: Path) -> None:
    save_sharded(tmp_path)
    reader = open_reader(str(tmp_path / "model.safetensors"))
    assert reader.path == str(tmp_path / INDEX)
    reader.close()


def test_the_index_of_a_pytorch_checkpoint_is_named_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}')
    found = error_of(tmp_path / "pytorch_model.bin.index.json")
    assert found.code == "MIG502"
    assert "several files" in found.message
