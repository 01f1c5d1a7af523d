"""Live PyTorch modules against PyTorch itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from filling import fill, refusal, restores_after_each_failure, values_of

import migspec
from migspec.models.recognition import open_model

torch = pytest.importorskip("torch", reason="needs PyTorch, which is the oracle")
nn = torch.nn


class Net(nn.Module):  # type: ignore[misc]
    """Parameters, buffers of both kinds, a tied weight, and layers of several kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.cells = nn.ModuleList([nn.LSTM(4, 3, batch_first=True), nn.GRU(3, 4, batch_first=True)])
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("passing", torch.zeros(2), persistent=False)

    def forward(self, tokens: Any) -> Any:
        values = self.embedding(tokens)
        for cell in self.cells:
            values, _ = cell(values)
        return self.head(self.norm(values.transpose(1, 2)).transpose(1, 2))


def test_names_are_the_keys_of_the_state_dict() -> None:
    module = Net()
    live = open_model(module, "net")
    called = {name for one in live.variables for name in (one.name, *one.aliases)}
    assert called == set(module.state_dict())
    assert live.variables["embedding.weight"].aliases == ("head.weight",)  # one variable, assigned once
    for one in live.variables:
        stored = module.state_dict()[one.name]
        assert tuple(stored.shape) == one.shape and str(stored.dtype) == f"torch.{one.dtype}"
        assert numpy.array_equal(live.read(one.name), stored.numpy())


def test_a_module_filled_from_another_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    old, new = Net().eval(), Net().eval()
    tokens = torch.tensor([[0, 1, 2, 3], [6, 5, 4, 3]])
    torch.save(old.state_dict(), tmp_path / "unused.pt")
    (tmp_path / "spec.mig").write_text("same **\n")
    assert not torch.allclose(old(tokens), new(tokens))
    migspec.compile(tmp_path / "spec.mig", old, new).apply()
    assert torch.equal(old(tokens), new(tokens))
    assert new.head.weight is new.embedding.weight and new.head.weight.requires_grad


def test_values_stay_where_they_are(tmp_path: Path) -> None:
    module = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(module.parameters(), 1.0)
    live = open_model(module, "linear")
    value, address = live.read("weight"), module.weight.data_ptr()
    fill(live, {"weight": numpy.full((2, 2), 5, "float32")})
    assert module.weight.data_ptr() == address and value.tolist() != live.read("weight").tolist()
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert live.read("weight").tolist() == [[4, 4], [4, 4]]


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float64", "float8_e4m3fn", "int8", "uint8", "int64", "bool", "complex64"]
)
def test_every_dtype(dtype: str) -> None:
    module = nn.Module()
    module.register_buffer("v", torch.zeros(3, 2).to(getattr(torch, dtype)))
    module.register_buffer("scalar", torch.tensor(0).to(getattr(torch, dtype)))
    live = open_model(module, "live")
    assert live.variables["v"].dtype == dtype
    new = {name: numpy.ones_like(live.read(name)) for name in ("v", "scalar")}
    fill(live, new)
    assert all(live.read(name).tobytes() == value.tobytes() for name, value in new.items())
    assert torch.equal(module.v.to(torch.complex64), torch.ones(3, 2, dtype=torch.complex64))


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failure_at_any_variable_changes_nothing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    restores_after_each_failure(open_model(module, "net"), monkeypatch, torch.Tensor, "copy_", error)


def test_what_a_hook_puts_into_the_state_dict_is_no_variable() -> None:
    module = nn.Linear(2, 2)
    module.register_state_dict_post_hook(lambda own, state, prefix, metadata: state.update({"made": torch.ones(1)}))
    assert [one.name for one in open_model(module, "live").variables] == ["weight", "bias"]


def test_what_has_no_values_yet() -> None:
    found = refusal(lambda: open_model(nn.Module(), "live"))
    assert found.code == "MIG512" and "no variables" in found.message
    assert "call the module once" in refusal(lambda: open_model(nn.LazyLinear(2), "live")).helps[0]
    assert "to_empty" in refusal(lambda: open_model(nn.Linear(2, 2, device="meta"), "live")).helps[0]


@pytest.mark.parametrize("out", ["out.npz", "out.safetensors"])
def test_filled_and_written(tmp_path: Path, out: str) -> None:
    module = nn.Linear(2, 2)
    numpy.savez(tmp_path / "old.npz", w=numpy.arange(4, dtype="float32").reshape(2, 2), b=numpy.ones(2, "float32"))
    (tmp_path / "spec.mig").write_text("rename w -> weight transpose\nrename b -> bias\n")
    migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", module).apply(tmp_path / out)
    assert module.weight.tolist() == [[0, 2], [1, 3]]
    with migspec.open(tmp_path / out) as written:
        assert {name: value.tolist() for name, value in written.items()} == values_of(open_model(module, "live"))
