"""The `config.json` of a `.keras` file: which layers a model has, in which order, of which class, with which options."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migspec.formats.keras.layers import snake_case

_NO_OPTIONS: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class ObjectConfig:
    """A layer, model or optimizer as its config describes it.

    `kind` is its class in snake case; for a class that is not Keras' own, `>` and its name, so that it is taken for none of Keras'.
    `parts` are the layers that its config holds.
    """

    kind: str
    name: str
    options: Mapping[str, object]
    parts: tuple[ObjectConfig, ...] = ()

    @property
    def is_trainable(self) -> bool:
        return self.options.get("trainable") is not False

    def part(self, name: str | None) -> ObjectConfig | None:
        """The part of this name, if just one has it."""
        found = [part for part in self.parts if part.name == name]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a `config.json` says: the model, and the optimizer that it was compiled with."""

    model: ObjectConfig
    optimizer: ObjectConfig | None


def parse_config(text: bytes) -> ModelConfig | None:
    """The config, None if it describes no model (a file may be read without it). ValueError or RecursionError if it is no JSON."""
    value = json.loads(text.decode())
    if not isinstance(value, dict):
        return None
    model = _object(value)
    compiled = value.get("compile_config")
    optimizer = _object(compiled.get("optimizer")) if isinstance(compiled, dict) else None
    return None if model is None else ModelConfig(model, optimizer)


def _object(value: object) -> ObjectConfig | None:
    if not isinstance(value, dict):
        return None
    class_name, options, module = value.get("class_name"), value.get("config"), value.get("module")
    if not isinstance(class_name, str) or not isinstance(options, dict):
        return None
    name = options.get("name")
    if not isinstance(name, str):
        return None
    is_own = isinstance(module, str) and module.partition(".")[0] == "keras"
    parts = tuple(part for member in _members(options) if (part := _object(member)) is not None)
    return ObjectConfig(snake_case(class_name) if is_own else f">{class_name}", name, options, parts)


def _members(options: Mapping[str, object]) -> Iterator[object]:
    for key, value in options.items():
        if key == "dtype":
            continue
        if isinstance(value, list):
            yield from value
        else:
            yield value
