"""PyTorch files put together by hand, so that they are tested where PyTorch is not installed, and where it would not write them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from format_cases import sample
from pickle_assembler import Call, Name, Persistent, array_call, legacy_torch, pickled, storage, tensor, write_torch_zip
from pytorch_examples import ONE, VALUES, in_place, names_of, refusal

from migspec.formats.registry import open_reader


def test_a_state_dict(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    write_torch_zip(path, {"fc.weight": tensor(storage("0", 24), (4, 6)), "fc.bias": tensor(storage("1", 6), (6,))},
                    {"0": VALUES.tobytes(), "1": VALUES[1].tobytes()})  # fmt: skip
    reader = open_reader(str(path))
    assert reader.format == "torch"
    assert names_of(reader) == {"fc.weight": (), "fc.bias": ()}
    assert reader.read("fc.weight").tolist() == VALUES.tolist()
    assert in_place(reader, "fc.bias") == VALUES[1].tobytes()
    extent = reader.extent("fc.bias")
    assert extent is not None
    with zipfile.ZipFile(path) as archive:
        assert extent.crc32 == archive.getinfo("archive/data/1").CRC
    reader.close()


VIEWS = {
    "whole": ((4, 6), (6, 1), 0, VALUES),
    "rows": ((2, 6), (6, 1), 6, VALUES[1:3]),
    "transposed": ((6, 4), (1, 6), 0, VALUES.T),
    "corner": ((2, 3), (6, 1), 7, VALUES[1:3, 1:4]),
    "every other": ((2, 3), (12, 2), 0, VALUES[::2, ::2]),
    "repeated": ((5, 6), (0, 1), 0, numpy.broadcast_to(VALUES[0], (5, 6))),
    "one": ((1, 1), (77, 3), 23, VALUES[3:, 5:]),
    "scalar": ((), (), 8, VALUES[1, 2]),
    "empty": ((0, 3), (3, 1), 0, VALUES[:0, :3]),
    "sliding": ((3, 4), (1, 1), 0, numpy.lib.stride_tricks.sliding_window_view(VALUES[0], 4)),
}


@pytest.mark.parametrize(("legacy", "order"), [(False, "little"), (False, "big"), (True, "little")])
def test_views_of_one_storage(tmp_path: Path, legacy: bool, order: str) -> None:
    content = {name: tensor(storage("0", 24), shape, strides, first) for name, (shape, strides, first, _) in VIEWS.items()}
    path = tmp_path / "views.pt"
    if legacy:
        path.write_bytes(legacy_torch(content, {"0": (24, VALUES.tobytes())}))
    else:
        stored = VALUES.astype(">f4" if order == "big" else "<f4").tobytes()
        write_torch_zip(path, content, {"0": stored}, byteorder=order.encode())
    reader = open_reader(str(path))
    for name, (_, _, _, expected) in VIEWS.items():
        assert numpy.array_equal(reader.read(name), expected), name
        assert reader.read(name).flags.c_contiguous
        data = in_place(reader, name)
        assert (data is not None) == (name in ("whole", "rows", "one", "scalar")), name
        if data is not None:
            assert data == numpy.ascontiguousarray(expected, ">f4" if order == "big" else "<f4").tobytes()
    reader.close()


@pytest.mark.parametrize(
    ("shape", "strides", "first"),
    [((5, 6), (6, 1), 0), ((4, 6), (6, 1), 1), ((2,), (24,), 0), ((1 << 60,), (1,), 0), ((1 << 40, 1 << 40), (1 << 40, 1), 0),
     ((4, 6), (6,), 0), ((-1,), (1,), 0), ((4,), (-1,), 3), ((1,), (1,), -1), ((True,), (1,), 0), ((1,) * 70, (1,) * 70, 0)],
)  # fmt: skip
def test_a_view_of_what_is_not_there(tmp_path: Path, shape: Any, strides: Any, first: int) -> None:
    write_torch_zip(tmp_path / "a.pt", {"w": tensor(storage("0", 24), shape, strides, first)}, {"0": VALUES.tobytes()})
    assert refusal(tmp_path / "a.pt").code == "MIG503"


def test_a_view_that_repeats_beyond_measure(tmp_path: Path) -> None:
    write_torch_zip(tmp_path / "a.pt", {"w": tensor(storage("0", 1), (1 << 50,), (0,))}, {"0": bytes(4)})
    diagnostic = refusal(tmp_path / "a.pt", "w")
    assert (diagnostic.code, "contiguous" in diagnostic.helps[0]) == ("MIG505", True)


STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip


@pytest.mark.parametrize("location", ["cpu", "cuda:0"])
@pytest.mark.parametrize("kind", STORAGES)
def test_each_kind_of_storage_from_any_device(tmp_path: Path, kind: str, location: str) -> None:
    expected = sample(STORAGES[kind], (3,))
    write_torch_zip(tmp_path / "a.pt", {"w": tensor(storage("0", 3, kind, location), (3,))}, {"0": expected.tobytes()})
    reader = open_reader(str(tmp_path / "a.pt"))
    assert reader.read("w").tobytes() == expected.tobytes()
    assert reader.variables["w"].dtype == STORAGES[kind]
    reader.close()


def untyped(dtype: str, *metadata: object) -> Call:
    where = Persistent(("storage", Name("torch.storage", "UntypedStorage"), "0", "cpu", 8))
    return Call("torch._utils", "_rebuild_tensor_v3",
                (where, 0, (2,), (1,), False, Call("collections", "OrderedDict"), Name("torch", dtype), *metadata))  # fmt: skip


def test_newer_dtypes(tmp_path: Path) -> None:
    value = {
        "u": untyped("uint32"),
        "f": untyped("float8_e5m2"),
        "other": untyped("float8_e4m3fnuz"),
        "z": untyped("complex32"),
    }
    write_torch_zip(tmp_path / "a.pt", value, {"0": numpy.array([1, 2], "<u4").tobytes()})
    reader = open_reader(str(tmp_path / "a.pt"))
    assert [variable.dtype for variable in reader.variables] == ["uint32", "float8_e5m2", "float8_e4m3fnuz", "complex32"]
    assert reader.read("u").tolist() == [1, 2]
    reader.close()
    assert refusal(tmp_path / "a.pt", "other").code == "MIG505"


def test_what_pytorch_put_off_is_done(tmp_path: Path) -> None:
    hooks = Call("collections", "OrderedDict")
    where = storage("0", 2, "ComplexFloatStorage")
    value = {
        mark: Call("torch._utils", "_rebuild_tensor_v2", (where, 0, (2,), (1,), False, hooks, {mark: True}))
        for mark in ("conj", "neg")
    }
    stored = numpy.array([1 + 2j, 3 - 4j], "c8")
    write_torch_zip(tmp_path / "a.pt", value, {"0": stored.tobytes()})
    reader = open_reader(str(tmp_path / "a.pt"))
    assert reader.read("conj").tolist() == [1 - 2j, 3 + 4j]
    assert reader.read("neg").tolist() == [-1 - 2j, -3 + 4j]
    assert reader.extent("conj") is None
    reader.close()


def unreadable() -> dict[str, tuple[Call, tuple[int, ...], str, str]]:
    hooks = Call("collections", "OrderedDict")
    indices = tensor(storage("0", 1, "LongStorage"), (1, 1))
    values = tensor(storage("1", 1), (1,))
    layout = Call("torch.serialization", "_get_layout", ("torch.sparse_coo",))
    return {
        "quantized": (
            Call("torch._utils", "_rebuild_qtensor",
                 (storage("0", 8, "QInt8Storage"), 0, (2, 4), (4, 1), (Name("torch", "per_tensor_affine"), 0.1, 0), False, hooks)),
            (2, 4), "qint8", "dequantize",
        ),
        "sparse": (
            Call("torch._utils", "_rebuild_sparse_tensor", (layout, (indices, values, Call("torch", "Size", ((3,),)), True))),
            (3,), "sparse_coo", "to_dense",
        ),
        "meta": (Call("torch._utils", "_rebuild_meta_tensor_no_storage", (Name("torch", "float32"), (2, 3), (3, 1), False)),
                 (2, 3), "meta", "without values"),
        "nested": (Call("torch._utils", "_rebuild_nested_tensor", (values, indices, indices, indices)), (), "nested", "unbind"),
        "wrapper": (
            Call("torch._utils", "_rebuild_wrapper_subclass",
                 (Name("torch.distributed.tensor", "DTensor"), Name("torch", "float32"), (5,), (1,), 0, None, "cpu", False)),
            (5,), "DTensor", "full_tensor",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", unreadable())
def test_what_is_no_plain_tensor_is_listed_and_not_read(tmp_path: Path, name: str) -> None:
    call, shape, dtype, says = unreadable()[name]
    write_torch_zip(tmp_path / "a.pt", {"w": call, "b": tensor(storage("1", 1), (1,))}, {"0": bytes(8), "1": bytes(4)})
    reader = open_reader(str(tmp_path / "a.pt"))
    assert (reader.variables["w"].shape, reader.variables["w"].dtype) == (shape, dtype)
    assert reader.extent("w") is None
    assert reader.read("b").tolist() == [0]
    reader.close()
    diagnostic = refusal(tmp_path / "a.pt", "w")
    assert diagnostic.code == "MIG505"
    assert any(says in help for help in diagnostic.helps)


def test_tensors_in_other_clothes(tmp_path: Path) -> None:
    plain = tensor(storage("0", 24), (4, 6))
    hooks = Call("collections", "OrderedDict")
    value = {
        "parameter": Call("torch._utils", "_rebuild_parameter", (plain, True, hooks)),
        "with state": Call("torch._utils", "_rebuild_parameter_with_state", (plain, True, hooks, {"tag": 1})),
        "subclass": Call("torch._tensor", "_rebuild_from_type_v2",
                         (Name("torch._utils", "_rebuild_tensor_v2"), Name("fastai.torch_core", "TensorBase"), plain.arguments, {})),
        "0.3": Call("torch.nn.parameter", "Parameter", (Call("torch._utils", "_rebuild_tensor", plain.arguments[:4]),), (True, False)),
        "0.1": Call("torch", "FloatTensor", (), plain.arguments[:4]),
        "xla": Call("torch._utils", "_rebuild_device_tensor_from_numpy",
                    (array_call(VALUES), Name("torch", "float32"), "xla:0", False)),
        "numpy": array_call(VALUES),
    }  # fmt: skip
    write_torch_zip(tmp_path / "a.pt", value, {"0": VALUES.tobytes()})
    reader = open_reader(str(tmp_path / "a.pt"))
    assert list(names_of(reader)) == list(value)
    for name in value:
        assert reader.read(name).tolist() == VALUES.tolist(), name
    reader.close()


def test_views_of_storages_in_the_older_format(tmp_path: Path) -> None:
    part = storage("0", 24, "FloatStorage", "cpu", ("view", 6, 12))
    (tmp_path / "a.pt").write_bytes(legacy_torch({"w": tensor(part, (2, 6))}, {"0": (24, VALUES.tobytes())}))
    reader = open_reader(str(tmp_path / "a.pt"))
    assert reader.read("w").tolist() == VALUES[1:3].tolist()
    assert in_place(reader, "w") == VALUES[1:3].tobytes()
    reader.close()
    too_long = storage("0", 24, "FloatStorage", "cpu", ("view", 20, 12))
    (tmp_path / "b.pt").write_bytes(legacy_torch({"w": tensor(too_long, (2, 6))}, {"0": (24, VALUES.tobytes())}))
    assert refusal(tmp_path / "b.pt").code == "MIG503"


@pytest.mark.parametrize("deflated", [False, True])
def test_a_repacked_zip_and_one_without_a_folder(tmp_path: Path, deflated: bool) -> None:
    value = {"a": ONE, "b": tensor(storage("1", 24), (6, 4), (1, 6))}
    contents = {"0": VALUES.tobytes(), "1": VALUES.tobytes()}
    write_torch_zip(tmp_path / "a.pt", value, contents, folder="", byteorder=None, deflated=deflated)
    reader = open_reader(str(tmp_path / "a.pt"))
    for _ in range(2):
        assert reader.read("a").tolist() == VALUES.tolist()
        assert reader.read("b").tolist() == VALUES.T.tolist()
    assert (reader.extent("a") is None) == deflated
    reader.close()


@pytest.mark.parametrize("member", ["archive/data/0", "archive/data.pkl"])
def test_what_changed_is_noticed_by_the_checksum(tmp_path: Path, member: str) -> None:
    path = tmp_path / "a.pt"
    write_torch_zip(path, {"weight": ONE}, {"0": VALUES.tobytes()})
    content = bytearray(path.read_bytes())
    place = content.index(VALUES.tobytes()) if member.endswith("0") else content.index(b"weight")
    content[place] ^= 1
    path.write_bytes(content)
    assert refusal(path, "weight").code == "MIG504"


def test_a_file_without_checksums(tmp_path: Path) -> None:
    """`torch.serialization.set_crc32_options(False)` writes 0 for each."""
    path = tmp_path / "a.pt"
    write_torch_zip(path, {"w": ONE}, {"0": VALUES.tobytes()})
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            content = content.replace(info.CRC.to_bytes(4, "little"), bytes(4))
    path.write_bytes(content)
    reader = open_reader(str(path))
    assert reader.read("w").tolist() == VALUES.tolist()
    extent = reader.extent("w")
    assert extent is not None
    assert extent.crc32 is None
    reader.close()


def bad_zips() -> dict[str, tuple[object, dict[str, bytes], bytes]]:
    value = {"w": ONE}
    return {
        "no such storage": (value, {"1": VALUES.tobytes()}, b"little"),
        "a short storage": (value, {"0": VALUES.tobytes()[:-1]}, b"little"),
        "a storage out of the folder": (
            {"w": tensor(storage("../../etc/passwd", 24), (4, 6))},
            {"0": VALUES.tobytes()},
            b"little",
        ),
        "a storage of 2^60": ({"w": tensor(storage("0", 1 << 60), (4, 6))}, {"0": VALUES.tobytes()}, b"little"),
        "a storage of -1": ({"w": tensor(storage("0", -1), (0,))}, {"0": VALUES.tobytes()}, b"little"),
        "no storage": ({"w": Call("torch._utils", "_rebuild_tensor", (None, 0, (1,), (1,)))}, {}, b"little"),
        "no reference": ({"w": Persistent(3)}, {}, b"little"),
        "two pickles": (value, {"0": VALUES.tobytes(), "../other/data.pkl": b"N."}, b"little"),
    }


@pytest.mark.parametrize("name", bad_zips())
def test_a_zip_that_contradicts_itself(tmp_path: Path, name: str) -> None:
    value, contents, byteorder = bad_zips()[name]
    if name == "two pickles":
        with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
            archive.writestr("a/data.pkl", pickled(value))
            archive.writestr("b/data.pkl", pickled(value))
    else:
        write_torch_zip(tmp_path / "a.pt", value, contents, byteorder=byteorder)
    assert refusal(tmp_path / "a.pt").code == "MIG503"


def test_a_byte_order_and_a_storage_that_migspec_does_not_know(tmp_path: Path) -> None:
    write_torch_zip(tmp_path / "a.pt", {"w": ONE}, {"0": VALUES.tobytes()}, byteorder=b"middle")
    assert refusal(tmp_path / "a.pt").code == "MIG505"
    write_torch_zip(tmp_path / "b.pt", {"w": tensor(storage("0", 24, "PackedStorage"), (1,))}, {"0": VALUES.tobytes()})
    assert refusal(tmp_path / "b.pt").code == "MIG505"


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    write_torch_zip(path, {"w": tensor(storage("0", 1 << 29), (1 << 29,))}, {"0": bytes(1000)}, deflated=True)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    while content[entry + 46 : entry + 60] != b"archive/data/0":
        entry = content.index(b"PK\1\2", entry + 1)
    content[entry + 24 : entry + 28] = (1 << 31).to_bytes(4, "little")
    path.write_bytes(content)
    assert refusal(path, "w").code == "MIG503"


@pytest.mark.parametrize(
    ("value", "storages", "cut"),
    [
        ({"w": ONE}, {"0": (1 << 60, VALUES.tobytes())}, 0),
        ({"w": ONE}, {"0": (23, VALUES.tobytes()[:-4])}, 0),
        ({"w": ONE}, {"1": (24, VALUES.tobytes())}, 0),
        ({"w": ONE}, {"0": (24, VALUES.tobytes())}, 1),
        ({"w": ONE}, {}, 0),
    ],
    ids=["a storage of 2^60", "a short storage", "another storage", "cut short", "no storage"],
)
def test_an_older_file_that_contradicts_itself(tmp_path: Path, value: object, storages: Any, cut: int) -> None:
    content = legacy_torch(value, storages)
    (tmp_path / "a.pt").write_bytes(content[: len(content) - cut])
    assert refusal(tmp_path / "a.pt").code == "MIG503"


def test_a_pickle_with_references_is_no_bare_pickle(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickled({"w": ONE}))
    assert refusal(tmp_path / "a.pkl").code == "MIG505"
