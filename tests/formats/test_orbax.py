"""Orbax checkpoints: each layout that Orbax writes, what Orbax restores of ours, and folders around them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax_files
import ml_dtypes
import numpy
import pytest
from writing_values import map_of, write_values

from migspec.cli.main import run_with
from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.base import Reader
from migspec.formats.orbax.reader import OrbaxReader
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer
from migspec.variables import Variable, VariableMap

TREE: dict[str, Any] = {
    "params": {"dense": {"kernel": numpy.arange(6, dtype="float32").reshape(2, 3), "bias": numpy.ones(3, ml_dtypes.bfloat16)}},
    "step": 5, "rate": 0.5, "name": "naïve", "list": [numpy.ones(2), {"x": numpy.zeros(1)}], "pair": (numpy.int64(3), None),
    "empty": {}, "scalar": numpy.float32(2), "zero": numpy.array(3.0), "zeros": numpy.zeros((3, 4)), "flags": numpy.array([True]),
}  # fmt: skip

EXPECTED = {
    "params/dense/kernel": "float32", "params/dense/bias": "bfloat16", "step": "int64", "rate": "float64", "name": "string",
    "list/0": "float64", "list/1/x": "float64", "pair/0": "int64", "scalar": "float32", "zero": "float64", "zeros": "float64",
    "flags": "bool",
}  # fmt: skip


def flat(tree: Any) -> dict[str, Any]:
    """The leaves that are variables."""
    return {name: leaf for name, leaf in jax_files.flat(tree).items() if leaf is not None and not isinstance(leaf, dict)}


def values_of(reader: Reader) -> dict[str, numpy.ndarray]:
    return {variable.name: reader.read(variable.name) for variable in reader.variables}


def write(path: Path, values: Mapping[str, numpy.ndarray], template: Reader | None = None, **options: Any) -> None:
    writer = create_writer(Destination(str(path), **options), map_of(values), format="orbax", template=template)
    try:
        write_values(writer, values, band=16)
        writer.commit()
    finally:
        writer.abort()


def error_of(path: Path) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        reader = open_reader(str(path))
        for variable in reader.variables:
            reader.read(variable.name)
    [diagnostic] = caught.value.diagnostics
    return diagnostic


@pytest.mark.parametrize(
    "options", [{}, {"use_ocdbt": False}, {"use_zarr3": True}, {"use_zarr3": True, "use_ocdbt": False}], ids=str
)
def test_every_layout_of_orbax(tmp_path: Path, options: dict[str, bool]) -> None:
    jax_files.save_orbax(tmp_path / "x", TREE, **options)
    reader = open_reader(str(tmp_path / "x"))
    assert reader.format == "orbax"
    assert {variable.name: variable.dtype for variable in reader.variables} == EXPECTED
    expected = flat(TREE)
    for name, value in values_of(reader).items():
        wanted = expected[name].encode() if isinstance(expected[name], str) else expected[name]
        assert value.shape == numpy.shape(wanted)
        assert (value == wanted).all() if name != "name" else value[()] == wanted
    assert str(tmp_path / "x" / "_METADATA") in reader.files
    assert str(tmp_path / "x") in reader.files
    reader.close()


def test_arrays_of_jax(tmp_path: Path) -> None:
    jax_files.orbax()
    import jax.numpy as jnp

    tree = {"w": jnp.arange(6.0).reshape(2, 3), "b": jnp.ones(3, jnp.bfloat16), "f": jnp.ones(2, jnp.float8_e4m3fn)}
    jax_files.save_orbax(tmp_path / "x", tree)
    reader = open_reader(str(tmp_path / "x"))
    assert {name: value.tobytes() for name, value in values_of(reader).items()} == {
        name: numpy.asarray(value).tobytes() for name, value in tree.items()
    }
    write(tmp_path / "y", values_of(reader), reader)
    restored = jax_files.restore_orbax(tmp_path / "y")
    assert all((restored[name] == numpy.asarray(value)).all() for name, value in tree.items())
    reader.close()


def test_reading_imports_neither_jax_nor_orbax(tmp_path: Path) -> None:
    jax_files.save_orbax(tmp_path / "x", {"w": numpy.ones(3)})
    program = (
        "import sys; from migspec.formats.registry import open_reader\n"
        "reader = open_reader(sys.argv[1]); reader.read('w')\n"
        "assert not {'jax', 'orbax'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "x")], check=True, cwd=Path(__file__).parents[2])


def test_without_tensorstore_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jax_files.save_orbax(tmp_path / "x", {"w": numpy.ones(3)})
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    found = error_of(tmp_path / "x")
    assert found.code == "MIG513"
    assert found.helps == ("pip install 'migspec[orbax]'",)
    write(tmp_path / "y", {"w": numpy.ones(3)})
    reader = open_reader(str(tmp_path / "y"))  # its files are the values as they are
    assert (reader.read("w") == 1).all()
    reader.close()


# Where it lies


def test_steps_of_a_checkpoint_manager(tmp_path: Path) -> None:
    checkpoints = jax_files.orbax()
    with checkpoints.CheckpointManager(tmp_path / "run") as manager:
        for step in (9, 10):
            manager.save(step, args=checkpoints.args.StandardSave({"w": numpy.full(2, float(step))}))
        manager.wait_until_finished()
    for path in ("run/9", "run/9/default", "run/9/default/_METADATA"):
        reader = open_reader(str(tmp_path / path))
        assert reader.read("w").tolist() == [9, 9]
        reader.close()
    found = error_of(tmp_path / "run")
    assert found.code == "MIG502"
    assert found.helps == (f"name the one that you mean: `{tmp_path / 'run' / '10' / 'default'}`",)
    shutil.rmtree(tmp_path / "run" / "10")
    open_reader(str(tmp_path / "run")).close()


def test_a_step_that_migspec_wrote_is_restored_by_the_manager(tmp_path: Path) -> None:
    checkpoints = jax_files.orbax()
    with checkpoints.CheckpointManager(tmp_path) as manager:
        manager.save(1, args=checkpoints.args.StandardSave({"w": numpy.ones(2)}))
        manager.wait_until_finished()
    (tmp_path / "2").mkdir()
    write(tmp_path / "2" / "default", {"w": numpy.full(2, 7.0)})
    with checkpoints.CheckpointManager(tmp_path) as manager:
        assert manager.latest_step() == 2
        assert manager.restore(2, args=checkpoints.args.StandardRestore())["w"].tolist() == [7, 7]


def test_a_step_with_several_items(tmp_path: Path) -> None:
    for name in ("params", "state"):
        write(tmp_path / name, {"w": numpy.ones(2)})
    found = error_of(tmp_path)
    assert found.code == "MIG502"
    assert "params" in found.notes[0] and "state" in found.notes[0]


def test_a_checkpoint_that_was_never_finished(tmp_path: Path) -> None:
    (tmp_path / "_CHECKPOINT_METADATA").write_text("{}")
    found = error_of(tmp_path)
    assert (found.code, "never finished" in found.message) == ("MIG503", True)


# Writing


def test_after_a_template_the_whole_tree_is_restored(tmp_path: Path) -> None:
    jax_files.save_orbax(tmp_path / "old", TREE)
    template = open_reader(str(tmp_path / "old"))
    new = {name: value for name, value in values_of(template).items() if name not in ("rate", "params/dense/bias")}
    new |= {"step": numpy.array(6), "params/dense/kernel": numpy.full((2, 3), 8, "float32"), "pair/0": numpy.array(-1)}
    text = numpy.empty((), object)
    text[()] = b"another"
    write(tmp_path / "new", new | {"name": text}, template)
    template.close()
    restored = jax_files.restore_orbax(tmp_path / "new")
    expected = {
        **TREE, "step": 6, "name": "another", "pair": [-1, None],
        "params": {"dense": {"kernel": numpy.full((2, 3), 8), "bias": TREE["params"]["dense"]["bias"]}},
    }  # fmt: skip
    assert sorted(restored) == sorted(expected)
    assert restored["empty"] == {} and restored["pair"][1] is None and isinstance(restored["list"], list)
    left, right = flat(restored), flat(expected)
    assert left.keys() == right.keys()
    assert all(numpy.array_equal(left[name], right[name]) for name in right)
    assert type(restored["step"]) is int
    assert type(restored["rate"]) is float


def test_a_restore_into_given_types(tmp_path: Path) -> None:
    checkpoints = jax_files.orbax()
    import jax

    write(tmp_path / "x", {"a/w": numpy.arange(6.0, dtype="float32").reshape(2, 3), "a/b": numpy.ones(3, ml_dtypes.bfloat16)})
    wanted = {"a": {"w": jax.numpy.zeros((2, 3)), "b": numpy.zeros(3, ml_dtypes.bfloat16)}}
    with checkpoints.StandardCheckpointer() as checkpointer:
        restored = checkpointer.restore(tmp_path / "x", wanted)
    assert isinstance(restored["a"]["w"], jax.Array)
    assert restored["a"]["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert restored["a"]["b"].dtype == ml_dtypes.bfloat16


def test_equal_inputs_give_equal_files_that_are_read_in_place(tmp_path: Path) -> None:
    values = {"a/w": numpy.arange(6.0).reshape(2, 3), "s": numpy.array(3, "int8"), "c": numpy.ones(2, "complex64")}
    for name in ("x", "y"):
        write(tmp_path / name, values)
    files = [path.relative_to(tmp_path / "x") for path in sorted((tmp_path / "x").rglob("*")) if path.is_file()]
    assert len(files) == 7
    assert all((tmp_path / "x" / file).read_bytes() == (tmp_path / "y" / file).read_bytes() for file in files)
    reader = open_reader(str(tmp_path / "x"))
    for name, value in values.items():
        extent = reader.extent(name)
        assert extent is not None
        assert Path(extent.path).read_bytes() == value.tobytes()
    reader.close()


def test_more_arrays_than_files_may_be_open(tmp_path: Path) -> None:
    program = (
        "import resource, sys, numpy; from pathlib import Path; import test_orbax\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "test_orbax.write(Path(sys.argv[1]), {f'v{number}': numpy.ones(5) for number in range(100)})"
    )
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": f"{root}:{Path(__file__).parent}", "PATH": ""}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "x")], check=True, env=environment)
    assert len(list((tmp_path / "x").iterdir())) == 101


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ([Variable("a", (1,), "int8"), Variable("a/b", (1,), "int8")], "both `a` and `a/b`: a name is either"),
        ([Variable("a.b", (1,), "int8"), Variable("a/b", (1,), "int8")], "Orbax calls both `a.b`"),
        ([Variable("a", (0, 2), "int8")], "refuses arrays without elements"),
        ([Variable("a", (2,), "string")], "no arrays of them"),
        ([Variable("a", (2,), "qint8")], "does not write the dtype qint8"),
        ([Variable("_METADATA", (2,), "int8")], "a variable called '_METADATA'"),
        ([Variable("a\0", (2,), "int8")], "a variable called"),
        ([Variable("\ud800", (2,), "int8")], "a variable called"),
        ([Variable("", (2,), "int8")], "a variable called ''"),
        ([Variable("/", (2,), "int8")], "a variable called '/'"),
    ],
)
def test_what_it_cannot_hold(tmp_path: Path, variables: list[Variable], cause: str) -> None:
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / "x")), VariableMap.of("x", variables), format="orbax")
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "MIG508"
    assert cause in diagnostic.message
    assert list(tmp_path.iterdir()) == []


def test_only_a_checkpoint_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    write(tmp_path / "old", {"gone": numpy.ones(1)})
    for name, options in (("photos", {"overwrite": True}), ("old", {})):
        with pytest.raises(SpecError) as caught:
            write(tmp_path / name, {"w": numpy.ones(2)}, **options)
        assert caught.value.diagnostics[0].code == "MIG506"
    write(tmp_path / "old", {"w": numpy.ones(2)}, overwrite=True)
    reader = open_reader(str(tmp_path / "old"))
    assert [variable.name for variable in reader.variables] == ["w"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "photos"]
    reader.close()


def test_a_checkpoint_that_is_read_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path / "x", {"w": numpy.ones(2)})
    reader = open_reader(str(tmp_path / "x"))
    with pytest.raises(SpecError) as caught:
        write(tmp_path / "x", {"w": numpy.ones(2)}, overwrite=True, reading=reader.files)
    assert caught.value.diagnostics[0].code == "MIG507"
    reader.close()


def test_a_link_in_place_of_the_output_is_followed_to_a_checkpoint_only(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kept").write_text("kept")
    (tmp_path / "link").symlink_to("other")
    with pytest.raises(SpecError) as caught:
        write(tmp_path / "link", {"w": numpy.ones(2)}, overwrite=True)
    assert caught.value.diagnostics[0].code == "MIG506"
    assert (tmp_path / "other" / "kept").exists()


def test_apply_takes_the_format_of_its_target(tmp_path: Path) -> None:
    write(tmp_path / "old", {"a/w": numpy.zeros((2, 3)), "step": numpy.array(0)})
    write(tmp_path / "source", {"a.w": numpy.ones((2, 3)), "step": numpy.array(4)})
    (tmp_path / "move.mig").write_text("rename a.w -> a/w\nsame step\n")
    sides = ["--source", str(tmp_path / "source"), "--target", str(tmp_path / "old")]
    command = ["apply", str(tmp_path / "move.mig"), *sides, "--out", str(tmp_path / "new"), "--verify"]
    assert run_with(command) == 0
    reader = open_reader(str(tmp_path / "new"))
    assert isinstance(reader, OrbaxReader)
    assert (reader.read("a/w") == 1).all() and reader.read("step") == 4
    reader.close()
