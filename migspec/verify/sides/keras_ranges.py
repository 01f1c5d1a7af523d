"""Which integers a Keras model takes: they are looked up in an embedding, or made a one-hot code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def bounds(model: Any, tensors: Sequence[Any]) -> list[int | None]:
    """For each input of a functional or sequential model, what its integers must be less than; None where nothing tells."""
    found: dict[int, int] = {}
    for operation in _operations(model):
        top = _top(operation)
        if top is None:
            continue
        for place in _fed_by(operation, tensors):
            found[place] = min(top, found.get(place, top))
    return [found.get(place) for place in range(len(tensors))]


def _operations(model: Any) -> list[Any]:
    return list(getattr(model, "operations", None) or model.layers)


def _top(operation: Any) -> int | None:
    """The table size of an `Embedding`, the depth of a `OneHot` or of a `CategoryEncoding`."""
    for attribute in ("input_dim", "num_classes", "num_tokens"):
        value = getattr(operation, attribute, None)
        if isinstance(value, int) and value > 0 and type(operation).__name__ in ("Embedding", "OneHot", "CategoryEncoding"):
            return value
    return None


def _fed_by(operation: Any, tensors: Sequence[Any]) -> set[int]:
    """The places of the inputs that reach an operation through others that take one tensor each."""
    places: set[int] = set()
    seen: set[int] = set()
    waiting = [operation]
    while waiting:
        here = waiting.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        for tensor in _inputs(here):
            place = next((place for place, one in enumerate(tensors) if one is tensor or one.name == tensor.name), None)
            if place is not None:
                places.add(place)
                continue
            history = getattr(tensor, "_keras_history", None)
            source = getattr(history, "operation", None) or getattr(history, "layer", None)
            if source is not None and len(_inputs(source)) == 1:
                waiting.append(source)
    return places


def _inputs(operation: Any) -> list[Any]:
    try:
        found = operation.input
    except (AttributeError, ValueError, RuntimeError):  # called more than once, or not at all
        return []
    return list(found) if isinstance(found, list | tuple) else [found]
