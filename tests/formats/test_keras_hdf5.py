"""HDF5 files as Keras does not write them, but as they may be: other layouts, other byte orders, and traps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import mutate_files
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
    "lzf": ({"compression": "lzf"}, False),
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


def test_chunks_that_were_never_written(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", (5, 7), "i4", chunks=(2, 3), fillvalue=9, compression="gzip", shuffle=True)
        dataset[3:5, 6:] = 1
        expected = dataset[()]
    reader = open_reader(str(tmp_path / "a.h5"))
    numpy.testing.assert_array_equal(reader.read("a"), expected)
    reader.close()


def test_a_filter_on_which_libhdf5_may_crash_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=numpy.arange(60), chunks=(10,), scaleoffset=0)
    assert error_code(tmp_path / "a.h5") == "MIG505"


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_chunk_too_short_for_its_checksum(tmp_path: Path, compression: str | None) -> None:
    """libhdf5 crashes on it, also while it writes over it."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        group_of(file).create_dataset("0", data=VALUES, chunks=(5, 3), compression=compression, fletcher32=True)
        sizes = [file["layers/dense/vars/0"].id.get_chunk_info(number).size for number in range(6)]
    content = path.read_bytes()
    key = sizes[0].to_bytes(4, "little") + bytes(4 + 3 * 8)  # its size, no filter skipped, and its place in the dataset
    assert content.count(key) == 1
    path.write_bytes(content.replace(key, (2).to_bytes(4, "little") + key[4:]))
    assert error_code(path) == "MIG503"
    template = open_reader(str(path))
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / "out.weights.h5")), template.variables, template=template)
    template.close()
    assert caught.value.diagnostics[0].code == "MIG503"
    assert [file.name for file in tmp_path.iterdir()] == ["a.weights.h5"]


def test_a_chunk_whose_checksum_differs(tmp_path: Path) -> None:
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        group_of(file).create_dataset("0", data=VALUES, chunks=(12, 5), fletcher32=True)
        offset = file["layers/dense/vars/0"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 5] ^= 1
    path.write_bytes(content)
    assert error_code(path) == "MIG503"


def test_names_of_links_that_libhdf5_would_read_for_ever(tmp_path: Path) -> None:
    """The first free place in the heap of names says that the next one is itself."""
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        group_of(file)["0"] = VALUES
    content = bytearray(path.read_bytes())
    heap = content.index(b"HEAP")
    free = int.from_bytes(content[heap + 16 : heap + 24], "little")
    start = int.from_bytes(content[heap + 24 : heap + 32], "little")
    content[start + free : start + free + 8] = free.to_bytes(8, "little")
    path.write_bytes(content)
    assert error_code(path) == "MIG503"


def test_damage_to_a_packed_file_never_gives_another_exception(tmp_path: Path) -> None:
    """Chunks, filters, texts of variable length: what the files of the conformance suite have not."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs.create("layer_names", ["dense"], dtype=h5py.string_dtype())
        group = file.create_group("dense")
        group.attrs.create("weight_names", ["dense/kernel:0"], dtype=h5py.string_dtype())
        packed = {"chunks": (5, 3), "compression": "gzip", "shuffle": True, "fletcher32": True}
        group.create_dataset("dense/kernel:0", data=VALUES, **packed)
        file.create_dataset("texts", data=["one", "two"], dtype=h5py.string_dtype())
    command = [sys.executable, mutate_files.__file__, "500", str(path), str(path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    outcomes = json.loads(result.stdout)
    assert outcomes["read"] > 100
    assert outcomes["MIG503"] > 50


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
    with pytest.raises(SpecError) as caught:
        writer.write_strings("dense/1", numpy.array([b"too long", b""], object))
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


HOSTILE = {
    "external link": lambda group, other, raw: group.__setitem__("x", h5py.ExternalLink(other, "/x")),
    "soft link": lambda group, other, raw: group.__setitem__("x", h5py.SoftLink("/y")),
    "external storage": lambda group, other, raw: group.create_dataset("x", (12, 5), "f4", external=[(raw, 0, 240)]),
    "virtual": lambda group, other, raw: group.create_virtual_dataset("x", _virtual(other)),
}


def _virtual(other: str) -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout((12, 5), "f4")
    layout[:] = h5py.VirtualSource(other, "x", (12, 5))
    return layout


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("kind", ["legacy", "whole legacy model", "other"])
def test_no_hdf5_file_of_any_kind_leads_to_another(tmp_path: Path, what: str, kind: str) -> None:
    other, raw = str(tmp_path / "other.h5"), str(tmp_path / "raw")
    with h5py.File(other, "w") as file:
        file["x"] = VALUES
    Path(raw).write_bytes(VALUES.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        root = file.create_group("model_weights") if kind == "whole legacy model" else file
        if kind != "other":
            root.attrs["layer_names"] = [b"dense"]
        group = root.create_group("dense")
        group.attrs["weight_names"] = [b"x"]
        HOSTILE[what](group, other, raw)
    assert error_code(tmp_path / "a.h5") == "MIG505"


def test_a_layer_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("dense").attrs["weight_names"] = [b"secret"]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        file["dense"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/dense")
    assert error_code(tmp_path / "a.h5") == "MIG505"


def test_names_with_dots_are_names_like_any_other(tmp_path: Path) -> None:
    """HDF5 has no parent folders, and nothing is ever written under a name that a file gives."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["../../etc/passwd"] = VALUES
    reader = open_reader(str(tmp_path / "a.h5"))
    assert [variable.name for variable in reader.variables] == ["../../etc/passwd"]
    numpy.testing.assert_array_equal(reader.read("../../etc/passwd"), VALUES)
    reader.close()


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


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("what", ["name of an object", "list of names", "dataset", "dataset in chunks"])
def test_a_text_that_claims_gigabytes_is_refused_before_they_are_taken(tmp_path: Path, what: str, libver: str) -> None:
    """libhdf5 itself takes the memory first, and then finds that the text is shorter."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=libver) as file:
        match what:
            case "name of an object":
                group_of(file)["0"] = VALUES
            case "list of names":
                file.attrs.create("layer_names", ["dense"], dtype=h5py.string_dtype())
                file["dense/x"] = VALUES
            case _:
                chunks = (1,) if what == "dataset in chunks" else None
                file.create_dataset("a", data=["dense"], dtype=h5py.string_dtype(), chunks=chunks)
    content = path.read_bytes()
    assert _with_new_checksums(content) == content
    length, place, number = len(b"dense"), content.index(b"GCOL"), 1
    reference = length.to_bytes(4, "little") + place.to_bytes(8, "little") + number.to_bytes(4, "little")
    assert content.count(reference) == 1
    path.write_bytes(_with_new_checksums(content.replace(reference, (3 << 30).to_bytes(4, "little") + reference[4:])))
    script = """
import re, sys
from migspec.diagnostics.model import SpecError
from migspec.formats.registry import open_reader
try:
    reader = open_reader(sys.argv[1])
    reader.read(reader.variables.variables[0].name)
except SpecError as error:
    # not `ru_maxrss`, which a process inherits from the one that started it
    print(error.diagnostics[0].code, int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) < 1 << 20)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "MIG503 True", "")


def _with_new_checksums(content: bytes) -> bytes:
    """Headers of the newer kind end in a checksum, which a liar would make fit."""
    result = bytearray(content)
    place = -1
    while (place := content.find(b"OHDR", place + 1)) >= 0:
        flags = content[place + 5]
        at = place + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        end = at + width + int.from_bytes(content[at : at + width], "little")
        result[end : end + 4] = _lookup3(bytes(result[place:end])).to_bytes(4, "little")
    return bytes(result)


def _lookup3(data: bytes) -> int:
    """Bob Jenkins' hash, which HDF5 takes as its checksum (http://burtleburtle.net/bob/c/lookup3.c, `hashlittle`)."""

    def rotate(value: int, by: int) -> int:
        return ((value << by) | (value >> (32 - by))) & 0xFFFFFFFF

    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    blocks = [data[start : start + 12] for start in range(0, len(data), 12)] or [b""]
    for number, block in enumerate(blocks):
        words = [int.from_bytes(block[start : start + 4], "little") for start in (0, 4, 8)]
        a, b, c = ((value + word) & 0xFFFFFFFF for value, word in zip((a, b, c), words, strict=True))
        if number < len(blocks) - 1:
            a = ((a - c) ^ rotate(c, 4)) & 0xFFFFFFFF
            c = (c + b) & 0xFFFFFFFF
            b = ((b - a) ^ rotate(a, 6)) & 0xFFFFFFFF
            a = (a + c) & 0xFFFFFFFF
            c = ((c - b) ^ rotate(b, 8)) & 0xFFFFFFFF
            b = (b + a) & 0xFFFFFFFF
            a = ((a - c) ^ rotate(c, 16)) & 0xFFFFFFFF
            c = (c + b) & 0xFFFFFFFF
            b = ((b - a) ^ rotate(a, 19)) & 0xFFFFFFFF
            a = (a + c) & 0xFFFFFFFF
            c = ((c - b) ^ rotate(b, 4)) & 0xFFFFFFFF
            b = (b + a) & 0xFFFFFFFF
    if data:
        c = ((c ^ b) - rotate(b, 14)) & 0xFFFFFFFF
        a = ((a ^ c) - rotate(c, 11)) & 0xFFFFFFFF
        b = ((b ^ a) - rotate(a, 25)) & 0xFFFFFFFF
        c = ((c ^ b) - rotate(b, 16)) & 0xFFFFFFFF
        a = ((a ^ c) - rotate(c, 4)) & 0xFFFFFFFF
        b = ((b ^ a) - rotate(a, 14)) & 0xFFFFFFFF
        c = ((c ^ b) - rotate(b, 24)) & 0xFFFFFFFF
    return c


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
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, -1))
try:
    writer.write("dense/kernel", 0, memoryview(os.urandom(4 << 16)))
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
