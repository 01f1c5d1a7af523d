"""A live `torch.nn.Module` as something to read from and to write into.

The variables are parameters and persistent buffers, called by their keys in `state_dict()`, as in a file that
`torch.save(module.state_dict())` or safetensors writes. https://pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from typing import Any

import numpy

from migspec import dtypes
from migspec.diagnostics import SpecError, file_error
from migspec.expression import Shape
from migspec.models.live_variables import LiveVariables
from migspec.models.naming import Candidates, named


def open_module(module: Any, label: str) -> LiveVariables:
    """The live model behind a module. Raises `SpecError` (MIG512) if it has no variables, or some without values."""
    tensors = _tensors(module)
    if not tensors:
        note = "it has neither parameters nor buffers that `state_dict()` gives"
        raise file_error("MIG512", label, f"the module `{type(module).__name__}` has no variables", notes=(note,))
    _require_values(tensors, label)
    variables = [TorchVariable(names[0][1]) for names in tensors]
    candidates = [
        Candidates(variable.shape, variable.dtype, (names[0][0],), tuple(name for name, _ in names[1:]))
        for names, variable in zip(tensors, variables, strict=True)
    ]
    live = list(zip(named(candidates), variables, strict=True))
    return LiveVariables(label, "live-pytorch", "live PyTorch module", live)


class TorchVariable:
    """A `LiveVariable` of a parameter or buffer: assigned in place, so that it stays on its device, tied, and the optimizer's."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    @property
    def identity(self) -> object:
        return self._tensor

    @property
    def shape(self) -> Shape:
        return tuple(int(length) for length in self._tensor.shape)

    @property
    def dtype(self) -> str:
        return str(self._tensor.dtype).removeprefix("torch.")

    def read(self) -> numpy.ndarray:
        import torch

        dtype = dtypes.numpy_dtype(self.dtype)
        value = self._tensor.detach().cpu().contiguous()
        if dtype.kind not in "biufc":  # bfloat16 and the float8 formats, which torch gives numpy as bits only
            value = value.view({1: torch.uint8, 2: torch.int16}[dtype.itemsize])
        array: numpy.ndarray = value.numpy().view(dtype).copy()
        return array

    def assign(self, value: numpy.ndarray) -> None:
        import torch

        plain = value.dtype.kind in "biufc"
        bits = value if plain else value.view({1: numpy.uint8, 2: numpy.int16}[value.dtype.itemsize])
        given = torch.from_numpy(bits)
        self.restore(given if plain else given.view(self._tensor.dtype))

    def keep(self) -> Any:
        return self._tensor.detach().clone()

    def restore(self, kept: Any) -> None:
        import torch

        with torch.no_grad():
            self._tensor.copy_(kept)


def _tensors(module: Any) -> list[list[tuple[str, Any]]]:
    """The parameters and buffers of a module, each with all its keys in the state dict; the first one is its name.

    A state dict may hold what a hook has made for it. That is no variable of the module: filling it would change nothing.
    """
    own = {id(tensor) for tensors in (module.parameters(), module.buffers()) for tensor in tensors}
    found: dict[int, list[tuple[str, Any]]] = {}
    for key, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) in own:
            found.setdefault(id(tensor), []).append((key, tensor))
    return list(found.values())


def _require_values(tensors: list[list[tuple[str, Any]]], label: str) -> None:
    import torch

    for (name, tensor), *_ in tensors:
        if torch.nn.parameter.is_lazy(tensor):
            help_text = "call the module once on an input of the right shape"
            raise _no_values(label, name, "a lazy module makes its variables when it is first called", help_text)
        if tensor.is_meta:
            raise _no_values(label, name, "it is on the device `meta`", "`module.to_empty(device='cpu')` gives it memory")


def _no_values(label: str, name: str, note: str, help_text: str) -> SpecError:
    return file_error("MIG512", label, f"`{name}` has no memory yet", notes=(note,), helps=(help_text,))
