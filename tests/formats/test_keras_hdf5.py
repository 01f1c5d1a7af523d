"""HDF5 files as Keras does not write them, but as they may be: other layouts, other byte orders, and traps."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy
import pytest

from migspec.diagnostics.model import SpecError
from migspec.formats.base import Reader
from migspec.formats.keras.hdf5 import Hdf5File
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer

VALUES = numpy.arange(60, dtype=numpy.float32).reshape(12, 5)


def group_of(file: h5py.File) -> h5py.Group:
    group = file.create_group("layers/dense/vars")
    group.attrs["name"] = "dense"
    return group


def error_code(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        reader = open_reader(str(path))
        reader.read(reader.variables.variables[0].name)
    return caught.value.diagnostics[0].code


def stored_bytes(reader: Reader, name: str) -> bytes | None:
    extent = reader.extent(name)
    return None if extent is None else Path(extent.path).read_bytes()[extent.offset : extent.offset + extent.length]


LAYOUTS = {
    "contiguous": ({}, True),
    "chunked": ({"chunks": (4, 5)}, False),
    "gzip": ({"compression": "gzip"}, False),
    "shuffled": ({"chunks": (5, 3), "shuffle": True, "compression": "gzip", "fletcher32": True}, False),
    "resizable": ({"maxshape": (None, 5)}, False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">f8"])
@pytest.mark.parametrize(
    "settings", [{}, {"userblock_size": 1024}, {"libver": "latest"}], ids=["plain", "user block", "latest"]
)
def test_every_layout_is_read_and_written(tmp_path: Path, layout: str, dtype: str, settings: dict[str, object]) -> None:
    options, in_place = LAYOUTS[layout]
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w", **settings) as file:
        group = group_of(file)
        group.create_dataset("0", data=VALUES.astype(dtype), **options)
        group.create_dataset("1", data=VALUES[0].astype(dtype))
    reader = open_reader(str(path))
    value = reader.read("dense/kernel")
    assert value.dtype.isnative
    numpy.testing.assert_array_equal(value, VALUES)
    stored = stored_bytes(reader, "dense/kernel")
    assert (stored is not None) == in_place
    if stored is not None:
        assert stored == VALUES.astype(dtype).tobytes()
    out = tmp_path / "b.weights.h5"
    writer = create_writer(Destination(str(out)), reader.variables, template=reader)
    for name, new in (("dense/kernel", VALUES + 1), ("dense/bias", VALUES[1])):
        writer.write(name, 0, memoryview(new.astype("<" + dtype[1:]).tobytes()))
    writer.commit()
    reader.close()
    with h5py.File(out) as file:
        dataset = file["layers/dense/vars/0"]
        numpy.testing.assert_array_equal(dataset[()], VALUES + 1)
        assert (dataset.dtype, dataset.chunks is None, dataset.compression) == (
            numpy.dtype(dtype),
            "chunks" not in options and "compression" not in options and "maxshape" not in options,
            options.get("compression"),
        )
        numpy.testing.assert_array_equal(file["layers/dense/vars/1"][()], VALUES[1])


def test_values_that_were_never_written(tmp_path: Path) -> None:
    """Such a dataset has no place in the file; it reads as its fill value, and can be written."""
    with h5py.File(tmp_path / "a.weights.h5", "w", userblock_size=512) as file:
        group_of(file).create_dataset("0", (2, 3), "f4", fillvalue=7)
    reader = open_reader(str(tmp_path / "a.weights.h5"))
    assert reader.extent("dense/kernel") is None
    assert reader.read("dense/kernel").tolist() == [[7] * 3] * 2
    writer = create_writer(Destination(str(tmp_path / "b.weights.h5")), reader.variables, template=reader)
    writer.write("dense/kernel", 0, memoryview(numpy.arange(6, dtype="<f4").tobytes()))
    writer.commit()
    reader.close()
    with h5py.File(tmp_path / "b.weights.h5") as file:
        assert file["layers/dense/vars/0"][()].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_strings(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        group = group_of(file)
        group.create_dataset("0", data=["one", "zwölf"], dtype=h5py.string_dtype())
        group.create_dataset("1", data=numpy.array([b"abc", b"d"]))
    reader = open_reader(str(tmp_path / "a.weights.h5"))
    assert [variable.dtype for variable in reader.variables] == ["string", "string"]
    assert reader.read("dense/0").tolist() == [b"one", "zwölf".encode()]
    assert reader.read("dense/1").tolist() == [b"abc", b"d"]
    writer = create_writer(Destination(str(tmp_path / "b.weights.h5")), reader.variables, template=reader)
    writer.write_strings("dense/0", numpy.array([b"a much longer text than before" * 9, b""], object))
    writer.write_strings("dense/1", numpy.array([b"x", b"yz"], object))
    writer.commit()
    again = open_reader(str(tmp_path / "b.weights.h5"))
    assert again.read("dense/0").tolist() == [b"a much longer text than before" * 9, b""]
    assert again.read("dense/1").tolist() == [b"x", b"yz"]
    again.close()
    writer = create_writer(Destination(str(tmp_path / "c.weights.h5")), reader.variables, template=reader)
    writer.write_strings("dense/1", numpy.array([b"too long", b""], object))
    with pytest.raises(SpecError) as caught:
        writer.commit()
    writer.abort()
    assert caught.value.diagnostics[0].code == "MIG508"
    reader.close()


def test_a_claim_of_terabytes_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        group_of(file).create_dataset("0", (1 << 20, 1 << 20), "f8", chunks=(1, 1 << 20), compression="gzip")
    assert error_code(tmp_path / "a.weights.h5") == "MIG503"


def test_nothing_outside_the_file_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = VALUES
    (tmp_path / "raw").write_bytes(VALUES.tobytes())
    for number, link in enumerate([h5py.SoftLink("/layers"), h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")]):
        with h5py.File(tmp_path / f"{number}.weights.h5", "w") as file:
            group_of(file)["0"] = link
        assert error_code(tmp_path / f"{number}.weights.h5") == "MIG505"
    with h5py.File(tmp_path / "external.weights.h5", "w") as file:
        group_of(file).create_dataset("0", (12, 5), "f4", external=[(str(tmp_path / "raw"), 0, 240)])
    assert error_code(tmp_path / "external.weights.h5") == "MIG505"
    with h5py.File(tmp_path / "virtual.weights.h5", "w") as file:
        layout = h5py.VirtualLayout((12, 5), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (12, 5))
        group_of(file).create_virtual_dataset("0", layout)
    assert error_code(tmp_path / "virtual.weights.h5") == "MIG505"


def test_a_group_inside_itself_ends(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        group = group_of(file)
        group["0"] = VALUES
        file["layers/dense/again"] = file["layers"]
    assert error_code(tmp_path / "a.weights.h5") == "MIG505"


def test_a_text_heap_that_libhdf5_would_read_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        group_of(file)["0"] = VALUES
    content = bytearray(path.read_bytes())
    first = content.index(b"GCOL") + 16
    free = first + 16 + 8  # behind the one text, "dense"
    assert content[free : free + 2] == b"\0\0"
    content[free + 8 : free + 16] = bytes(8)
    path.write_bytes(content)
    assert error_code(path) == "MIG503"


def test_an_archive_without_weights_or_with_others(tmp_path: Path) -> None:
    for names in (["config.json", "metadata.json"], ["config.json", "metadata.json", "model.weights.npz"]):
        with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
            for name in names:
                archive.writestr(name, "{}")
        assert error_code(tmp_path / "a.keras") == "MIG505"


def test_an_archive_with_a_broken_config(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        group_of(file)["0"] = VALUES
    for config, works in ((b"{", False), (b"[" * 100_000, False), (b"[]", True), (b'{"class_name": 3}', True)):
        with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
            archive.writestr("config.json", config)
            archive.write(tmp_path / "a.weights.h5", "model.weights.h5")
        if works:
            reader = open_reader(str(tmp_path / "a.keras"))
            assert [variable.name for variable in reader.variables] == ["dense/kernel"]
            reader.close()
        else:
            assert error_code(tmp_path / "a.keras") == "MIG503"


def test_a_file_of_an_old_keras_without_names(tmp_path: Path) -> None:
    """The path in the file is all that it tells."""
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file["_layer_checkpoint_dependencies/dense/vars/0"] = VALUES
    reader = open_reader(str(tmp_path / "a.weights.h5"))
    assert [variable.name for variable in reader.variables] == ["_layer_checkpoint_dependencies/dense/vars/0"]
    reader.close()


def test_without_h5py_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        group_of(file)["0"] = VALUES
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert error_code(tmp_path / "a.weights.h5") == "MIG513"


def test_a_reader_that_is_never_closed_does_no_harm(tmp_path: Path) -> None:
    """libhdf5 crashes at the end of a process in which a file behind a Python object is open; the reader closes it before."""
    assert Hdf5File.__module__ == "migspec.formats.keras.hdf5"
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        group_of(file)["0"] = VALUES
    script = "import sys; from migspec.formats.registry import open_reader; kept = open_reader(sys.argv[1])"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script, str(tmp_path / "a.weights.h5")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_disk_that_fills_up_while_hdf5_writes(tmp_path: Path) -> None:
    """In a process of its own: libhdf5 crashes at the end of one in which it could not write. The limit on file sizes is the disk."""
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        group_of(file).create_dataset("0", data=numpy.zeros((256, 256), "f4"), compression="gzip")
    script = """
import os, resource, signal, sys
from migspec.diagnostics.model import SpecError
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer
reader = open_reader(sys.argv[1])
writer = create_writer(Destination(sys.argv[2]), reader.variables, template=reader)
writer.write("dense/kernel", 0, memoryview(os.urandom(4 << 16)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, -1))
try:
    writer.commit()
except SpecError as error:
    writer.abort()
    print(error.diagnostics[0].code)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script, str(tmp_path / "a.weights.h5"), str(tmp_path / "b.weights.h5")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "MIG514", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.weights.h5"]
