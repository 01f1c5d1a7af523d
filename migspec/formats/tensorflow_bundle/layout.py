"""What an output bundle holds: the tensors of the variables, and what is carried over from a template."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migspec.diagnostics import SpecError, file_error
from migspec.dtypes import kind
from migspec.formats.tensorflow_bundle.index import Partitioned, Tensor, Whole
from migspec.formats.tensorflow_bundle.object_graph import GRAPH_KEY
from migspec.formats.tensorflow_bundle.reader import BundleReader
from migspec.formats.tensorflow_bundle.shards import require_range
from migspec.formats.tensorflow_proto.datatypes import dtype_number
from migspec.formats.tensorflow_proto.shape import SliceExtent
from migspec.formats.tensorflow_proto.slices import SLICE_MARK, Box
from migspec.variables import Variable, VariableMap


@dataclass(frozen=True, slots=True)
class Slices:
    """How a tensor is partitioned: the bounds as the index has them, and what they come to."""

    extents: tuple[tuple[SliceExtent, ...], ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One tensor of the output, which has an entry under each of its `keys`.

    Its values are written under `name`, or, if it is `carried`, copied from this tensor of the template.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    keys: tuple[str, ...]
    slices: Slices | None = None
    carried: Tensor | None = None


def layout(path: str, variables: VariableMap, template: BundleReader | None) -> tuple[Item, ...]:
    """The tensors of an output at `path`, those of the variables first, in their order.

    Without a template each variable goes under its name. With one, everything is the template's but the values of `variables`:
    keys, slices, and the tensors that are no variables. SpecError: MIG508 for a dtype or a name that a bundle cannot hold, and
    for a variable that is not the template's; MIG501 or MIG503 if values to be carried over are not there.
    """
    if template is None:
        return tuple(_named(path, variable) for variable in variables)
    items = [_replaced(path, variable, template) for variable in variables]
    written = {key for item in items for key in item.keys}
    for key, tensor in template.index.tensors.items():
        if key not in written:
            items.append(_carried(key, (key,), tensor))
    for item in items:
        if item.carried is not None:
            _check_carried(path, item, item.carried, template)
    return tuple(items)


def pieces(tensor: Tensor) -> Iterator[Whole]:
    """The pieces in which a tensor lies, in the order of its slices."""
    match tensor:
        case Whole():
            yield tensor
        case Partitioned():
            yield from (part for _, part in tensor.parts)


def _named(path: str, variable: Variable) -> Item:
    """The tensor of a variable whose key is its name."""
    name = variable.name
    cause = None
    if kind(variable.dtype) == "opaque" or dtype_number(variable.dtype) is None:
        cause = f"a TensorFlow checkpoint cannot hold `{name}`: {variable.dtype} is no dtype that migspec writes"
    elif not name:
        cause = "a TensorFlow checkpoint cannot hold a variable without a name: the empty key is that of its header"
    elif name.startswith(SLICE_MARK.decode()):
        cause = f"a TensorFlow checkpoint cannot hold a variable called {name!r}: such keys are those of slices"
    elif name == GRAPH_KEY:
        cause = f"a TensorFlow checkpoint cannot hold a variable called `{name}`: that is the key of its object graph"
    elif not _is_unicode(name):
        cause = f"a TensorFlow checkpoint cannot hold a variable called {name!r}, which is no text"
    if cause is not None:
        raise file_error("MIG508", path, cause, helps=["change the spec so that the dtype or name fits"])
    return Item(name, variable.dtype, variable.shape, (name,))


def _replaced(path: str, variable: Variable, template: BundleReader) -> Item:
    """The tensor of a variable of the template."""
    if variable.name not in template.variables:
        raise _not_the_templates(path, f"the template `{template.path}` has no variable `{variable.name}`")
    own = template.variables[variable.name]
    if (own.shape, own.dtype) != (variable.shape, variable.dtype):
        raise _not_the_templates(
            path,
            f"`{variable.name}` is {own.dtype} {list(own.shape)} in the template `{template.path}`, "
            f"not {variable.dtype} {list(variable.shape)}",
        )
    keys = template.keys(variable.name)
    tensor = template.index.tensors[keys[0]]
    if kind(variable.dtype) == "opaque":
        return _carried(variable.name, keys, tensor)
    return Item(variable.name, variable.dtype, variable.shape, keys, _slices(tensor))


def _carried(name: str, keys: tuple[str, ...], tensor: Tensor) -> Item:
    return Item(name, tensor.dtype, tensor.shape, keys, _slices(tensor), tensor)


def _slices(tensor: Tensor) -> Slices | None:
    return Slices(tensor.slices, tuple(box for box, _ in tensor.parts)) if isinstance(tensor, Partitioned) else None


def _check_carried(path: str, item: Item, tensor: Tensor, template: BundleReader) -> None:
    for piece in pieces(tensor):
        require_range(piece.path, piece.offset, piece.size)
    if kind(item.dtype) != "opaque":
        return
    if dtype_number(item.dtype) is None or template.index.byte_order == "big":
        order = " in big-endian order" if template.index.byte_order == "big" else ""
        cause = f"`{item.name}` of the template `{template.path}` is {item.dtype}{order}, which migspec cannot write"
        raise file_error("MIG508", path, cause, helps=["save the template again with the TensorFlow of this machine"])


def _not_the_templates(path: str, cause: str) -> SpecError:
    return file_error("MIG508", path, cause, helps=["write npz or safetensors, which need no template"])


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
