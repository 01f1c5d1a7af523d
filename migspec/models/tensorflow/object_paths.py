"""Where the variables of a tracked object lie, as a checkpoint of it would say.

The walk is TensorFlow's own: `tf.train.TrackableView` gives what an object tracks, and the path of a variable is the first
one found breadth first, with the local names escaped, as `tf.train.Checkpoint` makes its keys. TensorFlow 2.21,
tensorflow/python/checkpoint/trackable_view.py and tensorflow/python/trackable/trackable_utils.py.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class FoundVariable:
    """A variable below an object: its path, its full name, the TensorFlow variable itself, and further paths to it."""

    path: str
    full_name: str
    variable: Any
    other_paths: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk found: the variables, each once, and every object on the way."""

    variables: tuple[FoundVariable, ...]
    objects: tuple[Any, ...]


def find_variables(root: Any) -> Found:
    """Every variable below a trackable object.

    Keras 3 shows TensorFlow no layers that it holds in lists or dicts, nor what such layers hold: a checkpoint of an uncompiled
    subclassed model lacks them (Keras 3.15). Here they are found all the same, below the layer that knows of them.
    """
    import tensorflow as tf

    children = tf.train.TrackableView.children
    found: dict[int, FoundVariable] = {}
    objects: dict[int, Any] = {id(root): root}
    paths = {id(root): ""}
    waiting = deque([root])
    while waiting:
        node = waiting.popleft()
        for local, child in children(node).items():
            path = _joined(paths[id(node)], _escaped(local))
            variable = _variable_of(child)
            if variable is not None:
                _note(found, path, child, variable)
            elif id(child) not in paths:
                paths[id(child)] = path
                objects[id(child)] = child
                waiting.append(child)
    for node in objects.values():
        for child in _keras_variables(node):
            variable = _variable_of(child)
            if variable is not None and id(variable) not in found:
                _note(found, _joined(paths[id(node)], _escaped(child.path)), child, variable)
    return Found(tuple(found.values()), tuple(objects.values()))


def _note(found: dict[int, FoundVariable], path: str, tracked: Any, variable: Any) -> None:
    there = found.get(id(variable))
    if there is not None:
        there.other_paths.append(path)
        return
    full_name = tracked.path if tracked is not variable else str(variable.name).removesuffix(":0")
    found[id(variable)] = FoundVariable(path, full_name, variable)


def _variable_of(node: Any) -> Any | None:
    """The TensorFlow variable that a tracked object is, or, for a variable of Keras 3, holds; else None."""
    import tensorflow as tf

    if isinstance(node, tf.Variable):
        return node
    keras: Any = sys.modules.get("keras")
    if keras is None or not isinstance(node, getattr(keras, "Variable", ())):
        return None
    value = getattr(node, "value", None)
    return value if isinstance(value, tf.Variable) else None


def _keras_variables(node: Any) -> Iterator[Any]:
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "Variable") and isinstance(node, keras.Layer):
        yield from node.variables


def _joined(path: str, local: str) -> str:
    return f"{path}/{local}" if path else local


def _escaped(local: str) -> str:
    return local.replace(".", "..").replace("/", ".S")
