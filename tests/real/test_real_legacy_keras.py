"""A TensorFlow 1 checkpoint into a legacy Keras file, and what Keras 2 computes with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy
import pytest
from shared_data import shared

import migspec

HERE = Path(__file__).parent


def test_musicnn_as_a_legacy_keras_file(tmp_path: Path) -> None:
    """The file that another author made by a script, emptied, gets the values of the checkpoint that he made it from."""
    tf_keras = pytest.importorskip("tf_keras", reason="Keras 2 is not installed")
    made = shared("musicnn_mtt_vgg/MTT_vgg.h5")
    shutil.copy(made, tmp_path / "empty.h5")
    with h5py.File(tmp_path / "empty.h5", "r+") as file:
        file.visititems(lambda _, member: member.__setitem__(..., 0) if isinstance(member, h5py.Dataset) else None)
    migration = migspec.compile(HERE / "musicnn.mig", shared("musicnn_mtt_vgg/"), str(tmp_path / "empty.h5"))
    migration.apply(out=tmp_path / "filled.h5")
    migration.close()
    assert (tmp_path / "filled.h5").read_bytes() == Path(made).read_bytes()
    model = tf_keras.models.load_model(tmp_path / "filled.h5", compile=False)
    with numpy.load(shared("musicnn_mtt_vgg/truth.npz")) as truth:
        logits = numpy.asarray(model(truth["x"][..., None], training=False))
        assert numpy.abs(1 / (1 + numpy.exp(-logits)) - truth["y"]).max() <= 1e-5
