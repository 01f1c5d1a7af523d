"""safetensors in several files: how an output is cut, and what it replaces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
from crash_everywhere import crashed_everywhere
from hypothesis import given
from hypothesis import strategies as some
from safetensors_shards import FIRST, INDEX, SECOND, load, names, safetensors, same, save, save_sharded, values, write
from writing_values import map_of

from migspec.cli.main import run_with
from migspec.diagnostics.model import SpecError
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.safetensors.shards import split
from migspec.formats.shard_size import size_in_bytes
from migspec.formats.writing import create_writer
from migspec.variables import Variable


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5GB", 5 * 10**9),
        ("512MiB", 2**29),
        ("1.5kb", 1500),
        ("2 TiB", 2**41),
        ("300", 300),
        ("7B", 7),
        ("1GiB", 2**30),
        (12, 12),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "5 XB", "-1", "0", "0.4", "5GB5", "1e9", "٣GB", 0, -3])
def test_what_is_no_size(text: str | int) -> None:
    with pytest.raises(ValueError, match="is no size"):
        size_in_bytes(text)


def cut(sizes: list[int], limit: int) -> list[list[int]]:
    variables = [Variable(str(number), (size,), "uint8") for number, size in enumerate(sizes)]
    return [[variable.nbytes for variable in shard] for shard in split(variables, limit)]


def test_files_are_filled_in_order_as_huggingface_hub_does() -> None:
    assert cut([6, 6, 2, 6, 2, 2], 10) == [[6], [6, 2], [6, 2, 2]]  # the example in its documentation
    assert cut([4, 11, 4, 3], 10) == [[11], [4, 4], [3]]  # one that is too large by itself is set aside at once
    assert cut([5, 5], 10) == [[5, 5]]
    assert cut([11], 10) == [[11]]
    assert cut([], 10) == [[]]


@given(some.lists(some.integers(0, 12), min_size=1), some.integers(1, 12))
def test_every_variable_is_in_one_file_that_is_not_too_large(sizes: list[int], limit: int) -> None:
    files = cut(sizes, limit)
    assert sorted(size for file in files for size in file) == sorted(sizes)
    assert all(sum(file) <= limit or len(file) == 1 for file in files)
    assert all(files)


def test_names_index_and_metadata(tmp_path: Path) -> None:
    arrays = values("z", "b", "a")
    write(tmp_path / "x.safetensors", arrays, shard_size=48)
    files = ["x-00001-of-00002.safetensors", "x-00002-of-00002.safetensors", "x.safetensors.index.json"]
    assert names(tmp_path) == files
    text = (tmp_path / files[2]).read_text()
    weight_map = {"z": files[0], "b": files[0], "a": files[1]}
    assert text == json.dumps({"metadata": {"total_size": 72}, "weight_map": weight_map}, indent=2, sort_keys=True) + "\n"
    for file in files[:2]:
        with safetensors.safe_open(tmp_path / file, "numpy") as shard:
            assert shard.metadata() == {"format": "pt"}
    assert same(load(tmp_path / files[2]), arrays)


def test_values_are_aligned_in_each_file(tmp_path: Path) -> None:
    arrays = {"byte": numpy.ones(1, "uint8"), "wide": numpy.ones(3, "float64"), "c": numpy.ones(3, "uint8"), "d": numpy.ones(2)}
    write(tmp_path / "x.safetensors", arrays, shard_size=30)
    reader = open_reader(str(tmp_path / "x.safetensors.index.json"))
    for variable in reader.variables:
        extent = reader.extent(variable.name)
        assert extent is not None and extent.offset % arrays[variable.name].itemsize == 0
    assert len(reader.files) == 3
    reader.close()


def test_what_fits_into_one_file_has_no_index(tmp_path: Path) -> None:
    write(tmp_path / "x.safetensors", values("a", "b"), shard_size=48)
    assert names(tmp_path) == ["x.safetensors"]


def test_an_output_called_by_its_index_has_one(tmp_path: Path) -> None:
    write(tmp_path / "x.safetensors.index.json", values("a", "b"))
    assert names(tmp_path) == ["x-00001-of-00001.safetensors", "x.safetensors.index.json"]
    assert same(load(tmp_path / "x.safetensors.index.json"), values("a", "b"))


def test_an_output_called_by_its_index_is_cut_as_its_template(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    template = open_reader(save_sharded(old))
    write(new / INDEX, values("a", "b", "c", first=5), template=template)
    assert json.loads((new / INDEX).read_text())["weight_map"] == json.loads((old / INDEX).read_text())["weight_map"]
    write(new / "one.safetensors", values("a", "b", "c"), template=template)
    write(new / "each.safetensors.index.json", values("a", "b", "c"), template=template, shard_size=1)
    template.close()
    assert (new / "one.safetensors").is_file()
    assert len(list(new.glob("each-0000?-of-00003.safetensors"))) == 3


@pytest.mark.parametrize(("name", "options"), [("x.npz", {}), ("x.bin", {"format": "safetensors"})])
def test_a_size_where_there_are_no_files_to_cut(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    with pytest.raises(SpecError) as caught:
        write(tmp_path / name, values("a"), shard_size=10, **options)
    assert caught.value.diagnostics[0].code == "MIG508"
    assert names(tmp_path) == []


# What an output replaces


def in_one(folder: Path, arrays: Mapping[str, numpy.ndarray], force: bool = True) -> None:
    write(folder / "model.safetensors", arrays, force=force)


def in_several(folder: Path, arrays: Mapping[str, numpy.ndarray], force: bool = True, size: int = 24) -> None:
    write(folder / "model.safetensors", arrays, force=force, shard_size=size)


@pytest.mark.parametrize("first", [in_one, in_several])
@pytest.mark.parametrize("second", [in_one, in_several])
def test_nothing_of_an_old_output_is_left(tmp_path: Path, first: Any, second: Any) -> None:
    save(tmp_path / "model-other.safetensors", values("x"))
    save(tmp_path / "tokens-00001-of-00002.safetensors", values("x"))
    others = names(tmp_path)
    first(tmp_path, values("a", "b", "c"))
    expected = values("a", "b", first=7)
    with pytest.raises(SpecError) as caught:
        second(tmp_path, expected, force=False)
    assert caught.value.diagnostics[0].code == "MIG506"
    second(tmp_path, expected)
    own = ["model.safetensors"] if second is in_one else [FIRST, SECOND, INDEX]
    assert names(tmp_path) == sorted([*others, *own])
    reader = open_reader(str(tmp_path))
    assert same({name: reader.read(name) for name in ("a", "b")}, expected)
    assert len(reader.variables) == 2
    reader.close()


def test_files_that_are_read_are_not_replaced(tmp_path: Path) -> None:
    path = save_sharded(tmp_path)
    before = names(tmp_path)
    for target in ("model.safetensors", INDEX):
        with pytest.raises(SpecError) as caught:
            create_writer(
                Destination(str(tmp_path / target), overwrite=True, reading=(path, str(tmp_path / FIRST))), map_of(values("a"))
            )
        assert caught.value.diagnostics[0].code == "MIG507"
    assert names(tmp_path) == before


_CRASH = """
import json, sys
import numpy
from pathlib import Path
import test_safetensors_shards_writing as shards

def filled(number):
    return {{name: numpy.full(3, number, "float32") for name in "abcd"}}

def prepare(folder):
    {old}(Path(folder), filled(1))

def run(folder):
    {new}(Path(folder), filled(2))

def again(folder):
    {new}(Path(folder), filled(3))
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("shards.in_several", "shards.in_one"),
        ("shards.in_one", "shards.in_several"),
        ("shards.in_several", "shards.cut_otherwise"),
    ],
)
def test_a_process_killed_at_any_moment_leaves_a_whole_output_or_none(tmp_path: Path, old: str, new: str) -> None:
    crashes = tmp_path / "crashes"
    crashes.mkdir()
    *killed, finished = crashed_everywhere(crashes, _CRASH.format(old=old, new=new))
    for number, outcome in enumerate(killed):
        assert found_in(tmp_path / f"{number}", outcome.after) in ({1}, {2}, {1, 2}, set())
        assert outcome.again is not None
        assert found_in(tmp_path / f"{number}-again", outcome.again) == {3}
        assert outcome.again.keys() == finished.after.keys()
    assert found_in(tmp_path / "finished", finished.after) == {2}


def cut_otherwise(folder: Path, arrays: Mapping[str, numpy.ndarray]) -> None:
    """Under the same names as `in_several`, with other variables in them."""
    in_several(folder, arrays, size=36)


def found_in(folder: Path, files: Mapping[str, str]) -> set[float]:
    """The values of all outputs that a loader finds: by the name of the one file, and by the index, whose files must be there."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content.encode("latin-1"))
    outputs = []
    if (folder / "model.safetensors").exists():
        from safetensors.numpy import load_file

        outputs.append(load_file(folder / "model.safetensors"))
    if (folder / INDEX).exists():
        outputs.append(load(folder / INDEX))
    for output in outputs:
        assert sorted(output) == ["a", "b", "c", "d"]
        assert len({value.tobytes() for value in output.values()}) == 1
    return {float(output["a"][0]) for output in outputs}


# From the command line


def test_apply_cuts_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "old.safetensors", values("a", "b", "c"))
    (tmp_path / "all.mig").write_text("same **\n")
    command = [
        "apply",
        str(tmp_path / "all.mig"),
        "--source",
        str(tmp_path / "old.safetensors"),
        "--target",
        str(tmp_path / "old.safetensors"),
    ]
    command += ["--out", str(tmp_path / "new.safetensors"), "--verify"]
    assert run_with([*command, "--shard-size", "50B"]) == 0
    assert same(load(tmp_path / "new.safetensors.index.json"), values("a", "b", "c"))
    assert run_with([*command, "--shard-size", "much"]) == 2
    assert "write `5GB`" in capsys.readouterr().err
