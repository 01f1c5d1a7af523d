"""The two sides of a migration: what the user named as source and target, opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from migspec.formats.base import Reader
from migspec.formats.registry import open_reader

if TYPE_CHECKING:
    from migspec.models.base import LiveModel


def open_side(named: object) -> Reader:
    """A reader for a path, a `package.module:function`, or a live model.

    Raises SpecError (MIG5xx) if there is no such file, it is damaged, or the model cannot be had.
    """
    if hasattr(named, "__fspath__"):
        named = named.__fspath__()
    if isinstance(named, bytes):
        named = named.decode()
    if isinstance(named, str) and ":" not in named:
        return open_reader(named)
    from migspec.models.load import is_live_reference, load_live
    from migspec.models.recognition import open_model

    if not isinstance(named, str):
        return open_model(named, type(named).__name__)
    return open_model(load_live(named), named) if is_live_reference(named) else open_reader(named)


def is_live(reader: Reader) -> TypeGuard[LiveModel]:
    """Whether a reader is a live model, which can be filled in place."""
    return hasattr(reader, "writer")
