"""V1 checkpoints, held against TensorFlow, and where TensorFlow reads them no more against files made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import tensorflow_v1_builder as build
from google_crc32c import value as crc32c
from tensorflow_bundle_builder import block, header, message, number, table, varint

from migspec.diagnostics.model import SpecError
from migspec.formats.base import Reader
from migspec.formats.registry import open_reader
from migspec.formats.tensorflow_v1 import values
from migspec.formats.tensorflow_v1.location import find_shards
from migspec.formats.tensorflow_v1.reader import open_v1

FLOAT, DOUBLE, INT32, UINT8, INT8, STRING, INT64, BOOL, BFLOAT16, UINT16, HALF = 1, 2, 3, 4, 6, 7, 9, 10, 14, 17, 19
COMPLEX64, QINT8 = 8, 11
WHOLE = ((None,),)  # one slice of a variable with one axis


def code_of(path: str, name: str | None = None) -> str:
    """The code of what opening raises, or reading `name`."""
    with pytest.raises(SpecError) as caught:
        reader = open_reader(path)
        assert name is not None, "it opens"
        reader.read(name)
    [diagnostic] = caught.value.diagnostics
    return diagnostic.code


def in_place(reader: Reader, name: str) -> bytes | None:
    extent = reader.extent(name)
    if extent is None:
        return None
    data = Path(extent.path).read_bytes()[extent.offset : extent.offset + extent.length]
    assert extent.crc32c == crc32c(data)
    return data


def test_large_variables_are_read_in_place_and_summed(tmp_path: Path) -> None:
    """Small ones beside large ones, and a large list of integers."""
    tf = pytest.importorskip("tensorflow")
    make = numpy.random.default_rng(0)
    arrays = {
        "a/small": make.standard_normal(7).astype("float32"),
        "b/large": make.standard_normal((700, 701)).astype("float32"),
        "c/small": make.standard_normal((2, 3)),
        "d/integers": make.integers(-(2**62), 2**62, 200_000),
        "e/texts": numpy.array([b"x" * 900, b"", b"\xff"] * 900, object),
        "f/last": numpy.float32(4),
    }
    path = str(tmp_path / "model")
    tf.raw_ops.Save(filename=path, tensor_names=list(arrays), data=[tf.constant(value) for value in arrays.values()])
    oracle = tf.train.load_checkpoint(path)
    reader = open_reader(path)
    assert [one.name for one in reader.variables] == sorted(arrays)
    for name in arrays:
        expected = numpy.asarray(oracle.get_tensor(name))
        actual = reader.read(name)
        assert (actual.shape, actual.tolist()) == (expected.shape, expected.tolist())
    for name in ("a/small", "b/large", "c/small", "f/last"):
        assert in_place(reader, name) == numpy.asarray(arrays[name]).tobytes()
    for name in ("d/integers", "e/texts"):
        assert reader.extent(name) is None
    reader.close()


def test_what_saver_writes(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("layer/w", initializer=numpy.arange(6, dtype="float32").reshape(2, 3))
        v1.get_variable("step", initializer=numpy.int64(7))
        session.run(v1.global_variables_initializer())
        for sharded in (False, True):
            saver = v1.train.Saver(write_version=v1.train.SaverDef.V1, sharded=sharded)
            named = saver.save(session, str(tmp_path / f"model{sharded}"), 3, latest_filename=f"state{sharded}")
            for path in (named, str(tmp_path / f"model{sharded}-3")):
                reader = open_reader(path)
                assert reader.format == "tensorflow-v1"
                assert reader.read("layer/w").tolist() == [[0, 1, 2], [3, 4, 5]]
                assert reader.read("step").tolist() == 7
                reader.close()


@pytest.mark.parametrize("count", [1, 2, 12])
def test_several_files(tmp_path: Path, count: int) -> None:
    tf = pytest.importorskip("tensorflow")
    prefix = str(tmp_path / "some[1]*model")
    for shard in range(count):
        name = f"{prefix}-{shard:05d}-of-{count:05d}"
        tf.raw_ops.Save(filename=name, tensor_names=[f"v{shard}"], data=[tf.constant([shard, 1])])
    pattern = f"{prefix}-?????-of-{count:05d}"
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "/gone/{Path(pattern).name}"\n')
    for path in (prefix, pattern, f"{prefix}-00000-of-{count:05d}", str(tmp_path), str(tmp_path / "checkpoint")):
        reader = open_reader(path)
        assert (reader.path, len(reader.files)) == (path, count)
        assert {one.name: reader.read(one.name).tolist() for one in reader.variables} == {
            f"v{shard}": [shard, 1] for shard in range(count)
        }
        reader.close()
    if count > 1:
        Path(f"{prefix}-00001-of-{count:05d}").unlink()
        with pytest.raises(SpecError, match=r"1 of the .* files of the checkpoint are missing, .*-00001-of"):
            open_reader(prefix)


def test_a_prefix_of_two_checkpoints(tmp_path: Path) -> None:
    for name in ("m-00000-of-00001", "m-00000-of-00002", "m-00001-of-00002"):
        build.write(tmp_path / name, build.meta())
    with pytest.raises(SpecError, match="the prefix of several checkpoints") as caught:
        open_reader(str(tmp_path / "m"))
    assert caught.value.diagnostics[0].code == "MIG502"
    assert len(open_reader(str(tmp_path / "m-00001-of-00002")).files) == 2


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    (tmp_path / "x-00000-of-00001").write_bytes(b"x" * 100)
    (tmp_path / "checkpoint").write_text("nothing here")
    (tmp_path / "x.meta").write_bytes(b"x")
    for path in ("file", "x", "x-00000-of-00001", "", "gone", "checkpoint", "a\0b"):
        assert find_shards(str(tmp_path / path)) == (), path
    with pytest.raises(SpecError) as caught:
        open_v1(str(tmp_path / "file"))
    assert caught.value.diagnostics[0].code == "MIG502"


def test_a_folder_of_one_checkpoint_and_its_graph(tmp_path: Path) -> None:
    build.write(tmp_path / "export-00000-of-00001", build.meta())
    (tmp_path / "export.meta").write_bytes(b"graph")
    assert open_reader(str(tmp_path)).format == "tensorflow-v1"
    build.write(tmp_path / "other", build.meta())
    (tmp_path / "other.meta").write_bytes(b"graph")
    assert code_of(str(tmp_path)) == "MIG502"


@pytest.mark.parametrize("compression", [0, 1])
def test_every_way_to_write_values(tmp_path: Path, compression: int) -> None:
    floats = numpy.array([1.5, -2, 3], "<f4")
    single = b"".join(varint(5 << 3 | 5) + one.tobytes() for one in floats)
    cases = {
        "packed": (FLOAT, build.packed(5, floats.tobytes()), floats),
        "single": (FLOAT, single, floats),
        "mixed": (FLOAT, build.packed(5, floats.tobytes()[:4]) + single[5:10] + build.packed(5, floats.tobytes()[8:]), floats),
        "content": (FLOAT, number(1, FLOAT) + message(4, floats.tobytes()), floats),
        "double": (DOUBLE, build.packed(6, floats.astype("<f8").tobytes()), floats.astype("f8")),
        "half": (HALF, build.varints(13, 0x3C00, 0xC000, 0), numpy.array([1, -2, 0], "f2")),
        "int": (INT32, build.varints(7, 2**64 - 1, 0, 2**31 - 1), numpy.array([-1, 0, 2**31 - 1], "i4")),
        "uint8": (UINT8, build.varints(7, 255, 0, 128), numpy.array([255, 0, 128], "u1")),
        "int8": (INT8, build.varints(7, 2**64 - 128, 127, 0), numpy.array([-128, 127, 0], "i1")),
        "int64": (INT64, build.varints(10, 2**63, 1, 2), numpy.array([-(2**63), 1, 2], "i8")),
        "bool": (BOOL, build.varints(11, 1, 0, 1), numpy.array([True, False, True])),
        "complex": (
            COMPLEX64,
            build.packed(9, numpy.array([1 + 2j, 3, 4j], "<c8").tobytes()),
            numpy.array([1 + 2j, 3, 4j], "c8"),
        ),
        "string": (STRING, message(8, b"a") + message(8, b"") + message(8, b"\xff"), numpy.array([b"a", b"", b"\xff"], object)),
    }
    items = [build.meta(*((name, [3], dtype, WHOLE) for name, (dtype, _, _) in cases.items()))]
    items += [build.values(name, [None], tensor) for name, (_, tensor, _) in cases.items()]
    reader = open_reader(build.write(tmp_path / "m", *items, compression=compression))
    for name, (_, _, expected) in cases.items():
        actual = reader.read(name)
        assert (actual.dtype, actual.tolist()) == (expected.dtype, expected.tolist())
        assert actual.flags.c_contiguous
        lies_there = compression == 0 and name in ("packed", "content", "double", "complex")
        assert in_place(reader, name) == (expected.tobytes() if lies_there else None)
    reader.close()


def test_partitioned_variables(tmp_path: Path) -> None:
    """In one file and in two; TensorFlow wrote these for `tf.compat.v1.get_variable(..., partitioner=...)`."""
    whole = numpy.arange(24, dtype="<f4").reshape(4, 6)
    parts = {((0, 3), (0, 2)): whole[:3, :2], ((0, 3), (2, 4)): whole[:3, 2:], ((3, 1), None): whole[3:, :]}
    entries = [build.values("w", extents, build.packed(5, part.tobytes())) for extents, part in parts.items()]
    one = open_reader(build.write(tmp_path / "one", build.meta(("w", [4, 6], FLOAT, list(parts))), *entries))
    first, *others = parts
    build.write(tmp_path / "m-00000-of-00002", build.meta(("w", [4, 6], FLOAT, [first])), entries[0])
    build.write(tmp_path / "m-00001-of-00002", build.meta(("w", [4, 6], FLOAT, others)), *entries[1:])
    two = open_reader(str(tmp_path / "m"))
    for reader in (one, two):
        assert reader.variables["w"].shape == (4, 6)
        assert reader.read("w").tolist() == whole.tolist()
        assert reader.extent("w") is None
        reader.close()


def test_slices_that_tensorflow_writes(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    whole = numpy.random.default_rng(1).standard_normal((300, 70)).astype("float32")
    slices = {"0,100:0,70": whole[:100], "100,200:0,70": whole[100:]}
    path = str(tmp_path / "m")
    for number_of_file, (spec, part) in enumerate(slices.items()):
        tf.raw_ops.SaveSlices(
            filename=f"{path}-{number_of_file:05d}-of-00002",
            tensor_names=["emb/table"],
            shapes_and_slices=[f"300 70 {spec}"],
            data=[tf.constant(part)],
        )
    reader = open_reader(path)
    assert reader.read("emb/table").tobytes() == whole.tobytes()
    reader.close()


def test_shapes_at_the_edge(tmp_path: Path) -> None:
    items = [
        build.meta(("scalar", [], FLOAT, [()]), ("none", [0, 3], FLOAT, [(None, None)]), ("nothing", [5], QINT8, WHOLE)),
        build.values("scalar", [], build.packed(5, b"\0\0\x80\x3f")),
        build.values("none", [None, None], b""),
        build.values("nothing", [None], build.varints(7, 1, 2, 3, 4, 5)),
    ]
    path = build.write(tmp_path / "m", *items)
    reader = open_reader(path)
    assert (reader.read("scalar").shape, float(reader.read("scalar"))) == ((), 1)
    assert reader.read("none").shape == (0, 3)
    assert reader.variables["nothing"].dtype == "qint8"
    assert reader.extent("nothing") is None
    assert code_of(path, "nothing") == "MIG505"


@pytest.mark.parametrize(
    ("meta", "entry", "code"),
    [
        (("w", [3], FLOAT, WHOLE), build.values("w", [None], build.packed(5, bytes(8))), "MIG503"),  # two values of three
        (("w", [3], FLOAT, WHOLE), build.values("w", [None], build.packed(5, bytes(16))), "MIG503"),  # four
        (("w", [3], FLOAT, WHOLE), build.values("w", [None], build.packed(5, bytes(13))), "MIG503"),
        (("w", [3], FLOAT, WHOLE), build.values("w", [None], b""), "MIG503"),
        (("w", [3], FLOAT, WHOLE), build.values("w", [None], message(4, bytes(11))), "MIG503"),
        (("w", [3], FLOAT, WHOLE), build.values("w", [None], number(5, 3)), "MIG503"),  # a varint where floats are declared
        (("w", [3], FLOAT, WHOLE), build.values("w", [None], build.packed(5, bytes(12)), said="v"), "MIG503"),
        (("w", [3], FLOAT, WHOLE), build.values("v", [None], build.packed(5, bytes(12))), "MIG503"),  # no entry of this key
        (("w", [3], FLOAT, WHOLE), (build.key("w", [None]), message(1, b"")), "MIG503"),
        (("w", [3], FLOAT, WHOLE), (build.key("w", [None]), b"\xff"), "MIG503"),
        (("w", [2**60], FLOAT, WHOLE), build.values("w", [None], build.packed(5, bytes(12))), "MIG503"),
        (("w", [2**60, 0], FLOAT, [(None, None)]), build.values("w", [None], build.packed(5, bytes(12))), "MIG503"),
        (("w", [2**60, 16], FLOAT, [(None, None)]), build.values("w", [None], b""), "MIG503"),
        (("w", [-1], FLOAT, WHOLE), build.values("w", [None], b""), "MIG503"),
        (("w", [1] * 40, FLOAT, [(None,) * 40]), build.values("w", [None] * 40, build.packed(5, bytes(4))), "MIG505"),
        (("w", [3], 0, WHOLE), build.values("w", [None], b""), "MIG503"),
        (("w", [3], FLOAT, []), build.values("w", [None], b""), "MIG503"),  # no slice at all
        (("w", [3], FLOAT, [((0, 2),)]), build.values("w", [(0, 2)], build.packed(5, bytes(8))), "MIG503"),  # not all of it
        (("w", [3], FLOAT, [(None,), (None,)]), build.values("w", [None], build.packed(5, bytes(12))), "MIG503"),  # twice
        (("w", [3], FLOAT, [((0, 9),)]), build.values("w", [(0, 9)], build.packed(5, bytes(36))), "MIG503"),
        (("w", [3], FLOAT, [(None, None)]), build.values("w", [None], build.packed(5, bytes(12))), "MIG503"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, meta, entry, code) -> None:
    assert code_of(build.write(tmp_path / "m", build.meta(meta), entry), "w") == code


def test_two_files_that_disagree(tmp_path: Path) -> None:
    build.write(tmp_path / "m-00000-of-00002", build.meta(("w", [3], FLOAT, WHOLE)))
    build.write(tmp_path / "m-00001-of-00002", build.meta(("w", [4], FLOAT, WHOLE)))
    assert code_of(str(tmp_path / "m")) == "MIG503"


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([], "MIG503"),
        ([(b"w", b"")], "MIG503"),
        ([header()], "MIG502"),  # the index of a V2 checkpoint without its ending
        ([build.meta(min_consumer=2)], "MIG505"),
        ([(b"", message(1, b"\xff"))], "MIG503"),
        ([(b"", number(7, 1) + b"\x0f")], "MIG503"),
        ([(b"", message(1, message(1, message(1, b"\xff"))))], "MIG503"),  # a name that is no text
    ],
)
def test_lists_of_variables_that_are_none(tmp_path: Path, items, code) -> None:
    assert code_of(build.write(tmp_path / "m", *items)) == code


def test_a_table_without_blocks(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(table([]))
    assert code_of(str(tmp_path / "m")) == "MIG503"


def flipped(path: Path, offset: int) -> str:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(bytes(data))
    return str(path)


@pytest.mark.parametrize("compression", [0, 1])
def test_a_changed_byte_in_a_small_block(tmp_path: Path, compression: int) -> None:
    items = [build.meta(("w", [64], FLOAT, WHOLE)), build.values("w", [None], build.packed(5, bytes(range(256))))]
    path = Path(build.write(tmp_path / "m", *items, compression=compression))
    assert code_of(flipped(path, 120)) == "MIG504"


def test_a_changed_byte_in_a_large_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block is not read when the file is opened; whatever is read of it afterwards is checked."""
    monkeypatch.setattr(values, "_LARGE", 64)
    items = [
        build.meta(("a", [2], FLOAT, WHOLE), ("b", [640], FLOAT, WHOLE), ("c", [3], INT32, WHOLE)),
        build.values("a", [None], build.packed(5, b"\1\1\1\1\1\1\1\1")),
        build.values("b", [None], build.packed(5, bytes([2]) * 2560)),
        build.values("c", [None], build.varints(7, 1, 2, 3)),
    ]
    path = Path(build.write(tmp_path / "m", *items))
    content = path.read_bytes()
    reader = open_reader(str(path))
    assert [reader.read(name).size for name in "abc"] == [2, 640, 3]
    assert in_place(reader, "b") == bytes([2]) * 2560
    assert reader.extent("a") is None
    for changed in (content.index(bytes([1]) * 8), content.index(bytes([2]) * 99) + 1000):
        path.write_bytes(content)
        flipped(path, changed)
        for name in "abc":
            assert code_of(str(path), name) == "MIG504", name
    extent = open_reader(str(path)).extent("b")
    assert extent is not None
    assert extent.crc32c == crc32c(bytes([2]) * 2560), "the engine sums what is there now and finds it wrong"


def test_blocks_that_lie(tmp_path: Path) -> None:
    content = block([build.meta()])
    (tmp_path / "m").write_bytes(table([(content, 0)], [(0, 1 << 40)]))
    assert code_of(str(tmp_path / "m")) == "MIG503"
    (tmp_path / "m").write_bytes(table([(content, 7)]))
    assert code_of(str(tmp_path / "m")) == "MIG505"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("v1_single", {"Variable": 0.5, "Variable_1": 2.0}),
        ("v1_single/export", {"Variable": 0.5, "Variable_1": 2.0}),
        ("v1_sharded", {"a": 0.5, "b": 2.0}),
        ("v1_sharded/export", {"a": 0.5, "b": 2.0}),
        ("v1_sharded/export-?????-of-00001", {"a": 0.5, "b": 2.0}),
    ],
)
def test_files_of_2016(path: str, expected: dict[str, float]) -> None:
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "serving"
    if not folder.is_dir():
        pytest.skip("the shared files are not here")
    reader = open_reader(str(folder / path))
    assert {one.name: float(reader.read(one.name)) for one in reader.variables} == expected
    reader.close()
