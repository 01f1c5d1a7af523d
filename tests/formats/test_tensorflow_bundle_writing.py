"""Bundles that migspec writes, opened by TensorFlow: by its checkpoint reader, a TF1 `Saver`, and `tf.train.Checkpoint`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow_bundle_builder as build
from hypothesis import given, settings
from hypothesis import strategies as st
from writing_values import map_of, write_values

import migspec
from migspec.diagnostics import SpecError
from migspec.dtypes import NAMES, itemsize, numpy_dtype
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.tensorflow_bundle import open_bundle
from migspec.formats.writing import create_writer
from migspec.variables import Variable, VariableMap

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="TensorFlow opens the checkpoints that this module writes")

DATA = Path(__file__).parents[3] / "shared" / "data"


def save(prefix: Path | str, values, template=None, band: int = 1 << 20, **options) -> str:
    destination = Destination(str(prefix), **options)
    writer = create_writer(destination, map_of(values), format="tensorflow-bundle", template=template)
    try:
        write_values(writer, values, band)
        writer.commit()
    finally:
        writer.abort()
    return str(prefix)


def save_by_tensorflow(prefix: Path | str, values) -> str:
    tensors = [tf.constant(v.tolist(), tf.string, v.shape) if v.dtype == object else tf.constant(v) for v in values.values()]
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=list(values), shape_and_slices=[""] * len(values), tensors=tensors)
    return str(prefix)


def files_of(prefix: str) -> dict[str, bytes]:
    """The files of a bundle by what follows the prefix."""
    folder, basename = os.path.split(prefix)
    found = (file for file in Path(folder).iterdir() if file.name.startswith(basename + "."))
    return {file.name.removeprefix(basename): file.read_bytes() for file in found}


def values_of(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if dtype == "string":
        flat = np.empty(int(np.prod(shape)), object)
        flat[:] = [generator.bytes(length) for length in generator.integers(0, 300, flat.size)]
        return flat.reshape(shape)
    raw = generator.integers(0, 2 if dtype == "bool" else 256, int(np.prod(shape)) * itemsize(dtype), np.uint8)
    return raw.view(numpy_dtype(dtype)).reshape(shape)


def assert_tensorflow_reads(prefix: str, values) -> None:
    reader = tf.train.load_checkpoint(prefix)
    assert set(reader.get_variable_to_shape_map()) == set(values)
    for name, value in values.items():
        loaded = np.asarray(reader.get_tensor(name))
        assert loaded.shape == value.shape, name
        if value.dtype == object:
            assert loaded.tolist() == value.tolist()
        else:
            assert (loaded.dtype, loaded.tobytes()) == (value.dtype, value.tobytes()), name


def refusal(action, *arguments, **options):
    with pytest.raises(SpecError) as caught:
        action(*arguments, **options)
    [diagnostic] = caught.value.diagnostics
    return diagnostic


SHAPES = [(), (0,), (7,), (2, 0, 3), (2, 3, 4), (1, 1, 2, 1, 3, 1, 1)]


def test_every_dtype_and_rank_is_written_byte_for_byte_as_tensorflow_writes_it(tmp_path):
    numbers = [name for name in NAMES if name != "string"]
    values = {f"{dtype}/{i}": values_of(dtype, shape, i) for dtype in numbers for i, shape in enumerate(SHAPES)}
    values |= {f"~string/{i}": values_of("string", shape, i) for i, shape in enumerate(SHAPES)}  # strings lie behind numbers
    values = dict(sorted(values.items()))
    ours = save(tmp_path / "ours", values, band=5)
    assert files_of(ours) == files_of(save_by_tensorflow(tmp_path / "theirs", values))
    assert_tensorflow_reads(ours, values)


def test_strings_among_numbers_come_back(tmp_path):
    values = {"b": values_of("string", (2, 2), 0), "a": values_of("int8", (3,), 1), "c": values_of("string", (), 2)}
    prefix = save(tmp_path / "m", values)
    assert_tensorflow_reads(prefix, values)
    reader = open_bundle(prefix)
    assert {name: reader.read(name).tolist() for name in values} == {name: value.tolist() for name, value in values.items()}


NAME = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda name: name[0] != "\0")
SHAPE = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(NAME, st.tuples(st.sampled_from(NAMES), SHAPE, st.integers(0, 99)), max_size=12),
    st.integers(1, 100),
    st.data(),
)
def test_round_trip(tmp_path_factory, described, band, data):
    """From a bundle of TensorFlow through the reader and the writer to TensorFlow's reader, whatever order values come in."""
    folder = tmp_path_factory.mktemp("round")
    values = {name: values_of(*description) for name, description in described.items()}
    reader = open_bundle(save(folder / "first", values))
    read = {name: reader.read(name) for name in data.draw(st.permutations(list(values)))}
    writer = create_writer(Destination(f"{folder}/second.ckpt"), reader.variables)
    write_values(writer, read, band)
    writer.commit()
    assert files_of(f"{folder}/second.ckpt").keys() == {".index", ".data-00000-of-00001"}
    if values:  # TensorFlow takes a bundle without tensors for none
        assert_tensorflow_reads(f"{folder}/second.ckpt", values)


def test_twenty_thousand_variables(tmp_path):
    names = [f"encoder/layer_{i // 10}/attention/part_{i % 10}/" + "x" * (i % 50) for i in range(20_000)]
    values = {name: np.full((2,), i, np.float32) for i, name in enumerate(names)}
    writer = create_writer(Destination(str(tmp_path / "m.ckpt")), map_of(values))
    writer.write_many([(name, memoryview(value.tobytes())) for name, value in values.items()])
    writer.commit()
    assert_tensorflow_reads(str(tmp_path / "m.ckpt"), values)


def test_a_saver_in_a_graph_of_tensorflow_1_restores_it(tmp_path):
    v1 = tf.compat.v1
    values = {"dense/kernel": values_of("float32", (4, 3), 0) * 0 + 2, "dense/bias": np.arange(3, dtype=np.float32)}
    prefix = save(tmp_path / "model.ckpt-7", values)
    with tf.Graph().as_default(), v1.Session() as session:
        kernel, bias = v1.get_variable("dense/kernel", (4, 3)), v1.get_variable("dense/bias", (3,))
        output = tf.matmul(tf.ones((1, 4)), kernel) + bias
        v1.train.Saver().restore(session, prefix)
        assert session.run(output).tolist() == [[8, 9, 10]]


def test_a_published_graph_gives_its_published_outputs_from_what_is_written(tmp_path):
    if not DATA.exists():
        pytest.skip("the published checkpoints are not beside the checkout")
    v1 = tf.compat.v1
    source = open_reader(str(DATA / "char_rnn/model-85340"))
    prefix = save(tmp_path / "m", {variable.name: source.read(variable.name) for variable in source.variables})
    truth = np.load(DATA / "char_rnn/truth.npz")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(str(DATA / "char_rnn/model-85340.meta")).restore(session, prefix)
        output = session.run("training/softmax/Softmax:0", {"training/inputs:0": truth["x"]})
    assert np.abs(output.reshape(truth["p"].shape) - truth["p"]).max() < 1e-5


def partitioned_checkpoint(prefix: str, axis: int, sharded: bool = False) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        embedding(axis)
        v1.get_variable("whole", (3, 2))
        session.run(v1.global_variables_initializer())
        v1.train.Saver(sharded=sharded).save(session, prefix)


def embedding(axis: int):
    v1 = tf.compat.v1
    initializer = v1.random_normal_initializer(seed=1)
    return v1.get_variable("embedding", (9, 7, 5), partitioner=v1.fixed_size_partitioner(3, axis=axis), initializer=initializer)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("band", [1, 50, 1 << 20])
def test_a_partitioned_variable_keeps_its_slices(tmp_path, axis, band):
    partitioned_checkpoint(str(tmp_path / "old"), axis, sharded=axis == 1)
    template = open_bundle(str(tmp_path / "old"))
    values = {"embedding": values_of("int32", (9, 7, 5), 3).astype(np.float32), "whole": np.ones((3, 2), np.float32)}
    prefix = save(tmp_path / "new", values, template, band)
    assert_tensorflow_reads(prefix, values)
    assert open_bundle(prefix).index.tensors["embedding"].slices == template.index.tensors["embedding"].slices
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        whole = tf.concat(list(embedding(axis)), axis)
        v1.train.Saver().restore(session, prefix)
        assert (session.run(whole) == values["embedding"]).all()


def test_the_same_values_in_slices_are_the_same_bytes_as_tensorflow_writes(tmp_path):
    partitioned_checkpoint(str(tmp_path / "old"), 1)
    template = open_bundle(str(tmp_path / "old"))
    values = {variable.name: template.read(variable.name) for variable in template.variables}
    prefix = save(tmp_path / "new", values, template, band=64)
    assert files_of(prefix) == {key: value for key, value in files_of(str(tmp_path / "old")).items() if key != ".meta"}


def test_strings_in_slices(tmp_path):
    words = values_of("string", (5, 2), 0)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "old"),
        tensor_names=["words", "words"],
        shape_and_slices=["5 2 0,2:-", "5 2 2,3:-"],
        tensors=[tf.constant(words[:2].tolist()), tf.constant(words[2:].tolist())],
    )
    template = open_bundle(str(tmp_path / "old"))
    # TensorFlow writes strings in slices and cannot read them, so that only its bytes tell what is right.
    assert files_of(save(tmp_path / "same", {"words": words}, template)) == files_of(str(tmp_path / "old"))
    prefix = save(tmp_path / "new", {"words": words[::-1]}, template)
    assert open_bundle(prefix).read("words").tolist() == words[::-1].tolist()


class Layer(tf.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.kernel = tf.Variable(values_of("float32", (4, 3), seed) * 0 + seed, name="kernel")
        self.parts = [tf.Variable(np.full(3, seed + part, np.float32), name="part") for part in range(2)]
        self.words = tf.Variable(["a", "b"], name="words")
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.table.insert(["a"], [seed])

    def __call__(self, x):
        return tf.matmul(x, self.kernel) + self.parts[0] * self.parts[1]


def test_an_object_based_checkpoint_is_restored_into_its_objects(tmp_path):
    model, optimizer = Layer(1), tf.Variable(5, name="step")
    tf.train.Checkpoint(model=model, step=optimizer).save(str(tmp_path / "old"))
    template = open_bundle(str(tmp_path / "old-1"))
    new = Layer(8)
    values = {"kernel": new.kernel.numpy(), "model/parts/0": new.parts[0].numpy(), "model/parts/1": new.parts[1].numpy()}
    prefix = save(tmp_path / "new.ckpt", values, template)
    restored, step = Layer(0), tf.Variable(0, name="step")
    checkpoint = tf.train.Checkpoint(model=restored, step=step)
    checkpoint.restore(prefix).assert_consumed()
    x = tf.ones((2, 4))
    assert (restored(x).numpy() == new(x).numpy()).all()
    assert (step.numpy(), checkpoint.save_counter.numpy(), restored.words.numpy().tolist()) == (5, 1, [b"a", b"b"])
    assert restored.table.lookup(tf.constant(["a"])).numpy().tolist() == [1]
    reader = open_bundle(prefix)
    assert reader.variables == VariableMap.of(prefix, template.variables)
    assert reader.read("words").tolist() == [b"a", b"b"]


def test_a_keras_model_is_restored_from_an_object_based_checkpoint(tmp_path):
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend")

    def model():
        made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")], name="m")
        made.compile("adam", "mse")
        made.optimizer.build(made.trainable_variables)
        return made

    old, new, restored = model(), model(), model()
    tf.train.Checkpoint(model=old).write(str(tmp_path / "old"))
    template = open_bundle(str(tmp_path / "old"))
    values = {variable.path: variable.numpy() for variable in new.variables}
    prefix = save(tmp_path / "new.ckpt", values, template)
    tf.train.Checkpoint(model=restored).read(prefix).assert_consumed()
    x = np.ones((2, 4), np.float32)
    assert (restored(x).numpy() == new(x).numpy()).all()


def test_what_migspec_does_not_read_is_carried_over(tmp_path):
    """The state of an iterator is a variant, of which only TensorFlow knows what its bytes mean."""

    def objects():
        iterator = iter(tf.data.Dataset.range(9))
        return iterator, tf.train.Checkpoint(iterator=iterator, step=tf.Variable(0, name="step"))

    iterator, checkpoint = objects()
    next(iterator), next(iterator)
    checkpoint.write(str(tmp_path / "old"))
    template = open_bundle(str(tmp_path / "old"))
    writer = create_writer(Destination(str(tmp_path / "new")), template.variables, template=template)
    writer.write("step", 0, memoryview(np.int32(3).tobytes()))
    writer.commit()
    restored, target = objects()
    target.read(str(tmp_path / "new")).assert_consumed()
    assert (next(restored).numpy(), target.step.numpy()) == (2, 3)


def test_a_template_keeps_the_values_of_what_is_not_written(tmp_path):
    values = {"a": values_of("float64", (3,), 0), "b": values_of("string", (2,), 1), "c": values_of("complex64", (2,), 2)}
    template = open_bundle(save(tmp_path / "old", values))
    assert_tensorflow_reads(save(tmp_path / "new", {"a": values["a"] + 1}, template), values | {"a": values["a"] + 1})


@pytest.mark.parametrize("dtype", ["int8", "int16", "float64", "complex64", "bfloat16", "string"])
def test_a_big_endian_template_is_turned_over(tmp_path, dtype):
    value = values_of(dtype, (3,), 0)
    width = itemsize(dtype) // (2 if dtype.startswith("complex") else 1)
    if dtype == "string":
        data, crc32c = build.strings(value.tolist(), ">")
    else:
        data = np.frombuffer(value.tobytes(), np.uint8).reshape(-1, width)[:, ::-1].tobytes()
        crc32c = build.masked(data)
    number = {"int8": 6, "int16": 5, "float64": 2, "complex64": 8, "bfloat16": 14, "string": 7}[dtype]
    head = build.header(big_endian=True)
    items = [build.entry("kept", number, (3,), data, crc32c=crc32c), build.entry("new", number, (3,), data, crc32c=crc32c)]
    template = open_bundle(build.write(tmp_path / "old", items, data, head=head))
    assert_tensorflow_reads(save(tmp_path / "out", {"new": value}, template), {"kept": value, "new": value})


@pytest.mark.parametrize(
    ("name", "dtype", "says"),
    [
        ("", "float32", "without a name"),
        ("\0x", "float32", "slices"),
        ("_CHECKPOINTABLE_OBJECT_GRAPH", "float32", "object graph"),
        ("\ud800", "float32", "no text"),
        ("v", "qint8", "qint8"),
        ("v", "datatype_99", "datatype_99"),
        ("v", "<U5", "<U5"),
    ],
)
def test_what_a_bundle_cannot_hold_is_refused_before_anything_is_written(tmp_path, name, dtype, says):
    variables = VariableMap.of("x", [Variable("fine", (), "int8"), Variable(name, (2,), dtype)])
    diagnostic = refusal(create_writer, Destination(str(tmp_path / "m.ckpt")), variables)
    assert diagnostic.code == "MIG508"
    assert says in diagnostic.message
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_the_template_is_refused(tmp_path):
    template = open_bundle(save(tmp_path / "old", {"v": np.ones(3, np.float32)}))
    before = sorted(tmp_path.iterdir())
    for variable in (Variable("w", (3,), "float32"), Variable("v", (4,), "float32"), Variable("v", (3,), "float64")):
        variables = VariableMap.of("x", [variable])
        assert refusal(create_writer, Destination(str(tmp_path / "new.ckpt")), variables, template=template).code == "MIG508"
    (tmp_path / "old.data-00000-of-00001").unlink()
    assert (
        refusal(create_writer, Destination(str(tmp_path / "new.ckpt")), VariableMap.of("x", []), template=template).code
        == "MIG501"
    )
    assert sorted(tmp_path.iterdir()) == before[1:]


def test_a_template_that_has_changed_is_an_error_and_leaves_nothing(tmp_path):
    template = open_bundle(save(tmp_path / "old", {"kept": np.ones(3, np.float32), "new": np.ones(3, np.float32)}))
    data = tmp_path / "old.data-00000-of-00001"
    data.write_bytes(b"x" + data.read_bytes()[1:])
    before = sorted(tmp_path.iterdir())
    assert refusal(save, tmp_path / "out", {"new": np.zeros(3, np.float32)}, template).code == "MIG504"
    assert sorted(tmp_path.iterdir()) == before


VALUES = {"v": np.arange(3, dtype=np.float32)}


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("m.ckpt", "m.ckpt"),
        ("m.ckpt-85340", "m.ckpt-85340"),
        ("m", "m"),
        ("m.index", "m"),
        ("m.data-00000-of-00001", "m"),
        ("m.data-00002-of-00004", "m"),
        ("run/", "run/"),
        ("run/.index", "run/"),
        ("[a]*{0} é", "[a]*{0} é"),
    ],
)
def test_the_places_of_an_output(tmp_path, monkeypatch, path, prefix):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    template = open_bundle(save("template", VALUES))
    writer = create_writer(Destination(path), map_of(VALUES), template=template)
    write_values(writer, VALUES)
    writer.commit()
    assert Path(f"{prefix}.index").is_file()
    assert Path(f"{prefix}.data-00000-of-00001").is_file()
    assert open_reader(path).read("v").tolist() == [0, 1, 2]
    if "*" not in prefix:  # which TensorFlow would take for a pattern
        assert tf.compat.v1.train.NewCheckpointReader(prefix).get_tensor("v").tolist() == [0, 1, 2]
    assert refusal(create_writer, Destination(path), map_of(VALUES), template=template).code == "MIG506"


def test_no_state_file_is_written_or_changed(tmp_path):
    save(tmp_path / "new.ckpt", VALUES)
    assert tf.train.latest_checkpoint(str(tmp_path)) is None
    tf.compat.v1.train.update_checkpoint_state(str(tmp_path), str(tmp_path / "new.ckpt"))
    save(tmp_path / "newer.ckpt", VALUES)
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "new.ckpt")


def test_a_folder_is_no_place_for_a_prefix(tmp_path):
    (tmp_path / "run.ckpt").mkdir()
    diagnostic = refusal(save, tmp_path / "run.ckpt", VALUES, overwrite=True)
    assert diagnostic.code == "MIG514"
    assert "run.ckpt/model.ckpt" in diagnostic.helps[0]
    assert refusal(save, tmp_path / "missing" / "m", VALUES).code == "MIG514"
    assert refusal(save, f"{tmp_path}/missing/", VALUES).code == "MIG514"


def test_an_output_replaces_all_data_files_of_the_old_one(tmp_path):
    parts = [save(tmp_path / f"part{i}", {f"v{i}": np.ones(2)}) for i in range(3)]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(tmp_path / "m"))
    assert len(files_of(str(tmp_path / "m"))) == 4
    assert refusal(save, tmp_path / "m", VALUES).code == "MIG506"
    assert len(files_of(str(tmp_path / "m"))) == 4
    assert_tensorflow_reads(save(tmp_path / "m", VALUES, overwrite=True), VALUES)
    assert set(files_of(str(tmp_path / "m"))) == {".index", ".data-00000-of-00001"}


def test_an_output_never_replaces_or_removes_what_is_read(tmp_path):
    prefix = save(tmp_path / "m", VALUES)
    os.link(f"{prefix}.data-00000-of-00001", tmp_path / "n.data-00001-of-00003")
    reading = open_bundle(prefix).files
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path in ("m", "m.index", "m.data-00000-of-00001", "n"):
        assert refusal(save, tmp_path / path, VALUES, overwrite=True, reading=reading).code == "MIG507"
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_bytes_out_of_order_or_missing_are_a_mistake_of_the_caller(tmp_path):
    values = {"v": np.arange(4, dtype=np.float32), "s": values_of("string", (1,), 0)}
    writer = create_writer(Destination(str(tmp_path / "m.ckpt")), map_of(values))
    writer.write("v", 0, memoryview(bytes(4)))
    for offset, length in ((0, 4), (8, 4), (4, 16)):
        with pytest.raises(ValueError, match="bytes"):
            writer.write("v", offset, memoryview(bytes(length)))
    with pytest.raises(ValueError, match="not written"):
        writer.commit()
    writer.write_strings("s", values["s"])
    with pytest.raises(ValueError, match="not written"):
        writer.commit()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_whole_migration_keeps_what_it_cannot_read(tmp_path):
    """From a variable map and a spec to a checkpoint of TensorFlow 2, by way of the Python API."""
    iterator = iter(tf.data.Dataset.range(9))
    next(iterator)
    tf.train.Checkpoint(iterator=iterator, kernel=tf.Variable([1.0, 2.0], name="kernel")).write(str(tmp_path / "old"))
    np.savez(tmp_path / "source.npz", w=np.float32([5, 6]))
    (tmp_path / "spec.mig").write_text("mig 1\nrename w -> kernel\nkeep iterator/**\n")
    migration = migspec.compile(tmp_path / "spec.mig", str(tmp_path / "source.npz"), str(tmp_path / "old"))
    migration.apply(tmp_path / "new", verify=True)
    migration.close()
    kernel, restored = tf.Variable([0.0, 0.0], name="kernel"), iter(tf.data.Dataset.range(9))
    tf.train.Checkpoint(iterator=restored, kernel=kernel).read(str(tmp_path / "new")).assert_consumed()
    assert (kernel.numpy().tolist(), next(restored).numpy()) == ([5, 6], 1)
    (tmp_path / "moved.mig").write_text("mig 1\nsame iterator/**\nkeep kernel\ndrop kernel\n")
    found = refusal(migspec.compile, tmp_path / "moved.mig", str(tmp_path / "old"), str(tmp_path / "old"))
    assert found.code == "MIG414"
