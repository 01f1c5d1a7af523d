"""From the groups of a Keras file to its weights: which weight each dataset is, and on which path of names it lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from migspec import dtypes
from migspec.formats.keras.config import ObjectConfig
from migspec.formats.keras.layers import LAYERS, PART_CLASSES, Weight, weights_of
from migspec.formats.keras.tree import Group, StoredArray, split_number

_HEADS = {"query_dense", "key_dense", "value_dense", "output_dense"}
_LISTED = frozenset(
    {"functional", "sequential", "stacked_rnn_cells"}
)  # classes whose config lists their layers in Keras' order
_INTEGERS_EXPECTED = frozenset(
    {"normalization", "seed_generator"}
)  # elsewhere integers mean a quantized layer, with other weights


@dataclass(frozen=True, slots=True)
class FoundWeight:
    """One dataset of the model, as the walk found it.

    `path` is the path below the model and `whole` the one with the model's name, both without the weight's own name and None where
    the file does not tell. `short` is `path` without the RNN cell. `weight` is None where the class does not settle it; then `guess`
    may say what it looks like. `trainable` and the order of the weights mean something only if all of them are `certain`.
    """

    array: StoredArray
    path: tuple[str, ...] | None
    short: tuple[str, ...] | None
    whole: tuple[str, ...] | None
    weight: str | None
    guess: str | None
    trainable: bool
    certain: bool
    copies: tuple[StoredArray, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: the names so far, and what the object above says of those below it."""

    path: tuple[str, ...] | None
    short: tuple[str, ...] | None
    whole: tuple[str, ...] | None
    trainable: bool = True
    certain: bool = True

    def below(self, group: Group) -> _Place:
        """The place inside an object."""
        name = group.name
        if group.is_functional:  # its layers were built before it, each under its own name
            return replace(self, path=(), short=(), whole=())
        if name is None:
            return replace(self, path=None, short=None, whole=None)
        short = self.short if group.key == "cell" else _join(self.short, name)
        return replace(self, path=_join(self.path, name), short=short, whole=_join(self.whole, name))


def _join(path: tuple[str, ...] | None, name: str) -> tuple[str, ...] | None:
    return None if path is None else (*path, name)


def find_weights(root: Group, config: ObjectConfig | None) -> Iterator[FoundWeight]:
    """The weights of a model, without its optimizer's. In the order of `model.variables` where `config` tells it."""
    start: tuple[str, ...] = ()
    whole = start if root.is_functional else None if root.name is None else (root.name,)
    place = _Place(start, start, whole, trainable=config is None or config.is_trainable)
    layers = tuple(child for child in root.children if child.path != "optimizer")
    yield from _object(replace(root, children=layers), place, config, config.kind if config else None)


def _object(group: Group, place: _Place, config: ObjectConfig | None, kind: str | None) -> Iterator[FoundWeight]:
    """The weights of an object and of all below it; `place` is already inside it."""
    weights = _weights(group, kind, config)
    inner = _inner_kernel(group) if kind == "spectral_normalization" and all(weights) else None
    for array, weight in zip(group.arrays, weights, strict=True):
        if inner is not None and array is group.arrays[0]:
            continue  # the inner layer's kernel, saved a second time
        guess = None if weight else _guess(group, array, kind)
        yield _found(array, place, weight, guess)
    for array in group.others:
        yield _found(array, replace(place, path=None, short=None, whole=None), None, None)
    for found in _children(group, place, config, kind, group):
        yield replace(found, copies=group.arrays[:1]) if found.array is inner else found


def _inner_kernel(group: Group) -> StoredArray | None:
    """The kernel of the layer that a wrapper wraps, if the wrapper's first weight can be the same variable."""
    layer = group.child("layer")
    if layer is None or not layer.arrays or not group.arrays:
        return None
    inner, outer = layer.arrays[0], group.arrays[0]
    return inner if (inner.shape, inner.dtype) == (outer.shape, outer.dtype) else None


def _found(array: StoredArray, place: _Place, weight: Weight | None, guess: str | None) -> FoundWeight:
    trainable = place.trainable and weight is not None and weight.trainable
    name = weight.name if weight else None
    return FoundWeight(
        array, place.path, place.short, place.whole, name, guess, trainable, place.certain and weight is not None
    )


def _children(
    group: Group, place: _Place, config: ObjectConfig | None, kind: str | None, owner: Group
) -> Iterator[FoundWeight]:
    """What lies below an object or a list (then `owner` is the object that the list belongs to)."""
    children, is_ordered = _in_order(group, config, kind)
    place = replace(place, certain=place.certain and is_ordered)
    for child in children:
        if not child.is_object:
            yield from _children(child, place, config, kind, owner)
            yield from (_found(array, replace(place, path=None, short=None, whole=None), None, None) for array in child.others)
            continue
        own = config.part(child.name) if config else None
        child_kind = own.kind if own else _kind(child, kind, in_list=not group.is_object)
        if own is None and config is not None and child_kind is not None and (kind, child.key) == (config.kind, "cell"):
            own = replace(config, kind=child_kind, parts=())  # a cell that its layer made has its layer's options
        trainable = place.trainable and (own is None or own.is_trainable)
        yield from _object(child, replace(place, trainable=trainable).below(child), own, child_kind)


def _in_order(group: Group, config: ObjectConfig | None, kind: str | None) -> tuple[list[Group], bool]:
    """The children in Keras' own order, and whether that order is certain."""
    with_weights = [child for child in group.children if any(True for _ in child.walk())]
    if len(with_weights) < 2:
        return list(group.children), True
    order: Mapping[str | None, int] = {}
    if not group.is_object and config is not None and kind in _LISTED:
        order = {part.name: place for place, part in enumerate(config.parts) if config.part(part.name) is part}
        places = [order.get(child.name) for child in with_weights]
    elif group.is_object and kind in LAYERS:
        order = {key: place for place, key in enumerate(LAYERS[kind].parts)}
        places = [order.get(child.key) for child in with_weights]
    else:
        return list(group.children), False
    known = [place for place in places if place is not None]
    if len(known) < len(with_weights):
        return list(group.children), False
    return [child for _, child in sorted(zip(known, with_weights, strict=True), key=lambda pair: pair[0])], True


def _kind(group: Group, parent: str | None, in_list: bool) -> str | None:
    """The class of an object whose config is not known. In a list the key is made from the class, elsewhere the default name is."""
    if in_list:
        return split_number(group.key)[0]
    if (parent or "", group.key) in PART_CLASSES:
        return PART_CLASSES[parent or "", group.key]
    if {child.key for child in group.children} >= _HEADS:
        return "multi_head_attention"
    base = split_number(group.name or "")[0]
    return base if base in LAYERS or base == "seed_generator" else None


def _weights(group: Group, kind: str | None, config: ObjectConfig | None) -> tuple[Weight | None, ...]:
    shapes = [array.shape for array in group.arrays]
    if kind == "seed_generator" and shapes == [(2,)]:
        return (Weight("seed_generator_state", trainable=False),)
    is_numbered = [array.key for array in group.arrays] == [str(number) for number in range(len(shapes))]
    is_quantized = kind not in _INTEGERS_EXPECTED and any(dtypes.kind(array.dtype) == "integer" for array in group.arrays)
    if not is_numbered or is_quantized:
        return (None,) * len(shapes)
    return weights_of(kind, shapes, config.options if config else None)


def _guess(group: Group, array: StoredArray, kind: str | None) -> str | None:
    """What a weight of an object of unknown class looks like, for an alias: the class that the object's name ends in, if it fits."""
    if kind is not None:
        return None
    name = split_number(group.name or "")[0]
    likely = [other for other in LAYERS if name.endswith(f"_{other}")]
    if name.endswith("_norm"):
        likely.append("layer_normalization")
    likely += ["dense", "einsum_dense", *(f"conv{rank}d" for rank in (1, 2, 3))] if len(group.arrays) == 2 else []
    for other in likely:
        weight = _weights(group, other, None)[group.arrays.index(array)]
        if weight is not None:
            return weight.name
    return None
