"""Frozen graphs, held against TensorFlow."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy
import pytest
from tensorflow_bundle_builder import message, number, strings, varint

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.protobuf_kind import protobuf_kind
from migspec.formats.registry import open_reader

FLOAT, STRING, INT64, QINT8, RESOURCE = 1, 7, 9, 11, 20


def tensorflow():
    return pytest.importorskip("tensorflow")


def refusal(path: Path | str, name: str | None = None) -> Diagnostic:
    """What opening raises, or reading `name`."""
    with pytest.raises(SpecError) as caught:
        reader = open_reader(str(path))
        assert name is not None, "it opens"
        reader.read(name)
    [diagnostic] = caught.value.diagnostics
    return diagnostic


def tensor(dtype: int, shape: list[int], values: bytes = b"") -> bytes:
    return number(1, dtype) + message(2, b"".join(message(2, number(1, length)) for length in shape)) + values


def node(name: str, operation: str, *attributes: tuple[str, bytes]) -> bytes:
    entries = b"".join(message(5, message(1, key.encode()) + message(2, value)) for key, value in attributes)
    return message(1, name.encode()) + message(2, operation.encode()) + entries


def constant(name: str, value: bytes) -> bytes:
    """One node of a graph, as a field of it."""
    return message(1, node(name, "Const", ("dtype", number(6, FLOAT)), ("value", message(8, value))))


def written(folder: Path, *parts: bytes) -> Path:
    (folder / "graph.pb").write_bytes(b"".join(parts))
    return folder / "graph.pb"


def frozen_layers() -> tuple[bytes, dict[str, numpy.ndarray]]:
    """A graph of TensorFlow 1 with two variables, frozen, and their values."""
    v1 = tensorflow().compat.v1
    arrays = {"dense/kernel": numpy.arange(6, dtype="float32").reshape(3, 2), "dense/bias": numpy.ones(2, "float32")}
    with tensorflow().Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", [None, 3], name="x")
        kernel, bias = (v1.get_variable(name, initializer=value, use_resource=False) for name, value in arrays.items())
        tensorflow().identity(x @ kernel + bias, name="y")
        session.run(v1.global_variables_initializer())
        definition = v1.graph_util.convert_variables_to_constants(session, session.graph_def, ["y"])
    return definition.SerializeToString(), arrays


def test_a_frozen_graph_has_the_variables_by_their_names(tmp_path: Path) -> None:
    content, arrays = frozen_layers()
    reader = open_reader(str(written(tmp_path, content)))
    assert (reader.format, reader.files) == ("graphdef", (str(tmp_path / "graph.pb"),))
    assert {one.name for one in reader.variables} == set(arrays)
    for name, expected in arrays.items():
        assert reader.read(name).tolist() == expected.tolist()
        extent = reader.extent(name)
        assert extent is not None
        assert content[extent.offset : extent.offset + extent.length] == expected.tobytes()
    reader.close()


def test_a_graph_of_tensorflow_2(tmp_path: Path) -> None:
    """Frozen whole, and with a function that keeps its constants to itself."""
    tf = tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    kernel = tf.Variable(numpy.arange(6, dtype="float32").reshape(3, 2), name="kernel")

    @tf.function(autograph=False)
    def scaled(x):
        return x * tf.constant([3.0, 4.0], name="scale")

    called = tf.function(lambda x: scaled(x @ kernel)).get_concrete_function(tf.TensorSpec([None, 3]))
    frozen = convert_variables_to_constants_v2(called, lower_control_flow=False)
    reader = open_reader(str(written(tmp_path, frozen.graph.as_graph_def().SerializeToString())))
    assert [0.0, 1, 2, 3, 4, 5] in [reader.read(one.name).flatten().tolist() for one in reader.variables]
    reader.close()
    definition = called.graph.as_graph_def()
    for one in definition.node:  # without its variable, for the function alone
        assert one.op != "VarHandleOp"
    reader = open_reader(str(written(tmp_path, definition.SerializeToString())))
    [function] = [
        function for function in definition.library.function if function.signature.name.startswith("__inference_scaled")
    ]
    name = f"{function.signature.name}/scale"
    assert [one.name for one in reader.variables] == [name]
    assert reader.read(name).tolist() == [3, 4]
    reader.close()


def protos() -> dict[str, object]:
    """TensorProtos in every form that TensorFlow reads."""
    tf = tensorflow()
    make = tf.make_tensor_proto
    proto = type(make(1.0))
    forms = {
        "one for all": proto(dtype=FLOAT, float_val=[2.5]),
        "the last for the rest": proto(dtype=FLOAT, float_val=[1, 2, 3]),
        "none": proto(dtype=FLOAT),
        "all": proto(dtype=FLOAT, float_val=range(6)),
        "one string": proto(dtype=STRING, string_val=[b"abc"]),
        "no string": proto(dtype=STRING),
        "strings in the content": proto(dtype=STRING, tensor_content=bytes([1, 0, 2, 0, 0, 1]) + b"abbc"),
    }
    fields = {"half_val": 19, "int_val": 3, "int64_val": 9, "bool_val": 10, "uint32_val": 22, "uint64_val": 23, "double_val": 2}
    forms |= {field: proto(dtype=dtype, **{field: [1, 0, 1]}) for field, dtype in fields.items()}
    forms |= {f"int_val {dtype}": proto(dtype=dtype, int_val=[5, 100]) for dtype in (4, 5, 6, 17)}
    forms["bfloat16"] = proto(dtype=14, half_val=[0x3F80, 0xC000])
    forms["complex64"] = proto(dtype=8, scomplex_val=[1, 2, 3, 4])
    forms["complex128"] = proto(dtype=18, dcomplex_val=[1, 2])
    forms["float8"] = proto(dtype=25, float8_val=b"\x38\x40")
    for form in forms.values():
        form.tensor_shape.CopyFrom(make(numpy.zeros((2, 3))).tensor_shape)
    return forms


def test_every_form_of_a_tensor(tmp_path: Path) -> None:
    tf = tensorflow()
    for form, proto in protos().items():
        path = written(tmp_path, constant("a", proto.SerializeToString()))
        reader = open_reader(str(path))
        expected = tf.io.parse_tensor(proto.SerializeToString(), proto.dtype).numpy()
        actual = reader.read("a")
        assert (actual.shape, actual.dtype) == ((2, 3), expected.dtype), form
        assert actual.tolist() == expected.tolist(), form
        assert actual.flags.c_contiguous
        extent = reader.extent("a")
        assert (extent is not None) == (form == "all"), form
        if extent is not None:
            assert path.read_bytes()[extent.offset : extent.offset + extent.length] == expected.tobytes()
        reader.close()


def test_a_value_that_is_repeated_without_end(tmp_path: Path) -> None:
    path = written(tmp_path, constant("a", tensor(FLOAT, [2**55], message(5, bytes(4)))))
    assert open_reader(str(path)).variables["a"].size == 2**55
    assert refusal(path, "a").code == "MIG505"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (tensor(FLOAT, [2], message(4, bytes(7))), "MIG503"),
        (tensor(FLOAT, [2**60], message(4, bytes(8))), "MIG503"),
        (tensor(FLOAT, [2**60, 16], b""), "MIG503"),
        (tensor(FLOAT, [2**61, 0], b""), "MIG503"),
        (tensor(FLOAT, [-1], message(4, bytes(8))), "MIG503"),
        (tensor(FLOAT, [1] * 40, message(4, bytes(4))), "MIG505"),
        (tensor(FLOAT, [2], message(5, bytes(12))), "MIG503"),  # three values
        (tensor(FLOAT, [2], message(5, bytes(7))), "MIG503"),
        (tensor(FLOAT, [2], number(5, 1)), "MIG503"),
        (tensor(INT64, [2], message(10, b"\xff" * 11)), "MIG503"),
        (tensor(8, [2], message(9, bytes(12))), "MIG503"),  # one and a half complex numbers
        (tensor(STRING, [3], message(4, b"\1\1\1ab")), "MIG503"),
        (tensor(STRING, [3], message(4, b"\1")), "MIG503"),
        (tensor(STRING, [1], message(8, b"a") + message(8, b"b")), "MIG503"),
        (tensor(STRING, [1], number(8, 1)), "MIG503"),
        (tensor(0, [2], message(4, bytes(8))), "MIG503"),
        (number(1, FLOAT) + message(2, number(3, 1)), "MIG503"),  # a shape of unknown rank
        (tensor(QINT8, [2], message(4, b"ab")), "MIG505"),
        (tensor(RESOURCE, [], b""), "MIG505"),
        (b"\xff", "MIG503"),
    ],
)
def test_constants_that_cannot_be_read(tmp_path: Path, value: bytes, code: str) -> None:
    assert refusal(written(tmp_path, constant("a", value)), "a").code == code


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([constant("a", tensor(FLOAT, [])), constant("a", tensor(FLOAT, []))], "MIG503"),  # one name twice
        ([message(1, node("a", "Const", ("dtype", number(6, 1))))], "MIG503"),
        ([message(1, node("a", "Const", ("value", number(6, 1))))], "MIG503"),
        ([message(1, node("a", "Const")), message(1, node("", "Const"))], "MIG503"),
        ([constant("a", tensor(FLOAT, [])), b"\x0a\x7f"], "MIG503"),  # a node that is cut off
        ([constant("a", tensor(FLOAT, [])), message(1, b"")], "MIG503"),
        ([constant("a", tensor(FLOAT, [])), message(1, b"\x0a\x01\xff\x12\x01A")], "MIG503"),
        ([constant("a", tensor(FLOAT, [])), message(2, message(1, b"\xff"))], "MIG503"),
        ([constant("a", tensor(FLOAT, [])), b"\xff"], "MIG503"),
        ([constant("a", tensor(FLOAT, [])), message(1, node("v", "VarHandleOp"))], "MIG505"),
        ([message(1, node("x", "Placeholder"))], "MIG502"),
    ],
)
def test_graphs_that_are_refused(tmp_path: Path, parts: list[bytes], code: str) -> None:
    assert refusal(written(tmp_path, *parts)).code == code


def test_a_graph_that_is_not_frozen_names_what_it_lacks(tmp_path: Path) -> None:
    v1 = tensorflow().compat.v1
    with tensorflow().Graph().as_default() as graph:
        v1.get_variable("dense/kernel", initializer=numpy.ones(3, "float32"))
    found = refusal(written(tmp_path, graph.as_graph_def().SerializeToString()))
    assert found.code == "MIG505"
    assert any("`dense/kernel`" in note for note in found.notes)


def test_fields_in_any_order(tmp_path: Path) -> None:
    """protobuf promises none."""
    value = message(2, message(8, message(4, bytes(4)) + tensor(FLOAT, [1]))) + message(1, b"value")
    const = message(5, value) + message(2, b"Const") + message(1, b"a")
    path = written(tmp_path, message(4, number(1, 21)), message(1, const), message(1, node("b", "NoOp")))
    reader = open_reader(str(path))
    assert reader.read("a").tolist() == [0]
    reader.close()


def test_graphs_in_other_forms(tmp_path: Path) -> None:
    tf = tensorflow()
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    v1 = tf.compat.v1
    content, arrays = frozen_layers()
    definition = v1.GraphDef.FromString(content)
    tf.io.write_graph(definition, str(tmp_path), "renamed.bin", as_text=True)
    found = refusal(tmp_path / "renamed.bin")
    assert found.code == "MIG502"
    assert "text form" in found.message
    assert any("as_text=False" in text for text in found.helps)
    tf.io.write_graph(definition, str(tmp_path), "renamed.bin", as_text=False)
    assert open_reader(str(tmp_path / "renamed.bin")).variables["dense/bias"].shape == arrays["dense/bias"].shape
    meta = v1.MetaGraphDef(graph_def=definition)
    with tf.Graph().as_default():
        tf.import_graph_def(definition)
        exported = v1.train.export_meta_graph()
    for file in (exported, meta):
        (tmp_path / "no-ending").write_bytes(file.SerializeToString())
        assert "graph, which holds no values" in refusal(tmp_path / "no-ending").message
    model = SavedModel(saved_model_schema_version=1, meta_graphs=[meta])
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    found = refusal(tmp_path / "saved_model.pb")
    assert "SavedModel" in found.message
    assert any(str(tmp_path) in text for text in found.helps)


def test_a_saved_model_is_pointed_to_its_folder(tmp_path: Path) -> None:
    tf = tensorflow()
    module = tf.Module()
    module.v = tf.Variable([1.0, 2.0])
    tf.saved_model.save(module, str(tmp_path / "model"))
    found = refusal(tmp_path / "model" / "saved_model.pb")
    assert any(str(tmp_path / "model") in text for text in found.helps)
    assert len(open_reader(str(tmp_path / "model")).variables) >= 1


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (constant("a", tensor(FLOAT, []))[:12], "graphdef"),  # cut short within the first node's attributes
        (message(1, node("a b", "Const")), None),
        (message(1, node("a", "a\nb")), None),
        (message(1, message(1, b"a")), None),
        (message(1, number(1, 5)), None),
        (b"\n\n\nsome text\n", None),
        (b"\x08\x01", None),
        (number(1, 1) + message(2, b"pytorch"), None),
        (number(1, 8) + message(2, b"pytorch") + message(7, message(2, b"main")), "onnx"),
        ((number(1, 8) + message(2, b"pytorch") + message(7, message(2, b"main_graph" * 99)))[:40], "onnx"),
        (number(1, 1) + varint(2 << 3 | 2) + varint(9999) + message(3, b"x"), "saved-model"),
        (strings([b"x"])[0], None),
        (b"", None),
    ],
)
def test_kinds_of_protobuf_files(tmp_path: Path, content: bytes, kind: str | None) -> None:
    (tmp_path / "file").write_bytes(content)
    assert protobuf_kind(str(tmp_path / "file")) == kind


def test_real_graphs(tmp_path: Path) -> None:
    data = Path(__file__).parents[2].parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the shared files are not here")
    for meta in ("char_rnn/model-85340.meta", "musicnn_mtt_vgg/.meta", "serving/v1_single/export.meta"):
        shutil.copyfile(data / meta, tmp_path / "copy")
        assert "graph, which holds no values" in refusal(tmp_path / "copy").message
    for model in ("serving/saved_model_tf1", "serving/saved_model_tf2"):
        found = refusal(data / model / "saved_model.pb")
        assert any(str(data / model) in text for text in found.helps)
