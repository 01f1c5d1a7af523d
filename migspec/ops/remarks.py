"""What the errors of ops say of axes and bundles, in words that several ops share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from migspec.expression import reads
from migspec.fold import fold_texts
from migspec.ops.base import Bundle, Tensor, shape_text

_NAMED = 3  # tensors that are alike are told by so many names; after them, by how many more there are


def axis_text(axis: int) -> str:
    """An axis as an op is written: `rows`, `columns` or its number."""
    return {0: "rows", -1: "columns"}.get(axis, str(axis))


def axis_name(axis: int, rank: int) -> str:
    """An axis as an error names it: `axis -1 (columns)`, of a tensor with `rank` axes."""
    words = {0: " (rows)", -1: " (columns)"}.get(axis, "") if rank > 1 else ""
    return f"axis {axis}{words}"


def shapes_note(bundle: Bundle) -> str:
    """Which tensors of a bundle have which shape: `[8, 8]` of `layer_{0..1}/w`, and `[8, 16]` of `layer_2/w`."""
    return "they are " + _grouped(bundle, lambda tensor: shape_text(tensor.shape))


def dtypes_note(bundle: Bundle) -> str:
    """The same of their dtypes."""
    return "they are " + _grouped(bundle, lambda tensor: tensor.dtype)


def sum_text(lengths: Sequence[int]) -> str:
    """Lengths that should make up an axis: `4 + 6 = 10`."""
    return f"{' + '.join(map(str, lengths))} = {sum(lengths)}" if len(lengths) > 1 else str(sum(lengths))


def _grouped(bundle: Bundle, said: Callable[[Tensor], str]) -> str:
    names: dict[str, dict[str, None]] = {}
    for tensor in bundle:
        names.setdefault(said(tensor), {}).update(dict.fromkeys(read.variable for read in reads(tensor.expression)))
    parts = [f"{what} of {fold_texts(origins, _NAMED)}" if origins else what for what, origins in names.items()]
    return ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]
