"""What the tensors of PyTorch files are called: in checkpoints of training scripts, in whole modules, in any other shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pickle_assembler import Call, Name, Persistent, legacy_torch, pickled, storage, tensor, write_torch_zip
from pytorch_examples import ONE, VALUES, names_of, refusal

from migspec.formats.registry import open_reader


def lightning() -> dict[str, Any]:
    """As Lightning writes a checkpoint: classes of other packages where no tensor is."""
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.1.0",
        "state_dict": Call("collections", "OrderedDict", (), None, {"net.0.weight": tensor(storage("0", 24), (4, 6))}),
        "optimizer_states": [
            {"state": {0: {"step": tensor(storage("1", 1), ()), "exp_avg": tensor(storage("0", 24), (4, 6))}}}
        ],
        "hparams_name": "kwargs",
        "hyper_parameters": {
            "optimizer": Call("functools", "partial", (Name("torch.optim.adam", "Adam"),)),
            "activation": Call(
                "torch.nn.modules.activation", "ReLU", (), {"inplace": False, "_parameters": {}, "_modules": {}}
            ),
            "config": Call("omegaconf.dictconfig", "DictConfig", (), {"_content": {"lr": 0.1}}),
            "device": Call("torch", "device", ("cuda", 0)),
            "shape": Call("torch", "Size", ((3, 4),)),
        },
    }


@pytest.mark.parametrize("python2", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_lightning_checkpoint(tmp_path: Path, legacy: bool, python2: bool) -> None:
    path = tmp_path / "last.ckpt"
    if legacy:
        path.write_bytes(legacy_torch(lightning(), {"1": (1, bytes(4)), "0": (24, VALUES.tobytes())}, python2=python2))
    else:
        write_torch_zip(path, pickled(lightning(), python2=python2), {"0": VALUES.tobytes(), "1": bytes(4)})
    reader = open_reader(str(path))
    assert names_of(reader) == {
        "net.0.weight": ("state_dict.net.0.weight",),
        "optimizer_states.0.state.0.step": (),
        "optimizer_states.0.state.0.exp_avg": (),
    }
    assert reader.read("net.0.weight").tolist() == VALUES.tolist()
    reader.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a.weight": ONE}, {"a.weight": ()}),
        (ONE, {"net": ()}),
        ([ONE, (ONE,)], {"0": (), "1.0": ()}),
        ({"model": {"w": ONE}, "model_ema": {"w": ONE}}, {"w": ("model.w",), "model_ema.w": ()}),
        ({"model": {"w": ONE}, "net": {"w": ONE}}, {"model.w": (), "net.w": ()}),
        ({"encoder": {"w": ONE}, "epoch": 1}, {"encoder.w": ("w",)}),
        ({"encoder": {"w": ONE}, "decoder": {"w": ONE}}, {"encoder.w": (), "decoder.w": ()}),
        ({"state_dict": {"w": ONE}, "best": ONE}, {"w": ("state_dict.w",), "best": ()}),
        ({"state_dict": {"w": ONE}, "w": ONE}, {"state_dict.w": (), "w": ()}),
        ({"state_dict": {"module.model.w": ONE}}, {"module.model.w": ("state_dict.module.model.w",)}),
        ({"a": {"b": ONE}, "a/c": ONE}, {"a.b": (), "a/c": ()}),
        ({"..": {"etc": ONE}, "/x": ONE, "": ONE}, {"...etc": (), "/x": (), "net": ()}),
    ],
)
def test_names(tmp_path: Path, value: object, expected: dict[str, tuple[str, ...]]) -> None:
    write_torch_zip(tmp_path / "net.pt", value, {"0": VALUES.tobytes()})
    reader = open_reader(str(tmp_path / "net.pt"))
    assert names_of(reader) == expected
    reader.close()


def test_two_tensors_of_one_name(tmp_path: Path) -> None:
    write_torch_zip(tmp_path / "net.pt", {"a": {"b": ONE}, "a.b": ONE}, {"0": VALUES.tobytes()})
    assert refusal(tmp_path / "net.pt").code == "MIG505"


def module(parameters: dict[str, Any], buffers: dict[str, Any], modules: dict[str, Any], passing: list[str]) -> Call:
    state = {
        "training": True,
        "_parameters": parameters,
        "_buffers": buffers,
        "_non_persistent_buffers_set": Call("__builtin__", "set", (passing,)),
        "_modules": Call("collections", "OrderedDict", (), None, modules),
        "anchors": ONE,
    }
    return Call("my.project.net", "Net", (), state)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_module_gives_its_state_dict(tmp_path: Path, legacy: bool) -> None:
    inner = module({"weight": ONE, "bias": None}, {"mean": ONE, "mask": ONE}, {}, ["mask"])
    value = {"model": module({}, {}, {"model": inner, "none": None}, []), "epoch": 1}
    path = tmp_path / "yolo.pt"
    if legacy:
        path.write_bytes(legacy_torch(value, {"0": (24, VALUES.tobytes())}))
    else:
        write_torch_zip(path, value, {"0": VALUES.tobytes()})
    reader = open_reader(str(path))
    assert names_of(reader) == {"model.weight": ("model.model.weight",), "model.mean": ("model.model.mean",)}
    reader.close()


def test_modules_of_the_older_format_are_persistent(tmp_path: Path) -> None:
    """The class of a module was an identifier, with its source."""
    state = {"_parameters": {"w": ONE}, "_buffers": {}, "_modules": {}}
    made = b"".join([
        pickled(Persistent(("module", Name("my.project", "Net"), "net.py", "class Net: ...")))[:-1], b")\x81",
        pickled(state)[2:-1], b"b.",
    ])  # fmt: skip
    content = legacy_torch("here", {"0": (24, VALUES.tobytes())}).replace(pickled("here"), made)
    (tmp_path / "net.pt").write_bytes(content)
    reader = open_reader(str(tmp_path / "net.pt"))
    assert names_of(reader) == {"w": ()}
    assert reader.read("w").tolist() == VALUES.tolist()
    reader.close()
