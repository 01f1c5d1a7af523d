"""Is the one published file the migration of the other? Another author made it by a script of his own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import pytest
from shared_data import HERE, shared

from migspec.cli.main import run_with

SPEC = str(HERE / "musicnn.mig")


def diff(capsys: pytest.CaptureFixture[str], right: str) -> tuple[int, dict[str, object]]:
    arguments = ["diff", shared("musicnn_mtt_vgg"), right, "--spec", SPEC, "--output-format", "json"]
    code = run_with(arguments)
    return code, json.loads(capsys.readouterr().out)


def test_the_keras_file_is_the_migration_of_the_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = diff(capsys, shared("musicnn_mtt_vgg/MTT_vgg.h5"))
    assert (code, found["agrees"]) == (0, True)
    assert found["counts"] == {"equal": 36, "close": 0, "different": 0, "alike": 0, "unreadable": 0}
    assert len(found["dropped"]) == 50 and not (found["kept"] or found["only_left"] or found["only_right"])


def test_one_other_number_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "changed.h5"
    shutil.copyfile(shared("musicnn_mtt_vgg/MTT_vgg.h5"), path)
    with h5py.File(path, "r+") as file:
        file["model_weights/bn_conv3/bn_conv3/gamma:0"][7] += 0.5
    code, found = diff(capsys, str(path))
    assert code == 1
    [other] = [one for one in found["variables"] if one["verdict"] != "equal"]
    assert (other["right"]["name"], other["sources"]) == ("bn_conv3/gamma", ["batch_normalization_3/gamma"])
    assert other["measurement"]["differing"] == 1 and other["measurement"]["largest"]["index"] == [7]
