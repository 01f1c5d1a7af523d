"""The ops of the language, a word a class. Importing this package enters them all in `WORDS`."""

from migspec.ops.axes import Flip, PermuteLetters, Transpose
from migspec.ops.base import (
    WORDS,
    Bundle,
    Context,
    GateAxis,
    Lost,
    OpError,
    Tensor,
    Unsettled,
    Wanted,
    Wants,
    Word,
    shape_text,
)
from migspec.ops.gates import ConcatGates, Gates, Rope, SplitGates, canonical_gates
from migspec.ops.parts import Join, Split
from migspec.ops.rearrange import Rearrange
from migspec.ops.remap import Remap
from migspec.ops.resize import Crop, Pad, Repeat
from migspec.ops.shapes import Expand, ReshapeTo, Squeeze
from migspec.ops.slicing import SliceOf
from migspec.ops.stacking import Stack, Unstack, dealt
from migspec.ops.values import Add, AsIs, CastTo, MeanOf, Scale, SumOf

__all__ = [
    "WORDS", "Add", "AsIs", "Bundle", "CastTo", "ConcatGates", "Context", "Crop", "Expand", "Flip", "GateAxis", "Gates", "Join", "Lost",
    "MeanOf", "OpError", "Pad", "PermuteLetters", "Rearrange", "Remap", "Repeat", "ReshapeTo", "Rope", "Scale", "SliceOf", "Split",
    "SplitGates", "Squeeze", "Stack", "SumOf", "Tensor", "Transpose", "Unsettled", "Unstack", "Wanted", "Wants", "Word", "canonical_gates", "dealt",
    "shape_text",
]  # fmt: skip
