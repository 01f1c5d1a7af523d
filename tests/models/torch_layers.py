"""The layers of PyTorch that correspond to those of Keras, each as `new` in a module, and the specs between the two."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch, whose layers are filled and read")
nn = torch.nn

FEATURES, UNITS, HEADS = 6, 4, 2


class TorchLayer(nn.Module):  # type: ignore[misc]
    """A layer of PyTorch that is called as that of Keras is: batch first, channels last."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.kind = name
        self.new: Any = {
            "dense": lambda: nn.Linear(FEATURES, UNITS),
            "conv": lambda: nn.Conv2d(2, UNITS, 3, padding=1),
            "lstm": lambda: nn.LSTM(FEATURES, UNITS, batch_first=True),
            "gru": lambda: nn.GRU(FEATURES, UNITS, batch_first=True),
            "bidirectional": lambda: nn.LSTM(FEATURES, UNITS, batch_first=True, bidirectional=True),
            "batch_norm": lambda: nn.BatchNorm1d(FEATURES, eps=1e-3),
            "attention": lambda: nn.MultiheadAttention(FEATURES, HEADS, batch_first=True),
        }[name]()

    def forward(self, inputs: Any) -> Any:
        match self.kind:
            case "conv":
                return self.new(inputs.movedim(-1, 1)).movedim(1, -1)
            case "lstm" | "gru" | "bidirectional":
                return self.new(inputs)[0]
            case "attention":
                return self.new(inputs, inputs, inputs)[0]
            case _:
                return self.new(inputs)


def torch_layer(name: str) -> TorchLayer:
    """The layer with random weights, in evaluation."""
    torch.manual_seed(5)
    return TorchLayer(name).eval()


_GATED = {"lstm": ("lstm_cell", "ifco", "ifco"), "gru": ("gru_cell", "zrh", "rzh")}


def _recurrent_into_torch(kind: str, layer: str, ending: str = "") -> str:
    cell, keras, torch = _GATED[kind]
    spec = (
        f"rename new/{layer}{cell}/kernel -> new.weight_ih_l0{ending}  gates {keras} -> {torch}  transpose\n"
        f"rename new/{layer}{cell}/recurrent_kernel -> new.weight_hh_l0{ending}  gates {keras} -> {torch}  transpose\n"
    )
    if kind == "gru":
        return spec + f"rename new/{cell}/bias -> new.bias_ih_l0, new.bias_hh_l0  unstack 0  gates {keras} -> {torch}\n"
    return (
        spec
        + f"rename new/{layer}{cell}/bias -> new.bias_ih_l0{ending}  gates {keras} -> {torch}\n"
        + f"fill new.bias_hh_l0{ending} with zeros\n"
    )


def _recurrent_from_torch(kind: str, layer: str, ending: str = "") -> str:
    cell, keras, torch = _GATED[kind]
    joined = "stack 0" if kind == "gru" else "sum"
    return (
        f"rename new.weight_ih_l0{ending} -> new/{layer}{cell}/kernel  transpose  gates {torch} -> {keras}\n"
        f"rename new.weight_hh_l0{ending} -> new/{layer}{cell}/recurrent_kernel  transpose  gates {torch} -> {keras}\n"
        f"rename new.bias_ih_l0{ending}, new.bias_hh_l0{ending} -> new/{layer}{cell}/bias  gates {torch} -> {keras}  {joined}\n"
    )


_PARTS = ("query", "key", "value")

INTO_TORCH: dict[str, str] = {
    "dense": "rename new/kernel -> new.weight  transpose\nrename new/bias -> new.bias\n",
    "conv": "rename new/kernel -> new.weight  permute HWIO -> OIHW\nrename new/bias -> new.bias\n",
    "lstm": _recurrent_into_torch("lstm", ""),
    "gru": _recurrent_into_torch("gru", ""),
    "bidirectional": _recurrent_into_torch("lstm", "forward_lstm/")
    + _recurrent_into_torch("lstm", "backward_lstm/", "_reverse"),
    "batch_norm": "rename new/gamma -> new.weight\nrename new/beta -> new.bias\nrename new/moving_mean -> new.running_mean\n"
    "rename new/moving_variance -> new.running_var\nkeep new.num_batches_tracked\n",
    "attention": f"rename {', '.join(f'new/{part}/kernel' for part in _PARTS)} -> new.in_proj_weight"
    "  reshape [6, 6]  transpose  concat rows\n"
    f"rename {', '.join(f'new/{part}/bias' for part in _PARTS)} -> new.in_proj_bias  reshape [6]  concat 0\n"
    "rename new/attention_output/kernel -> new.out_proj.weight  reshape [6, 6]  transpose\n"
    "rename new/attention_output/bias -> new.out_proj.bias\n",
}
"""From a layer of Keras called `new`."""

FROM_TORCH: dict[str, str] = {
    "dense": "rename new.weight -> new/kernel  transpose\nrename new.bias -> new/bias\n",
    "conv": "rename new.weight -> new/kernel  permute OIHW -> HWIO\nrename new.bias -> new/bias\n",
    "lstm": _recurrent_from_torch("lstm", ""),
    "gru": _recurrent_from_torch("gru", ""),
    "bidirectional": _recurrent_from_torch("lstm", "forward_lstm/")
    + _recurrent_from_torch("lstm", "backward_lstm/", "_reverse"),
    "batch_norm": "rename new.weight -> new/gamma\nrename new.bias -> new/beta\nrename new.running_mean -> new/moving_mean\n"
    "rename new.running_var -> new/moving_variance\ndrop new.num_batches_tracked\n",
    "attention": f"rename new.in_proj_weight -> {', '.join(f'new/{part}/kernel' for part in _PARTS)}"
    "  split rows in 3  transpose  reshape [6, 2, 3]\n"
    f"rename new.in_proj_bias -> {', '.join(f'new/{part}/bias' for part in _PARTS)}  split 0 in 3  reshape [2, 3]\n"
    "rename new.out_proj.weight -> new/attention_output/kernel  transpose  reshape [2, 3, 6]\n"
    "rename new.out_proj.bias -> new/attention_output/bias\n",
}
"""Into a layer of Keras called `new`."""

WRONG_INTO_TORCH: dict[str, tuple[str, str]] = {
    "dense": ("rename new/bias -> new.bias", "rename new/bias -> new.bias  flip 0"),
    "conv": ("permute HWIO -> OIHW", "permute WHIO -> OIHW"),
    "lstm": ("new.weight_hh_l0  gates ifco -> ifco", "new.weight_hh_l0  gates icfo -> ifco"),
    "gru": ("new.weight_hh_l0  gates zrh -> rzh", "new.weight_hh_l0  gates rzh -> rzh"),
    "bidirectional": (
        "new/backward_lstm/lstm_cell/bias -> new.bias_ih_l0_reverse  gates ifco",
        "new/backward_lstm/lstm_cell/bias -> new.bias_ih_l0_reverse  gates oifc",
    ),
    "batch_norm": (
        "new/beta -> new.bias\nrename new/moving_mean -> new.running_mean",
        "new/moving_mean -> new.bias\nrename new/beta -> new.running_mean",
    ),
    "attention": ("new/query/kernel, new/key/kernel, new/value/kernel", "new/value/kernel, new/key/kernel, new/query/kernel"),
}
"""For each layer what is replaced by what in a spec that is wrong, and fits all the same."""
