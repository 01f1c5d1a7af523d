"""ONNX models, held against the package `onnx`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy
import pytest
from tensorflow_bundle_builder import message, number

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.base import Reader
from migspec.formats.registry import open_reader

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FLOAT, STRING, INT4 = TensorProto.FLOAT, TensorProto.STRING, TensorProto.INT4


def refusal(path: Path | str, name: str | None = None) -> Diagnostic:
    """What opening raises, or reading `name`."""
    with pytest.raises(SpecError) as caught:
        reader = open_reader(str(path))
        assert name is not None, "it opens"
        reader.read(name)
    [diagnostic] = caught.value.diagnostics
    return diagnostic


def model(initializers=(), nodes=(), **more):
    graph = helper.make_graph(list(nodes), "g", [], [], list(initializers))
    return helper.make_model(graph, **more)


def saved(folder: Path, *initializers, nodes=(), **more) -> str:
    path = folder / "m.onnx"
    path.write_bytes(model(initializers, nodes, **more).SerializeToString())
    return str(path)


def same(reader: Reader, name: str, expected: numpy.ndarray) -> bool:
    """Whether the reader has this value; also where it says that the bytes lie. The answer is whether it says so."""
    actual = reader.read(name)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype), name
    assert actual.tolist() == expected.tolist() if expected.dtype == object else actual.tobytes() == expected.tobytes(), name
    extent = reader.extent(name)
    if extent is not None:
        assert Path(extent.path).read_bytes()[extent.offset : extent.offset + extent.length] == expected.tobytes()
    return extent is not None


TYPED = {
    "FLOAT": True, "DOUBLE": True, "COMPLEX64": True, "COMPLEX128": True, "UINT8": False, "INT8": False, "UINT16": False,
    "INT16": False, "INT32": False, "INT64": False, "UINT32": False, "UINT64": False, "BOOL": False, "FLOAT16": False,
    "BFLOAT16": False, "FLOAT8E4M3FN": False, "FLOAT8E5M2": False,
}  # fmt: skip


@pytest.mark.parametrize("dtype", TYPED)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_values_one_by_one(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    """In the field of each dtype, as `onnx.helper.make_tensor` writes them; floats lie there as in memory."""
    element = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, dtype))
    values = numpy.random.default_rng(1).uniform(0 if dtype.startswith("U") else -60, 60, shape).astype(element)
    tensor = helper.make_tensor("w", getattr(TensorProto, dtype), shape, values.flatten())
    assert not tensor.HasField("raw_data")
    reader = open_reader(saved(tmp_path, tensor))
    assert same(reader, "w", numpy_helper.to_array(tensor)) == (TYPED[dtype] and values.size > 0)
    reader.close()


def test_negative_and_large_integers(tmp_path: Path) -> None:
    values = numpy.array([-(2**63), -1, 0, 2**63 - 1])
    unsigned = numpy.array([0, 2**64 - 1], "u8")
    tensors = [
        helper.make_tensor("i", TensorProto.INT64, [4], values),
        helper.make_tensor("u", TensorProto.UINT64, [2], unsigned),
    ]
    reader = open_reader(saved(tmp_path, *tensors))
    same(reader, "i", values)
    same(reader, "u", unsigned)
    reader.close()


def test_strings(tmp_path: Path) -> None:
    tensor = helper.make_tensor("s", STRING, [2, 2], [b"a", b"", b"\xff", "größe".encode()])
    reader = open_reader(saved(tmp_path, tensor))
    assert reader.variables["s"].dtype == "string"
    assert reader.read("s").tolist() == [[b"a", b""], [b"\xff", "größe".encode()]]
    assert reader.extent("s") is None
    reader.close()


@pytest.mark.parametrize(
    "dtype", ["INT4", "UINT4", "FLOAT4E2M1", "FLOAT8E4M3FNUZ", "FLOAT8E5M2FNUZ", "FLOAT8E8M0", "INT2", "UINT2"]
)
def test_dtypes_that_are_listed_and_not_read(tmp_path: Path, dtype: str) -> None:
    if not hasattr(TensorProto, dtype):
        pytest.skip("this version of onnx does not have it")
    tensor = TensorProto(name="q", data_type=getattr(TensorProto, dtype), dims=[3], raw_data=b"\x21\x03\0")
    path = saved(tmp_path, tensor, numpy_helper.from_array(numpy.ones(2), "w"))
    reader = open_reader(path)
    assert reader.variables["q"].shape == (3,)
    assert reader.extent("q") is None
    same(reader, "w", numpy.ones(2))
    found = refusal(path, "q")
    assert found.code == "MIG505"
    assert reader.variables["q"].dtype in found.message


def test_sparse_initializers_and_segments_are_listed_and_not_read(tmp_path: Path) -> None:
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("sparse", FLOAT, [2], [1.0, 2.0]),
        helper.make_tensor("where", TensorProto.INT64, [2], [3, 5]),
        [3, 4],
    )
    file = model([TensorProto(name="part", data_type=FLOAT, dims=[9], segment=TensorProto.Segment(begin=0, end=2))])
    file.graph.sparse_initializer.append(sparse)
    path = tmp_path / "m.onnx"
    path.write_bytes(file.SerializeToString())
    described = {one.name: (one.shape, one.dtype) for one in open_reader(str(path)).variables}
    assert described == {"part": ((9,), "segment_of_float32"), "sparse": ((3, 4), "sparse_float32")}
    assert refusal(path, "sparse").code == refusal(path, "part").code == "MIG505"


def ones(name: str, *shape: int):
    return numpy_helper.from_array(numpy.ones(shape, "float32"), name)


def test_tensors_inside_nodes(tmp_path: Path) -> None:
    """Constants, and the initializers of the graphs that an If or a Loop runs, with the way to them in front."""
    branches = {
        name: helper.make_graph(
            [helper.make_node("Constant", [], ["c"], value=ones("ignored", 2))], name, [], [], [ones("w", 3)]
        )
        for name in ("then_branch", "else_branch")
    }
    inner = helper.make_graph(
        [helper.make_node("If", ["x"], ["y"], **branches)], "body", [], [], [ones("bias", 4), ones("top", 2)]
    )
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=numpy_helper.from_array(numpy.array([2, 3]))),
        helper.make_node("Constant", [], ["number"], value_float=1.5),
        helper.make_node("ConstantOfShape", ["shape"], ["filled"], value=ones("fill", 1)),
        helper.make_node("Loop", [], ["z"], name="loop_1", body=inner),
    ]
    reader = open_reader(saved(tmp_path, ones("top", 1), nodes=nodes))
    assert {one.name: one.aliases for one in reader.variables} == {
        "shape": (),
        "loop_1/body/y/then_branch/c": (),
        "loop_1/body/y/then_branch/w": (),
        "loop_1/body/y/else_branch/c": (),
        "loop_1/body/y/else_branch/w": (),
        "loop_1/body/bias": ("bias",),
        "loop_1/body/top": (),  # the name of another
        "top": (),
    }
    assert reader.read("shape").tolist() == [2, 3]
    assert reader.read("loop_1/body/y/else_branch/w").tolist() == [1, 1, 1]
    reader.close()


def test_functions_and_training(tmp_path: Path) -> None:
    function = helper.make_function(
        "local", "Scale", ["x"], ["y"], [helper.make_node("Constant", [], ["factor"], value=ones("", 1))], []
    )
    training = onnx.TrainingInfoProto()
    training.algorithm.initializer.append(ones("momentum", 2))
    training.initialization.initializer.append(ones("zero", 2))
    file = model([ones("w", 1)], functions=[function])
    file.training_info.extend([training])
    path = tmp_path / "m.onnx"
    path.write_bytes(file.SerializeToString())
    assert {one.name for one in open_reader(str(path)).variables} == {
        "w", "Scale/factor", "training_0/algorithm/momentum", "training_0/initialization/zero",
    }  # fmt: skip


def test_graphs_nested_without_end(tmp_path: Path) -> None:
    graph = b""
    for _ in range(200):
        graph = message(1, message(5, message(1, b"body") + message(6, graph)))
    (tmp_path / "m.onnx").write_bytes(number(1, 8) + message(7, graph))
    found = refusal(tmp_path / "m.onnx")
    assert (found.code, "nested" in found.message) == ("MIG503", True)


def tensor(dims: list[int], dtype: int = FLOAT, values: bytes = b"", name: bytes = b"w") -> bytes:
    """One initializer, by hand, as a field of its graph."""
    shape = b"".join(number(1, length) for length in dims)
    return message(5, shape + (number(2, dtype) if dtype else b"") + message(8, name) + values)


@pytest.mark.parametrize(
    ("graph", "code"),
    [
        (tensor([2], values=message(9, bytes(7))), "MIG503"),
        (tensor([2], values=message(9, bytes(9))), "MIG503"),
        (tensor([2**60], values=message(9, bytes(8))), "MIG503"),
        (tensor([2**60]), "MIG503"),
        (tensor([2**60], TensorProto.INT64, message(7, b"\1")), "MIG503"),
        (tensor([2**61, 0], values=message(9, b"")), "MIG503"),
        (tensor([-1], values=message(9, b"")), "MIG503"),
        (tensor([1] * 40, values=message(9, bytes(4))), "MIG505"),
        (tensor([2]), "MIG503"),  # no values at all
        (tensor([2], values=message(4, bytes(12))), "MIG503"),
        (tensor([2], values=message(4, bytes(7))), "MIG503"),
        (tensor([2], values=message(10, bytes(16))), "MIG503"),  # doubles
        (tensor([2], values=message(9, bytes(8)) + message(4, bytes(8))), "MIG503"),
        (tensor([2], values=number(4, 1)), "MIG503"),
        (tensor([1], STRING, message(9, b"a")), "MIG503"),
        (tensor([1], STRING, message(6, b"a") + message(6, b"b")), "MIG503"),
        (tensor([1], 0, message(9, bytes(4))), "MIG503"),
        (tensor([1], 99, message(9, bytes(4))), "MIG505"),
        (tensor([1], values=message(9, bytes(4)), name=b""), "MIG503"),
        (tensor([1], values=message(9, bytes(4)), name=b"\xff"), "MIG503"),
        (tensor([1], values=message(9, bytes(4))) * 2, "MIG503"),  # two of one name
        (tensor([1], values=b"\xff"), "MIG503"),
        (message(5, number(2, FLOAT) + message(1, bytes(20_000)) + message(8, b"w")), "MIG503"),
        (message(5, number(2, FLOAT) + message(1, b"\xff") + message(8, b"w")), "MIG503"),
        (message(5, number(2, FLOAT) + b"\x0d\0\0\0\0"), "MIG503"),
        (message(15, message(3, b"\1")), "MIG503"),
        (message(1, b"\xff"), "MIG503"),
        (b"\x2a\x7f", "MIG503"),
    ],
)
def test_models_that_cannot_be_read(tmp_path: Path, graph: bytes, code: str) -> None:
    (tmp_path / "m.onnx").write_bytes(number(1, 8) + message(7, graph))
    assert refusal(tmp_path / "m.onnx", "w").code == code


def test_a_packed_shape(tmp_path: Path) -> None:
    field = message(5, message(1, b"\2\3") + number(2, FLOAT) + message(8, b"w") + message(9, bytes(24)))
    (tmp_path / "m.onnx").write_bytes(number(1, 8) + message(7, field))
    assert open_reader(str(tmp_path / "m.onnx")).variables["w"].shape == (2, 3)


def test_a_model_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(model([ones("w", 2)]).SerializeToString())
    assert open_reader(str(tmp_path / "model.bin")).format == "onnx"
    (tmp_path / "text.onnx").write_text("no model")
    assert refusal(tmp_path / "text.onnx").code == "MIG502"
    content = (tmp_path / "model.bin").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[:-10])
    assert refusal(tmp_path / "cut.onnx").code == "MIG503"


# external data


def with_external_data(folder: Path, **arrays: numpy.ndarray) -> Path:
    """As `onnx.save_model` writes it: `m.onnx` and `m.data`."""
    initializers = [numpy_helper.from_array(value, name) for name, value in arrays.items()]
    path = folder / "m.onnx"
    onnx.save_model(model(initializers), str(path), save_as_external_data=True, location="m.data", size_threshold=0)
    return path


def external(
    folder: Path, *, location: str | None = "m.data", shape: tuple[int, ...] = (3,), dtype: int = FLOAT, **entries: object
):
    one = TensorProto(name="w", data_type=dtype, dims=shape, data_location=TensorProto.EXTERNAL)
    if location is not None:
        one.external_data.add(key="location", value=location)
    for key, value in entries.items():
        one.external_data.add(key=key, value=str(value))
    return Path(saved(folder, one))


def test_values_in_another_file(tmp_path: Path) -> None:
    arrays = {
        "w": numpy.arange(6, dtype="float32").reshape(2, 3),
        "i": numpy.array([1, -2]),
        "none": numpy.zeros((0, 2), "float32"),
        "one": numpy.array(3.0),
    }
    reader = open_reader(str(with_external_data(tmp_path, **arrays)))
    assert reader.files == (str(tmp_path / "m.onnx"), str(tmp_path / "m.data"))
    for name, value in arrays.items():
        assert same(reader, name, value)
    assert reader.extent("w").path == str(tmp_path / "m.data")  # type: ignore[union-attr]
    reader.close()


def test_a_file_in_a_folder_below_and_a_path_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "m.data").write_bytes(numpy.arange(5, dtype="<f4").tobytes())
    external(tmp_path, location="sub/m.data", offset=8, length=12)
    monkeypatch.chdir(tmp_path)
    for path in ("m.onnx", "./m.onnx", str(tmp_path / "m.onnx")):
        reader = open_reader(path)
        assert reader.read("w").tolist() == [2, 3, 4]
        reader.close()


def test_without_its_data_a_model_opens(tmp_path: Path) -> None:
    path = with_external_data(tmp_path, w=numpy.ones(3))
    (tmp_path / "m.data").unlink()
    assert open_reader(str(path)).variables["w"].shape == (3,)
    found = refusal(path, "w")
    assert found.code == "MIG501"
    assert str(tmp_path / "m.data") in found.message
    with pytest.raises(SpecError):
        open_reader(str(path)).extent("w")


def test_data_cut_short(tmp_path: Path) -> None:
    path = with_external_data(tmp_path, w=numpy.ones(300))
    with (tmp_path / "m.data").open("r+b") as file:
        file.truncate(8 * 299)
    assert refusal(path, "w").code == "MIG503"
    with pytest.raises(SpecError):
        open_reader(str(path)).extent("w")


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_checksum_of_the_file(tmp_path: Path, case) -> None:
    data = numpy.arange(3, dtype="<f4").tobytes()
    (tmp_path / "m.data").write_bytes(data)
    path = external(tmp_path, checksum=case(hashlib.sha1(data).hexdigest()))
    reader = open_reader(str(path))
    assert reader.read("w").tolist() == [0, 1, 2]
    reader.close()
    (tmp_path / "m.data").write_bytes(data[:-1] + b"\1")
    assert refusal(path, "w").code == "MIG504"
    with pytest.raises(SpecError):
        open_reader(str(path)).extent("w")


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ({"offset": "-1"}, "MIG503"),
        ({"offset": "1e3"}, "MIG503"),
        ({"offset": "9" * 30}, "MIG503"),
        ({"offset": "²"}, "MIG503"),
        ({"length": 11}, "MIG503"),
        ({"offset": 2**62}, "MIG503"),
        ({"location": None}, "MIG503"),
        ({"location": ""}, "MIG503"),
        ({"location": "a\0b"}, "MIG503"),
        ({"dtype": STRING}, "MIG503"),
        ({"dtype": INT4}, "MIG505"),
        ({"shape": (2**60,)}, "MIG503"),
        ({"shape": (2**60,), "length": 2**62}, "MIG503"),
        ({"location": "."}, "MIG501"),
        ({"location": "m.onnx"}, None),  # in the model's own file: odd, and harmless
    ],
)
def test_places_that_are_none(tmp_path: Path, entries, code) -> None:
    (tmp_path / "m.data").write_bytes(bytes(12))
    path = external(tmp_path, **entries)
    if code is None:
        open_reader(str(path)).read("w")
    else:
        assert refusal(path, "w").code == code


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "\\\\server\\x", "C:\\x", "c:/x", "../secret", "a/../../secret", "a\\..\\secret"]
)
def test_a_location_outside_of_the_folder_is_refused_by_name(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(12))
    found = refusal(external(folder, location=location))
    assert found.code == "MIG505"
    assert location in found.message
    assert "`w`" in found.message


@pytest.mark.parametrize("inside", [True, False])
def test_a_symbolic_link(tmp_path: Path, inside: bool) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    there = (folder if inside else tmp_path) / "there"
    there.write_bytes(bytes(12))
    (folder / "m.data").symlink_to(there)
    path = external(folder)
    if inside:
        assert open_reader(str(path)).read("w").tolist() == [0, 0, 0]
    else:
        found = refusal(path)
        assert found.code == "MIG505"
        assert "symbolic link" in found.message
    (folder / "m.data").unlink()
    (folder / "m.data").symlink_to("m.data")
    assert refusal(path, "w").code in ("MIG501", "MIG505")  # a link to itself


MODELS = sorted((Path(onnx.__file__).parent / "backend" / "test" / "data").glob("pytorch-converted/*/model.onnx"))


@pytest.mark.skipif(not MODELS, reason="this version of onnx comes without its test models")
def test_models_that_pytorch_exported() -> None:
    """Those that the package onnx brings along for its own tests (Apache-2.0)."""
    tensors = 0
    for path in MODELS:
        loaded, reader = onnx.load(path), open_reader(str(path))
        constants = {
            one.output[0]: one.attribute[0].t
            for one in loaded.graph.node
            if one.op_type == "Constant" and one.attribute[0].name == "value"
        }
        expected = {one.name: one for one in loaded.graph.initializer} | constants
        assert {one.name for one in reader.variables} == set(expected)
        for name, one in expected.items():
            same(reader, name, numpy_helper.to_array(one))
            tensors += 1
        reader.close()
    assert tensors > 50
