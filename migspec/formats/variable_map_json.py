"""Variable maps in JSON: names, shapes and dtypes without values. The schema is `migspec/schemas/variable_map.schema.json`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.base import Extent
from migspec.formats.input import reading_failed, unsupported
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy

FORMAT = "variable-map"

_MAP_KEYS = frozenset({"$schema", "path", "format", "variables"})
_VARIABLE_KEYS = frozenset({"shape", "dtype", "aliases", "bytes", "statistics", "optimizer"})


class VariableMapReader:
    """A variable map read from a JSON file. It holds no values, so `read` is always an error.

    Raises `SpecError`: MIG501 if the file cannot be read, MIG515 if it is no variable map, with a JSON pointer to the place.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._map = _parse(path)

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def path(self) -> str:
        return self._path

    @property
    def files(self) -> tuple[str, ...]:
        return (self._path,)

    @property
    def variables(self) -> VariableMap:
        return self._map

    def extent(self, name: str) -> Extent | None:  # noqa: ARG002
        return None

    def read(self, name: str) -> numpy.ndarray:
        raise unsupported(
            self._path,
            f"a variable map says what `{name}` looks like, but holds no values",
            "name the checkpoint that the map describes",
        )

    def close(self) -> None:
        """Nothing is held open."""


def to_json(variables: VariableMap) -> dict[str, Any]:
    """The map as the object that the schema describes: what `inspect --json` prints, and a reader takes back."""
    return {"variables": {variable.name: _to_json(variable) for variable in variables}}


def _to_json(variable: Variable) -> dict[str, Any]:
    value: dict[str, Any] = {"shape": list(variable.shape), "dtype": variable.dtype}
    if variable.aliases:
        value["aliases"] = list(variable.aliases)
    if variable.of_optimizer:
        value["optimizer"] = True
    return value


def _parse(path: str) -> VariableMap:
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise reading_failed(path, error) from error
    except ValueError as error:
        raise _malformed(path, "it is no UTF-8 text") from error
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise _malformed(path, f"{_lower(error.msg)} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _malformed(path, str(error)) from error
    if not _is_map(value):
        _check_by_schema(path, value)
    return VariableMap.of(path, (_variable(name, entry) for name, entry in value["variables"].items()), has_values=False)


def _variable(name: str, value: dict[str, Any]) -> Variable:
    shape = tuple(int(length) for length in value["shape"])
    return Variable(name, shape, value["dtype"], tuple(value.get("aliases", ())), value.get("optimizer", False))


def _is_map(value: object) -> TypeGuard[dict[str, Any]]:
    """The schema's common case by hand: importing jsonschema takes longer than the whole rest of a small check.

    False means only that the schema itself must judge.
    """
    return (
        isinstance(value, dict)
        and value.keys() <= _MAP_KEYS
        and all(isinstance(value[key], str) for key in value.keys() - {"variables"})
        and isinstance(value.get("variables"), dict)
        and all(_is_variable(entry) for entry in value["variables"].values())
    )


def _is_variable(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= _VARIABLE_KEYS
        and _is_sizes(value.get("shape"))
        and _is_text(value.get("dtype"))
        and isinstance(aliases := value.get("aliases", []), list)
        and all(_is_text(alias) for alias in aliases)
        and _is_sizes([value.get("bytes", 0)])
        and isinstance(value.get("statistics", {}), dict)
        and isinstance(value.get("optimizer", False), bool)
    )


def _is_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _check_by_schema(path: str, value: object) -> None:
    """MIG515 for the first place, in the order of the document, that the schema does not allow."""
    import jsonschema

    from migspec.resources import schema_path

    schema = json.loads(schema_path("variable_map").read_text(encoding="utf-8"))
    error = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    if error is not None:
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)
        pointer = "".join(f"/{step}" for step in steps)
        message = error.message if len(error.message) <= 200 else f"{error.message[:200]}..."
        raise _malformed(path, f"{_lower(message)} (at {pointer or 'the top'})")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} stands in one object twice")
    return unique


def _malformed(path: str, cause: str) -> SpecError:
    example = '{"variables": {"dense/kernel": {"shape": [4, 2], "dtype": "float32"}}}'
    return file_error("MIG515", path, f"`{path}` is no variable map: {cause}", helps=[f"a variable map looks like {example}"])


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
