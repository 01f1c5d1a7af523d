"""Which format a path is, and which one an output becomes."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy
import pytest

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.output import Destination
from migspec.formats.registry import format_names, open_reader
from migspec.formats.writing import create_writer, format_of, writable_format_names
from migspec.variables import Variable, VariableMap

VARIABLES = VariableMap.of("x", [Variable("a", (2,), "float32")])


def refusal(path: Path | str) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        open_reader(str(path))
    [diagnostic] = caught.value.diagnostics
    return diagnostic


def save_map(path: Path) -> None:
    path.write_text('\ufeff {"variables": {"a": {"shape": [2], "dtype": "float32"}}}')


def save_safetensors(path: Path) -> None:
    writer = create_writer(Destination(str(path)), VARIABLES, format="safetensors")
    writer.write("a", 0, memoryview(bytes(8)))
    writer.commit()


def save_npz(path: Path) -> None:
    with path.open("wb") as file:
        numpy.savez(file, a=numpy.zeros(2, numpy.float32))


@pytest.mark.parametrize(
    ("save", "format"),
    [(save_map, "variable-map"), (save_safetensors, "safetensors"), (save_npz, "npz")],
)
@pytest.mark.parametrize("name", ["plain", "model.keras", "x.h5", "x.json", "weights.index", "checkpoint"])
def test_the_content_decides_not_the_name(tmp_path: Path, save: object, format: str, name: str) -> None:
    save(tmp_path / name)  # type: ignore[operator]
    reader = open_reader(str(tmp_path / name))
    assert (reader.format, [variable.name for variable in reader.variables]) == (format, ["a"])
    assert format in format_names()
    reader.close()


def _zip_of(member: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(member, "hello")
    return stream.getvalue()


def _other_zip() -> bytes:
    return _zip_of("readme.txt")


def _torch_tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz"):
        pass
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.pt2", _zip_of("m/archive_format"), "torch.export"),
        ("m.pth", _torch_tar(), "tar format of 2016"),
        ("poem.txt", b"(a line\nand another, which ends.", "no kind that migspec knows"),
        ("m.zip", _other_zip(), "zip archive without arrays"),
        ("m.onnx", b"\x08\x07\x12\x07pytorch", "called like a graph"),
        ("m.tflite", b"\x1c\0\0\0TFL3" + bytes(20), "TensorFlow Lite"),
        ("m.gguf", b"GGUF\3\0\0\0", "GGUF"),
        ("m.tgz", _tar(), "archive"),
        ("m.index.json", json.dumps({"metadata": {}, "weight_map": {"a": "b"}}).encode(), "several files"),
        ("m.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
        ("model.meta", b"\x0a\x05abcde", "graph"),
        ("empty", b"", "empty"),
        ("text.txt", b"hello", "no kind that migspec knows"),
    ],
    ids=lambda value: "content" if isinstance(value, bytes) else None,  # archives hold the time: each process would see other ids
)  # fmt: skip
def test_a_foreign_file_is_called_by_its_name(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    diagnostic = refusal(tmp_path / name)
    assert diagnostic.code == "MIG502"
    assert says in diagnostic.message
    assert any("safetensors" in note and "npz" in note for note in diagnostic.notes)


@pytest.mark.parametrize(
    ("place", "attributes", "format"),
    [
        ("layers/dense/vars/0", {}, "weights.h5"),
        ("dense/dense/kernel:0", {"layer_names": [b"dense"]}, "keras-h5"),
        ("data", {}, "hdf5"),
    ],
)
def test_what_kind_an_hdf5_file_is(tmp_path: Path, place: str, attributes: dict[str, object], format: str) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.npz", "w") as file:
        file.attrs.update(attributes)
        file[place] = numpy.zeros(3)
    reader = open_reader(str(tmp_path / "a.npz"))
    assert (reader.format, len(reader.variables)) == (format, 1)
    assert format in format_names()
    reader.close()


def test_a_folder_with_two_kinds_of_checkpoint(tmp_path: Path) -> None:
    writer = create_writer(Destination(str(tmp_path / "old.ckpt")), VARIABLES, format="tensorflow-bundle")
    writer.write("a", 0, memoryview(bytes(8)))
    writer.commit()
    assert open_reader(str(tmp_path)).format == "tensorflow-bundle"
    save_safetensors(tmp_path / "new.safetensors")
    refused = refusal(tmp_path)
    assert refused.code == "MIG502"
    assert refused.helps == (
        f"name the one that you mean: `{tmp_path / 'old.ckpt.index'}` or `{tmp_path / 'new.safetensors'}`",
    )
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "old.ckpt"\n')
    assert open_reader(str(tmp_path)).format == "tensorflow-bundle", "the state file says which"


def test_folders(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "MIG502"
    save_npz(tmp_path / "inside.npz")
    assert any("inside.npz" in text for text in refusal(tmp_path).helps)
    (tmp_path / "model.weights.h5").touch()
    assert "unpacked" in refusal(tmp_path).message


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "model-85340.npz").touch()
    near = refusal(tmp_path / "model-85430.npz")
    assert near.code == "MIG501"
    assert any("model-85340.npz" in text for text in near.helps)
    assert any("no folder" in text for text in refusal(tmp_path / "missing" / "x.npz").helps)
    assert refusal("").code == "MIG501"
    assert refusal(str(tmp_path / "a\0b")).code == "MIG501"


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe").code == "MIG502"


def test_the_ending_says_the_format_and_an_option_overrides_it() -> None:
    for name in ("npz", "safetensors", "weights.h5", "weights.json", "keras", "hdf5"):
        assert format_of(f"out.{name}") == name
        assert name in writable_format_names()
    assert format_of("out.h5") == "keras-h5"
    assert format_of("out.bin", "npz") == "npz"
    assert format_of("out.keras", "safetensors") == "safetensors"
    for path, format, says in (
        ("out.weights", None, "--format"),
        ("out.npz", "npy", "did you mean `npz`"),
        ("out.pt", None, "`.safetensors`"),
        ("out.npy", None, "`.npz`"),
        ("out.pb", None, "`.ckpt`"),
    ):
        with pytest.raises(SpecError) as caught:
            format_of(path, format)
        [diagnostic] = caught.value.diagnostics
        assert diagnostic.code == "MIG508"
        assert any(says in text for text in diagnostic.helps)


def test_an_output_never_replaces_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_npz(path)
    (tmp_path / "link.npz").symlink_to(path)
    os.link(path, tmp_path / "hard.npz")
    before = path.read_bytes()
    for name in ("a.npz", "link.npz", "hard.npz", "../" + tmp_path.name + "/a.npz"):
        with pytest.raises(SpecError) as caught:
            create_writer(Destination(str(tmp_path / name), overwrite=True, reading=(str(path),)), VARIABLES)
        assert caught.value.diagnostics[0].code == "MIG507"
    template = open_reader(str(path))
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(path), overwrite=True, reading=template.files), VARIABLES, template=template)
    template.close()
    assert caught.value.diagnostics[0].code == "MIG507"
    assert path.read_bytes() == before


def test_an_existing_output_needs_overwrite(tmp_path: Path) -> None:
    save_npz(tmp_path / "a.npz")
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / "a.npz")), VARIABLES)
    assert caught.value.diagnostics[0].code == "MIG506"


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5", "a.weights.json", "a.h5", "a.hdf5"])
def test_keras_files_need_a_template(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / name)), VARIABLES)
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "MIG508"
    assert "npz or safetensors" in diagnostic.helps[-1]
    assert list(tmp_path.iterdir()) == []
