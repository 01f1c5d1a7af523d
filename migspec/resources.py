"""Where the grammar, the library of specs and the schemas lie: inside an installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def grammar_path() -> Path:
    """The file `mig.lark`, the one definition of the syntax."""
    return _folder("grammar") / "mig.lark"


def library_path() -> Path:
    """The folder of the library's reusable specs."""
    return _folder("specs")


def schema_path(name: str) -> Path:
    """The JSON Schema of this name, `plan`, `variable_map`, `difference`, `specs`, `test` or `diagnostics`."""
    return _PACKAGE / "schemas" / f"{name}.schema.json"


def _folder(name: str) -> Path:
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
