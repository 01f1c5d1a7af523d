"""TensorFlow as the oracle: what it writes reads back as `tf.train.load_checkpoint` reads it, and damage never gets through."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_bundle_builder as build

from migspec.diagnostics import SpecError
from migspec.formats.leveldb_table import read_table
from migspec.formats.tensorflow_bundle import is_bundle, open_bundle
from migspec.formats.tensorflow_bundle.object_graph import is_bookkeeping
from migspec.formats.tensorflow_proto.datatypes import dtype_name
from migspec.formats.tensorflow_proto.slices import slice_key

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="TensorFlow writes the checkpoints that this module reads")

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
DATA = Path(__file__).parents[3] / "shared" / "data"
MOVABLE = ["bfloat16", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
MOVABLE += ["complex64", "complex128", "float16", "float32", "float64", "float8_e5m2", "float8_e4m3fn", "string"]


def values_of(dtype: str, shape: tuple[int, ...], seed: int):
    generator = np.random.default_rng(seed)
    if dtype == "string":
        lengths = generator.integers(0, 300, shape)
        return tf.constant(np.vectorize(generator.bytes, otypes=[object])(lengths), tf.string, shape)
    size = int(np.prod(shape)) * tf.as_dtype(dtype).size
    raw = generator.integers(0, 2 if dtype == "bool" else 256, size, np.uint8)
    return tf.constant(raw.view(tf.as_dtype(dtype).as_numpy_dtype).reshape(shape))


def save(prefix: Path | str, tensors: dict[str, object]) -> str:
    tf.raw_ops.SaveV2(
        prefix=str(prefix), tensor_names=list(tensors), shape_and_slices=[""] * len(tensors), tensors=list(tensors.values())
    )
    return str(prefix)


def assert_equals_oracle(path: str, prefix: str | None = None) -> dict[str, str]:
    """Compare everything that TensorFlow lists; the result is name -> key."""
    oracle = tf.compat.v1.train.NewCheckpointReader(prefix or path)
    reader = open_bundle(path)
    shapes = oracle.get_variable_to_shape_map()
    dtypes = oracle.get_variable_to_dtype_map()
    names = {}
    keys = []
    for variable in reader.variables:
        keys += reader.keys(variable.name)
        path_of = variable.aliases[0] if variable.aliases else variable.name
        key = path_of if path_of in shapes else path_of + VALUE
        names[variable.name] = key
        assert variable.shape == tuple(shapes[key]), key
        assert variable.dtype == tf.as_dtype(dtypes[key]).name
        value = reader.read(variable.name)
        expected = np.asarray(oracle.get_tensor(key))
        assert value.shape == expected.shape
        if variable.dtype == "string":
            assert value.tolist() == (expected.tolist() if expected.shape else expected[()]), key
            continue
        assert value.dtype == expected.dtype
        assert value.tobytes() == expected.tobytes(), key
        extent = reader.extent(variable.name)
        if extent is not None:
            with Path(extent.path).open("rb") as file:
                file.seek(extent.offset)
                assert file.read(extent.length) == expected.tobytes()
    graph = "_CHECKPOINTABLE_OBJECT_GRAPH" in shapes
    assert sorted(keys) == sorted(key for key in shapes if not (graph and is_bookkeeping(key)))
    assert set(names.values()) <= set(keys)
    return names


def test_every_dtype_and_rank(tmp_path):
    shapes = [(), (0,), (7,), (2, 0, 3), (2, 3, 4), (1, 1, 2, 1, 3, 1, 1)]
    tensors = {f"{dtype}/{i}": values_of(dtype, shape, i) for dtype in MOVABLE for i, shape in enumerate(shapes)}
    assert len(assert_equals_oracle(save(tmp_path / "m", tensors))) == len(tensors)


def test_the_names_of_all_dtypes():
    from tensorflow.core.framework import types_pb2

    numbers = [number for number in types_pb2.DataType.values() if 0 < number < 100]
    assert {number: dtype_name(number) for number in numbers} == {n: tf.as_dtype(n).name for n in numbers}


def test_random_checkpoints(tmp_path):
    generator = np.random.default_rng(7)
    for number in range(6):
        tensors = {}
        for i in range(generator.integers(1, 30)):
            name = "/".join("".join(generator.choice(list("abAB_.-09é"), generator.integers(1, 9))) for _ in range(3)) + f"_{i}"
            shape = tuple(generator.integers(0, 5, generator.integers(0, 5)).tolist())
            tensors[name] = values_of(str(generator.choice(MOVABLE)), shape, i)
        assert_equals_oracle(save(tmp_path / str(number), tensors))


def test_five_thousand_variables_in_many_blocks(tmp_path):
    names = [f"encoder/layer_{i // 10}/attention/part_{i % 10}/" + "x" * (i % 150) for i in range(5000)]
    prefix = save(tmp_path / "m", {name: np.float32(i) for i, name in enumerate(names)})
    reader = open_bundle(prefix)
    assert [variable.name for variable in reader.variables] == sorted(names)
    assert all(reader.read(name) == np.float32(i) for i, name in enumerate(names) if i % 50 == 0)
    assert len(list(read_table(prefix + ".index"))) == 5001


def test_three_shards(tmp_path):
    parts = [save(tmp_path / f"part{i}", {f"v{i}/{j}": values_of("float32", (j,), i) for j in range(9)}) for i in range(3)]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(tmp_path / "merged"))
    names = assert_equals_oracle(str(tmp_path / "merged"))
    assert len(names) == 27
    reader = open_bundle(str(tmp_path / "merged.data-00001-of-00003"))
    assert len(reader.files) == 4
    assert {reader.extent(name).path for name in names} == set(reader.files[1:])


@pytest.mark.parametrize("sharded", [False, True])
def test_partitioned_variables_of_the_tf1_saver(tmp_path, sharded):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        for axis in (0, 1, 2):
            partitioner = v1.fixed_size_partitioner(3, axis=axis)
            v1.get_variable(
                f"cut{axis}", (70, 130, 5), partitioner=partitioner, initializer=v1.random_normal_initializer(seed=1)
            )
        v1.get_variable("long", (20_000,), tf.int64, v1.zeros_initializer(), partitioner=v1.fixed_size_partitioner(7))
        v1.get_variable("whole", (3, 2))
        session.run(v1.global_variables_initializer())
        prefix = v1.train.Saver(sharded=sharded).save(session, str(tmp_path / "m"))
    names = assert_equals_oracle(prefix)
    assert sorted(names) == ["cut0", "cut1", "cut2", "long", "whole"]
    assert open_bundle(prefix).extent("cut1") is None
    assert_equals_oracle(str(tmp_path), prefix)  # through the state file that the saver wrote


def test_the_key_of_a_slice_for_every_size_of_number(tmp_path):
    for exponent in range(61):
        for start in {(1 << exponent) - 1, 1 << exponent}:
            prefix = str(tmp_path / str(start))
            where = f"{start + 2} 1 {start},1:-"
            tf.raw_ops.SaveV2(prefix=prefix, tensor_names=["v"], shape_and_slices=[where], tensors=[np.zeros((1, 1))])
            keys = [key for key, _ in read_table(f"{prefix}.index") if key.startswith(b"\0")]
            assert keys == [slice_key(b"v", [(start, 1), (0, None)])]


def test_object_based_checkpoints_of_modules(tmp_path):
    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.first = tf.Variable([1.0, 2.0], name="kernel")
            self.second = [tf.Variable(1, name="same"), tf.Variable(2, name="same")]
            self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
            self.table.insert(["a", "b"], [1, 2])

    tf.train.Checkpoint(model=Module()).save(str(tmp_path / "run" / "ckpt"))
    names = assert_equals_oracle(str(tmp_path / "run"), str(tmp_path / "run" / "ckpt-1"))
    assert sorted(names) == [
        "kernel",
        "model/second/0",
        "model/second/1",
        "model/table/.ATTRIBUTES/table-keys",
        "model/table/.ATTRIBUTES/table-values",
        "save_counter",
    ]
    moved = shutil.copytree(tmp_path / "run", tmp_path / "moved")
    (moved / "checkpoint").write_text('model_checkpoint_path: "/gone/run/ckpt-1"\n')
    assert_equals_oracle(str(moved), str(moved / "ckpt-1"))


def test_a_variable_as_the_root_and_a_variant_that_can_only_be_listed(tmp_path):
    tf.train.Checkpoint(root=tf.Variable(1.0, name="alone")).write(str(tmp_path / "root"))
    assert list(assert_equals_oracle(str(tmp_path / "root"))) == ["alone"]
    tf.train.Checkpoint(iterator=iter(tf.data.Dataset.range(3))).write(str(tmp_path / "iterator"))
    reader = open_bundle(str(tmp_path / "iterator"))
    [variable] = reader.variables
    assert variable.dtype == "variant"
    with pytest.raises(SpecError) as error:
        reader.read(variable.name)
    assert error.value.diagnostics[0].code == "MIG505"


def test_keras_models_uncompiled_compiled_and_exported(tmp_path):
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    weights = {variable.path for variable in model.variables}
    tf.train.Checkpoint(model=model).write(str(tmp_path / "plain"))
    assert set(assert_equals_oracle(str(tmp_path / "plain"))) == weights

    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    tf.train.Checkpoint(model=model).write(str(tmp_path / "compiled"))
    optimizer = {variable.path for variable in model.optimizer.variables}
    assert set(assert_equals_oracle(str(tmp_path / "compiled"))) == weights | optimizer

    model.export(str(tmp_path / "exported"), verbose=False)
    names = assert_equals_oracle(str(tmp_path / "exported"), str(tmp_path / "exported/variables/variables"))
    assert set(names) == weights
    reader = open_bundle(str(tmp_path / "exported"))
    assert reader.format == "saved-model"
    assert all(key.startswith("_all_variables/") for name in weights for key in reader.keys(name)[1:])
    assert any(len(reader.keys(name)) == 2 for name in weights)


def test_an_empty_basename(tmp_path):
    save(f"{tmp_path}/run/", {"v": values_of("float32", (3,), 0)})
    assert (tmp_path / "run" / ".index").exists()
    for path in (f"{tmp_path}/run", f"{tmp_path}/run/", f"{tmp_path}/run/.index"):
        assert_equals_oracle(path, f"{tmp_path}/run/")


@pytest.mark.parametrize(
    ("path", "prefix", "count"),
    [
        ("char_rnn/model-85340", "char_rnn/model-85340", 27),
        ("musicnn_mtt_vgg", "musicnn_mtt_vgg/", 86),
        ("serving/saved_model_tf1", "serving/saved_model_tf1/variables/variables", 5),
        ("serving/saved_model_tf2", "serving/saved_model_tf2/variables/variables", 3),
        ("serving/text_regression", "serving/text_regression/variables/variables", 0),
    ],
)
def test_published_checkpoints(path, prefix, count):
    if not DATA.exists():
        pytest.skip("the published checkpoints are not beside the checkout")
    assert len(assert_equals_oracle(f"{DATA}/{path}", f"{DATA}/{prefix}")) == count
    assert not is_bundle(f"{DATA}/serving/v1_single")


def small_checkpoint(folder: Path) -> str:
    """Object-based, with full names, strings, two shards and a partitioned variable, in a few kilobytes."""
    objects = {"model": tf.Module(), "words": tf.Variable(["a", "bcd", ""]), "number": tf.Variable([1 + 2j])}
    objects["model"].kernel = tf.Variable(np.ones((2, 3), np.float32), name="dense/kernel")
    tf.train.Checkpoint(**objects).write(str(folder / "part0"))
    tf.raw_ops.SaveV2(
        prefix=str(folder / "part1"),
        tensor_names=["cut", "cut"],
        shape_and_slices=["5 2 0,2:-", "5 2 2,3:-"],
        tensors=[np.ones((2, 2)), np.ones((3, 2))],
    )
    parts = [str(folder / "part0"), str(folder / "part1")]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(folder / "m"))
    return str(folder / "m")


def read_all(path: str) -> None:
    reader = open_bundle(path)
    for variable in reader.variables:
        reader.extent(variable.name)
        reader.read(variable.name)


def mutate(data: bytes, generator: np.random.Generator) -> bytes:
    """Flip bits, overwrite, cut out, double or cut off."""
    changed = bytearray(data)
    start, end = sorted(generator.integers(0, len(data) + 1, 2).tolist())
    match generator.integers(0, 6):
        case 0 | 1:
            for at in generator.integers(0, len(data), generator.integers(1, 4)):
                changed[at] ^= 1 << generator.integers(0, 8)
        case 2:
            at = generator.integers(0, len(data))
            changed[at : at + 10] = bytes([generator.choice([0xFF, 0, 0x7F, 0x80])]) * int(generator.integers(1, 11))
        case 3:
            del changed[start : min(end, start + 20)]
        case 4:
            changed[start:start] = changed[start : min(end, start + 20)]
        case _:
            del changed[start:]
    return bytes(changed)


@pytest.fixture
def _no_large_arrays(monkeypatch):
    empty = np.empty

    def guarded(shape, dtype=float):
        assert np.prod(shape, dtype=object) * np.dtype(dtype).itemsize < 100_000, "allocated what the files do not have"
        return empty(shape, dtype)

    monkeypatch.setattr(np, "empty", guarded)


@pytest.mark.usefixtures("_no_large_arrays")
def test_random_damage_is_an_error_of_its_own_and_never_another_exception(tmp_path):
    prefix = small_checkpoint(tmp_path)
    read_all(prefix)
    files = {path: Path(path).read_bytes() for path in open_bundle(prefix).files}
    index = f"{prefix}.index"
    items = list(read_table(index))
    generator = np.random.default_rng(11)
    codes: dict[str, int] = {}
    for round_number in range(1002):
        for path, data in files.items():
            Path(path).write_bytes(data)
        match round_number % 3:
            case 0:  # a file as it lies on the disk: mostly the checksums find it
                path = str(generator.choice(list(files)))
                Path(path).write_bytes(mutate(files[path], generator))
            case 1:  # a block of the table, its checksum made right again
                Path(index).write_bytes(build.table([(mutate(build.block(items), generator), 0)]))
            case _:  # one message of the index
                at = generator.integers(0, len(items))
                lying = [*items[:at], (items[at][0], mutate(items[at][1], generator)), *items[at + 1 :]]
                Path(index).write_bytes(build.table([(build.block(lying), 0)]))
        try:
            read_all(prefix)
            code = "fine"
        except SpecError as error:
            code = error.diagnostics[0].code
        codes[code] = codes.get(code, 0) + 1
    assert set(codes) <= {"fine", "MIG501", "MIG503", "MIG504", "MIG505"}
    assert codes["MIG503"] > 300
    assert codes["MIG504"] > 100
