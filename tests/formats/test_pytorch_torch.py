"""PyTorch's own files, held against PyTorch."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec import dtypes
from migspec.diagnostics.model import SpecError
from migspec.formats.base import Reader
from migspec.formats.registry import open_reader

torch = pytest.importorskip("torch", reason="PyTorch writes its own files, and is not installed")

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
    torch.bool, torch.complex64, torch.complex128, torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip

Save = Callable[[object, Path], None]


def save_new(value: object, path: Path) -> None:
    torch.save(value, path)


def save_old(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def bits(tensor: Any) -> bytes:
    """The values of a tensor, as bytes in C order."""
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return b"" if plain.numel() == 0 else bytes(plain.reshape(-1).clone().view(torch.uint8).numpy().tobytes())


def assert_reads(reader: Reader, name: str, tensor: Any) -> None:
    variable = reader.variables[name]
    assert (variable.shape, variable.dtype) == (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
    value = reader.read(name)
    assert (value.shape, value.dtype) == (variable.shape, dtypes.numpy_dtype(variable.dtype))
    assert value.tobytes() == bits(tensor)
    extent = reader.extent(name)
    if extent is not None:
        stored = Path(extent.path).read_bytes()[extent.offset : extent.offset + extent.length]
        assert stored == bits(tensor)
    else:
        assert not tensor.is_contiguous() or tensor.is_conj() or tensor.is_neg() or tensor.numel() == 0


@st.composite
def tensors(draw: st.DrawFn, few: bool = False) -> Any:
    """A tensor of any dtype, or a view of one, as models come by them."""
    dtype = draw(st.sampled_from(DTYPES[:1] if few else DTYPES))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    values = numpy.random.default_rng(draw(st.integers(0, 99))).integers(0, 100, shape)
    tensor = torch.from_numpy(numpy.asarray(values)).to(dtype)
    view = draw(st.sampled_from(["whole", "transposed", "part", "expanded", "conjugate"]))
    if view == "transposed":
        return tensor.permute(list(reversed(range(tensor.dim()))))
    if view == "part" and tensor.dim() and tensor.shape[0] > 1:
        return tensor[1:]
    if view == "expanded":
        return tensor.unsqueeze(0).expand(3, *shape)
    if view == "conjugate" and dtype.is_complex:
        return draw(st.sampled_from([tensor.conj(), tensor.conj().imag]))
    return tensor


@settings(max_examples=80, deadline=None)
@given(
    state=st.dictionaries(st.text("abc.0/_", min_size=1, max_size=8), tensors(), min_size=1, max_size=5),
    save=st.sampled_from([save_new, save_old]),
    shared=st.booleans(),
)
def test_random_state_dicts(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Any], save: Save, shared: bool) -> None:
    path = tmp_path_factory.mktemp("torch") / "a.pt"
    if shared:
        state["tied to the first"] = next(iter(state.values()))
    save(state, path)
    loaded = torch.load(path, weights_only=True) if save is save_new else state  # PyTorch 2.13 loads no old files with uint16
    reader = open_reader(str(path))
    assert [variable.name for variable in reader.variables] == list(loaded)
    for name, tensor in loaded.items():
        assert_reads(reader, name, tensor)
    reader.close()


def network() -> Any:
    inner = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU())
    inner.register_buffer("kept", torch.arange(3.0))
    inner.register_buffer("passing", torch.zeros(1), persistent=False)
    model = torch.nn.ModuleDict(
        {"body": inner, "cells": torch.nn.ModuleList([torch.nn.LSTM(3, 4), torch.nn.Linear(4, 2, bias=False)])}
    )
    model["cells"][1].weight = model["cells"][0].weight_hh_l0
    return model


@pytest.mark.parametrize("save", [save_new, save_old])
def test_a_whole_module_is_read_as_its_state_dict(tmp_path: Path, save: Save) -> None:
    model = network()
    save(model, tmp_path / "model.pt")
    reader = open_reader(str(tmp_path / "model.pt"))
    state = model.state_dict()
    assert {variable.name for variable in reader.variables} == set(state)
    for name, tensor in state.items():
        assert_reads(reader, name, tensor)
    reader.close()


@pytest.mark.parametrize("save", [save_new, save_old])
def test_a_training_checkpoint(tmp_path: Path, save: Save) -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    model["body"][0](torch.ones(1, 2, 5, 5)).sum().backward()
    optimizer.step()
    checkpoint = {
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "epoch": 3,
        "loss": 0.5,
    }
    save(checkpoint, tmp_path / "last.ckpt")
    reader = open_reader(str(tmp_path / "last.ckpt"))
    for name, tensor in checkpoint["model_state_dict"].items():
        assert reader.variables[name].aliases == (f"model_state_dict.{name}",)
        assert_reads(reader, name, tensor)
    for number, slots in optimizer.state_dict()["state"].items():
        for slot, tensor in slots.items():
            assert_reads(reader, f"optimizer_state_dict.state.{number}.{slot}", tensor)
    reader.close()


def test_a_torchscript_archive(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    torch.jit.save(torch.jit.script(model), str(tmp_path / "jit.pt"))
    reader = open_reader(str(tmp_path / "jit.pt"))
    for name, tensor in model.state_dict().items():
        assert_reads(reader, name, tensor)
    assert len(reader.variables) == len(model.state_dict())
    reader.close()


def test_values_are_in_place_aligned_and_with_their_checksum(tmp_path: Path) -> None:
    torch.save({"w": torch.arange(1000.0), "b": torch.zeros(2)}, tmp_path / "a.pt")
    reader = open_reader(str(tmp_path / "a.pt"))
    for name in ("w", "b"):
        extent = reader.extent(name)
        assert extent is not None
        assert extent.offset % 64 == 0
        assert extent.crc32 is not None
    reader.close()


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_any_protocol(tmp_path: Path, protocol: int) -> None:
    for number, save in enumerate((True, False)):
        torch.save(
            {"w": torch.arange(3.0)}, tmp_path / f"{number}.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=save
        )
        reader = open_reader(str(tmp_path / f"{number}.pt"))
        assert reader.format == "torch"
        assert_reads(reader, "w", torch.arange(3.0))
        reader.close()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_in_a_bare_pickle(tmp_path: Path, protocol: int) -> None:
    state = {"w": torch.arange(6.0).reshape(2, 3), "half": torch.ones(3, dtype=torch.bfloat16), "n": numpy.arange(4)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": state}, protocol))
    if protocol == 2:
        with pytest.raises(SpecError) as caught:
            open_reader(str(tmp_path / "a.pkl"))
        assert caught.value.diagnostics[0].code == "MIG505"
        return
    reader = open_reader(str(tmp_path / "a.pkl"))
    assert_reads(reader, "w", state["w"])
    assert_reads(reader, "half", state["half"])
    assert reader.variables["n"].aliases == ("model/n",)
    assert reader.extent("w") is not None
    reader.close()


def test_a_file_without_checksums(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.arange(100.0)}, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(before)
    reader = open_reader(str(tmp_path / "a.pt"))
    assert_reads(reader, "w", torch.arange(100.0))
    reader.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("save", [save_new, save_old])
def test_what_is_no_plain_tensor_is_listed_and_not_read(tmp_path: Path, save: Save) -> None:
    value = {
        "q": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "channels": torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.quint8),
        "coo": torch.eye(3).to_sparse(),
        "csr": torch.eye(3).to_sparse_csr(),
        "meta": torch.ones(2, device="meta"),
        "w": torch.ones(2),
    }
    save(value, tmp_path / "a.pt")
    reader = open_reader(str(tmp_path / "a.pt"))
    shown = [(variable.shape, variable.dtype) for variable in reader.variables]
    assert shown == [
        ((3,), "qint8"), ((2, 2), "quint8"), ((3, 3), "sparse_coo"), ((3, 3), "sparse_csr"), ((2,), "meta"), ((2,), "float32"),
    ]  # fmt: skip
    for name in ("q", "channels", "coo", "csr", "meta"):
        with pytest.raises(SpecError) as caught:
            reader.read(name)
        assert caught.value.diagnostics[0].code == "MIG505"
    reader.close()


def test_a_storage_by_itself(tmp_path: Path) -> None:
    torch.save({"s": torch.arange(3.0).untyped_storage(), "t": torch.arange(3.0)}, tmp_path / "a.pt")
    reader = open_reader(str(tmp_path / "a.pt"))
    assert reader.read("s").tobytes() == bits(torch.arange(3.0))
    reader.close()
