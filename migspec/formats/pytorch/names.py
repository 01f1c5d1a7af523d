"""What the tensors of a checkpoint are called: as in the state dict, which training scripts put in a dict with other things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from migspec.formats.pickled.array_reader import NamedArray
from migspec.formats.pickled.walk import FoundArray
from migspec.names import normal_name

_WRAPPERS = frozenset({
    "state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "params", "weights", "blobs",
})  # fmt: skip
"""Under which key training scripts save the model: Lightning and the ImageNet example `state_dict`, PyTorch's tutorial
`model_state_dict`, torchvision's references, DETR and detectron2 `model`, DeepSpeed `module`, BasicSR `params`, Detectron `blobs`."""


def checkpoint_names(found: Sequence[FoundArray], *, is_dict: bool, separator: str, alone: str) -> list[NamedArray]:
    """The name of each array, and its aliases.

    A name is the way to the array, joined by `separator`. If the outermost value is a dict and just one of its keys is one that
    models are saved under, what lies below that key is called without it, and has the whole way as an alias. If all arrays lie below one
    key of another kind, the way without it is the alias. `alone` is what an array is called that is the whole content.
    """
    wrapper, is_known = _wrapper(found) if is_dict else (None, False)
    whole = [separator.join(one.keys) or alone for one in found]
    short = [separator.join(one.keys[1:]) if len(one.keys) > 1 and one.keys[0] == wrapper else None for one in found]
    uses = Counter(normal_name(name) for name in whole) + Counter(normal_name(name) for name in short if name is not None)
    named = []
    for one, full, rest in zip(found, whole, short, strict=True):
        if rest is None or uses[normal_name(rest)] > 1:
            named.append(NamedArray(full, one.array))
        else:
            name, alias = (rest, full) if is_known else (full, rest)
            named.append(NamedArray(name, one.array, (alias,) if uses[normal_name(alias)] == 1 else ()))
    return named


def _wrapper(found: Sequence[FoundArray]) -> tuple[str | None, bool]:
    """The key that the model lies under, if it can be told, and whether it is one that is known for it."""
    outer = {one.keys[0] for one in found if len(one.keys) > 1}
    known = outer & _WRAPPERS
    if len(known) == 1:
        return known.pop(), True
    if len(outer) == 1 and all(len(one.keys) > 1 for one in found):
        return outer.pop(), False
    return None, False
