"""SavedModels that migspec writes, loaded by TensorFlow: their signatures give the outputs of the new weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from writing_values import map_of, write_values

from migspec.diagnostics import SpecError
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.tensorflow_bundle import open_bundle
from migspec.formats.tensorflow_bundle.farmhash import fingerprint64
from migspec.formats.tensorflow_bundle.fingerprint import with_variables
from migspec.formats.writing import create_writer, format_of
from migspec.variables import VariableMap

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="TensorFlow loads the SavedModels that this module writes")

DATA = Path(__file__).parents[3] / "shared" / "data" / "serving"
X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)


class Module(tf.Module):
    """Two variables of one full name, strings, a table, an asset and a constant that is no variable."""

    def __init__(self, seed: int, vocabulary: Path | None = None) -> None:
        super().__init__()
        generator = np.random.default_rng(seed)
        self.kernel = tf.Variable(generator.standard_normal((4, 3), np.float32), name="dense/kernel")
        self.parts = [tf.Variable(generator.standard_normal(3, np.float32), name="part") for _ in range(2)]
        self.words = tf.Variable(["a", "b"], name="words")
        if vocabulary is not None:
            file = tf.lookup.TextFileInitializer(
                str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            )
            self.table = tf.lookup.StaticHashTable(file, -1)

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def serve(self, x):
        return {"y": tf.matmul(x, self.kernel) * self.parts[0] + self.parts[1]}

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def place_of(self, word):
        return self.table.lookup(word)


def save_module(folder: Path, seed: int) -> Module:
    vocabulary = folder.parent / "vocabulary.txt"
    vocabulary.write_text("one\ntwo\n")
    module = Module(seed, vocabulary)
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return module


def replace(template: Path | str, out: Path, values, **options) -> None:
    with_template = open_reader(str(template))
    writer = create_writer(Destination(str(out), **options), map_of(values), template=with_template)
    try:
        write_values(writer, values, band=16)
        assert not out.exists() or options.get("overwrite")
        writer.commit()
    finally:
        writer.abort()


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refusal(action, *arguments, **options):
    with pytest.raises(SpecError) as caught:
        action(*arguments, **options)
    [diagnostic] = caught.value.diagnostics
    return diagnostic


def assert_others_are_the_same(old: Path, new: Path) -> None:
    """Everything but the variables, and what is said of them."""
    changed = {"fingerprint.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"}
    before, after = files_below(old), files_below(new)
    assert set(before) == set(after)
    assert {name: after[name] for name in set(after) - changed} == {name: before[name] for name in set(before) - changed}
    assert {str(f.relative_to(old)) for f in old.rglob("*/")} == {str(f.relative_to(new)) for f in new.rglob("*/")}


def test_a_module(tmp_path):
    save_module(tmp_path / "old", 1)
    new = Module(2)
    values = {"dense/kernel": new.kernel.numpy(), "parts/0": new.parts[0].numpy(), "parts/1": new.parts[1].numpy()}
    replace(tmp_path / "old", tmp_path / "new", values)
    assert_others_are_the_same(tmp_path / "old", tmp_path / "new")
    loaded = tf.saved_model.load(str(tmp_path / "new"))
    expected = new.serve(X)["y"].numpy()
    assert (loaded.signatures["serving_default"](tf.constant(X))["y"].numpy() == expected).all()
    assert (loaded.serve(X)["y"].numpy() == expected).all()
    assert loaded.place_of("two").numpy() == 1
    assert loaded.words.numpy().tolist() == [b"a", b"b"]


def keras_model(seed: int):
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend")
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(3, name="dense"), keras.layers.BatchNormalization(name="norm"), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((4,)), *layers], name="m")
    model.fit(X, np.ones((2, 3), np.float32), verbose=0) if model.compile("sgd", "mse") else None
    return model


def test_an_export_of_keras_in_both_of_its_copies(tmp_path):
    old, new = keras_model(1), keras_model(2)
    old.export(str(tmp_path / "old"), verbose=False)
    values = {variable.path: variable.numpy() for variable in new.variables if "seed_generator" not in variable.path}
    replace(tmp_path / "old", tmp_path / "new", values)
    assert_others_are_the_same(tmp_path / "old", tmp_path / "new")
    loaded = tf.saved_model.load(str(tmp_path / "new"))
    expected = new(X).numpy()
    assert np.abs(expected - old(X).numpy()).max() > 0.1
    assert np.allclose(loaded.serve(X).numpy(), expected, atol=1e-6)
    assert np.allclose(loaded.signatures["serving_default"](tf.constant(X))["output_0"].numpy(), expected, atol=1e-6)
    for variables in (loaded.variables, loaded._all_variables):
        named = {variable.name.removesuffix(":0"): variable.numpy() for variable in variables}
        assert all((named[name] == value).all() for name, value in values.items() if name in named)
    assert len(loaded._all_variables) == len(values)


def save_tf1(folder: Path, seed: int) -> np.ndarray:
    """A SavedModel of TensorFlow 1; the result is its output for X."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 4), "x")
        kernel = v1.get_variable("dense/kernel", (4, 3), initializer=v1.random_normal_initializer(seed=seed))
        bias = v1.get_variable("dense/bias", (3,), use_resource=False, initializer=v1.random_normal_initializer(seed=seed + 7))
        y = tf.add(tf.matmul(x, kernel), bias)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
        return session.run(y, {x: X})


def test_a_model_of_tensorflow_1(tmp_path):
    save_tf1(tmp_path / "old", 1)
    expected = save_tf1(tmp_path / "other", 2)
    source = open_reader(str(tmp_path / "other"))
    assert [variable.name for variable in source.variables] == ["dense/bias", "dense/kernel"]
    replace(tmp_path / "old", tmp_path / "new", {variable.name: source.read(variable.name) for variable in source.variables})
    assert_others_are_the_same(tmp_path / "old", tmp_path / "new")
    signature = tf.saved_model.load(str(tmp_path / "new")).signatures["serving_default"]
    assert (signature(x=tf.constant(X))["y"].numpy() == expected).all()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "new"))
        assert (session.run("Add:0", {"x:0": X}) == expected).all()


@pytest.mark.parametrize(
    ("name", "names"), [("saved_model_tf1", ["a", "a2", "b", "c", "c2"]), ("saved_model_tf2", ["a", "b", "c"])]
)
def test_published_models(tmp_path, name, names):
    if not DATA.exists():
        pytest.skip("the published models are not beside the checkout")
    source = open_reader(str(DATA / name))
    assert (source.format, [variable.name for variable in source.variables]) == ("saved-model", names)
    values = {variable.name: source.read(variable.name) + 1 for variable in source.variables}
    replace(DATA / name, tmp_path / "new", values)
    assert_others_are_the_same(DATA / name, tmp_path / "new")

    def halved(folder) -> float:
        signature = tf.saved_model.load(str(folder)).signatures["regress_x_to_y"]
        example = tf.train.Example()
        example.features.feature["x"].float_list.value.append(4.0)
        [output] = signature(tf.constant([example.SerializeToString()])).values()
        return float(output.numpy().item())

    assert (halved(DATA / name), halved(tmp_path / "new")) == (4.0, 1.5 * 4 + 3)  # y = a x + b, and both are one more


def uuid_of(folder: Path) -> str:
    from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

    uuid = FingerprintDef.FromString((folder / "fingerprint.pb").read_bytes()).uuid
    assert uuid.isdecimal()
    return uuid


def test_the_fingerprint_is_that_of_the_new_variables(tmp_path):
    save_module(tmp_path / "old", 1)
    values = {"dense/kernel": np.ones((4, 3), np.float32)}
    for name in ("new", "again"):
        replace(tmp_path / "old", tmp_path / name, values)
    old, new, again = (tf.saved_model.experimental.read_fingerprint(str(tmp_path / name)) for name in ("old", "new", "again"))
    index = (tmp_path / "new/variables/variables.index").read_bytes()
    data = np.frombuffer(index, np.uint8)[None]
    [expected] = tf.raw_ops.Fingerprint(data=data, method="farmhash64").numpy().view(np.uint64).ravel().tolist()
    assert new.checkpoint_hash == expected != old.checkpoint_hash
    assert len({uuid_of(tmp_path / name) for name in ("old", "new")}) == 2
    for field in ("saved_model_checksum", "graph_def_program_hash", "signature_def_hash", "saved_object_graph_hash", "version"):
        assert getattr(new, field) == getattr(old, field)
    assert new == again
    assert files_below(tmp_path / "new") == files_below(tmp_path / "again")
    old_index = (tmp_path / "old/variables/variables.index").read_bytes()
    assert fingerprint64(old_index) == old.checkpoint_hash


def test_the_hash_is_that_of_tensorflow():
    for length in (*range(1, 140), 1000, 4097):
        data = np.random.default_rng(length).integers(0, 256, (4, length), np.uint8)
        expected = tf.raw_ops.Fingerprint(data=data, method="farmhash64").numpy().view(np.uint64).ravel().tolist()
        assert [fingerprint64(row.tobytes()) for row in data] == expected, length


def test_a_fingerprint_without_variables_stays_as_it_is():
    assert with_variables(b"\x08\x05", b"index") == b"\x08\x05"
    assert with_variables(b"", b"index") == b""


def test_a_damaged_fingerprint_is_an_error_before_anything_is_written(tmp_path):
    save_module(tmp_path / "old", 1)
    (tmp_path / "old/fingerprint.pb").write_bytes(b"\x08")
    assert refusal(replace, tmp_path / "old", tmp_path / "new", {}).code == "MIG503"
    assert not (tmp_path / "new").exists()
    (tmp_path / "old/fingerprint.pb").unlink()
    replace(tmp_path / "old", tmp_path / "new", {})
    assert_others_are_the_same(tmp_path / "old", tmp_path / "new")


def test_links_are_followed_as_a_download_cache_has_them(tmp_path):
    save_module(tmp_path / "blobs", 1)
    old = tmp_path / "old"
    for name in files_below(tmp_path / "blobs"):
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).symlink_to(tmp_path / "blobs" / name)
    (old / "assets.extra").symlink_to(tmp_path / "blobs" / "assets")
    replace(old, tmp_path / "new", {"dense/kernel": np.ones((4, 3), np.float32)})
    assert not any(place.is_symlink() for place in (tmp_path / "new").rglob("*"))
    assert (tmp_path / "new/assets.extra/vocabulary.txt").read_text() == "one\ntwo\n"
    assert tf.saved_model.load(str(tmp_path / "new")).kernel.numpy().tolist() == np.ones((4, 3)).tolist()
    (old / "circle").symlink_to(old)
    diagnostic = refusal(replace, old, tmp_path / "newer", {})
    assert (diagnostic.code, "circle" in diagnostic.message) == ("MIG505", True)


def test_what_is_no_file_is_not_copied(tmp_path):
    save_module(tmp_path / "old", 1)
    os.mkfifo(tmp_path / "old/assets.extra")
    assert refusal(replace, tmp_path / "old", tmp_path / "new", {}).code == "MIG505"


def test_a_saved_model_needs_one_as_its_template(tmp_path):
    save_module(tmp_path / "old", 1)
    values = {"dense/kernel": np.ones((4, 3), np.float32)}
    bundle = open_bundle(str(tmp_path / "old/variables/variables"))
    assert (bundle.format, open_bundle(str(tmp_path / "old/variables")).format) == ("tensorflow-bundle", "tensorflow-bundle")
    for template in (None, bundle):
        diagnostic = refusal(
            create_writer, Destination(str(tmp_path / "n")), map_of(values), format="saved-model", template=template
        )
        assert diagnostic.code == "MIG508"
    template = open_reader(str(tmp_path / "old"))
    assert format_of(str(tmp_path / "new"), None, template) == "saved-model"
    assert format_of(str(tmp_path / "new.ckpt"), None, template) == "tensorflow-bundle"
    assert format_of(str(tmp_path / "new.npz"), None, template) == "npz"


def test_a_checkpoint_of_the_variables_of_a_saved_model(tmp_path):
    save_module(tmp_path / "old", 1)
    replace(tmp_path / "old", tmp_path / "m.ckpt", values := {"dense/kernel": np.ones((4, 3), np.float32)})
    module = Module(5)
    tf.train.Checkpoint(module).read(str(tmp_path / "m.ckpt")).assert_existing_objects_matched()
    assert (module.kernel.numpy() == values["dense/kernel"]).all()


def test_only_a_saved_model_is_replaced_and_never_the_template(tmp_path):
    save_module(tmp_path / "old", 1)
    save_module(tmp_path / "standing", 3)
    values = {"dense/kernel": np.ones((4, 3), np.float32)}
    reading = open_reader(str(tmp_path / "old")).files
    before = files_below(tmp_path / "old")
    for path in ("old", "old/../old"):
        diagnostic = refusal(replace, tmp_path / "old", tmp_path / path, values, overwrite=True, reading=reading)
        assert diagnostic.code == "MIG507"
    assert files_below(tmp_path / "old") == before
    assert refusal(replace, tmp_path / "old", tmp_path / "standing", values).code == "MIG506"
    assert refusal(replace, tmp_path / "old", tmp_path, values, overwrite=True).code == "MIG506"
    replace(tmp_path / "old", tmp_path / "standing", values, overwrite=True)
    assert (tf.saved_model.load(str(tmp_path / "standing")).kernel.numpy() == values["dense/kernel"]).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "standing", "vocabulary.txt"]


def test_a_saved_model_without_variables_of_its_own(tmp_path):
    """TensorFlow 2 then stores the object graph alone."""

    class Doubling(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec(())])
        def serve(self, x):
            return 2 * x

    tf.saved_model.save(Doubling(), str(tmp_path / "old"))
    assert open_reader(str(tmp_path / "old")).variables == VariableMap.of(str(tmp_path / "old"), [])
    replace(tmp_path / "old", tmp_path / "new", {})
    assert tf.saved_model.load(str(tmp_path / "new")).serve(3.0).numpy() == 6
