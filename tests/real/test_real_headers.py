"""Published checkpoints judged by their headers alone: no framework is imported, and no weight is read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shared_data import DATA, HERE, shared

from migspec.cli.main import run_with

FRAMEWORKS = ("tensorflow", "keras", "torch", "jax")

CHECK = f"""
import sys
from migspec.cli.main import run_with
code = run_with(sys.argv[1:])
assert not set(sys.modules) & set({FRAMEWORKS!r}), sorted(set(sys.modules) & set({FRAMEWORKS!r}))
raise SystemExit(code)
"""


def lstm(name: str, inputs: int, units: int) -> dict[str, dict[str, object]]:
    shapes = {"kernel": [inputs, 4 * units], "recurrent_kernel": [units, 4 * units], "bias": [4 * units]}
    return {
        f"{name}/lstm_cell/{part}": {"shape": shape, "dtype": "float32", "aliases": [f"{name}/{part}"]}
        for part, shape in shapes.items()
    }


def character_model(folder: Path) -> str:
    """The variables of the Keras model that char_rnn goes into."""
    variables = {
        **lstm("lstm", 65, 128),
        **lstm("lstm_1", 128, 128),
        "logits/kernel": {"shape": [128, 65], "dtype": "float32"},
        "logits/bias": {"shape": [65], "dtype": "float32"},
    }
    path = folder / "character_model.json"
    path.write_text(json.dumps({"variables": variables}))
    return str(path)


def headers_alone(folder: Path) -> str:
    """A copy of the char_rnn checkpoint whose data file is gone."""
    index = Path(shared("char_rnn/model-85340.index"))
    shutil.copy(index, folder / index.name)
    assert not list(folder.glob("*.data*"))
    return str(folder / "model-85340")


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`migspec check` in a process of its own, which fails if a framework was imported."""
    finished = subprocess.run(
        [sys.executable, "-c", CHECK, "check", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in finished.stderr, finished.stderr
    return finished


def test_check_accepts_without_the_data_file(tmp_path: Path) -> None:
    finished = check(str(HERE / "char_rnn.mig"), "--source", headers_alone(tmp_path), "--target", character_model(tmp_path))
    assert (finished.returncode, finished.stdout) == (0, "")
    assert "sound and covers both sides" in finished.stderr


def test_check_gives_its_whole_verdict_without_the_data_file(tmp_path: Path) -> None:
    text = (HERE / "char_rnn.mig").read_text()
    for old, new in (
        ("  add 0.0 to f", ""),
        ("softmax_w -> logits/kernel", "softmax_w -> logits/kernel transpose"),
        ("softmax/softmax_b", "softmax/softmax_bias"),
        ("validation/**, ", ""),
    ):
        assert old in text
        text = text.replace(old, new)
    spec = tmp_path / "wrong.mig"
    spec.write_text(text)
    finished = check(str(spec), "-s", headers_alone(tmp_path), "-t", character_model(tmp_path), "--output-format", "concise")
    assert finished.returncode == 1
    codes = [line.partition("[")[2].partition("]")[0] for line in finished.stdout.splitlines()]
    assert sorted(codes) == ["MIG201", "MIG203", "MIG301", "MIG405"]
    assert "softmax/softmax_b" in check(str(spec), "-s", headers_alone(tmp_path), "-t", character_model(tmp_path)).stdout


def test_plan_and_why_do_without_the_data_file_and_apply_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["-s", headers_alone(tmp_path), "-t", character_model(tmp_path)]
    spec = str(HERE / "char_rnn.mig")
    assert run_with(["plan", spec, *both]) == 0
    assert "8 moved" in capsys.readouterr().out
    assert run_with(["why", "lstm_1/bias", spec, *both]) == 0
    assert "cell_1/basic_lstm_cell/bias" in capsys.readouterr().out
    assert run_with(["apply", spec, *both, "-o", str(tmp_path / "out.npz")]) == 2
    told = capsys.readouterr().err
    assert "model-85340.data-00000-of-00001" in told and "Traceback" not in told
    assert not (tmp_path / "out.npz").exists()


def musicnn_variables(folder: Path) -> str:
    """The variables of musicnn's VGG in Keras, as the names of its layers say."""
    shapes: dict[str, list[int]] = {}
    for number in range(1, 6):
        shapes[f"{number}CNN/kernel"] = [3, 3, 1 if number == 1 else 128, 128]
        shapes[f"{number}CNN/bias"] = [128]
    for layer, width in {"bn_input": 1, **{f"bn_conv{number}": 128 for number in range(1, 6)}}.items():
        shapes.update({f"{layer}/{name}": [width] for name in ("gamma", "beta", "moving_mean", "moving_variance")})
    shapes.update({"output/kernel": [256, 50], "output/bias": [50]})
    path = folder / "musicnn.json"
    path.write_text(json.dumps({"variables": {name: {"shape": one, "dtype": "float32"} for name, one in shapes.items()}}))
    return str(path)


@pytest.mark.parametrize("spelling", ["musicnn_mtt_vgg", "musicnn_mtt_vgg/"])
def test_musicnn_whose_checkpoint_has_an_empty_basename(
    tmp_path: Path, spelling: str, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["-s", shared(spelling), "-t", musicnn_variables(tmp_path)]
    assert run_with(["check", str(HERE / "musicnn.mig"), *both]) == 0
    assert capsys.readouterr().out == ""
    assert run_with(["apply", str(HERE / "musicnn.mig"), *both, "-o", str(tmp_path / "out.safetensors")]) == 0


def test_the_names_of_musicnn_are_the_published_ones(tmp_path: Path) -> None:
    published = DATA.parent / "examples" / "musicnn_vgg" / "target.json"
    if not published.is_file():
        pytest.skip(f"the published variable maps are not at hand: there is no {published}")
    made = json.loads(Path(musicnn_variables(tmp_path)).read_text())["variables"]
    assert made == json.loads(published.read_text())["variables"]


def test_every_published_v2_checkpoint_opens(capsys: pytest.CaptureFixture[str]) -> None:
    shared("serving/")
    prefixes = [str(path.parent / path.name.removesuffix(".index")) for path in sorted(DATA.rglob("*.index"))]
    prefixes = [prefix if (Path(prefix).name and not Path(prefix).is_dir()) else f"{prefix}/" for prefix in prefixes]
    models = [str(path.parent) for path in sorted(DATA.rglob("saved_model.pb"))]
    assert len(prefixes) >= 5 and len(models) >= 2
    for path in (*prefixes, *models):
        assert run_with(["inspect", path]) == 0, capsys.readouterr().err
        shown = capsys.readouterr()
        assert ("saved-model: " if path in models else "tensorflow-bundle: ") in shown.err and "Traceback" not in shown.err
        assert run_with(["inspect", "--json", path]) == 0
        variables = json.loads(capsys.readouterr().out)["variables"]
        assert f": {len(variables)} variables" in shown.err
