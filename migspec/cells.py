"""Recurrent cells, recognised from the variable maps: never from a file's kind.

A TF1 cell is a path segment `basic_lstm_cell`, `lstm_cell`, ... (also with `_N`) without a sibling `recurrent_kernel`; a Keras cell has
siblings `kernel [*, g u]` and `recurrent_kernel [u, g u]`, g = 4 for LSTM and 3 for GRU; a PyTorch cell has `weight_hh_l0 [g u, u]`,
with the gates as rows, and siblings with the same ending. The names are those that TensorFlow 1's cells gave their scopes
(tensorflow/python/ops/rnn_cell_impl.py and tensorflow/contrib/rnn), and those of `torch.nn.LSTM`, `GRU`, `LSTMCell` and `GRUCell`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from migspec.names import normal_name
from migspec.variables import Variable, VariableMap

_TF1_LSTM = re.compile(
    r"(basic_lstm_cell|lstm_cell|lstm_block_cell|lstm_block_wrapper|lstm_fused_cell|BasicLSTMCell|LSTMCell|LSTMBlockCell)(_[0-9]+)?"
)
_TF1_GRU = re.compile(r"(gru_cell|gru_block_cell|gru_block_cell_v2|GRUCell|GRUBlockCell)(_[0-9]+)?")
_TF1_BIASES = ("bias", "biases", "Linear/Bias")
_TF1_KERNELS = ("kernel", "weights", "Linear/Matrix")
_TORCH = re.compile(r"(weight|bias)_[ih]h(_l[0-9]+(_reverse)?)?")
_PERHAPS = re.compile(r"(?i:lstm|gru)|weight_hh")
"""What stands in the name of every variable of a TF1 or PyTorch cell, or of its recurrent sibling."""
_AVERAGED = "/ExponentialMovingAverage"  # tf.train.ExponentialMovingAverage: as good a weight as the one that it averages


@dataclass(frozen=True, slots=True)
class Cell:
    """The cell that a variable belongs to: `path` is the normal name of what holds its weights."""

    framework: Literal["tf1", "keras", "torch"]
    kind: Literal["lstm", "gru"]
    path: str


class Cells:
    """The recurrent cells of one side."""

    def __init__(self, variables: VariableMap) -> None:
        self._shapes = {normal_name(variable.name): variable for variable in variables}
        self._recurrent = {name.rpartition("/")[0] for name in self._shapes if name.rpartition("/")[2] == "recurrent_kernel"}
        self._tf1: dict[str, Cell | None] = {"": None}

    def any(self) -> bool:
        """Whether some variable may belong to a cell: one look at all names, where most maps have none."""
        return bool(self._recurrent) or _PERHAPS.search("\n".join(self._shapes)) is not None

    def of(self, variable: Variable) -> Cell | None:
        """The cell of a variable, None if it belongs to none."""
        name = normal_name(variable.name)
        parent, _, last = name.rpartition("/")
        torch = self._torch(parent, last) if _TORCH.fullmatch(last) else None
        if torch is not None:
            return torch
        if parent in self._recurrent:
            return self._keras(parent)
        return self._tf1_cell(parent)

    def _tf1_cell(self, path: str) -> Cell | None:
        """The TF1 cell that a path is or lies in, innermost first. Paths share their beginnings, so each is looked at once."""
        passed: list[str] = []
        while path not in self._tf1:
            above, _, segment = path.rpartition("/")
            if path in self._recurrent:
                self._tf1[path] = None
            elif _TF1_LSTM.fullmatch(segment):
                self._tf1[path] = Cell("tf1", "lstm", path)
            elif _TF1_GRU.fullmatch(segment):
                self._tf1[path] = Cell("tf1", "gru", path)
            else:
                passed.append(path)
                path = above
        cell = self._tf1[path]
        for below in passed:
            self._tf1[below] = cell
        return cell

    def sibling(self, variable: Variable, name: str) -> Variable | None:
        """The variable `name` beside another one."""
        parent = normal_name(variable.name).rpartition("/")[0]
        return self._shapes.get(f"{parent}/{name}" if parent else name)

    def _torch(self, parent: str, last: str) -> Cell | None:
        """The PyTorch cell of a variable with one of its distinctive names, told by the shape of its recurrent weight."""
        ending = last.partition("_")[2][2:]
        recurrent = self._shapes.get(f"{parent}/weight_hh{ending}" if parent else f"weight_hh{ending}")
        if recurrent is None or len(recurrent.shape) != 2 or not recurrent.shape[1]:
            return None
        rows, units = recurrent.shape
        if rows == 4 * units:
            return Cell("torch", "lstm", parent)
        return Cell("torch", "gru", parent) if rows == 3 * units else None

    def _keras(self, parent: str) -> Cell | None:
        kernel = self._shapes.get(f"{parent}/kernel" if parent else "kernel")
        recurrent = self._shapes[f"{parent}/recurrent_kernel" if parent else "recurrent_kernel"]
        if kernel is None or len(kernel.shape) != 2 or len(recurrent.shape) != 2:
            return None
        units, width = recurrent.shape
        if kernel.shape[1] != width or not units:
            return None
        if width == 4 * units:
            return Cell("keras", "lstm", parent)
        return Cell("keras", "gru", parent) if width == 3 * units else None


def is_random_state(name: str) -> bool:
    """Whether a variable of this name is the state of Keras' random numbers, which is kept without being named."""
    return normal_name(name).rpartition("/")[2] == "seed_generator_state"


def is_bias(variable: Variable, cell: Cell) -> bool:
    """Whether a variable of a cell is its bias, by the names of all of TF1's generations; its moving average is one too.
    A PyTorch cell has two, which it adds."""
    below = _below(variable, cell)
    return below.startswith("bias_") if cell.framework == "torch" else below in _TF1_BIASES


def is_fused(variable: Variable, cell: Cell) -> bool:
    """Whether a variable holds all gates of its cell side by side: a Keras cell's kernel, recurrent kernel and bias, a TF1 LSTM
    cell's kernel and bias, all of a PyTorch cell. (TF1's GRU cells keep their candidate apart.)"""
    below = _below(variable, cell)
    if cell.framework == "torch":
        return _TORCH.fullmatch(below) is not None
    if cell.framework == "keras":
        return below in ("kernel", "recurrent_kernel", "bias")
    return cell.kind == "lstm" and (below in _TF1_KERNELS or below in _TF1_BIASES)


def _below(variable: Variable, cell: Cell) -> str:
    """What a variable is called below the path of its cell."""
    name = normal_name(variable.name).removesuffix(_AVERAGED)
    return name.removeprefix(f"{cell.path}/") if cell.path else name
